"""Estimates: what they learn, how sure they are, and how near the bill they come."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from passerelle.domain.content import Piece
from passerelle.pipelines.enrichment.desk import Wanted
from passerelle.pipelines.enrichment.estimating import Lesson, Load, figures
from passerelle.pipelines.enrichment.recipes import shipped
from passerelle.stores.database import Database
from tests.fakes.wire import Received
from tests.unit.enrichment.office_scene import RECIPE, Scene, an_office

_MANY = 50
_WORDS = (
    "la",
    "formation",
    "permet",
    "aux",
    "stagiaires",
    "de",
    "préparer",
    "un",
    "entretien",
    "responsable",
)


def _courses(count: int, seed: int) -> list[Piece]:
    """Texts of quite different lengths."""
    draw = random.Random(seed)
    return [
        Piece(f"{seed}-{number}", " ".join(draw.choices(_WORDS, k=draw.randint(20, 200))))
        for number in range(count)
    ]


def _rewritten(received: Received) -> str:
    """A little longer than its source, as it happens to be."""
    source = str(received.body["messages"][-1]["content"]).split()
    draw = random.Random(len(source))
    return " ".join(source + source[: int(len(source) * draw.uniform(0.0, 0.2))])


async def _estimate(scene: Scene, given: list[Piece]) -> tuple[float, float, float, int]:
    found = await scene.works.estimate(scene.tenant, Wanted(RECIPE, given))
    assert found.cost is not None
    return found.cost.low, found.cost.value, found.cost.high, found.learned


async def test_an_estimate_is_near_the_bill(database: Database) -> None:
    async with an_office(database) as scene:
        scene.engine.answer = _rewritten
        given = _courses(_MANY, seed=1)
        blind = await _estimate(scene, given)

        await scene.done(given, preview=True)
        previewed = await _estimate(scene, given)
        await scene.done(_courses(12, seed=2))
        learned = await _estimate(scene, given)
        calls = scene.calls
        job = await scene.done(given)

        bill = job.spent / 10**12
        assert scene.calls - calls == _MANY - 3
        assert [blind[3], previewed[3], learned[3]] == [0, 3, 15]
        assert abs(previewed[1] - bill) < 0.2 * bill
        assert abs(learned[1] - bill) < 0.1 * bill
        assert learned[0] <= bill <= learned[2]
        assert learned[2] - learned[0] < blind[2] - blind[0]


def test_ten_answers_are_enough_to_go_by_them_alone() -> None:
    recipe = replace(shipped()["rewrite-fr"])
    loads = [Load(1_000, 4_000, 1, "fr"), Load(3_000, 6_000, 1, "fr")]
    lessons = [
        Lesson(size, 3_000 + size, 1, 1, (3_000 + size) // 2, size // 2, language="fr")
        for size in range(500, 4_000, 300)
    ]

    found = figures(loads, lessons, recipe)

    assert found.learned == 12
    assert found.prompt.value == pytest.approx(5_000, rel=0.01)
    assert found.completion.value == pytest.approx(2_000, rel=0.02)
    assert found.calls.value == 2
    assert found.prompt.low < found.prompt.value < found.prompt.high


def test_repairs_and_what_a_cache_has_are_learned() -> None:
    recipe = shipped()["rewrite-fr"]
    lessons = [Lesson(1_000, 4_000, 1, 1 + number % 2, 1_200, 300, 600, "fr") for number in range(20)]

    found = figures([Load(1_000, 4_000, 1, "fr")] * 10, lessons, recipe)

    assert found.calls.value == pytest.approx(15)
    assert found.cached == pytest.approx(0.5)
    assert found.completion.value == pytest.approx(3_000, rel=0.01)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_without_history_every_recipe_has_a_wide_estimate(name: str) -> None:
    found = figures([Load(2_000, 6_000, 1, "en")] * 5, [], shipped()[name])

    assert found.learned == 0
    for each in (found.calls, found.prompt, found.completion):
        assert 0 < each.low < 0.85 * each.value
        assert each.high > 1.2 * each.value


def test_nothing_to_ask_takes_nothing() -> None:
    found = figures([], [], shipped()["seo-en"])

    assert (found.calls.high, found.prompt.high, found.completion.high) == (0, 0, 0)


async def test_lessons_are_the_recipes_and_the_tenants_alone(database: Database) -> None:
    async with an_office(database) as scene:
        await scene.done(_courses(3, seed=1))

        own = await scene.works.estimate(scene.tenant, Wanted(RECIPE, _courses(3, seed=3)))
        other = await scene.works.estimate(scene.tenant, Wanted("rewrite-en", _courses(3, seed=3)))
        stranger = scene.gateway.editions.catalog.tenants["other"]
        theirs = await scene.works.estimate(stranger, Wanted(RECIPE, _courses(3, seed=3)))

        assert [own.learned, other.learned, theirs.learned] == [3, 0, 0]
        assert (own.model, own.target.partition("/")[0], own.currency) == ("assistant", "engine", "EUR")
