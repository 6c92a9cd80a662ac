"""Examples for a comment: which are chosen, that the index may lag or be lost, and that nobody sees another tenant's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from passerelle.domain.errors import Unavailable
from passerelle.domain.retrieval import Collection
from passerelle.domain.survey_work import Kept
from passerelle.domain.surveys import Correction, Polarity
from passerelle.pipelines.rag import shelves
from passerelle.pipelines.surveys.memory_choice import Candidate, Rarity, choose
from passerelle.pipelines.surveys.memory_held import SHARE, held_out
from passerelle.pipelines.surveys.memory_index import collection_of
from passerelle.retrieval.store import Chunks
from passerelle.stores.database import Database
from tests.passages import store
from tests.unit.pipelines.surveys.corrected import BOOK, OTHER, TENANT, Office, categories, embedded
from tests.unit.pipelines.surveys.lessons import CODEBOOK, comments, scripted

WIDTH = 64  # of the lessons' vectors


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: its owner stays from test to test."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
async def chunks(folder: Path) -> AsyncIterator[Chunks]:
    async with store("embedded", folder) as chunks:
        for tenant in ("acme", "globex"):
            await chunks.erase(tenant)
        yield chunks


@pytest.fixture
async def office(database: Database, chunks: Chunks) -> Office:
    async def given() -> Chunks:
        return chunks

    return await Office(database, given).opened()


async def examples(
    office: Office, text: str, *, k: int = 3, revision: int | None = None, apart: bool = False
) -> Sequence[Correction]:
    if revision is None:
        revision = await office.corrections.revision("acme", BOOK)
    return await office.memory.examples(
        "acme", CODEBOOK, text, "en", revision=revision, k=k, embed=office.embed, apart=apart
    )


def index(tenant: str = "acme", width: int = WIDTH) -> Collection:
    return Collection(tenant, collection_of(BOOK), width)


async def test_a_correction_is_in_the_index_with_what_was_wrong(office: Office, chunks: Chunks) -> None:
    kept = await office.corrected("The heating hummed.", ["room"], Polarity.NEGATIVE, read=["trainer"])
    (chunk,) = await chunks.get(index(), [kept.id])
    assert (chunk.text, chunk.language) == ("The heating hummed.", "en")
    assert dict(chunk.metadata) == {
        "revision": 1,
        "version": 1,
        "right": ["room"],
        "wrong": ["trainer"],
        "right_polarity": "negative",
        "confirmed": False,
    }
    await office.corrections.revoke(TENANT, kept.id)
    assert await chunks.count(index()) == 0
    assert await office.count("SELECT count(*) FROM survey_correction WHERE NOT indexed") == 0


async def test_no_collection_of_documents_can_be_called_like_an_index() -> None:
    assert not shelves._NAME.fullmatch(collection_of(BOOK))


async def test_examples_are_alike_and_the_same_each_time(office: Office) -> None:
    for text, right in [
        ("The heating of the room was too cold", "room"),
        ("The slides went much too fast", "pace"),
        ("Our teacher explained it all", "trainer"),
    ]:
        await office.corrected(text, [right])
    found = await examples(office, "the room was cold", k=2)
    assert found[0].text == "The heating of the room was too cold"
    assert await examples(office, "the room was cold", k=2) == found
    office.embed = None
    by_words = await examples(office, "the room was cold", k=1)
    assert by_words == [found[0]], "without an embedding model, by words"


async def test_without_corrections_the_index_is_not_asked(database: Database) -> None:
    office = await Office(database).opened()  # whose index is away
    assert await examples(office, "the room was cold") == []


async def test_while_the_index_is_away_nobody_is_given_fewer_examples(
    office: Office, database: Database
) -> None:
    await office.corrected("Cold room.", ["room"])
    comment = await office.comment("Cold, too.")
    away = Office(database)
    with pytest.raises(Unavailable):
        await examples(away, "the room was cold")
    kept = await away.corrections.correct(TENANT, "s1", comment, right=["room"])
    assert kept.revision == 2, "people correct all the same"
    assert [one.text for one in await examples(office, "Cold, too.", k=1)] == ["Cold, too."]


async def test_an_index_that_was_lost_or_embedded_by_another_model_is_made_again(
    office: Office, chunks: Chunks
) -> None:
    for number in range(5):
        await office.corrected(f"The room number {number} was cold", ["room"])
    await chunks.erase("acme")
    assert len(await examples(office, "the room was cold", k=5)) == 5
    assert await chunks.count(index()) == 5
    await chunks.delete(index(), ids=[(await office.corrections.corrections("acme", BOOK))[0].id])
    await examples(office, "the room was cold", k=5)
    assert await chunks.count(index()) == 5, "what is missing is put back"

    async def shorter(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return [[*vector[:7], 1.0] for vector in await embedded(texts)]

    first = (await office.corrections.corrections("acme", BOOK))[-1]
    office.embed, office.mark = shorter, "another model"
    await office.corrections.revoke(TENANT, first.id)
    assert (await chunks.count(index(width=8)), await chunks.count(index())) == (4, 0)
    assert len(await examples(office, "the room was cold", k=5)) == 4


async def test_what_the_index_still_has_teaches_nobody(office: Office, chunks: Chunks) -> None:
    """Revoked while it could not be reached: PostgreSQL says what teaches, and the index is put right."""
    kept = await office.corrected("Cold room.", ["room"])
    await office.corrected("Cold chairs.", ["room"])
    (stale,), vectors = await chunks.get(index(), [kept.id]), await chunks.vectors(index(), [kept.id])
    await office.corrections.revoke(TENANT, kept.id)
    await chunks.upsert(index(), [stale], list(vectors.values()))
    assert [one.text for one in await examples(office, "Cold room.")] == ["Cold chairs."]
    assert await chunks.count(index()) == 1


async def test_revoked_elsewhere_while_it_is_written_it_does_not_stay(
    office: Office, chunks: Chunks, database: Database
) -> None:
    await office.many([("Cold room.", ["room"], None)])
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        asked.set()
        await go_on.wait()
        return await embedded(texts)

    writing = asyncio.create_task(office.memory.index("acme", BOOK, slow))
    await asyncio.wait_for(asked.wait(), 30)
    (kept,) = await office.corrections.corrections("acme", BOOK)
    await Office(database, office.chunks).corrections.revoke(TENANT, kept.id)  # another process
    go_on.set()
    await writing
    assert await chunks.count(index()) == 0


async def test_a_run_that_began_before_a_revocation_goes_on_as_it_began(office: Office) -> None:
    kept = await office.corrected("Cold room.", ["room"])
    for number in range(3):
        await office.corrected(f"Fast slides {number}.", ["pace"])
    revision = await office.corrections.revision("acme", BOOK)
    before = await examples(office, "A cold room", revision=revision)
    await office.corrections.revoke(TENANT, kept.id)
    await office.corrected("A really cold room", ["room"])
    assert before[0].text == "Cold room."
    assert await examples(office, "A cold room", revision=revision) == before
    assert "Cold room." not in {one.text for one in await examples(office, "A cold room", k=9)}


async def test_canaries_stay_with_their_tenant(office: Office, chunks: Chunks) -> None:
    await office.codebooks.write("globex", BOOK, language="en", categories=CODEBOOK.categories)
    await office.survey("globex", "s2")
    await office.corrected("CANARY-ACME cold room", ["room"])
    await office.corrected("CANARY-GLOBEX cold room", ["room"], tenant=OTHER, survey="s2")
    for tenant, own in (("acme", "CANARY-ACME"), ("globex", "CANARY-GLOBEX")):
        found = await office.memory.examples(
            tenant, CODEBOOK, "CANARY cold room", "en", revision=9, k=9, embed=office.embed
        )
        assert [one.text.split()[0] for one in found] == [own]
        taught = await office.memory.taught(tenant, CODEBOOK)
        assert [one.text.split()[0] for one in taught] == [own]
        assert await chunks.count(index(tenant)) == 1


async def test_many_comments_at_once_sweep_once(office: Office) -> None:
    await office.many([(f"The room number {n} was cold", ["room"], None) for n in range(70)])
    asked: list[int] = []

    async def counting(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        asked.append(len(texts))
        return await embedded(texts)

    office.embed = counting
    revision = await office.corrections.revision("acme", BOOK)
    found = await asyncio.gather(
        *(examples(office, f"cold in room {n}", k=4, revision=revision) for n in range(6))
    )
    assert all(len(one) == 4 for one in found)
    assert sum(count for count in asked if count > 1) == 70


async def test_measured_comments_are_shown_neither_themselves_nor_what_is_held_out(office: Office) -> None:
    texts = [f"The room number {number} was cold" for number in range(40)]
    await office.many([(text, ["room"], None) for text in texts])
    held = {text for text in texts if held_out(text)}
    assert 2 <= len(held) <= 40 // SHARE * 2
    asked = next(text for text in texts if text not in held)
    assert asked in {one.text for one in await examples(office, asked, k=40)}
    found = {one.text for one in await examples(office, asked.upper() + "!", k=40, apart=True)}
    assert not found & held
    assert asked not in found


async def test_examples_speak_of_the_version_that_is_asked_for(office: Office) -> None:
    await office.corrected("Too fast for me", ["pace"], read=["trainer"])
    await office.corrected("Cold and too fast", ["room", "pace"])
    edition = await office.codebooks.write(
        "acme", BOOK, language="en", categories=categories("trainer", "rhythm"), merged={"pace": "rhythm"}
    )
    found = await office.memory.examples(
        "acme", edition.codebook, "much too fast", "en", revision=2, k=5, embed=office.embed
    )
    assert {one.text: (one.right, one.wrong, one.codebook) for one in found} == {
        "Too fast for me": (("rhythm",), ("trainer",), 2),
        "Cold and too fast": (("rhythm",), (), 2),
    }


async def test_a_codebook_leaves_nothing_in_the_index(office: Office, chunks: Chunks) -> None:
    await office.corrected("Cold room.", ["room"])
    assert await office.codebooks.erase("globex") == 0
    assert await office.codebooks.erase("acme") == 1
    assert await chunks.count(index()) == 0
    assert await office.codebooks.codebooks("acme") == []
    assert await office.corrections.corrections("acme", BOOK, revoked=True) == []


async def test_a_model_gains_what_it_gets_wrong_from_examples(office: Office) -> None:
    """A scripted model, whose errors are known, is shown what service chooses for each comment."""
    edition = await office.codebooks.write(
        "acme", BOOK, language="en", categories=categories("trainer", "room", "pace", "material")
    )
    pool, test = comments(2, 40), comments(1, 25)
    right = []
    for size in (0, 8, 40):
        revision = await office.corrections.revision("acme", BOOK)
        await office.many([(said, [truth], None) for said, truth in pool[revision:size]], version=2)
        hits = 0
        for said, truth in test:
            shown = await office.memory.examples(
                "acme", edition.codebook, said, "en", revision=size, k=4, embed=office.embed, apart=True
            )
            assert said not in texts_of(shown)
            hits += scripted(said, list(shown)) == truth
        right.append(hits / len(test))
    assert right == sorted(right)
    assert right[-1] > right[0] + 0.2
    assert right[-1] > 0.9


def candidate(number: int, text: str, label: str, cosine: float, *, confirmed: bool = False) -> Candidate:
    correction = Correction(text, "en", right=(label,), confirmed=confirmed, codebook=1)
    return Candidate(Kept(f"k{number}", BOOK, correction, number), correction, cosine)


def texts_of(found: Sequence[Correction]) -> list[str]:
    return [one.text for one in found]


def test_what_was_wrong_before_comes_before_what_was_right() -> None:
    given = [candidate(1, "alpha one", "a", 0.5, confirmed=True), candidate(2, "alpha two", "b", 0.5)]
    assert texts_of(choose("alpha", "en", given, 1)) == ["alpha two"]


def test_examples_are_of_different_labels() -> None:
    near = [candidate(n, f"alpha {n}", "a", 0.9) for n in range(6)]
    given = [*near, candidate(9, "alpha nine", "b", 0.8)]
    assert "alpha nine" in texts_of(choose("alpha", "en", given, 3))
    far = [*near, candidate(9, "omega", "b", 0.1)]
    assert "omega" not in texts_of(choose("alpha", "en", far, 3)), "but not at any price"


def test_of_equal_texts_the_last_correction_counts() -> None:
    given = [candidate(1, "Alpha!", "a", 0.9), candidate(2, "alpha", "b", 0.9)]
    (found,) = choose("alpha one", "en", given, 5)
    assert found.right == ("b",)


def test_the_order_of_candidates_changes_nothing() -> None:
    given = [candidate(n, f"alpha {n % 3} {n}", "abc"[n % 3], 0.5) for n in range(12)]
    assert choose("alpha", "en", given, 5) == choose("alpha", "en", given[::-1], 5)


def test_nearly_the_same_is_left_out_where_it_is_measured() -> None:
    given = [candidate(1, "alfa", "a", 0.96), candidate(2, "ALPHA", "a", 0.2), candidate(3, "beta", "a", 0.9)]
    assert texts_of(choose("alpha", "en", given, 5, apart=True)) == ["beta"]


def test_the_word_that_decides_weighs_more_than_a_template_that_all_share() -> None:
    template = "At the end of the second week of this course we all found that the {} was not at all good"
    given = [
        *(candidate(n, template.format("coffee"), "food", 0.0) for n in range(3)),
        candidate(7, "Slots!", "pace", 0.0),
    ]
    others = [template.format(word) for word in ("chairs", "projector", "handout", "teacher")] * 5
    rarity = Rarity([*(one.correction.text for one in given), *others])
    (found,) = choose(template.format("slots"), "en", given[2:], 1, rarity=rarity)
    assert found.right == ("pace",), "it shares one word of fifteen"


def test_what_was_taken_for_the_same_comes_first() -> None:
    one, other = candidate(1, "alpha one", "a", 0.5), candidate(2, "alpha two", "b", 0.5)
    mistaken = replace(one, correction=replace(one.correction, wrong=("c",)))
    for given in ([mistaken, other], [other, mistaken]):
        assert texts_of(choose("alpha", "en", given, 1, taken_for=["c"])) == ["alpha one"]
    assert texts_of(choose("alpha", "en", [one, other], 1, taken_for=["b"])) == ["alpha two"]
    assert texts_of(choose("alpha", "en", [one, other], 1, taken_for=["a"])) == ["alpha one"]


def test_rare_words_weigh_the_same_in_every_order() -> None:
    texts = [f"alpha {n} {'beta' * (n % 2)} gamma{n % 3}" for n in range(30)]
    one, other = Rarity(texts), Rarity(reversed(texts))
    pair = frozenset({"alpha", "gamma1", "3"}), frozenset({"alpha", "gamma1", "8", "new"})
    assert one.likeness(*pair) == other.likeness(*pair)
    assert one.likeness(pair[0], pair[0]) == pytest.approx(1.0)
    assert one.likeness(frozenset(), frozenset()) == 0.0


async def test_words_are_weighed_once_for_a_revision_and_forgotten_with_it(office: Office) -> None:
    await office.corrected("Cold room.", ["room"])
    await office.corrected("Fast slides.", ["pace"])
    for _ in range(3):
        await examples(office, "a cold room")
    assert list(office.memory._rarities) == [("acme", BOOK, 2)]
    await office.memory.drop("acme", BOOK)
    assert list(office.memory._rarities) == []
