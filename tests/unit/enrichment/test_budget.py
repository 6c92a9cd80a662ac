"""The budget of a job: never overspent, whatever runs at once, fails, or is lost; and what it does not hold waits."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.domain.ask import Ask
from passerelle.domain.caller import Caller
from passerelle.domain.content import Piece, Standing
from passerelle.domain.errors import BadRequest, PasserelleError, Unavailable
from passerelle.jobs.kinds import ItemFailed, Later
from passerelle.pipelines.enrichment.desk import Wanted
from passerelle.pipelines.enrichment.estimating_prices import Answerer
from passerelle.pipelines.enrichment.working_loads import dearest
from passerelle.pipelines.enrichment.working_purse import Purse
from passerelle.pipelines.models.asker import Asker
from passerelle.stores.database import Database
from tests.unit.enrichment.office_scene import RECIPE, TENANT, Scene, an_office, counted, pieces
from tests.unit.jobs.scene import count, working

_HELD = "SELECT coalesce(sum(held), 0) FROM content_piece"


async def _dearest(scene: Scene, piece: Piece) -> int:
    """What the dearest course of a piece comes to."""
    answerer = scene.prices.answerer(scene.tenant, None)
    most = dearest(
        piece,
        await scene.kitchen.recipe(TENANT, RECIPE),
        await scene.kitchen.brand(TENANT),
        price=lambda prompt, completion: scene.prices.most(
            scene.tenant, answerer, prompt=prompt, completion=completion
        ),
    )
    assert most is not None
    return most


async def test_a_job_of_many_workers_never_spends_more_than_its_budget(database: Database) -> None:
    async with an_office(database) as scene:
        single = await scene.done(pieces(1))
        budget = await _dearest(scene, pieces(1)[0]) + 5 * single.spent

        job = await scene.done(pieces(12, first=2), budget=budget)

        found = counted(job)
        assert job.spent <= budget
        assert job.state == "partly-failed"
        assert found["written"] >= 5
        assert found["written"] + found["over_budget"] == 12
        assert scene.calls == 1 + found["written"]  # what did not fit was not begun
        assert job.spent == scene.charged - single.spent
        assert await count(database, _HELD) == 0


async def test_a_raised_budget_begins_what_the_old_one_did_not_hold(database: Database) -> None:
    async with an_office(database) as scene:
        single = await scene.done(pieces(1, first=9))
        budget = await _dearest(scene, pieces(1)[0]) + 2 * single.spent
        job = await scene.done(pieces(6), budget=budget)
        over = counted(job)["over_budget"]
        first = await scene.works.worked(TENANT, job.id, standing=Standing.OVER_BUDGET, most=1)

        raised = await scene.works.afford(TENANT, job.id, 100 * budget)
        async with scene.workers():
            found = await scene.over(job.id)

        assert over > 0
        assert first[0].trouble is not None
        assert first[0].trouble.code == "over_budget"
        assert counted(raised)["queued"] == over
        assert (found.state, counted(found), found.budget) == ("done", {"written": 6}, 100 * budget)
        with pytest.raises(BadRequest, match="spent already"):
            await scene.works.afford(TENANT, job.id, 1)
        assert (await scene.works.afford(TENANT, job.id, None)).budget is None


async def test_a_budget_that_holds_nothing_or_has_no_price_is_refused(database: Database) -> None:
    async with an_office(database) as scene:
        for budget, code in ((0, "budget_wrong"), (1, "budget_too_small")):
            with pytest.raises(BadRequest) as refused:
                await scene.start(pieces(2), budget=budget)
            assert refused.value.code == code
    async with an_office(database, cost=None) as scene:
        with pytest.raises(BadRequest, match="State its") as refused:
            await scene.start(pieces(2), budget=10**12)
        assert refused.value.code == "price_unknown"
        estimate = await scene.works.estimate(scene.tenant, Wanted(RECIPE, pieces(2)))
        assert estimate.cost is None
        assert "not known" in estimate.notes[-1]
        job = await scene.done(pieces(2))
        assert (counted(job), job.spent, job.unpriced) == ({"written": 2}, 0, 2)


class _Broken:
    """Asks, and gives up after its answers."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    async def write(self, *given: Any, **named: Any) -> Any:
        await self._writer.write(*given, **named)
        raise BadRequest("No answer was a value of the schema.", code="not_structured")


