"""A process works on jobs when there are any, on a real database, and leaves nothing half done behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.domain.errors import Unavailable
from passerelle.domain.jobs import Happening, Item, ItemState, JobState
from passerelle.jobs.kinds import Context, ItemFailed, Kinds
from passerelle.stores.database import Database
from passerelle.telemetry.metrics import Metrics
from passerelle.working import Ground, Working, forget, grace_of
from tests.unit.jobs.scene import Doing, Gate, counts_agree, in_state, items, made, over, until


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@asynccontextmanager
async def _working(database: Database, metrics: Metrics, *kinds: Any, **named: Any) -> AsyncIterator[Working]:
    async def found() -> Kinds:
        return {kind.name: kind for kind in kinds}

    ground = Ground(database, metrics, found, look=0.05, grace=5.0)
    working = Working(replace(ground, **named))
    try:
        yield working
    finally:
        await working.aclose()


def _value(metrics: Metrics, name: str, **labels: str) -> float | None:
    metrics.exposition()
    return metrics.registry.get_sample_value(name, labels)


async def test_nothing_is_opened_where_there_is_nothing_to_do(database: Database, metrics: Metrics) -> None:
    async with _working(database, metrics, Doing()) as working:
        await working.expect()
        working.wanted()
        assert not working.opened
        assert _value(metrics, "passerelle_job_worker") == 0


def test_what_carries_jobs_is_not_imported_before() -> None:
    said = "import sys, passerelle.working as w; print(sorted({'procrastinate', 'langchain_core'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_work_that_waits_at_start_is_done_and_counted(database: Database, metrics: Metrics) -> None:
    job = await made(database, 3)
    async with _working(database, metrics, Doing()) as working:
        await working.expect()
        assert working.opened
        assert _value(metrics, "passerelle_job_worker") == 1
        await over(database, job)
    assert _value(metrics, "passerelle_job_items_total", kind="essay", end="done") == 3
    assert _value(metrics, "passerelle_job_items_under_way") == 0


async def _with_page(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO rag_collection (tenant, name, width, size, overlap) VALUES ('acme', 'a', 0, 9, 1)"
            )
        )
        await connection.execute(
            text(
                "INSERT INTO rag_document (id, tenant, collection, key, origin, state, refresh)"
                " VALUES ('d', 'acme', 'a', 'k', 'url', 'ready', 60)"
            )
        )


async def test_a_page_that_is_to_be_looked_at_again_is_work(database: Database, metrics: Metrics) -> None:
    await _with_page(database)
    async with _working(database, metrics, Doing()) as working:
        await working.expect()
        assert working.opened


async def test_work_that_another_process_left_is_found(database: Database, metrics: Metrics) -> None:
    async with _working(database, metrics, Doing()) as working:
        await working.expect()
        job = await made(database, 1)
        await over(database, job)


async def test_a_job_that_is_made_here_is_begun_once_it_is_committed(
    database: Database, metrics: Metrics
) -> None:
    async with _working(database, metrics, Doing(), look=3600.0) as working:
        await working.expect()
        async with database.begin() as connection:
            job = await working.desk.create(connection, tenant="acme", kind="essay", items=items(1))
            await asyncio.sleep(0.1)  # it is looked for in vain meanwhile
            assert not working.opened
        await over(database, job)


async def test_a_job_that_goes_on_is_worked_on(database: Database, metrics: Metrics) -> None:
    failing = await made(database, 1)
    async with _working(database, Metrics(), Doing(_refuse)) as other:
        await other.open()
        await in_state(database, failing, JobState.FAILED)
    async with _working(database, metrics, Doing(), look=3600.0) as working:
        await working.desk.retry("acme", failing)
        await working.expect()
        await in_state(database, failing, JobState.DONE)


async def _refuse(item: Item, context: Context) -> Mapping[str, Any]:
    raise ItemFailed("refused", "It is refused.")


async def test_a_process_that_does_not_work_leaves_jobs_alone(database: Database, metrics: Metrics) -> None:
    job = await made(database, 1)
    async with _working(database, metrics, Doing(), concurrency=0) as working:
        await working.expect()
        working.wanted()
        assert (await working.desk.look("acme", job)).state is JobState.QUEUED
        assert [each.what for each in await working.events.read("acme", job)] == [Happening.CREATED]
        assert not working.opened


async def test_a_job_is_followed_where_no_worker_runs(database: Database, metrics: Metrics) -> None:
    job = await made(database, 2)
    async with _working(database, metrics) as follows, _working(database, Metrics(), Doing()) as works:
        await works.open()
        told = [each.what async for each in follows.events.follow("acme", job)]
    assert told[0] is Happening.CREATED
    assert told[-1] is Happening.FINISHED
    assert told.count(Happening.ITEM_DONE) == 2


async def test_it_is_opened_once(database: Database, metrics: Metrics) -> None:
    opened: list[int] = []

    async def kinds() -> Kinds:
        opened.append(1)
        return {}

    async with _working(database, metrics, kinds=kinds) as working:
        await working.open()
        await working.expect()
        await working.open()
    assert opened == [1]
    await working.open()  # nor after its end
    assert opened == [1]


async def test_what_kinds_need_may_come_later(
    database: Database, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    away = [True]
    kind = Doing()

    async def kinds() -> Kinds:
        if away:
            raise Unavailable("QDRANT_URL is not set.")
        return {kind.name: kind}

    job = await made(database, 1)
    async with _working(database, metrics, kinds=kinds) as working:
        await working.expect()
        assert not working.opened
        with pytest.raises(Unavailable):
            await working.open()
        away.clear()
        await over(database, job)


async def test_items_end_within_the_grace(database: Database, metrics: Metrics) -> None:
    gate = Gate()
    kind = Doing(gate)
    job = await made(database, 1)
    async with _working(database, metrics, kind) as working:
        await working.open()
        await until(lambda: kind.under_way, "it runs")
        working.leave()
        gate.opened.set()
    await in_state(database, job, JobState.DONE)


async def _given_back(working: Working, kind: Doing, job: str, metrics: Metrics) -> None:
    """Leave while an item runs that does not end."""
    await working.open()
    await until(lambda: kind.under_way, "it runs")
    working.leave()
    await working.aclose()
    (item,) = await working.desk.items("acme", job)
    assert (item.state, item.attempts) == (ItemState.QUEUED, 0)
    # More than once where a turn that was looking for an item just then took it again: it gives it back, too.
    assert (_value(metrics, "passerelle_job_items_total", kind="essay", end="given-back") or 0) >= 1
    assert kind.ran == ["i1"]


async def test_what_does_not_end_within_the_grace_is_given_back(database: Database, metrics: Metrics) -> None:
    kind = Doing(Gate())
    job = await made(database, 1)
    async with _working(database, metrics, kind, grace=0.1) as working:
        await _given_back(working, kind, job, metrics)
    await counts_agree(database)


async def test_who_hurries_spends_no_grace(database: Database, metrics: Metrics) -> None:
    kind = Doing(Gate())
    job = await made(database, 1)
    async with _working(database, metrics, kind, grace=3600.0) as working:
        await working.open()
        working.hurry()
        await _given_back(working, kind, job, metrics)


async def test_finished_jobs_are_deleted_one_day(database: Database, metrics: Metrics) -> None:
    job = await made(database, 1)
    fresh = await made(database, 0)
    async with _working(database, metrics, Doing()) as working:
        await working.open()
        await over(database, job)
        async with database.begin() as connection:
            await connection.execute(
                text("UPDATE job SET finished_at = finished_at - interval '31 days' WHERE id = :id"),
                {"id": job},
            )
        await forget(working.desk, datetime.now(UTC))
        assert [each.id for each in await working.desk.list("acme")] == [fresh]


def test_the_grace_is_a_part_of_the_drain() -> None:
    assert grace_of(30) == 20
    assert grace_of(3) == 2
    assert grace_of(0) == 0
