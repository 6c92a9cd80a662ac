"""Jobs on a real database: kinds that do what their items say, workers that run beside a test, and their owner's desk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from passerelle.domain.jobs import Item, Job, JobState, NewItem
from passerelle.jobs.bell import Bell
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Context
from passerelle.jobs.periodic import Periodic
from passerelle.jobs.worker import Pace, Worker
from passerelle.stores.database import Database

QUICK = Pace(concurrency=4, lease=1.0, grace=5.0)
Act = Callable[[Item, Context], Awaitable[Mapping[str, Any]]]


async def echo(item: Item, context: Context) -> Mapping[str, Any]:
    return {"said": item.key}


@dataclass
class Doing:
    """A kind that does what it is told, and remembers which items it ran."""

    act: Act = echo
    name: str = "essay"
    attempts: int = 3
    seconds: float = 30.0
    ran: list[str] = field(default_factory=list)
    under_way: set[str] = field(default_factory=set)

    async def run(self, item: Item, context: Context) -> Mapping[str, Any]:
        self.ran.append(item.key)
        self.under_way.add(item.key)
        try:
            return await self.act(item, context)
        finally:
            self.under_way.discard(item.key)


class Gate:
    """An act that holds every item until it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def __call__(self, item: Item, context: Context) -> Mapping[str, Any]:
        await self.opened.wait()
        return {}


async def until(condition: Callable[[], Any], what: str, within: float = 20.0) -> Any:
    """Wait for a condition, awaited where it can be; fails when it does not come true."""
    deadline = time.monotonic() + within
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"it did not happen: {what}"
        await asyncio.sleep(0.01)


def items(count: int, prefix: str = "i", **payload: Any) -> list[NewItem]:
    return [NewItem(f"{prefix}{number}", payload) for number in range(1, count + 1)]


async def made(database: Database, what: Sequence[NewItem] | int, tenant: str = "acme", **named: Any) -> str:
    """A job that was committed."""
    wanted = items(what) if isinstance(what, int) else what
    async with database.begin() as connection:
        return await Desk(database).create(
            connection, **{"tenant": tenant, "kind": "essay", "items": wanted, **named}
        )


async def over(database: Database, job: str, tenant: str = "acme", within: float = 20.0) -> Job:
    """The job, once it is over."""

    async def ended() -> Job | None:
        found = await Desk(database).look(tenant, job)
        return found if found.state.over else None

    found = await until(ended, f"{job} is over", within)
    assert isinstance(found, Job)
    return found


async def in_state(database: Database, job: str, state: JobState, tenant: str = "acme") -> None:
    async def stands() -> bool:
        return (await Desk(database).look(tenant, job)).state is state

    await until(stands, f"{job} is {state}")


@asynccontextmanager
async def working(
    database: Database, *kinds: Any, pace: Pace = QUICK, periodic: Sequence[Periodic] = (), **named: Any
) -> AsyncIterator[Worker]:
    """A worker that runs for the length of the block."""
    bell = Bell(database)
    worker = Worker(
        database, {kind.name: kind for kind in kinds}, bell, pace=pace, periodic=periodic, **named
    )
    tasks = [asyncio.create_task(bell.run()), asyncio.create_task(worker.run())]
    try:
        yield worker
    finally:
        for task in reversed(tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def count(database: Database, query: str, **values: Any) -> int:
    async with database.begin() as connection:
        return int((await connection.execute(text(query), values)).scalar_one())


async def counts_agree(database: Database) -> None:
    """What every job says of its items is what its items say; its events have no gap."""
    wrong = """
    SELECT count(*) FROM job WHERE (queued, running, done, failed, cancelled) <> (
        SELECT count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state = 'running'),
            count(*) FILTER (WHERE state = 'done'), count(*) FILTER (WHERE state = 'failed'),
            count(*) FILTER (WHERE state = 'cancelled') FROM job_item WHERE job_id = job.id)
    OR (news, news) <> (
        SELECT count(*), coalesce(max(number), 0) FROM job_event WHERE job_id = job.id)
    """
    assert await count(database, wrong) == 0
