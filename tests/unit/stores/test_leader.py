"""One process leads, and another one soon after it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from passerelle.stores.database import Database
from passerelle.stores.leader import Leader


class Job:
    """Work that notes when it runs."""

    def __init__(self) -> None:
        self.began = self.ended = 0

    async def run(self) -> None:
        self.began += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1


async def until(condition: Callable[[], bool], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def standing(database: Database, job: Job) -> AsyncIterator[Leader]:
    leader = Leader(database, seconds=0.02)
    leader.during(job.run)
    task = asyncio.create_task(leader.run())
    try:
        yield leader
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def end_session(database: Database) -> None:
    """What a restart of the server or a broken line does to the connection that holds the lock."""
    async with database.begin() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )


async def test_one_leads_and_the_other_follows_it(database: Database) -> None:
    one, two = Job(), Job()
    async with standing(database, one) as first:
        await until(lambda: first.leads)
        async with standing(database, two) as second:
            await asyncio.sleep(0.2)
            assert not second.leads
            assert (one.began, two.began) == (1, 0)
            first_task_ends = one.ended
            assert first_task_ends == 0
    async with standing(database, two) as second:
        await until(lambda: second.leads)
    assert (one.began, one.ended, two.began, two.ended) == (1, 1, 1, 1)


async def test_the_pool_has_all_its_connections(database: Database) -> None:
    async with standing(database, Job()) as leader:
        await until(lambda: leader.leads)
        assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_a_leader_whose_connection_broke_goes_on_unless_another_one_has_come(
    database: Database,
) -> None:
    job = Job()
    async with standing(database, job) as leader:
        await until(lambda: leader.leads)
        held = leader._connection
        await end_session(database)
        await until(lambda: leader._connection is not None and leader._connection is not held)
        await asyncio.sleep(0.1)
        assert leader.leads
        assert (job.began, job.ended) == (1, 0)


async def test_a_leader_that_was_overtaken_stops(database: Database) -> None:
    one, two = Job(), Job()
    async with standing(database, one) as first, standing(database, two) as second:
        await until(lambda: first.leads != second.leads)
        leader, job = (first, one) if first.leads else (second, two)
        follower = second if leader is first else first

        async def away() -> None:
            raise OSError("no way there")

        reach, leader._connect = leader._connect, away  # type: ignore[assignment,method-assign]
        await end_session(database)
        await until(lambda: follower.leads)
        assert leader.leads  # it does not know yet, and can write nothing
        leader._connect = reach  # type: ignore[method-assign]
        await until(lambda: job.ended == 1)
        assert not leader.leads
        assert follower.leads


async def test_work_that_breaks_is_heard_of(database: Database) -> None:
    async def broken() -> None:
        raise ValueError("a defect")

    leader = Leader(database, seconds=0.02)
    leader.during(broken)
    with pytest.raises(ValueError, match="a defect"):
        async with asyncio.timeout(20):
            await leader.run()
