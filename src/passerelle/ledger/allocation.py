"""Every hour of paid capacity is booked once: to those who used it, and to whom its idle time is agreed to be.

An hour is shared out when it has been over for a while. It counts the tries whose rows were written until a minute
before, because no drain takes longer to write one. A try whose row comes later weighs in the next hour that is shared
out, where its tokens count and its time does not; so each counts once. What is booked is never worked out again. What the
cache has answered counts in none: no machine has worked for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import psycopg
import structlog
from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.errors import Unavailable
from passerelle.ledger.allocation_lines import Hour, Rates, Terms, no_markup, postings, reference
from passerelle.ledger.capacity import paid, weigh
from passerelle.ledger.capacity_states import GONE, milliseconds, stretch
from passerelle.ledger.posting import post
from passerelle.stores.database import Database, Outage, within

_T = TypeVar("_T")

GRACE = timedelta(minutes=10)
LAG = timedelta(minutes=1)  # longer than any drain takes to write a batch

_HOUR = timedelta(hours=1)
_LONGEST_TRY = timedelta(days=1)
_SECONDS = 30.0  # for one hour of one backend
_LIMIT = text("SET LOCAL statement_timeout = 25000")  # a busy hour has a hundred thousand tries
_LONGEST_PAUSE = 600.0
_LOCK = 0x63617061  # advisory, with the backend: one hour is shared out by one process

_BACKENDS = text("SELECT DISTINCT backend FROM ledger_capacity ORDER BY 1")
_TAKE = text("SELECT pg_advisory_xact_lock(CAST(:lock AS integer), hashtext(:backend))")
_LAST = text("""
SELECT max(at) AS hour, max(written_at) AS written FROM ledger_entries
WHERE kind = 'allocate' AND meter = 'capacity' AND backend = :backend
""")
_EXISTS = text("SELECT 1 FROM ledger_entries WHERE attempt_id = :reference AND kind = 'allocate' LIMIT 1")
_FIRST = text(
    "SELECT min(at) FROM ledger_capacity WHERE backend = :backend AND state <> 'gone' AND at >= :since"
)
_STATES = text("""
SELECT * FROM ledger_capacity WHERE backend = :backend AND at < :end AND at >= coalesce(
    (SELECT max(at) FROM ledger_capacity WHERE backend = :backend AND at <= :begin), :begin) ORDER BY at
""")
# A try that ran in the hour, as far as it did; ranges that touch are one.
_BUSY = text("""
WITH tries AS (
    SELECT greatest(began_at, :begin) AS began, least(ended_at, :end) AS ended FROM ledger_attempts
    WHERE backend = :backend AND began_at < :end AND ended_at > :begin AND ended_at < :latest
    AND ended_at > began_at AND written_at <= :until AND outcome <> 'cached'
)
SELECT lower(each) AS began, upper(each) AS ended
FROM (SELECT unnest(range_agg(tstzrange(began, ended))) AS each FROM tries) AS merged ORDER BY 1
""")
_TIMES = text("""
SELECT payer, CAST(sum(extract(epoch FROM least(ended_at, :end) - greatest(began_at, :begin)) * 1000) AS bigint) AS ran
FROM ledger_attempts
WHERE backend = :backend AND began_at < :end AND ended_at > :begin AND ended_at < :latest
AND ended_at > began_at AND written_at <= :until AND outcome <> 'cached' GROUP BY 1
""")
_TOKENS = text("""
WITH tries AS (
    SELECT attempt_id, payer, ended_at FROM ledger_attempts
    WHERE backend = :backend AND ended_at >= :begin AND ended_at < :end AND written_at <= :until
        AND outcome <> 'cached'
    UNION ALL
    SELECT attempt_id, payer, ended_at FROM ledger_attempts
    WHERE backend = :backend AND ended_at < :begin AND written_at > :before AND written_at <= :until
        AND outcome <> 'cached'
)
SELECT e.account, e.meter, sum(e.quantity) AS quantity FROM tries t
JOIN ledger_entries e ON e.attempt_id = t.attempt_id AND e.kind = 'settle' AND e.account = t.payer
    AND e.at >= (SELECT min(ended_at) FROM tries) AND e.at < :end GROUP BY 1, 2
