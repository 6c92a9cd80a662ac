"""Corrections: what they hold, which take another's place, and that what taught at a revision can be told for ever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from passerelle.domain.errors import BadRequest, NotFound
from passerelle.domain.surveys import Correction, Polarity
from passerelle.pipelines.surveys.corrections_lineage import Lineage
from passerelle.stores.database import Database
from tests.unit.pipelines.surveys.corrected import BOOK, OTHER, TENANT, Office, categories
from tests.unit.pipelines.surveys.lessons import CODEBOOK

POSITIVE, NEGATIVE = Polarity.POSITIVE, Polarity.NEGATIVE


@pytest.fixture
async def office(database: Database) -> Office:
    return await Office(database).opened()


async def test_what_was_wrong_is_kept_beside_what_is_right(office: Office) -> None:
    comment = await office.comment("The heating hummed.")
    await office.reading(comment, ["trainer", "room"], POSITIVE)
    kept = await office.corrections.correct(
        TENANT, "s1", comment, right=["room", "pace", "room"], polarity=NEGATIVE, by="ann"
    )
    assert kept.correction == Correction(
        "The heating hummed.",
        "en",
        right=("room", "pace"),
        wrong=("trainer",),
        right_polarity=NEGATIVE,
        wrong_polarity=POSITIVE,
        codebook=1,
    )
    assert (kept.survey, kept.comment, kept.run, kept.by) == ("s1", comment, "s1_run1", "ann")
    assert (kept.codebook, kept.revision) == (BOOK, 1)
    assert await office.corrections.corrections("acme", BOOK) == [kept]


async def test_a_confirmation_teaches_what_was_said(office: Office) -> None:
    comment = await office.comment("Cold room.")
    await office.reading(comment, ["room"], NEGATIVE)
    kept = await office.corrections.correct(TENANT, "s1", comment)
    assert kept.correction.confirmed
    assert (kept.correction.right, kept.correction.right_polarity) == (("room",), NEGATIVE)
    assert (kept.correction.wrong, kept.correction.wrong_polarity) == ((), None)
    assert await office.memory.taught("acme", CODEBOOK) == [kept.correction]


async def test_a_missed_label_is_no_confirmation(office: Office) -> None:
    kept = await office.corrected("Cold room.", ["room"], read=[])
    assert kept.correction.wrong == ()
    assert not kept.correction.confirmed
    assert (await office.corrected("Cold.", ["room"], read=["room"])).correction.confirmed


async def test_a_later_correction_takes_an_earlier_ones_place(office: Office) -> None:
    comment = await office.comment("Cold room.")
    await office.reading(comment, ["trainer"])
    first = await office.corrections.correct(TENANT, "s1", comment, right=["pace"])
    second = await office.corrections.correct(TENANT, "s1", comment, right=["room"])
    assert await office.corrections.correct(TENANT, "s1", comment, right=["room"]) == second, "once is enough"
    assert [one.right for one in await office.memory.taught("acme", CODEBOOK)] == [("room",)]
    assert [one.right for one in await office.memory.taught("acme", CODEBOOK, 1)] == [("pace",)]
    assert (first.revision, second.revision) == (1, 3)
    every = await office.corrections.corrections("acme", BOOK, revoked=True)
    assert [(one.id, one.revoked_revision) for one in every] == [(second.id, None), (first.id, 2)]


async def test_a_revoked_correction_teaches_no_run_after_and_every_run_before(office: Office) -> None:
    kept = await office.corrected("Cold room.", ["room"])
    revoked = await office.corrections.revoke(TENANT, kept.id)
    assert (revoked.revoked_revision, revoked.correction.revoked) == (2, True)
    assert await office.corrections.revoke(TENANT, kept.id) == revoked, "a second time changes nothing"
    assert await office.corrections.corrections("acme", BOOK) == []
    assert await office.memory.taught("acme", CODEBOOK) == []
    assert await office.memory.taught("acme", CODEBOOK, 1) == [kept.correction]
    assert await office.corrections.revision("acme", BOOK) == 2


async def test_what_is_wrong_with_a_correction_is_told(office: Office) -> None:
    comment = await office.comment("Cold room.")
    await office.survey("acme", "bare", codebook=None)
    lost = await office.comment("Cold room.", survey="bare")
    for survey, named, said, error, code in [
        ("s1", "nobody", {"right": ["room"]}, NotFound, "comment_not_found"),
        ("s1", "\0", {"right": ["room"]}, NotFound, "comment_not_found"),
        ("s2", comment, {"right": ["room"]}, NotFound, "comment_not_found"),
        ("s1", comment, {"right": ["rooom"]}, BadRequest, "unknown_category"),
        ("s1", comment, {}, BadRequest, "nothing_to_confirm"),
        ("s1", comment, {"right": ["room"], "run": "nowhere"}, NotFound, "run_not_found"),
        ("bare", lost, {"right": ["room"]}, BadRequest, "no_codebook"),
    ]:
        with pytest.raises(error) as refused:
            await office.corrections.correct(TENANT, survey, named, **said)  # type: ignore[arg-type]
        assert refused.value.code == code
    with pytest.raises(NotFound):
        await office.corrections.revoke(TENANT, "correction_none")
    assert await office.corrections.revision("acme", BOOK) == 0


async def test_another_tenant_corrects_revokes_and_sees_nothing(office: Office) -> None:
    kept = await office.corrected("Cold room.", ["room"])
    with pytest.raises(NotFound):
        await office.corrections.correct(OTHER, "s1", kept.comment or "", right=["room"])
    with pytest.raises(NotFound):
        await office.corrections.revoke(OTHER, kept.id)
    assert await office.corrections.corrections("globex", BOOK, revoked=True) == []
    assert await office.memory.taught("globex", CODEBOOK) == []


async def test_an_older_run_is_corrected_in_its_own_words(office: Office) -> None:
    """What was wrong is what that run said, and not what a newer one said."""
    comment = await office.comment("Cold room.")
    await office.reading(comment, ["trainer"])
    await office.run("acme", "s1", "s1_run2", number=2)
    await office.reading(comment, ["pace"], run="s1_run2")
    newest = await office.corrections.correct(TENANT, "s1", comment, right=["room"])
    assert (newest.run, newest.correction.wrong) == ("s1_run2", ("pace",))
    older = await office.corrections.correct(TENANT, "s1", comment, run="s1_run1", right=["room"])
    assert (older.run, older.correction.wrong) == ("s1_run1", ("trainer",))


async def test_a_category_of_a_later_version_may_be_right(office: Office) -> None:
    later = [*CODEBOOK.categories[:2], *categories("canteen")]
    await office.codebooks.write("acme", BOOK, language="en", categories=later, merged={"pace": "trainer"})
    kept = await office.corrected("Bad coffee.", ["canteen"], read=["pace"])
    assert (kept.correction.codebook, kept.correction.wrong) == (2, ("trainer",))
    older = await office.corrected("Too fast.", ["pace"], read=["room"])
    assert older.correction.codebook == 1
    newest = (await office.codebooks.edition("acme", BOOK, 2)).codebook
    assert [one.right for one in await office.memory.taught("acme", newest)] == [("canteen",), ("trainer",)]
    assert [one.right for one in await office.memory.taught("acme", CODEBOOK)] == [("pace",)]


async def test_pages_of_corrections_join_without_a_gap(office: Office) -> None:
    for number in range(5):
        await office.corrected(f"Room {number}.", ["room"])
    first = await office.corrections.corrections("acme", BOOK, most=3)
    second = await office.corrections.corrections("acme", BOOK, after=first[-1].id, most=3)
    assert [one.revision for one in (*first, *second)] == [5, 4, 3, 2, 1]


async def test_revisions_have_no_gap_and_what_taught_stays_told(office: Office, database: Database) -> None:
    """People correct and revoke at once; every revision taught then teaches the same after everything that came later."""
    comments = [await office.comment(f"Comment {number}.") for number in range(4)]
    seen: dict[int, Sequence[Correction]] = {}

    async def look() -> None:
        revision = await office.corrections.revision("acme", BOOK)
        taught = await office.memory.taught("acme", CODEBOOK, revision)
        assert seen.setdefault(revision, taught) == taught

    async def correct(number: int) -> None:
        right = [CODEBOOK.ids[number % 3]]
        kept = await office.corrections.correct(TENANT, "s1", comments[number % 4], right=right)
        await look()
        if number % 3 == 0:
            await office.corrections.revoke(TENANT, kept.id)
        await look()

    for start in range(0, 24, 6):
        await asyncio.gather(*map(correct, range(start, start + 6)))
    for revision, taught in seen.items():
        assert await office.memory.taught("acme", CODEBOOK, revision) == taught
    async with database.begin() as connection:
        rows = (
            await connection.execute(text("SELECT revision, revoked_revision FROM survey_correction"))
        ).all()
    events = [one for row in rows for one in row if one is not None]
    assert sorted(events) == list(range(1, len(events) + 1))
    assert len(seen) > 8


async def test_every_revision_teaches_what_a_simple_model_says(office: Office) -> None:
    """People correct, correct again, revoke and write versions in any order."""
    draw = random.Random(7)
    comments = [await office.comment(f"Comment {number}.") for number in range(6)]
    standing: dict[str, tuple[str, str]] = {}  # by comment: the correction's id, and the label
    history: dict[int, dict[str, str]] = {0: {}}
    revision = 0

    def told() -> None:
        nonlocal revision
        revision += 1
        history[revision] = {comment: label for comment, (_, label) in standing.items()}

    for _ in range(40):
        comment, label = draw.choice(comments), draw.choice(CODEBOOK.ids)
        what = draw.random()
        if what < 0.6:
            if standing.get(comment, ("", ""))[1] != label:
                if standing.pop(comment, None):
                    told()
                kept = await office.corrections.correct(TENANT, "s1", comment, right=[label])
                standing[comment] = (kept.id, label)
                told()
                assert kept.revision == revision
        elif what < 0.9 and comment in standing:
            await office.corrections.revoke(TENANT, standing.pop(comment)[0])
            told()
        else:
            await office.codebooks.write("acme", BOOK, language="en", categories=CODEBOOK.categories)
    assert await office.corrections.revision("acme", BOOK) == revision > 20
    texts = {f"Comment {number}.": comment for number, comment in enumerate(comments)}
    for at, labels in history.items():
        taught = await office.memory.taught("acme", CODEBOOK, at)
        assert {texts[one.text]: (one.right or ("",))[0] for one in taught} == labels


V1, V2, V3 = frozenset("abc"), frozenset("bcd"), frozenset("acde")
LINEAGE = Lineage({1: V1, 2: V2, 3: V3}, {1: {}, 2: {"a": "d"}, 3: {"b": "e"}})


@pytest.mark.parametrize(
    ("right", "since", "until", "found"),
    [
        (("a",), 1, 1, ("a",)),
        (("a", "c"), 1, 2, ("d", "c")),
        (("a", "b"), 1, 3, ("d", "e")),
        (("d", "a"), 2, 2, ("d",)),  # `a` is no category there
        (("a",), 3, 2, None),  # came back as another category
        (("c", "e"), 3, 1, ("c",)),
        (("d",), 2, 1, None),
        ((), 1, 1, ()),
        ((), 1, 2, ()),  # every category of 2 was one of 1
        ((), 2, 3, None),  # `a` came later: whether it fits nobody has said
        ((), 3, 2, ()),
        (None, 1, 3, None),
    ],
)
def test_labels_follow_what_became_of_them(
    right: tuple[str, ...] | None, since: int, until: int, found: tuple[str, ...] | None
) -> None:
    said = Correction("x", "en", right=right, right_polarity=POSITIVE, codebook=since)
    mapped = LINEAGE.mapped(said, until)
    assert mapped is not None
    assert (mapped.right, mapped.codebook) == (found, until)
    bare = LINEAGE.mapped(replace(said, right_polarity=None), until)
    assert (bare is None) == (found is None)


def test_what_was_wrong_follows_too_and_is_never_right_at_once() -> None:
    said = Correction("x", "en", right=("d",), wrong=("b", "c"), codebook=2)
    mapped = LINEAGE.mapped(said, 3)
    assert mapped is not None
    assert (mapped.right, mapped.wrong) == (("d",), ("e", "c"))
    merged = Lineage({1: V1, 2: frozenset("bc")}, {1: {}, 2: {"a": "b"}})
    both = merged.mapped(Correction("x", "en", right=("a",), wrong=("b",), codebook=1), 2)
    assert both is not None
    assert (both.right, both.wrong) == (("b",), ())


def test_an_id_that_is_gone_meets_no_other() -> None:
    assert LINEAGE.traced(("a", "b", "c"), 1, 3) == ("d", "e", "c")
    gone = Lineage({1: V1, 2: frozenset("b")}, {})
    assert gone.traced(("a", "b"), 1, 2) == (gone.traced(("a",), 1, 2)[0], "b")
    assert gone.traced(("a",), 1, 2)[0] not in gone.ids[2] | gone.ids[1]


def test_what_a_refused_version_did_is_no_part_of_the_way_past_it() -> None:
    """Version 3 was made from 1, version 4 from 3: what 2 merged and dropped counts for 2 alone."""
    ids = {1: frozenset("abc"), 2: frozenset("bx"), 3: frozenset("abcd"), 4: frozenset("abd")}
    past = Lineage(ids, {1: {}, 2: {"a": "b"}, 3: {}, 4: {"c": "d"}}, {3: 1})
    assert past.traced("abc", 1, 3) == ("a", "b", "c")
    assert past.traced("abc", 1, 4) == ("a", "b", "d")
    assert past.traced("ab", 1, 2) == ("b",)
    assert past.traced("b", 2, 3) == ("b",), "by way of the version that both were made from"
    (gone,) = past.traced("x", 2, 3)
    assert gone not in ids[3]
    back = past.mapped(Correction("x", "en", right=("b", "d"), codebook=3), 2)
    assert back is not None
    assert back.right == ("b",)


_SETS = st.lists(st.frozensets(st.sampled_from("abcde"), min_size=1), min_size=1, max_size=4)


@given(_SETS, st.data())
def test_what_is_mapped_is_of_the_version_and_steps_add_up(
    sets: list[frozenset[str]], data: st.DataObject
) -> None:
    ids = dict(enumerate(sets, 1))
    merged: dict[int, dict[str, str]] = {1: {}}
    for version in range(2, len(sets) + 1):
        gone = sorted(ids[version - 1] - ids[version])
        new = st.sampled_from(sorted(ids[version]))
        merged[version] = {one: data.draw(new) for one in gone if data.draw(st.booleans())}
    lineage = Lineage(ids, merged)
    since, until = (data.draw(st.integers(1, len(sets))) for _ in range(2))
    right = tuple(data.draw(st.sets(st.sampled_from(sorted(ids[since])))))
    mapped = lineage.mapped(
        Correction("x", "en", right=right, right_polarity=POSITIVE, codebook=since), until
    )
    assert mapped is not None
    assert mapped.right is None or ids[until].issuperset(mapped.right)
    assert bool(mapped.right) <= bool(right), "nothing is made up"
    if since == until:
        assert mapped.right == right
    for between in range(since, until + 1):
        steps = lineage.traced(lineage.traced(right, since, between), between, until)
        known = {one for one in steps if one in ids[until]}
        assert known == set(lineage.traced(right, since, until)) & ids[until]
