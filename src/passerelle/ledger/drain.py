"""Moves the spool into PostgreSQL: every try that began is one row there, once, however often this is killed.

The tables remember what is written; a segment is removed after that, so that a repetition finds nothing to add.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psycopg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.errors import Unavailable
from passerelle.ledger.drain_rows import ATTEMPT_COLUMNS, ENTRY_COLUMNS, Row, copied, rows
from passerelle.ledger.spool import LOCK, NEW, Spool
from passerelle.ledger.spool_reader import Reader, Settled
from passerelle.stores.database import Database, Outage, within
from passerelle.stores.locks import take

_LARGEST_BATCH = 1000  # tries
_LONGEST_PAUSE = 30.0
_WRITE_SECONDS = 15.0
_LOCK = 0x6C656467  # advisory: dead processes' tries are written by one process at a time

_ATTEMPTS = ", ".join(ATTEMPT_COLUMNS)
_ENTRIES = ", ".join(ENTRY_COLUMNS)
_STAGE = tuple(
    f"CREATE TEMPORARY TABLE IF NOT EXISTS incoming_{table} ON COMMIT DELETE ROWS"  # noqa: S608 - names are ours
    f" AS SELECT {columns} FROM ledger_{table} WITH NO DATA"
    for table, columns in (("attempts", _ATTEMPTS), ("entries", _ENTRIES))
)
# Entries follow their try's row: where that is there already, so are they.
_POST = text(f"""
WITH fresh AS (
    INSERT INTO ledger_attempts ({_ATTEMPTS}) SELECT {_ATTEMPTS} FROM incoming_attempts
    ON CONFLICT (attempt_id) DO NOTHING RETURNING attempt_id
), posted AS (
    INSERT INTO ledger_entries ({_ENTRIES}) SELECT {_ENTRIES} FROM incoming_entries
    WHERE attempt_id IN (SELECT attempt_id FROM fresh)
    ON CONFLICT (attempt_id, kind, line, account) DO NOTHING RETURNING 1
)
SELECT (SELECT count(*) FROM fresh), (SELECT count(*) FROM posted)
""")  # noqa: S608 - names are ours

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Drained:
    """What was new in the tables."""

    attempts: int = 0
    entries: int = 0

    def __add__(self, other: Drained) -> Drained:
        return Drained(self.attempts + other.attempts, self.entries + other.entries)


class Drain:
    """Drains a process's own part of the spool, and the parts of processes that are dead.

    `folder` is the one that the spools are in. Without `own`, only dead processes' parts are drained. A spool that
    is closed counts as a dead process's: the last `drain_once` before the end of the program empties it.
    """

    def __init__(
        self, database: Database, folder: Path, *, own: Spool | None = None, seconds: float = 0.5
    ) -> None:
        self._database = database
        self._folder = folder
        self._own = own
        self._reader = Reader(own.folder, live=True, gone=own.drained) if own else None
        self._seconds = seconds
        self._batch = _LARGEST_BATCH
        self._left: set[str] = set()  # folders that only another program can finish
        self._one = asyncio.Lock()

    async def run(self) -> None:
        """Drain every `seconds` until cancelled; more seldom while the database is away."""
        pause, away = self._seconds, False
        while True:
            try:
                await self.drain_once()
            except Unavailable as error:
                if not away:
                    _log.warning("ledger_waits", reason=str(error.__cause__ or error).splitlines()[0][:300])
                away, pause = True, min(2 * pause, _LONGEST_PAUSE)
            except OSError as error:
                _log.error("spool_not_read", reason=error.strerror, folder=str(self._folder))
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                if away:
                    _log.info("ledger_goes_on")
                away, pause = False, self._seconds
            await asyncio.sleep(pause)

    async def drain_once(self) -> Drained:
        """Write all that is settled now. Raises Unavailable while the database cannot take it, and OSError."""
        async with self._one:
            drained = Drained()
            if self._reader and self._own and not self._own.closed:
                drained += await self._empty(self._reader, adopted=False)
            for folder in await asyncio.to_thread(self._siblings):
                drained += await self._adopt(folder)
            return drained

    def _siblings(self) -> list[Path]:
        """The folders of other processes, and our own once it is closed."""
        mine = self._own.owner if self._own and not self._own.closed else None
        if not self._folder.is_dir():
            return []
        return sorted(
            each
            for each in self._folder.iterdir()
            if each.is_dir() and each.name not in self._left | {mine} and not each.name.startswith(NEW)
        )

    async def _adopt(self, folder: Path) -> Drained:
        """Everything in a folder, if its process is dead."""
        try:
            held = take(folder / LOCK, exclusive=True, seconds=0)
        except (TimeoutError, FileNotFoundError):
            return Drained()  # it lives, or somebody else has just finished with it
        try:
            mine = self._reader is not None and self._reader.folder == folder
            reader = self._reader if mine and self._reader else Reader(folder, live=False)
            reader.live = False
            drained = await self._empty(reader, adopted=True)
            if not reader.remove():
                self._left.add(folder.name)
            return drained
        finally:
            os.close(held)

    async def _empty(self, reader: Reader, *, adopted: bool) -> Drained:
        """All that is settled in one folder."""
        drained = Drained()
        while True:
            settled = await asyncio.to_thread(reader.read, self._batch)
            if settled:
                drained += await self._write(settled, adopted=adopted)
            await asyncio.to_thread(reader.written, len(settled))
            if len(settled) < self._batch:
                return drained
            self._batch = min(2 * self._batch, _LARGEST_BATCH)

    async def _write(self, settled: Sequence[Settled], *, adopted: bool) -> Drained:
        attempts, entries = await asyncio.to_thread(_rows, settled)
        try:
            return await within(_WRITE_SECONDS, self._post(attempts, entries, adopted=adopted))
        except (psycopg.Error, DBAPIError, *Outage) as error:
            # A slow database may manage half of it in its time.
            self._batch = max(1, self._batch // 2)
            raise Unavailable(
                "The ledger's database cannot be written.", code="ledger_unavailable"
            ) from error

    async def _post(self, attempts: bytes, entries: bytes, *, adopted: bool) -> Drained:
        async with self._database.begin() as connection:
            if adopted:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            for statement in _STAGE:
                await connection.execute(text(statement))
            await _copy(connection, f"incoming_attempts ({_ATTEMPTS})", attempts)
            await _copy(connection, f"incoming_entries ({_ENTRIES})", entries)
            new = (await connection.execute(_POST)).one()
            return Drained(int(new[0]), int(new[1]))


async def _copy(connection: AsyncConnection, into: str, lines: bytes) -> None:
    driver = (await connection.get_raw_connection()).driver_connection
    statement = f"COPY {into} FROM STDIN".encode()
    async with (
        cast("psycopg.AsyncConnection[Any]", driver).cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        await copy.write(lines)


def _rows(settled: Sequence[Settled]) -> tuple[bytes, bytes]:
    """The rows of a batch, ready for COPY. Of two ends of one try, the first one counts."""
    attempts: dict[str, Row] = {}
    entries: list[Row] = []
    for each in settled:
        attempt, lines = rows(each.began, each.ended)
        name = str(attempt[0])
        if name not in attempts:
            attempts[name] = attempt
            entries += lines
    return copied(attempts.values()), copied(entries)
