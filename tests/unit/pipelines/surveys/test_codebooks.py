"""Codebooks: versions that never change, what is refused of them, and which one is in use."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from sqlalchemy import text

from passerelle.domain.errors import BadRequest, Conflict, NotFound
from passerelle.domain.survey_work import Checked, Figures
from passerelle.domain.surveys import Category, Codebook
from passerelle.pipelines.surveys import codebooks_checks
from passerelle.pipelines.surveys.codebooks_rows import checked_json, checked_of
from passerelle.pipelines.surveys.corrections_rows import lineage
from passerelle.sealing.values import Destroyed
from passerelle.stores.database import Database
from tests.sealing import KeysAtHand
from tests.unit.pipelines.surveys.corrected import BOOK, TENANT, Office, categories
from tests.unit.pipelines.surveys.lessons import CODEBOOK


async def test_the_first_version_is_in_use_at_once_and_the_next_is_not(database: Database) -> None:
    books = Office(database).codebooks
    first = await books.write(
        "acme", BOOK, language="en", categories=CODEBOOK.categories, note=" begun ", by="ann"
    )
    assert first.codebook == replace(CODEBOOK, name=BOOK)
    assert (first.in_use, first.promoted_by, first.note, first.created_by) == (True, "ann", "begun", "ann")
    second = await books.write("acme", BOOK, language="en", categories=categories("trainer"))
    assert (second.codebook.version, second.in_use, second.promoted_at) == (2, False, None)
    assert await books.edition("acme", BOOK) == first
    assert [one.codebook.version for one in await books.editions("acme", BOOK)] == [2, 1]
    assert [one.codebook.version for one in await books.codebooks("acme")] == [1]


async def test_what_another_tenant_has_is_not_found(database: Database) -> None:
    books = Office(database).codebooks
    await books.write("acme", BOOK, language="en", categories=categories("a"))
    assert await books.codebooks("globex") == []
    for attempt in (
        books.edition("globex", BOOK),
        books.editions("globex", BOOK),
        books.drop("globex", BOOK),
        books.edition("acme", BOOK, 2),
        books.edition("acme", "a\0b"),
    ):
        with pytest.raises(NotFound) as refused:
            await attempt
        assert refused.value.code == "codebook_not_found"


async def test_people_who_write_at_once_get_versions_of_their_own(database: Database) -> None:
    books = Office(database).codebooks
    made = await asyncio.gather(
        *(books.write("acme", BOOK, language="en", categories=categories(f"c{n}")) for n in range(8))
    )
    assert sorted(one.codebook.version for one in made) == list(range(1, 9))
    for one in made:
        assert (await books.edition("acme", BOOK, one.codebook.version)).codebook == one.codebook
    assert sum(one.in_use for one in await books.editions("acme", BOOK)) == 1


async def test_who_builds_on_a_version_that_is_not_the_newest_is_told(database: Database) -> None:
    books = Office(database).codebooks
    await books.write("acme", BOOK, language="en", categories=categories("a"), base=0)
    await books.write("acme", BOOK, language="en", categories=categories("a", "b"), base=1)
    with pytest.raises(Conflict) as refused:
        await books.write("acme", BOOK, language="en", categories=categories("a", "c"), base=1)
    assert refused.value.code == "codebook_changed"


BEFORE = Codebook(BOOK, 1, "en", tuple(categories("old", "kept")))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"name": "a b"}, "letters of ASCII"),
        ({"name": "../x"}, "letters of ASCII"),
        ({"language": "english"}, "two small letters"),
        ({"categories": []}, "1 to 200"),
        ({"categories": categories(*(f"c{n}" for n in range(201)))}, "has 201"),
        ({"categories": categories("a", "a")}, "same id: a"),
        ({"categories": [Category("a", "Room"), Category("b", "room ")]}, "same name"),
        ({"categories": [Category("", "x")]}, "category 1 is none"),
        ({"categories": [Category("x" * 65, "x")]}, "64"),
        ({"categories": [Category("a\n", "x")]}, "category 1"),
        ({"categories": [Category("a", " ")]}, "no name"),
        ({"categories": [Category("a", "x", "d" * 2_001)]}, "2,000"),
        ({"categories": [Category("a", "x", examples=("e",) * 51)]}, "51 examples"),
        ({"categories": [Category("a", "x", include="\0")]}, "character"),
        ({"categories": [Category("a", "x", exclude="\ud800")]}, "character"),
        (
            {"categories": [Category(f"c{n}", f"c{n}", "d" * 2_000, "i" * 2_000) for n in range(150)]},
            "400,000",
        ),
        ({"merged": {"never": "kept"}}, "does not have"),
        ({"merged": {"kept": "new"}}, "is one itself"),
        ({"merged": {"old": "nowhere"}}, "no category here"),
    ],
)
def test_what_is_wrong_with_a_codebook_is_told(given: dict[str, object], told: str) -> None:
    asked = {"name": BOOK, "language": "en", "categories": categories("kept", "new"), "merged": {}, **given}
    with pytest.raises(BadRequest) as refused:
        codebooks_checks.checked(before=BEFORE, **asked)  # type: ignore[arg-type]
    assert refused.value.code == "codebook_wrong"
    assert told in refused.value.message


def test_texts_lose_the_spaces_around_them_and_examples_are_kept_once() -> None:
    given = Category("qualité du cours", " Qualité ", " d ", examples=(" a", "a", ""))
    kept, merged = codebooks_checks.checked(
        BOOK, "fr", [given], merged={"old": "qualité du cours"}, before=BEFORE
    )
    assert kept == (Category("qualité du cours", "Qualité", "d", examples=("a",)),)
    assert merged == {"old": "qualité du cours"}


async def test_a_codebook_goes_with_its_corrections_unless_somebody_needs_it(database: Database) -> None:
    office = await Office(database).opened()
    with pytest.raises(Conflict) as refused:
        await office.codebooks.drop("acme", BOOK)
    assert refused.value.code == "codebook_in_use"
    await office.do("UPDATE survey SET codebook = NULL WHERE tenant = :tenant", tenant="acme")
    await office.codebooks.drop("acme", BOOK)
    assert await office.codebooks.codebooks("acme") == []


def test_what_a_check_found_is_kept_to_the_letter() -> None:
    found = Checked(Figures(3, 0.5, 0.25, 1.0), Figures(3, 0.75, 0.5, 1.0), 0.25, -0.1, 0.4, ("c1",))
    again = checked_json(found)
    assert again is not None
    assert checked_of(json.loads(again)) == found
    assert checked_json(None) is None


async def test_a_tenant_has_so_many_codebooks_and_no_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("passerelle.pipelines.surveys.codebooks.MOST_CODEBOOKS", 1)
    books = Office(database).codebooks
    await books.write(TENANT.name, "one", language="en", categories=categories("a"))
    await books.write(TENANT.name, "one", language="en", categories=categories("a"))
    with pytest.raises(Conflict, match="at most 1"):
        await books.write(TENANT.name, "two", language="en", categories=categories("a"))


async def test_what_a_codebook_says_is_sealed_but_for_its_ids(database: Database) -> None:
    """Its examples are what people said; what became of its categories is asked of the database."""
    seals = KeysAtHand()
    books = Office(database, seals=seals).codebooks
    made = await books.write("acme", BOOK, language="en", categories=CODEBOOK.categories, note="begun")
    assert made.codebook == replace(CODEBOOK, name=BOOK)
    assert [one.note for one in await books.editions("acme", BOOK)] == ["begun"]
    async with database.begin() as connection:
        kept = (await connection.execute(text("SELECT categories, note FROM survey_codebook"))).one()
        found = await lineage(connection, "acme", BOOK)
    assert [one["id"] for one in kept.categories] == [one.id for one in CODEBOOK.categories]
    assert all(set(one) == {"id", "said"} for one in kept.categories)
    words = [one.name for one in CODEBOOK.categories] + [
        each for one in CODEBOOK.categories for each in one.examples
    ]
    assert [
        each for each in (*words, "begun") if f"{each!r}" in repr(kept) and each not in found.ids[1]
    ] == []
    assert found.ids
    await books.write("globex", BOOK, language="en", categories=categories("a"))
    await seals.destroy("acme")
    with pytest.raises(Destroyed):
        await books.edition("acme", BOOK)
    await books.drop("acme", BOOK)
    assert await books.codebooks("acme") == []
