"""One of several processes does what must be done once: whoever holds an advisory lock of the database.

The lock lives as long as the connection that took it, so that the next process has it within seconds of the
leader's death. What is done under it must bear being done twice for a moment: a leader whose connection broke goes
on until it hears that another one leads. Nobody else can write while the database is away, and neither can it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import psycopg
import structlog

from passerelle.stores.database import Database, within

_LOCK = 0x6C656164  # advisory, of a session
_SECONDS = 1.0  # between two looks
_ANSWER_SECONDS = 5.0
_TAKE = "SELECT pg_try_advisory_lock(%s)"
# A leader whose machine lost its power is noticed by the server as fast as by us.
_KEEPALIVE = """
SELECT set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
    set_config('tcp_keepalives_count', '3', false), set_config('idle_session_timeout', '0', false)
"""

Work = Callable[[], Coroutine[Any, Any, None]]  # runs until it is cancelled; called anew each time this leads

_log = structlog.get_logger(__name__)


class Leader:
    """Stands for the lock until cancelled, and runs what was given to `during` while it has it."""

    def __init__(self, database: Database, *, key: int = _LOCK, seconds: float = _SECONDS) -> None:
        self._database = database
        self._key = key
        self._seconds = seconds
        self._works: list[Work] = []
        self._running: list[asyncio.Task[None]] = []
        self._connection: psycopg.AsyncConnection[Any] | None = None

    @property
    def leads(self) -> bool:
        """Does this process do what is done once?"""
        return bool(self._running)

    def during(self, work: Work) -> None:
        """Have something done while this process leads; to be said before `run`."""
        self._works.append(work)

    async def run(self) -> None:
        """Stand for the lock for ever. On cancellation the work is cancelled first, then the lock let go."""
        try:
            while True:
                await self._look()
                for task in self._running:
                    if task.done():
                        task.result()  # work ends by a defect only: whoever runs this is to hear of it
                await asyncio.sleep(self._seconds)
        finally:
            try:
                await self._stop()
            finally:
                await self._leave()

    async def _look(self) -> None:
        """Take the lock if it is free, keep it if it is ours, stop where somebody else has it."""
        try:
            if self._connection is None:
                self._connection = await within(_ANSWER_SECONDS, self._connect())
                has_it = await self._take(self._connection)
            elif self.leads:
                await within(_ANSWER_SECONDS, self._connection.execute("SELECT 1"))
                return
            else:
                has_it = await self._take(self._connection)
        except (psycopg.Error, OSError):
            await self._leave()
            return  # neither won nor lost: who leads goes on
        if has_it and not self.leads:
            _log.info("leads")
            self._running = [asyncio.ensure_future(work()) for work in self._works]
        elif not has_it and self.leads:
            _log.warning("leads_no_more")
            await self._stop()

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        connection = await self._database.alone()
        try:
            await connection.execute(_KEEPALIVE)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _take(self, connection: psycopg.AsyncConnection[Any]) -> bool:
        answer = await within(_ANSWER_SECONDS, connection.execute(_TAKE, [self._key]))
        return bool((await answer.fetchone() or [False])[0])

    async def _stop(self) -> None:
        running, self._running = self._running, []
        for task in running:
            task.cancel()
        for task in running:
            with suppress(asyncio.CancelledError):
                await task

    async def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error, OSError):
                await connection.close()
