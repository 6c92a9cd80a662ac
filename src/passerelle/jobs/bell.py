"""Word that something happened to a job, from whichever process it happened in; a hint, never the truth.

One connection listens for all of a process. While it is broken nobody is told anything: whoever listens looks for
himself now and then as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import structlog

from passerelle.domain.jobs import Wish
from passerelle.jobs.tables import CHANNEL
from passerelle.stores.database import Database, within

_CONNECT_SECONDS = 5.0
_PROBE_SECONDS = 15.0  # of silence; then the connection is asked whether it still stands
_LONGEST_PAUSE = 5.0

# A job's id, and is it to stop? No id: words may have been missed.
Listener = Callable[[str | None, bool], None]

_log = structlog.get_logger(__name__)


class Bell:
    """Whoever makes it, runs `run`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: set[Listener] = set()

    @contextmanager
    def heard_by(self, listener: Listener) -> Iterator[None]:
        """Tell that listener too, inside the block; on the event loop."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    async def run(self) -> None:
        """Listen for ever; goes on through outages."""
        pause = 0.1
        while True:
            try:
                connection = await within(_CONNECT_SECONDS, self._connect())
                try:
                    pause = 0.1
                    await self._listen(connection)
                finally:
                    with suppress(psycopg.Error, OSError):
                        await connection.close()
            except (psycopg.Error, OSError) as error:
                _log.debug("jobs_bell_silent", error=type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        connection = await self._database.alone()
        try:
            await connection.execute(f"LISTEN {CHANNEL}")
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _listen(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._tell("")
        while True:
            async for notice in connection.notifies(timeout=_PROBE_SECONDS):
                self._tell(notice.payload)
            await within(_CONNECT_SECONDS, connection.execute("SELECT 1"))

    def _tell(self, said: str) -> None:
        job, _, wish = said.partition(" ")
        for listener in list(self._listeners):
            listener(job or None, wish == Wish.CANCEL)
