"""Moves the spool into PostgreSQL: every try that began is one row there, once, however often this is killed.

The tables remember what is written; a segment is removed after that, so that a repetition finds nothing to add.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar, cast

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.errors import Unavailable
from passerelle.domain.ledger import Began, Ended, Exchange
from passerelle.ledger.drain_rows import Row, copied, rows, sighting
from passerelle.ledger.drain_sql import (
    CHECK_CALENDAR,
    COPY_ATTEMPTS,
    COPY_ENTRIES,
    COPY_SIGHTINGS,
    POST_PLAIN,
    POST_STAGED,
    STAGE,
    paired,
)
from passerelle.ledger.spool import LOCK, NEW, Spool
from passerelle.ledger.spool_lines import content, decode
from passerelle.ledger.spool_reader import Reader, Segment, Settled
from passerelle.stores.database import Database, Outage, within
from passerelle.stores.locks import take

_LARGEST_BATCH = 1000  # tries
_LONGEST_PAUSE = 30.0
_CURRENT_SECONDS = 120.0
_WRITE_SECONDS = 15.0
_LOCK = 0x6C656467  # advisory: dead processes' tries are written by one process at a time

# SQLSTATE classes of what is wrong with the data alone: data exceptions, and limits that a value can pass.
_REFUSED = ("22", "54", "23505")

_E = TypeVar("_E", Began, Ended)
RateOf = Callable[[str], Exchange | None]  # of a currency, into the operator's

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Drained:
    """What was new in the tables."""

    attempts: int = 0
    entries: int = 0

    def __add__(self, other: Drained) -> Drained:
        return Drained(self.attempts + other.attempts, self.entries + other.entries)


@dataclass(frozen=True, slots=True)
class Batch:
    """Tries ready for the database: those that it unpacks itself, and the rows of others for COPY.

    `aside` are lines that nothing can be made of.
    """

    plain: str = ""
    attempts: bytes = b""
    entries: bytes = b""
    sightings: bytes = b""
    aside: Sequence[tuple[Segment, bytes]] = ()


class Drain:
    """Drains a process's own part of the spool, and the parts of processes that are dead.

    `folder` is the one that the spools are in. Without `own`, only dead processes' parts are drained. A spool that
    is closed counts as a dead process's: the last `drain_once` before the end of the program empties it.
    `rate` exchanges what tries without an end may have cost; without it their cost is told in its own currency alone.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        own: Spool | None = None,
        seconds: float = 1.0,
        rate: RateOf | None = None,
    ) -> None:
        self._database = database
        self._folder = folder
        self._own = own
        self._reader = Reader(own.folder, live=True, gone=own.drained) if own else None
        self._seconds = seconds
        self._rate = rate or _no_rate
        self._batch = _LARGEST_BATCH
        self._left: set[str] = set()  # folders that only another program can finish
        self._one = asyncio.Lock()
        self._emptied = float("-inf")  # when the last round began that left nothing

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

    @property
    def current(self) -> bool:
        """Has the database lately taken all that was settled?"""
        return monotonic() - self._emptied < _CURRENT_SECONDS

    async def drain_once(self) -> Drained:
        """Write all that is settled now. Raises Unavailable while the database cannot take it, and OSError."""
        async with self._one:
            drained = Drained()
            began = monotonic()
            if self._reader and self._own and not self._own.closed:
                drained += await self._empty(self._reader, adopted=False)
            for folder in await asyncio.to_thread(self._siblings):
                drained += await self._adopt(folder)
            self._emptied = began
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
                new = await self._write(reader, settled, adopted=adopted)
                if new is None:
                    self._batch = max(1, len(settled) // 2)
                    continue
                drained += new
            await asyncio.to_thread(reader.written, len(settled))
            if len(settled) < self._batch:
                return drained
            self._batch = min(2 * self._batch, _LARGEST_BATCH)

    async def _write(self, reader: Reader, settled: Sequence[Settled], *, adopted: bool) -> Drained | None:
        """What was new of it; None where all of it is refused, so that less of it is to be tried."""
        new: Drained | None
        try:
            batch = await asyncio.to_thread(_prepare, settled, self._rate)
            try:
                new = await within(_WRITE_SECONDS, self._post(batch, adopted=adopted))
            except psycopg.Error as error:
                if not _is_refusal(error):
                    raise
                batch = await asyncio.to_thread(_prepare, settled, self._rate, careful=True)
                new = await self._post_carefully(batch, adopted=adopted)
        except (psycopg.Error, DBAPIError, *Outage) as error:
            # A slow database may manage half of it in its time.
            self._batch = max(1, self._batch // 2)
            raise Unavailable(
                "The ledger's database cannot be written.", code="ledger_unavailable"
            ) from error
        if new is None:
            if len(settled) > 1:
                return None
            batch, new = Batch(aside=_all_lines(settled[0])), Drained()
            _log.error("ledger_refuses_a_try", attempt=settled[0].attempt_id.decode(errors="replace"))
        for segment, line in batch.aside:
            reader.set_aside(segment, line)
        return new

    async def _post_carefully(self, batch: Batch, *, adopted: bool) -> Drained | None:
        """What was new; None where the database refuses something in it."""
        await within(_WRITE_SECONDS, self._check_calendar())
        try:
            return await within(_WRITE_SECONDS, self._post(batch, adopted=adopted))
        except psycopg.Error as error:
            if not _is_refusal(error):
                raise
            return None

    async def _check_calendar(self) -> None:
        async with self._database.begin() as connection, await _cursor(connection) as cursor:
            await cursor.execute(CHECK_CALENDAR)

    async def _post(self, batch: Batch, *, adopted: bool) -> Drained:
        async with self._database.begin() as connection, await _cursor(connection) as cursor:
            if adopted:
                await cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            drained = Drained()
            if batch.plain:
                await cursor.execute(POST_PLAIN, (batch.plain,))
                drained += await _counted(cursor)
            if batch.attempts:
                for statement in STAGE:
                    await cursor.execute(statement)
                for statement, lines in (
                    (COPY_ATTEMPTS, batch.attempts),
                    (COPY_ENTRIES, batch.entries),
                    (COPY_SIGHTINGS, batch.sightings),
                ):
                    async with cursor.copy(statement) as copy:
                        await copy.write(lines)
                await cursor.execute(POST_STAGED)
                drained += await _counted(cursor)
            return drained


async def _cursor(connection: AsyncConnection) -> psycopg.AsyncCursor[Any]:
    """The driver's own: what is said here is said at every pause, and goes past no layer that need not see it."""
    driver = (await connection.get_raw_connection()).driver_connection
    return cast("psycopg.AsyncConnection[Any]", driver).cursor()


async def _counted(cursor: psycopg.AsyncCursor[Any]) -> Drained:
    """What a statement has added. Raises psycopg.InternalError where there is no calendar to post by."""
    attempts, entries, calendars = await cursor.fetchone() or (0, 0, 0)
    if not calendars:
        raise psycopg.InternalError("the ledger's calendar has no row")
    return Drained(int(attempts), int(entries))


def _is_refusal(error: psycopg.Error) -> bool:
    return (error.sqlstate or "").startswith(_REFUSED)


def _prepare(settled: Sequence[Settled], rate: RateOf, *, careful: bool = False) -> Batch:
    """A batch for the database. Of two ends of one try, the first one counts."""
    first: dict[bytes, Settled] = {}
    for each in settled:
        first.setdefault(each.attempt_id, each)
    plain: list[tuple[bytes, bytes]] = []
    attempts: dict[str, Row] = {}
    entries: list[Row] = []
    sightings: list[Row] = []
    aside: list[tuple[Segment, bytes]] = []
    for each in first.values():
        if each.plain and not careful and each.began is not None and each.ended is not None:
            plain.append((content(each.began), content(each.ended)))
        elif made := _rows(each, rate, aside):
            attempt, lines, seen = made
            if str(attempt[0]) not in attempts:
                attempts[str(attempt[0])] = attempt
                entries += lines
                sightings += [seen] if seen is not None else []
    try:
        known = paired(plain) if plain else ""
    except UnicodeDecodeError:
        return _prepare(settled, rate, careful=True)
    return Batch(known, copied(attempts.values()), copied(entries), copied(sightings), aside)


def _rows(
    settled: Settled, rate: RateOf, aside: list[tuple[Segment, bytes]]
) -> tuple[Row, list[Row], Row | None] | None:
    """The rows of a try as far as its lines can be read; those that cannot are put aside."""
    began = _read(Began, settled.began, settled.segments[0], aside)
    ended = _read(Ended, settled.ended, settled.segments[-1], aside)
    if began is None and ended is None:
        return None
    lost = rate(began.held_currency) if began and ended is None and began.held_currency is not None else None
    return *rows(began, ended, lost=lost), sighting(began, ended)


def _read(
    kind: type[_E], line: bytes | None, segment: Segment, aside: list[tuple[Segment, bytes]]
) -> _E | None:
    if line is None:
        return None
    event = decode(line)
    if isinstance(event, kind):
        return event
    aside.append((segment, line))
    return None


def _all_lines(settled: Settled) -> list[tuple[Segment, bytes]]:
    pairs = ((settled.segments[0], settled.began), (settled.segments[-1], settled.ended))
    return [(segment, line) for segment, line in pairs if line is not None]


def _no_rate(currency: str) -> Exchange | None:
    del currency
    return None