""")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Allocated:
    """An hour of a backend that is booked. `cost` is in pico-units of its prices' currencies, by currency."""

    backend: str
    hour: datetime
    cost: dict[str, int]
    paid_ms: int
    busy_ms: int
    accounts: tuple[str, ...]


Booked = Callable[[Sequence[Allocated]], Awaitable[None]]


class Allocation:
    """The job that shares hours out. Several may run: an hour is booked by one of them."""

    def __init__(
        self,
        database: Database,
        *,
        rates: Rates | None,
        currency: str,
        ready: Callable[[], bool] = lambda: True,
        markup: Callable[[str], Decimal] = no_markup,
        grace: timedelta = GRACE,
        lag: timedelta = LAG,
    ) -> None:
        """`currency` is the operator's. `ready`: is in the database what this process knew a while ago, of tries and states?

        `markup` is percent by tenant, on its own shares. `lag` may only be changed where nothing is booked yet.
        """
        self._database = database
        self._terms = Terms(currency, rates, markup)
        self._ready = ready
        self._grace = grace
        self._lag = lag
        self._last: dict[str, tuple[datetime, datetime]] = {}  # by backend: the hour, and when it was booked
        self._told: set[str] = set()  # hours whose rate is missing

    async def run(self, seconds: float = 60.0, *, booked: Booked | None = None) -> None:
        """Share hours out every `seconds` until cancelled; more seldom while the database is away.

        `booked` hears of the hours that were new.
        """
        pause, away = seconds, False
        while True:
            try:
                done = await self.allocate(datetime.now(UTC))
                if booked is not None:
                    await booked(done)
            except Unavailable as error:
                if not away:
                    _log.warning("capacity_waits", reason=str(error.__cause__ or error).splitlines()[0][:300])
                away, pause = True, min(2 * pause, max(_LONGEST_PAUSE, seconds))
            else:
                if away:
                    _log.info("capacity_goes_on")
                away, pause = False, seconds
            await asyncio.sleep(pause)

    async def allocate(self, until: datetime) -> list[Allocated]:
        """Book every hour that was over a while before `until`, in order; gives those that were new.

        The database's clock has a say too: no hour is booked that is not over there. Every hour is a transaction of
        its own. Raises Unavailable while the database does not answer.
        """
        done: list[Allocated] = []
        if not self._ready():
            return done
        for backend in await self._within(self._backends()):
            while True:
                try:
                    booked = await self._within(self._book(backend, until))
                except ValueError as error:
                    # One backend's absurd row keeps no other's hours from being booked.
                    _log.error("capacity_not_shared", backend=backend, reason=str(error)[:300])
                    break
                if booked is None:
                    break
                done.append(booked)
        return done

    async def due(self, until: datetime) -> dict[str, datetime]:
        """By backend, the first hour that was over a while before `until` and is not booked yet.

        A month is not complete before its hours are. Raises Unavailable while the database does not answer.
        """
        return await self._within(self._due(until))

    async def _within(self, work: Coroutine[Any, Any, _T]) -> _T:
        try:
            return await within(_SECONDS, work)
        except (psycopg.Error, DBAPIError, *Outage) as error:
            self._last.clear()
            raise Unavailable("The ledger's database does not answer.", code="ledger_unavailable") from error

    async def _backends(self) -> list[str]:
        async with self._database.begin() as connection:
            return list((await connection.execute(_BACKENDS)).scalars())

    async def _due(self, until: datetime) -> dict[str, datetime]:
        found = {}
        async with self._database.begin() as connection:
            for backend in (await connection.execute(_BACKENDS)).scalars().all():
                last = await _last(connection, backend)
                begin = await _following(connection, backend, last[0] if last else None)
                if begin is not None and begin + _HOUR + self._grace <= until:
                    found[backend] = begin
        return found

    async def _book(self, backend: str, until: datetime) -> Allocated | None:
        """The next hour of a backend, None if there is none to be booked now."""
        async with self._database.begin() as connection:
            await connection.execute(_LIMIT)
            await connection.execute(_TAKE, {"lock": _LOCK, "backend": backend})
            now: datetime = (await connection.execute(text("SELECT now()"))).scalar_one()
            last = self._last.get(backend) or await _last(connection, backend)
            begin = await _following(connection, backend, last[0] if last else None)
            if begin is not None and await _is_booked(connection, backend, begin):
                last = await _last(connection, backend)  # by another process
                begin = await _following(connection, backend, last[0] if last else None)
            if begin is None or begin + _HOUR + self._grace > min(until, now):
                return None
            if last is not None and now < last[1]:
                return None  # the database's clock was put back: what counted already would count again
            hour = await self._read(connection, backend, begin, counted=last[1] if last else None, now=now)
            entries = postings(hour, self._terms)
            if not entries:
                if hour.reference not in self._told:
                    _log.warning("capacity_waits_for_a_rate", hour=hour.reference, currency=hour.currency)
                self._told.add(hour.reference)
                return None
            await post(connection, entries)
        self._last[backend] = (begin, now)
        cost: dict[str, int] = {}
        for part in hour.paid.parts:
            cost[part.currency] = cost.get(part.currency, 0) + part.cost
        accounts = dict.fromkeys(each.account for each in entries if each.amount > 0)
        return Allocated(backend, begin, cost, hour.paid.milliseconds, hour.busy_ms, tuple(accounts))

    async def _read(
        self,
        connection: AsyncConnection,
        backend: str,
        begin: datetime,
        *,
        counted: datetime | None,
        now: datetime,
    ) -> Hour:
        """`counted` is when the hour before was booked, which counted what was written a while before that."""
        end = begin + _HOUR
        span = {
            "backend": backend,
            "begin": begin,
            "end": end,
            "latest": end + _LONGEST_TRY,
            "until": now - self._lag,
        }
        states = [stretch(row) for row in (await connection.execute(_STATES, span)).all()]
        hour = paid(states, milliseconds(begin), milliseconds(end))
        tries = [
            (milliseconds(row.began), milliseconds(row.ended))
            for row in await connection.execute(_BUSY, span)
        ]
        # What was written before anything was booked counts in its own hour or, before the first state, in none.
        before = (counted or now) - self._lag
        tokens: dict[str, dict[str, int]] = {}
        for row in await connection.execute(_TOKENS, {**span, "before": before}):
            tokens.setdefault(row.account, {})[row.meter] = int(row.quantity)
        sharing = states[0].sharing
        weights = {account: weigh(used, sharing) for account, used in tokens.items()}
        if not any(weights.values()):
            # Nobody's tokens are known, of tries that still run or make no tokens: their time is.
            weights = {row.payer: int(row.ran) for row in await connection.execute(_TIMES, span)}
        final = states[-1]
        return Hour(backend, begin, hour, hour.busy(tries), weights, sharing, final.payee, final.currency)


async def _last(connection: AsyncConnection, backend: str) -> tuple[datetime, datetime] | None:
    row = (await connection.execute(_LAST, {"backend": backend})).one()
    return (row.hour, row.written) if row.hour is not None else None


async def _is_booked(connection: AsyncConnection, backend: str, begin: datetime) -> bool:
    return (await connection.execute(_EXISTS, {"reference": reference(backend, begin)})).first() is not None


async def _following(connection: AsyncConnection, backend: str, last: datetime | None) -> datetime | None:
    """The hour to be booked after the last one: the next in which the backend is in the configuration."""
    if last is None:
        return await _first(connection, backend, datetime(1970, 1, 1, tzinfo=UTC))
    begin = last + _HOUR
    states: Sequence[Row[Any]] = (
        await connection.execute(_STATES, {"backend": backend, "begin": begin, "end": begin + _HOUR})
    ).all()
    if any(row.state != GONE for row in states):
        return begin
    return await _first(connection, backend, begin + _HOUR)


async def _first(connection: AsyncConnection, backend: str, since: datetime) -> datetime | None:
    first = (await connection.execute(_FIRST, {"backend": backend, "since": since})).scalar()
    return first.astimezone(UTC).replace(minute=0, second=0, microsecond=0) if first is not None else None
