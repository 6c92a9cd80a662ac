"""The side of a process that works on jobs: opened when there is work to do, and not before.

Jobs can be made, looked at and followed without it. Nothing is lost with it: whatever it had in hand is given to another
process, or to the next one that starts.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.errors import PasserelleError
from passerelle.domain.jobs import Job, NewItem, Values
from passerelle.jobs.bell import Bell, Listener
from passerelle.jobs.desk import Desk
from passerelle.jobs.events import Events
from passerelle.jobs.kinds import Kinds
from passerelle.jobs.owners import Owners
from passerelle.jobs.periodic import Periodic
from passerelle.stores.database import Database, Outage
from passerelle.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from passerelle.jobs.worker import Worker  # which brings procrastinate

_log = structlog.get_logger(__name__)

_SOON_SECONDS = 0.05  # after word of work; then more seldom
_LOOK_SECONDS = 30.0  # how late work is found that another process has left behind
_LONGEST_GRACE = 20.0
KEPT_JOBS_SECONDS = 30 * 86_400.0  # finished jobs
_FORGOTTEN = 500  # of them at once

# Jobs that are not finished, and whatever is looked after at times; a finished job is deleted one day. What is being
# deleted has no job, and somebody has to finish that where a process was killed in the middle of it.
_WORK = text("""
SELECT EXISTS (SELECT FROM job) OR EXISTS (SELECT FROM rag_document WHERE refresh IS NOT NULL)
    OR EXISTS (SELECT FROM rag_conversation) OR EXISTS (SELECT FROM rag_collection WHERE dropping)
    OR EXISTS (SELECT FROM rag_document WHERE state = 'deleting')
    OR EXISTS (SELECT FROM content_job) OR EXISTS (SELECT FROM survey) OR EXISTS (SELECT FROM privacy_export)
