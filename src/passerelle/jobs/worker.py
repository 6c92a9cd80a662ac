"""Runs jobs' items and periodic tasks until it is cancelled, then stops within its grace and loses nothing.

procrastinate carries turns from whoever makes items to the workers of all processes, and periodic tasks; a turn takes
items in fair order. Any number of workers may run, in `serve` or elsewhere. Import this module late: it brings
procrastinate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException, JobAborted
from procrastinate.job_context import AbortReason, JobContext
from procrastinate.jobs import Notification
from procrastinate.worker import Worker as Procrastinate
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.exc import SQLAlchemyError

from passerelle.jobs.bell import Bell
from passerelle.jobs.claims import Claims
from passerelle.jobs.kinds import Kinds
from passerelle.jobs.periodic import Periodic, install
from passerelle.jobs.runs import Runs, names
from passerelle.jobs.tables import CLOCK, QUEUE, TURN
from passerelle.stores.database import Database, Outage

_BEATS = 4  # in a lease
_POLL_SECONDS = 2.0  # how late a turn may be that was put off to a time, or whose word was missed
_AGAIN_SECONDS = 0.1  # longer than a look takes
_CONNECTIONS = 4  # of the carriers, beside two that listen
_CLOCKS = 2  # periodic tasks at once
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a worker works. `concurrency`: items at once; times in seconds.

    `lease`: after a worker's last sign of life its items are given to others. `grace`: items may end once it is to
    stop; the others are given back.
    """

    concurrency: int = 8
    lease: float = 20.0
    grace: float = 20.0


class Worker:
    """One process's worker. The bell is run by whoever made it.

    `counted` is told of every item that was settled: its kind, and `done`, `failed`, `again`, `cancelled`, `given-back` or `lost`.
    """

    def __init__(
        self,
        database: Database,
        kinds: Kinds,
        bell: Bell,
        *,
        pace: Pace | None = None,
        periodic: Sequence[Periodic] = (),
        share_of: Callable[[str], int] = lambda _: 1,
        counted: Callable[[str, str], None] = lambda _kind, _end: None,
    ) -> None:
        self._bell = bell
        self._pace = pace or Pace()
        self._lease = self._pace.lease
        self._claims = Claims(database, kinds=names(kinds), lease=self._lease, share_of=share_of)
        self._runs = Runs(self._claims, kinds, counted=counted)
        self._app = _app(database, self._runs.turn, periodic)
        self._stopping = False

    @property
    def under_way(self) -> int:
        """How many items run here."""
        return self._runs.under_way

    def hurry(self) -> None:
        """Spend no more of the grace: what is under way when it is cancelled is given back at once."""
        self._runs.hurry()

    async def run(self) -> None:
        """Work until cancelled; goes on through outages."""
        carriers = [
            asyncio.create_task(self._carry(QUEUE, self._pace.concurrency), name="carrier of turns"),
            asyncio.create_task(self._carry(CLOCK, _CLOCKS), name="carrier of periodic tasks"),
        ]
        beats = [
            asyncio.create_task(self._repeat(self._runs.beat, self._lease / _BEATS)),
            asyncio.create_task(self._repeat(self._sweep, self._lease / _BEATS)),
        ]
        try:
            with self._bell.heard_by(self._runs.hear):
                try:
                    # Nothing is cancelled here: items under way need their beats, and procrastinate stops hard when
                    # it is cancelled twice.
                    done, _ = await asyncio.wait([*carriers, *beats], return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()  # they end by a defect only: whoever runs this is to hear of it
                finally:
                    await self._stop(carriers)
        finally:
            await _end(beats)
            with suppress(ConnectorException, psycopg.Error, OSError):
                await self._app.close_async()

    async def _stop(self, carriers: Sequence[asyncio.Task[None]]) -> None:
        self._stopping = True
        closing = asyncio.ensure_future(self._runs.close(self._pace.grace))
        try:
            await _end(carriers)
        finally:
            await closing

    async def _carry(self, queue: str, concurrency: int) -> None:
        """Take turns from procrastinate. It ends when the database is away; then it is started again."""
        pause = _FIRST_PAUSE
        while not self._stopping:
            began = asyncio.get_running_loop().time()
            try:
                await self._app.open_async()
                await self._carrier(queue, concurrency).run()  # type: ignore[no-untyped-call]
            except (ConnectorException, psycopg.Error, OSError) as error:
                _log.warning("jobs_wait_for_database", queue=queue, error=type(error).__name__)
            if asyncio.get_running_loop().time() - began > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            if not self._stopping:
                await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _carrier(self, queue: str, concurrency: int) -> Carrier:
        return Carrier(
            self._app,
            queues=[queue],
            name=queue,
            concurrency=concurrency,
            install_signal_handlers=False,
            shutdown_graceful_timeout=self._pace.grace + 1.0,  # items are ended by then
            fetch_job_polling_interval=_POLL_SECONDS,
            delete_jobs="always",  # our tables say what became of everything
            update_heartbeat_interval=self._lease / _BEATS,
            stalled_worker_timeout=self._lease,
            worker_middleware=[told_apart],
        )

    async def _sweep(self) -> None:
        await self._claims.sweep(free=0 if self._stopping else self._pace.concurrency - self._runs.under_way)

    async def _repeat(self, work: Callable[[], Awaitable[object]], seconds: float) -> None:
        while True:
            try:
                await work()
            except (SQLAlchemyError, *Outage) as error:
                _log.debug("jobs_wait_for_database", error=type(error).__name__)
            await asyncio.sleep(seconds)


class Carrier(Procrastinate):
    """procrastinate's worker, which forgets a word that comes while it is looking: it is told once more, later.

    And nobody there asks what became of a turn whose end the database could not be told; such a turn is taken for stalled.
    """

    async def _process_job(self, context: JobContext) -> None:
        try:
            await super()._process_job(context)
        except (ConnectorException, psycopg.Error, OSError) as error:
            _log.debug("jobs_wait_for_database", error=type(error).__name__)

    async def _handle_notification(self, *, channel: str, notification: Notification) -> None:
        await super()._handle_notification(channel=channel, notification=notification)
        if notification["type"] == "job_inserted":
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._new_job_event.set)


async def told_apart(
    call_next: Callable[[], Awaitable[Any]], context: JobContext, worker: Procrastinate
) -> Any:  # the library's seam
    """What was aborted on request is aborted, not failed, and what was aborted by a shutdown is tried again."""
    try:
        return await call_next()
    except asyncio.CancelledError:
        if context.abort_reason() is AbortReason.USER_REQUEST:
            raise JobAborted from None
        raise


def _app(database: Database, turn: Callable[[], Awaitable[None]], periodic: Sequence[Periodic]) -> App:
    app = App(connector=_connector(database))

    async def run(timestamp: int | None = None) -> None:
        await turn()

    # Tried again for ever: one that is aborted by a shutdown, or meets an outage, would else be gone for good.
    task = app.task(name=TURN, queue=QUEUE, retry=True)(run)
    # Costs nothing, and keeps procrastinate awake: without a periodic task it stops watching its own heartbeat.
    app.periodic(cron="* * * * *", periodic_id="turn", queueing_lock="turn")(task)
    install(app, periodic)
    return app


def _connector(database: Database) -> PsycopgConnector:
    def pool(**options: Any) -> AsyncConnectionPool:
        return AsyncConnectionPool(
            kwargs=database.connecting(), min_size=1, max_size=_CONNECTIONS, timeout=5.0, **options
        )

    return PsycopgConnector(pool_factory=pool)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
