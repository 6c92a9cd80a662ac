"""Items are done once each, whatever happens to those who do them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.jobs import Happening, Item, ItemState, JobState, NewItem
from passerelle.jobs.bell import Bell
from passerelle.jobs.claims import MOST_LOSSES, Claim, Claims, Lost
from passerelle.jobs.desk import Desk
from passerelle.jobs.events import Events
from passerelle.jobs.kinds import Context, ItemFailed, Later
from passerelle.jobs.worker import Pace
from passerelle.stores.database import Database
from tests.unit.jobs.scene import (
    Doing,
    Gate,
    count,
    counts_agree,
    in_state,
    items,
    made,
    over,
    until,
    working,
)


async def test_every_item_is_done_once_and_its_result_is_kept(database: Database) -> None:
    kind = Doing()
    job = await made(database, 50)
    async with working(database, kind), working(database, kind):
        done = await over(database, job)

    assert done.state is JobState.DONE
    assert sorted(kind.ran) == sorted(f"i{number}" for number in range(1, 51))
    kept = await Desk(database).items("acme", job)
    assert [item.result for item in kept] == [{"said": f"i{number}"} for number in range(1, 51)]
    await counts_agree(database)


async def test_a_job_whose_transaction_is_rolled_back_never_was(database: Database) -> None:
    kind = Doing()
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - of the transaction
        async with database.begin() as connection:
            await Desk(database).create(connection, tenant="acme", kind="essay", items=[NewItem("a")])
            raise ZeroDivisionError
    assert await count(database, "SELECT count(*) FROM procrastinate_jobs") == 0
    async with working(database, kind):
        await over(database, await made(database, 1))

    assert kind.ran == ["i1"]


async def test_errors_are_told_by_item_with_their_cause_and_can_be_tried_again(database: Database) -> None:
    broken = {"i2", "i4"}

    async def act(item: Item, context: Context) -> Mapping[str, Any]:
        if item.key in broken:
            raise ItemFailed("page_broken", "Page 3 cannot be read.")
        return {}

    kind, desk = Doing(act), Desk(database)
    job = await made(database, 5)
    async with working(database, kind):
        assert (await over(database, job)).state is JobState.PARTLY_FAILED
        failed = await desk.items("acme", job, state=ItemState.FAILED)
        assert [(item.key, item.trouble.code if item.trouble else "") for item in failed] == [
            ("i2", "page_broken"),
            ("i4", "page_broken"),
        ]
        broken.clear()
        assert (await desk.retry("acme", job, keys=["i2"])).state is JobState.RUNNING
        assert (await over(database, job)).progress.failed == 1
        await desk.retry("acme", job)
        assert (await over(database, job)).state is JobState.DONE

    assert sorted(kind.ran) == ["i1", "i2", "i2", "i3", "i4", "i4", "i5"]
    await counts_agree(database)


async def test_a_limit_puts_an_item_off_without_counting_and_a_defect_is_tried_as_often_as_allowed(
    database: Database,
) -> None:
    async def act(item: Item, context: Context) -> Mapping[str, Any]:
        if item.key == "defect":
            raise KeyError("Madame Dupont")
        if kind.ran.count(item.key) < 3:
            raise Later("slowly", seconds=0.05)
        return {"attempt": item.attempts}

    kind = Doing(act, attempts=1)
    job = await made(database, [NewItem("defect"), NewItem("limited")])
    async with working(database, kind):
        assert (await over(database, job)).state is JobState.PARTLY_FAILED

    defect, limited = await Desk(database).items("acme", job)
    assert defect.trouble is not None
    assert "Dupont" not in defect.trouble.message
    assert limited.result == {"attempt": 1}
    assert kind.ran.count("limited") == 3
    await counts_agree(database)


async def test_an_item_that_takes_too_long_fails(database: Database) -> None:
    kind = Doing(Gate(), attempts=1, seconds=0.05)
    job = await made(database, 1)
    async with working(database, kind):
        assert (await over(database, job)).state is JobState.FAILED

    (item,) = await Desk(database).items("acme", job)
    assert item.trouble is not None
    assert item.trouble.code == "item_timeout"


async def test_cancelling_reaches_running_items_at_once_and_nothing_more_begins(database: Database) -> None:
    gate, desk = Gate(), Desk(database)
    kind = Doing(gate)
    job = await made(database, 50)
    # Beats are minutes apart: only the bell can bring the word.
    async with working(database, kind, pace=Pace(concurrency=4, lease=600.0, grace=5.0)):
        await until(lambda: len(kind.under_way) == 4, "four run")
        assert (await desk.cancel("acme", job)).state is JobState.CANCELLING
        ended = await over(database, job)

    assert ended.state is JobState.CANCELLED
    assert ended.progress.cancelled == 50
    assert len(kind.ran) == 4
    await counts_agree(database)


async def test_a_paused_job_finishes_what_runs_and_goes_on_when_told(database: Database) -> None:
    gate, desk = Gate(), Desk(database)
    kind = Doing(gate)
    job = await made(database, 12)
    async with working(database, kind):
        await until(lambda: len(kind.under_way) == 4, "four run")
        assert (await desk.pause("acme", job)).state is JobState.PAUSED
        gate.opened.set()
        await until(lambda: not kind.under_way, "they end")
        other = await made(database, 1, tenant="other")
        await over(database, other, "other")
        assert len(kind.ran) == 5
        await desk.resume("acme", job)
        assert (await over(database, job)).state is JobState.DONE

    assert len(kind.ran) == 13
    await counts_agree(database)


async def test_deleting_a_tenants_jobs_stops_them_and_leaves_nothing(database: Database) -> None:
    kind = Doing(Gate())
    await made(database, items(8, "a"))
    await made(database, items(3, "b"))
    async with working(database, kind):
        await until(lambda: len(kind.under_way) == 4, "four run")
        assert await Desk(database).delete("acme") == 2
        await until(lambda: not kind.under_way, "they are stopped")
        for table in ("job", "job_item", "job_event"):
            assert await count(database, f"SELECT count(*) FROM {table}") == 0


async def test_a_worker_that_stops_gives_back_what_it_cannot_finish_and_another_does_it(
    database: Database,
) -> None:
    gate = Gate()
    first, second = Doing(gate), Doing()
    job = await made(database, 6)
    async with working(database, first, pace=Pace(concurrency=4, lease=600.0, grace=0.1)):
        await until(lambda: len(first.under_way) == 4, "four run")
    stopped = await Desk(database).items("acme", job)
    assert {item.state for item in stopped} == {ItemState.QUEUED}
    assert {item.attempts for item in stopped} == {0}
    async with working(database, second, pace=Pace(concurrency=2, lease=600.0)):
        assert (await over(database, job)).state is JobState.DONE

    assert len(second.ran) == 6
    await counts_agree(database)


async def test_items_of_a_lost_worker_are_done_by_another_and_a_poisoned_one_is_given_up(
    database: Database,
) -> None:
    claims = Claims(database, kinds=["essay"], lease=0.05)
    job = await made(database, 2)
    lost: list[Claim] = []
    for loss in range(MOST_LOSSES):
        claim = await claims.next()
        assert claim is not None
        lost.append(claim)

        async def swept() -> bool:
            return await claims.sweep(free=0) == 1

        await until(swept, "it is missed")
        if loss == 0:
            rest = await Claims(database, kinds=["essay"], lease=600.0).next()
            assert rest is not None
            await claims.done(rest, {})
    with pytest.raises(Lost):
        await claims.done(lost[0], {"late": True})

    ended = await over(database, job)
    assert ended.state is JobState.PARTLY_FAILED
    (item,) = await Desk(database).items("acme", job, state=ItemState.FAILED)
    assert item.trouble is not None
    assert item.trouble.code == "worker_lost"
    async with database.begin() as connection:
        told = await connection.execute(
            text("SELECT data FROM job_event WHERE what IN ('item-lost', 'item-failed')")
        )
        assert {data["item"] for (data,) in told} == {item.key}
    await counts_agree(database)


async def test_a_result_is_kept_before_the_turn_is_acknowledged(database: Database) -> None:
    """The worker dies in between: its turn is given to another worker, and the item is not done again."""
    kind = Doing()
    claims = Claims(database, kinds=["essay"], lease=0.5)
    job = await made(database, 2)
    async with database.begin() as connection:
        taken = "UPDATE procrastinate_jobs SET status = 'doing' RETURNING id"  # by a worker that is gone
        assert len((await connection.execute(text(taken))).all()) == 2
    claim = await claims.next()
    assert claim is not None
    await claims.done(claim, {"paid": True})
    async with working(database, kind):
        await over(database, job)

    assert len(kind.ran) == 1
    assert claim.item.key not in kind.ran


async def test_what_is_written_along_with_a_result_is_written_with_it_or_not_at_all(
    database: Database,
) -> None:
    async def act(item: Item, context: Context) -> Mapping[str, Any]:
        async def write(connection: AsyncConnection) -> None:
            await connection.execute(
                text("INSERT INTO installation (name, value) VALUES (:key, '')"), {"key": item.key}
            )
            if item.key == "b":
                raise ItemFailed("refused", "Not this one.")

        context.along(write)
        await context.note({"page": 1})
        return {}

    job = await made(database, [NewItem("a"), NewItem("b")])
    async with working(database, Doing(act)):
        assert (await over(database, job)).state is JobState.PARTLY_FAILED

    assert await count(database, "SELECT count(*) FROM installation WHERE name IN ('a', 'b')") == 1
    noted = [
        event
        for event in await Events(database, Bell(database)).read("acme", job)
        if event.what is Happening.NOTED
    ]
    assert len(noted) == 2


async def test_a_tenth_of_the_work_is_not_kept_waiting_by_nine_tenths(database: Database) -> None:
    async def act(item: Item, context: Context) -> Mapping[str, Any]:
        await asyncio.sleep(0.005)
        return {}

    kind = Doing(act)
    noisy = await made(database, [NewItem(f"n{number}") for number in range(100)], tenant="noisy")
    small = await made(database, [NewItem(f"s{number}") for number in range(10)], tenant="small")
    async with working(database, kind):
        await over(database, small, "small")
        before = sum(1 for key in kind.ran if key.startswith("n"))
        await Desk(database).delete("noisy", noisy)

    assert before <= 10 + 4 + 4


async def test_a_job_of_a_kind_nobody_knows_waits_for_a_worker_that_does(database: Database) -> None:
    known, other = Doing(), Doing(name="other")
    job = await made(database, 2, kind="other")
    async with working(database, known):
        await over(database, await made(database, 1))
        await in_state(database, job, JobState.QUEUED)
        async with working(database, other):
            await over(database, job)
