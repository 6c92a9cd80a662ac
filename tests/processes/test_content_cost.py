"""A job of two hundred texts as its owner pays it: what it was said to take, what it took, and what it takes again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from passerelle.domain.content import Estimate, Piece
from passerelle.jobs.worker import Pace
from passerelle.pipelines.enrichment.desk import Wanted
from passerelle.pipelines.enrichment.writing import Writer
from passerelle.stores.database import Database
from tests.database import database, database_url, postgres
from tests.unit.enrichment.author import Author, courses
from tests.unit.enrichment.office_scene import Scene, an_office, counted

__all__ = ["database", "database_url", "postgres"]

_MANY = 200
_RECIPE = "course-page-fr"
_PACE = Pace(concurrency=8, lease=10.0, grace=5.0)


def _errs(values: dict[str, Any], number: int) -> dict[str, Any]:
    """Every tenth first answer has days for hours."""
    return {**values, "text": values["text"].replace("heures", "jours", 1)} if number % 10 == 9 else values


async def _estimate(scene: Scene, given: list[Piece]) -> Estimate:
    return await scene.works.estimate(scene.tenant, Wanted(_RECIPE, given))


def _off(estimate: Estimate, bill: float) -> float:
    """How far it is from the bill, which its bounds hold."""
    assert estimate.cost is not None
    assert estimate.cost.low <= bill <= estimate.cost.high
    return estimate.cost.value / bill - 1


async def test_two_hundred_texts_cost_what_was_said_and_nothing_again(
    database: Database, record_property: Callable[[str, object], None]
) -> None:
    async with an_office(database, model=Author(err=_errs)) as scene:
        scene.writer = Writer
        given = courses(_MANY, seed=1)
        cold = await _estimate(scene, given)
        preview = await scene.done(given, preview=True, recipe=_RECIPE)
        previewed = await _estimate(scene, given)
        history = await scene.done(courses(17, seed=2), recipe=_RECIPE)
        learned = await _estimate(scene, given)
        job = await scene.done(given, _PACE, recipe=_RECIPE)

        spent = preview.spent + history.spent + job.spent
        assert spent == scene.charged
        assert job.unpriced == 0
        assert counted(job) == {"written": _MANY - 3, "reused": 3}
        rest, whole = job.spent / 10**12, (preview.spent + job.spent) / 10**12
        figures = {
            "cold": round(_off(cold, whole), 3),
            "after a preview": round(_off(previewed, rest), 3),
            "after 20 answers": round(_off(learned, rest), 3),
        }
        for name, value in figures.items():
            record_property(name, value)
        print(figures)
        assert all(abs(value) < 0.2 for value in figures.values())
        assert [cold.learned, previewed.learned, learned.learned] == [0, 3, 20]
        assert learned.calls.low <= sum(1 for _ in scene.engine.requests) - 20 <= 1.3 * _MANY

        calls = scene.calls
        again = await _estimate(scene, given)
        unchanged = await scene.done(given, recipe=_RECIPE)
        assert again.cost is not None
        assert (again.cost.high, again.reused) == (0, _MANY)
        assert (unchanged.spent, counted(unchanged)) == (0, {"reused": _MANY})
        assert scene.calls == calls

        given[7] = replace(given[7], text=given[7].text + "\n\nUne attestation est remise à chacun.")
        changed = await scene.done(given, recipe=_RECIPE)
        written = await scene.works.piece("acme", changed.id, 8)
        assert counted(changed) == {"written": 1, "reused": _MANY - 1}
        assert written.written is not None
        assert scene.calls - calls == written.written.calls
        assert changed.spent == written.written.cost == scene.charged - spent