""")


@dataclass(frozen=True, slots=True)
class Ground:
    """What working stands on.

    `kinds` opens what kinds of jobs need, once, and may raise PasserelleError where this process cannot have it.
    `concurrency`: items at once. `grace`: seconds that items may go on once the process is to stop. `look`: seconds
    between looks for work that others have left.
    """

    database: Database
    metrics: Metrics
    kinds: Callable[[], Awaitable[Kinds]]
    periodic: Sequence[Periodic] = ()
    share_of: Callable[[str], int] = lambda _: 1
    concurrency: int = 8
    grace: float = _LONGEST_GRACE
    look: float = _LOOK_SECONDS


def grace_of(drain_seconds: float) -> float:
    """The part of a drain in which items may end; the rest is for giving back the others."""
    return min(_LONGEST_GRACE, drain_seconds * 2 / 3)


async def forget(desk: Desk, _: datetime) -> None:
    """Delete jobs that finished a month ago, with what is known of their items."""
    while await desk.forget(seconds=KEPT_JOBS_SECONDS, most=_FORGOTTEN) == _FORGOTTEN:
        pass


class Working:
    """The jobs of a process, and its worker, which may not be open. Whoever makes it, closes it."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._bell = _LazyBell(ground.database)
        self.events = Events(ground.database, self._bell)
        self.desk = _Desk(ground.database, self.events, self.wanted)
        self._opening = asyncio.Lock()
        self._worker: Worker | None = None
        self._run: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._soon = asyncio.Event()
        self._leaves = False
        ground.metrics.before.append(self._show)

    @property
    def opened(self) -> bool:
        """Does a worker run here?"""
        return self._run is not None

    async def expect(self) -> None:
        """From here on, work as soon as there is anything to do; at once where something waits already.

        A process that works on no items at once leaves all of them to others.
        """
        if self._ground.concurrency and self._looking is None and not self._leaves:
            await self._look()
            self._looking = asyncio.create_task(self._keep_looking(), name="look for jobs")

    def wanted(self) -> None:
        """There is, or will soon be, something to do: work on it, in a process that works at all."""
        self._soon.set()

    async def open(self) -> None:
        """Have a worker run here, once. Raises PasserelleError where what its kinds need cannot be had."""
        async with self._opening:
            if self._run is not None or self._leaves:
                return
            ground = self._ground
            from passerelle.jobs.worker import Pace, Worker  # noqa: PLC0415 - brings procrastinate

            # It tells of every outage with its stack; we tell of it once, and of a worker that ends otherwise.
            logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
            kinds = await ground.kinds()
            if self._leaves:
                return
            self._worker = Worker(
                ground.database,
                kinds,
                self._bell,
                pace=Pace(max(1, ground.concurrency), grace=ground.grace),
                periodic=[
                    Periodic("forget-jobs", "23 3 * * *", functools.partial(forget, self.desk)),
                    *ground.periodic,
                ],
                share_of=ground.share_of,
                counted=ground.metrics.jobs.settled,
            )
            self._run = asyncio.create_task(self._worker.run(), name="worker")
            self._run.add_done_callback(self._ended)

    def leave(self) -> None:
        """Take no more items: those under way have their grace from now on. Who follows a job is told that it ends here."""
        if not self._leaves:
            self._leaves = True
            self.events.leave()
            if self._run is not None:
                self._run.cancel()

    def hurry(self) -> None:
        """Give back at once what is under way, when it is left."""
        if self._worker is not None:
            self._worker.hurry()

    async def aclose(self) -> None:
        """Stop: the worker first, then what wakes it and those who follow jobs."""
        self.leave()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        async with self._opening:
            run = self._run  # none is opened from here on
        if run is not None:
            await asyncio.wait({run})
        await self._bell.aclose()

    async def _keep_looking(self) -> None:
        pause = self._ground.look
        while True:
            with suppress(TimeoutError):
                # Of processes that start together, not all look at once.
                async with asyncio.timeout(pause * random.uniform(0.75, 1.25)):  # noqa: S311 - no secret
                    await self._soon.wait()
            # Whoever makes a job tells it before that is committed, so looks are close together at first.
            pause = _SOON_SECONDS if self._soon.is_set() else min(2 * pause, self._ground.look)
            self._soon.clear()
            await self._look()

    async def _look(self) -> None:
        """Open where there is work."""
        if self._run is not None:
            return
        try:
            async with self._ground.database.begin() as connection:
                waits = (await connection.execute(_WORK)).scalar_one()
            if waits:
                await self.open()
        except PasserelleError as error:
            _log.warning("jobs_wait", reason=error.message[:300])
        except Outage as error:
            _log.debug("jobs_wait_for_database", error=type(error).__name__)

    def _ended(self, run: asyncio.Task[None]) -> None:
        """By a defect, unless it was told to: the next look opens another."""
        if not run.cancelled() and (error := run.exception()) is not None:
            _log.error("jobs_worker_failed", error=type(error).__name__)
        if not self._leaves:
            self._run = self._worker = None

    def _show(self) -> None:
        self._ground.metrics.jobs.stands(self._worker.under_way if self._worker is not None else None)


class _Desk(Owners):
    """A desk that tells of what is to be done."""

    def __init__(self, database: Database, events: Events, wanted: Callable[[], None]) -> None:
        super().__init__(database, events)
        self._wanted = wanted

    async def create(
        self,
        connection: AsyncConnection,
        *,
        tenant: str,
        kind: str,
        items: Sequence[NewItem],
        params: Values | None = None,
        key: str | None = None,
    ) -> str:
        self._wanted()
        return await super().create(connection, tenant=tenant, kind=kind, items=items, params=params, key=key)

    async def resume(self, tenant: str, job: str) -> Job:
        self._wanted()
        return await super().resume(tenant, job)

    async def retry(self, tenant: str, job: str, *, keys: Sequence[str] | None = None) -> Job:
        self._wanted()
        return await super().retry(tenant, job, keys=keys)


class _LazyBell(Bell):
    """A bell that begins to listen when somebody first wants to be told."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._ringing: asyncio.Task[None] | None = None

    @contextmanager
    def heard_by(self, listener: Listener) -> Iterator[None]:
        with super().heard_by(listener):
            if self._ringing is None:
                self._ringing = asyncio.create_task(self.run(), name="bell of jobs")
            yield

    async def aclose(self) -> None:
        """Listen no more."""
        if self._ringing is not None:
            self._ringing.cancel()
            await asyncio.wait({self._ringing})
