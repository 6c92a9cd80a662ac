"""Before a version comes into use it is measured on corrections that nobody has learned from; and the curve of the gain."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from passerelle.domain.errors import Conflict
from passerelle.domain.survey_work import Figures, Kept
from passerelle.domain.surveys import Category, Codebook, Correction, Polarity
from passerelle.pipelines.surveys.corrections_lineage import Lineage
from passerelle.pipelines.surveys.learning_features import Read
from passerelle.pipelines.surveys.memory_held import held_out
from passerelle.pipelines.surveys.promoting import Material, compare, curve
from passerelle.pipelines.surveys.promoting_scores import f1, gained_micro
from passerelle.stores.database import Database
from passerelle.text.words import Language
from tests.unit.pipelines.surveys.corrected import BOOK, TENANT, Office, categories
from tests.unit.pipelines.surveys.lessons import ABOUT, CODEBOOK, reader

_SAID = {
    "trainer": ("She lost us entirely when it came to {}", "He answered whatever one asked on {}"),
    "room": ("The radiator hummed all through {}", "A window could not be shut during {}"),
    "pace": ("We rushed over {} in ten minutes", "Half a day would have been enough for {}"),
}
Items = Sequence[tuple[str, Sequence[str] | None, Polarity | None]]


def items() -> Items:
    """Sixty comments in words that the codebook does not have."""
    return [
        (said.format(about), (label,), Polarity.NEGATIVE if place == 0 else Polarity.POSITIVE)
        for about in ABOUT
        for label, several in _SAID.items()
        for place, said in enumerate(several)
    ]


def material(codebook: Codebook, some: Items, lineage: Lineage, *, version: int = 1) -> Material:
    kept = [
        Kept(
            f"k{place}",
            BOOK,
            Correction(
                said,
                "en",
                right=None if right is None else tuple(right),
                right_polarity=polarity,
                codebook=version,
            ),
            place,
        )
        for place, (said, right, polarity) in enumerate(some, 1)
    ]
    return Material(codebook, tuple(kept), lineage)


IDS = frozenset(CODEBOOK.ids)


def versions(after: Sequence[Category], merged: dict[str, str] | None = None) -> tuple[Material, Material]:
    second = Codebook(BOOK, 2, "en", tuple(after))
    lineage = Lineage({1: IDS, 2: frozenset(second.ids)}, {2: merged or {}})
    before = material(replace(CODEBOOK, name=BOOK), items(), lineage)
    return before, replace(before, codebook=second)


def test_a_version_that_changes_nothing_is_neither_better_nor_worse() -> None:
    compared = compare(*versions(CODEBOOK.categories), reader)
    assert compared is not None
    assert compared.before == compared.after
    assert (compared.change, compared.low, compared.high, compared.lost) == (0, 0, 0, ())
    assert compared.after.n == sum(held_out(said) for said, _, _ in items())


def test_ids_that_are_gone_without_a_word_are_a_loss_and_renamed_ones_are_not() -> None:
    named = [replace(one, id=f"new-{one.id}") for one in CODEBOOK.categories]
    lost = compare(*versions(named), reader)
    assert lost is not None
    assert lost.after.micro == 0
    assert lost.high < 0
    assert len(lost.lost) == round(lost.before.micro * lost.before.n)
    kept = compare(*versions(named, {one: f"new-{one}" for one in CODEBOOK.ids}), reader)
    assert kept is not None
    assert kept.after == kept.before


def test_an_older_version_is_measured_as_the_newer_one_understands_it() -> None:
    """Going back: what was merged since is one category for both."""
    merged = [*CODEBOOK.categories[:2]]
    before, after = versions(merged, {"pace": "trainer"})
    forth, back = compare(before, after, reader), compare(after, before, reader)
    assert forth is not None
    assert back is not None
    assert (forth.before, forth.after) == (back.after, back.before)
    assert forth.change == -back.change


def test_a_new_category_is_not_held_against_corrections_that_could_not_choose_it() -> None:
    more = [
        *CODEBOOK.categories,
        Category("noise", "noise", "radiator, window, hummed, rushed, radiator hummed"),
    ]
    compared = compare(*versions(more), reader)
    assert compared is not None
    assert compared.after.micro >= compared.before.micro - 0.2, "what is said of it is not counted"


def test_too_few_corrections_tell_nothing() -> None:
    lineage = Lineage({1: IDS}, {})
    few = material(CODEBOOK, items()[:10], lineage)
    assert compare(few, few, reader) is None
    assert curve(few, reader) == []
    of_polarity = material(CODEBOOK, [(said, None, polarity) for said, _, polarity in items()], lineage)
    assert compare(of_polarity, of_polarity, reader) is None


def test_what_is_held_out_is_never_learned_from_nor_anything_like_it() -> None:
    said, right, polarity = next(one for one in items() if held_out(one[0]))
    longer = (f"{said} {said} {said} {word}" for word in ("today", "really", "indeed", "sadly"))
    like = next(one for one in longer if not held_out(one))
    asked: list[str] = []

    def spy(texts: Sequence[str], languages: Sequence[Language]) -> Read:
        asked.extend(texts)
        return reader(texts, languages)

    lineage = Lineage({1: IDS}, {})
    learned = sum(not held_out(one) for one, _, _ in items())
    points = curve(material(CODEBOOK, [*items(), (like, right, polarity)], lineage), spy)
    assert points[-1][0] == learned
    assert held_out(f"  {said.upper()} !"), "signs and letter case make no other comment of it"
    assert len(asked) == len(set(asked)), "each text is read once"


def test_the_curve_rises_with_what_is_learned_and_is_the_same_each_time() -> None:
    given = material(CODEBOOK, items(), Lineage({1: IDS}, {}))
    points = curve(given, reader)
    learned = sum(not held_out(said) for said, _, _ in items())
    assert [size for size, _ in points] == [0, 10, 25, learned]
    assert points[-1][1].micro > points[0][1].micro + 0.2
    assert points == curve(given, reader)


def test_f1_and_its_gain_are_those_of_the_book() -> None:
    right = [{"a"}, {"a", "b"}, {"b"}, set()]
    said = [{"a"}, {"a"}, {"a"}, {"c"}]
    micro, macro = f1(said, right)
    assert micro == pytest.approx(2 * 2 / (4 + 4))
    assert macro == pytest.approx((2 * 2 / (3 + 2) + 0) / 2)
    gain = gained_micro(right * 10, said * 10, right * 10)
    assert gain.mean == pytest.approx(1 - micro)
    assert 0 < gain.low < gain.mean < gain.high
    assert gained_micro(said, said, right).high == 0


async def test_a_worse_version_is_refused_with_figures_unless_somebody_insists(database: Database) -> None:
    office = await Office(database).opened()
    await office.many(items())
    await office.codebooks.write("acme", BOOK, language="en", categories=categories("x", "y", "z"))
    with pytest.raises(Conflict) as refused:
        await office.codebooks.promote(TENANT, BOOK, 2)
    assert refused.value.code == "regression"
    assert "micro-F1 0.00 instead of" in refused.value.message
    assert (await office.codebooks.edition("acme", BOOK, 2)).refused, "which whoever builds on it can see"
    assert (await office.codebooks.edition("acme", BOOK)).codebook.version == 1
    checked = await office.codebooks.check(TENANT, BOOK, 2)
    assert checked.worse
    assert checked.lost
    assert (await office.codebooks.edition("acme", BOOK, 2)).checked == checked
    forced = await office.codebooks.promote(TENANT, BOOK, 2, force=True, by="ann")
    assert (forced.in_use, forced.promoted_by, forced.refused) == (True, "ann", False)
    assert forced.checked is not None
    assert forced.checked.forced
    assert (await office.codebooks.codebooks("acme"))[0].codebook.version == 2
    back = await office.codebooks.promote(TENANT, BOOK, 1)
    assert back.in_use, "an older version comes back the same way"
    assert back.checked is not None
    assert not back.checked.forced
    assert await office.codebooks.promote(TENANT, BOOK, 1) == back


async def test_with_too_few_corrections_a_version_is_promoted_without_a_check(database: Database) -> None:
    office = await Office(database).opened()
    await office.codebooks.write("acme", BOOK, language="en", categories=categories("x"))
    with pytest.raises(Conflict) as refused:
        await office.codebooks.check(TENANT, BOOK, 2)
    assert refused.value.code == "too_few_corrections"
    assert await office.codebooks.curve(TENANT, BOOK) == []
    promoted = await office.codebooks.promote(TENANT, BOOK, 2, by="ann")
    assert (promoted.in_use, promoted.checked) == (True, None)


async def test_two_who_promote_at_once_do_not_both_believe_the_same_check(database: Database) -> None:
    office = await Office(database).opened()
    await office.many(items())
    for _ in range(2):
        await office.codebooks.write("acme", BOOK, language="en", categories=CODEBOOK.categories)
    found = await asyncio.gather(
        *(office.codebooks.promote(TENANT, BOOK, version) for version in (2, 3)), return_exceptions=True
    )
    (refused,) = (one for one in found if isinstance(one, Exception))
    assert isinstance(refused, Conflict)
    assert refused.code == "codebook_changed"


async def test_the_curve_of_a_codebook_is_of_the_version_in_use(database: Database) -> None:
    office = await Office(database).opened()
    await office.many(items())
    points = await office.codebooks.curve(TENANT, BOOK)
    assert points[0].n == 0
    assert all(isinstance(point.figures, Figures) for point in points)
    assert all(one.n < other.n for one, other in itertools.pairwise(points))


async def test_a_version_is_built_on_one_that_was_not_refused_and_loses_nothing_that_was_corrected(
    database: Database,
) -> None:
    office = await Office(database).opened()
    books = office.codebooks
    await office.many(items())
    await books.write("acme", BOOK, language="en", categories=categories("x", "y", "z"))
    with pytest.raises(Conflict, match="in the meantime"):  # nothing is known against it yet
        await books.write("acme", BOOK, language="en", categories=CODEBOOK.categories, base=1)
    with pytest.raises(Conflict, match="worse"):
        await books.promote(TENANT, BOOK, 2)
    grown = [*CODEBOOK.categories, Category("lunch", "Lunch")]
    made = await books.write("acme", BOOK, language="en", categories=grown, base=1)
    assert (made.codebook.version, made.base, made.merged) == (3, 1, {})
    assert made == await books.edition("acme", BOOK, 3)
    taught = {one.text: one.right for one in await office.memory.taught("acme", made.codebook)}
    assert taught == {one.text: one.right for one in await office.memory.taught("acme", CODEBOOK)}
    compared = await books.check(TENANT, BOOK, 3)
    assert (compared.worse, compared.lost) == (False, ())
    assert (await books.promote(TENANT, BOOK, 3)).in_use