async def test_what_failed_answers_cost_is_spent_and_nothing_stays_held(database: Database) -> None:
    async with an_office(database) as scene:
        scene.again = lambda _: 1
        kind = scene.kind()
        made = kind._writer
        kind._writer = lambda asker: _Broken(made(asker))
        job = await scene.start(pieces(1), budget=10**12)

        async with working(database, kind):
            found = await scene.over(job.id)

        assert counted(found) == {"failed": 1}
        assert (found.spent, scene.calls) == (scene.charged, 2)
        assert found.spent > 0
        assert await count(database, _HELD) == 0


async def test_what_a_lost_run_held_is_held_no_longer(database: Database) -> None:
    async with an_office(database) as scene:
        dear = await _dearest(scene, pieces(1)[0])
        job = await scene.start(pieces(2), budget=dear + 10)
        # As a killed worker leaves it: its item was running and its hold is there.
        async with database.begin() as connection:
            await connection.execute(
                text("UPDATE content_piece SET held = :held, run = 'lost' WHERE number = 1"), {"held": dear}
            )
            await connection.execute(
                text("""UPDATE job_item SET state = 'running', claim = 'lost', attempts = 1,
                    leased_until = clock_timestamp() - interval '1 second' WHERE number = 1""")
            )
            await connection.execute(text("UPDATE job SET queued = 1, running = 1"))

        async with scene.workers():
            found = await scene.over(job.id)

        assert found.spent <= dear + 10
        assert counted(found)["written"] >= 1
        assert found.unpriced == 1  # what the lost answer cost, nobody knows
        assert await count(database, _HELD) == 0


@dataclass
class _Given:
    """An answer that costs so much."""

    amount: int

    def cost(self) -> bytes:
        return f"{self.amount / 10**12:.12f} EUR".encode()


@dataclass
class _Tariff:
    """What calls cost at most, as a test draws it."""

    mosts: dict[str, int] = field(default_factory=dict)

    def most_asked(self, tenant: Any, answerer: Any, asked: Ask) -> int:
        return int(asked.body["most"])


@pytest.mark.parametrize("seed", range(3))
async def test_spent_and_held_never_exceed_the_budget_together(database: Database, seed: int) -> None:
    """Runs that hold, ask, cost less than they might, fail, and are lost, at once and in any order."""
    draw = random.Random(seed)
    async with an_office(database) as scene:
        job = await scene.start(pieces(12), budget=10**12)
        budget = 1_000
        async with database.begin() as connection:
            await connection.execute(text("UPDATE content_job SET budget = :budget"), {"budget": budget})
            await connection.execute(
                text("""UPDATE job_item SET state = 'running', claim = 'x' || number,
                    leased_until = clock_timestamp() + interval '1 hour'""")
            )
        answerer: Answerer = scene.prices.answerer(scene.tenant, None)
        spent: list[int] = []
        seen: list[int] = []

        async def ask(caller: Caller, asked: Ask) -> Any:
            await asyncio.sleep(0)
            if asked.body["fails"]:
                raise Unavailable("No target is up.")
            spent.append(asked.body["cost"])
            return _Given(asked.body["cost"])

        base = Asker(ask, scene.gateway.editions, Caller("internal:content", TENANT, None, "content"))  # type: ignore[arg-type]

        async def live(number: int) -> None:
            for _ in range(4):
                purse = Purse(
                    database,
                    _Tariff(),  # type: ignore[arg-type]
                    tenant=scene.tenant,
                    answerer=answerer,
                    job=job.id,
                    number=number,
                )
                try:
                    await purse.begin(draw.randint(1, 120))
                except (ItemFailed, Later):
                    continue
                asker = purse.asker(base)
                for _ in range(draw.randint(1, 3)):
                    most = draw.randint(1, 90)
                    body = {"most": most, "cost": draw.randint(0, most), "fails": draw.random() < 0.2}
                    try:
                        await asker.ask(base.caller, replace(_ASK, body=body))
                    except PasserelleError:
                        assert purse.refused is not None or body["fails"]
                seen.append(await count(database, f"SELECT spent + ({_HELD}) FROM content_job"))
                if draw.random() < 0.8:  # else it is lost, and its next run begins over it
                    await purse.end()

        await asyncio.gather(*(live(number) for number in range(1, 9)))

        assert max(seen) <= budget
        assert await count(database, "SELECT spent FROM content_job") == sum(spent) <= budget
        assert sum(spent) > budget / 2


_ASK = Ask(
    route=None,  # type: ignore[arg-type]
    model="assistant",
    body={},
    stream=False,
    wants_usage=False,
    request_id="req_1",
    needs=None,  # type: ignore[arg-type]
    arrived=0.0,
)
