"""Closing a month: from then on no entry falls in it, and a digest tells whether one was changed after all.

The digest is the SHA-256 of what PostgreSQL's `COPY (...) TO STDOUT` prints of the month's entries with the query
`ENTRIES_OF_A_MONTH`, in text format and UTF-8: anybody with `psql` and `sha256sum` can work it out again. It covers
every column of an entry but its number and the moment it was written.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, cast
from zoneinfo import ZoneInfo

import orjson
import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.calendar import Month
from passerelle.domain.errors import CannotRun, Unavailable
from passerelle.domain.money import decimal
from passerelle.ledger.book import verify
from passerelle.stores.database import Database, Outage

_LIMIT = 600_000  # milliseconds; a month of entries may take longer than any other query
_SHOWN = 3  # findings that a refusal quotes

# `{month}` is a month's name. Text is ordered byte by byte, so that no locale has a say.
ENTRIES_OF_A_MONTH = """
SELECT attempt_id, kind, line, account, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), tenant, meter,
    quantity, unit, price_id, currency, amount_pico, certainty, fx_rate, to_char(fx_date, 'YYYY-MM-DD'),
    billed_currency, billed_pico, saved_pico, period, backend, reason
FROM ledger_entries WHERE period = '{month}'
ORDER BY attempt_id COLLATE "C", kind COLLATE "C", line, account COLLATE "C"
"""

_TOTALS = text("""
SELECT account, currency, billed_currency, sum(amount_pico) AS amount, sum(coalesce(billed_pico, 0)) AS billed
FROM ledger_entries WHERE period = :month GROUP BY 1, 2, 3
""")

Totals = Mapping[
    str, Mapping[str, Mapping[str, str]]
]  # account, `amount` or `billed`, currency: exact decimal


@dataclass(frozen=True, slots=True)
class Closed:
    """A month that is closed. `fresh`: by this very call. `passed_over`: what `force` has closed it in spite of."""

    month: Month
    digest: str  # SHA-256, hexadecimal
    totals: Totals
    closed_at: datetime
    fresh: bool
    passed_over: tuple[str, ...] = ()


async def close(
    database: Database,
    month: Month,
    *,
    now: datetime,
    zone: ZoneInfo,
    pending: Callable[[], str | None],
    force: bool = False,
) -> Closed:
    """Close a month; a month that is closed already is told of again and not touched.

    `zone` is that of the operator's months; `pending`, asked in a thread, tells what is still to be written down, or
    None. With `force`, neither that nor what `verify` finds keeps the month open: tries that are written down later
    fall in the next month. Raises CannotRun for a month that cannot be closed yet, and Unavailable while the database
    does not answer.
    """
    findings = await verify(database)
    async with _locked(database) as connection:
        known = await _known(connection, month)
        if known is not None:
            return known
        await _refuse_order(connection, month, now=now, zone=zone)
        if waits := await asyncio.to_thread(pending):
            findings.insert(0, waits)
        totals = await _totals(connection, month)
        findings += _out_of_balance(month, totals)
        if findings and not force:
            raise CannotRun(
                f"{month} cannot be closed: {' '.join(findings[:_SHOWN])}",
                "See `passerelle costs verify`; `--force` closes it all the same.",
            )
        digest = await _digest(connection, month)
        closed_at = await _write(connection, month, totals, digest)
    return Closed(month, digest, totals, closed_at, fresh=True, passed_over=tuple(findings))


async def check_closed(database: Database) -> list[str]:
    """What has changed in closed months since, one sentence each; empty when nothing has.

    Raises Unavailable while the database does not answer.
    """
    found: list[str] = []
    async with _snapshot(database) as connection:
        rows = (
            await connection.execute(
                text('SELECT month, totals, digest FROM ledger_closings ORDER BY month COLLATE "C"')
            )
        ).all()
        for name, totals, digest in rows:
            month = Month.read(name)
            if await _digest(connection, month) != digest:
                found.append(f"The entries of {name}, which is closed, are not those it was closed with.")
            if await _totals(connection, month) != totals:
                found.append(f"The totals of {name}, which is closed, are not those it was closed with.")
        stray = await connection.execute(
            text("""SELECT DISTINCT period FROM ledger_entries, ledger_calendar WHERE period < first_open
                    AND NOT EXISTS (SELECT FROM ledger_closings WHERE month = period) ORDER BY 1""")
        )
        found += [
            f"{name} has entries, was never closed, and lies before the first open month."
            for (name,) in stray
        ]
    return found


async def set_time_zone(database: Database, zone: ZoneInfo) -> bool:
    """Make this the time zone of the months of all that is posted from now on; False when it was that already.

    Raises CannotRun for a zone that PostgreSQL does not know, and Unavailable while it does not answer.
    """
    try:
        async with database.begin() as connection:
            known = text("SELECT count(*) FROM pg_timezone_names WHERE name = :zone")
            if not (await connection.execute(known, {"zone": zone.key})).scalar():
                raise CannotRun(
                    f"PostgreSQL does not know the time zone {zone.key}.",
                    "Take another name of it, or update PostgreSQL's time zones.",
                )
            change = text("UPDATE ledger_calendar SET time_zone = :zone WHERE time_zone <> :zone RETURNING 1")
            return bool((await connection.execute(change, {"zone": zone.key})).all())
    except Outage as error:
        raise Unavailable("The ledger's database does not answer.", code="ledger_unavailable") from error


@asynccontextmanager
async def _locked(database: Database) -> AsyncIterator[AsyncConnection]:
    """A transaction in which nobody posts: drains and postings share the lock that it holds alone."""
    try:
        async with database.begin() as connection:
            await connection.execute(text(f"SET LOCAL statement_timeout = {_LIMIT}"))
            await connection.execute(text("SELECT 1 FROM ledger_calendar FOR UPDATE"))
            yield connection
    except Outage as error:
        raise Unavailable("The ledger's database does not answer.", code="ledger_unavailable") from error


@asynccontextmanager
async def _snapshot(database: Database) -> AsyncIterator[AsyncConnection]:
    """All of it as it was at one moment, and nothing written."""
    try:
        async with database.begin() as connection:
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            await connection.execute(text(f"SET LOCAL statement_timeout = {_LIMIT}"))
            yield connection
    except Outage as error:
        raise Unavailable("The ledger's database does not answer.", code="ledger_unavailable") from error


async def _known(connection: AsyncConnection, month: Month) -> Closed | None:
    query = text("SELECT totals, digest, closed_at FROM ledger_closings WHERE month = :month")
    row = (await connection.execute(query, {"month": str(month)})).one_or_none()
    return None if row is None else Closed(month, row.digest, row.totals, row.closed_at, fresh=False)


async def _refuse_order(connection: AsyncConnection, month: Month, *, now: datetime, zone: ZoneInfo) -> None:
    calendar = (await connection.execute(text("SELECT time_zone, first_open FROM ledger_calendar"))).one()
    if calendar.time_zone != zone.key:
        raise CannotRun(
            f"The ledger's months are those of {calendar.time_zone}, and {zone.key} is configured.",
            "Start the service once with the new configuration, or correct it.",
        )
    if now < month.bounds(zone)[1]:
        raise CannotRun(f"{month} has not ended in {zone.key}.", "Close it when it has.")
    query = text("SELECT min(period) FROM ledger_entries WHERE period >= :first AND period < :month")
    values = {"first": calendar.first_open, "month": str(month)}
    earlier = (await connection.execute(query, values)).scalar()
    if earlier is not None:
        raise CannotRun(f"{earlier} is still open and has entries.", f"Close it before {month}.")


async def _totals(connection: AsyncConnection, month: Month) -> dict[str, dict[str, dict[str, str]]]:
    """Of every account. A currency in which an account has entries is there, also with nought."""
    sums: dict[str, dict[str, dict[str, Decimal]]] = {}
    for row in (await connection.execute(_TOTALS, {"month": str(month)})).all():
        account = sums.setdefault(row.account, {"amount": {}, "billed": {}})
        of = ((row.currency, "amount", row.amount), (row.billed_currency, "billed", row.billed))
        for currency, side, pico in of:
            if currency:
                account[side][currency] = account[side].get(currency, Decimal(0)) + decimal(int(pico))
    return {
        account: {
            side: {currency: format(total, "f") for currency, total in sorted(totals.items())}
            for side, totals in sides.items()
        }
        for account, sides in sums.items()
    }


def _out_of_balance(month: Month, totals: Totals) -> list[str]:
    sums: dict[tuple[str, str], Decimal] = {}
    for sides in totals.values():
        for side, amounts in sides.items():
            for currency, amount in amounts.items():
                sums[side, currency] = sums.get((side, currency), Decimal(0)) + Decimal(amount)
    return [
        f"The {'costs' if side == 'amount' else 'billed amounts'} of {month} in {currency} add up to"
        f" {format(total, 'f')}, not to 0."
        for (side, currency), total in sorted(sums.items())
        if total
    ]


async def _digest(connection: AsyncConnection, month: Month) -> str:
    driver = (await connection.get_raw_connection()).driver_connection
    statement = (
        f"COPY ({ENTRIES_OF_A_MONTH.format(month=month)}) TO STDOUT".encode()
    )  # a `Month` quotes nothing
    digest = hashlib.sha256()
    async with (
        cast("psycopg.AsyncConnection[Any]", driver).cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        async for block in copy:
            digest.update(block)
    return digest.hexdigest()


async def _write(connection: AsyncConnection, month: Month, totals: Totals, digest: str) -> datetime:
    insert = text("""INSERT INTO ledger_closings (month, closed_at, totals, digest)
                     VALUES (:month, clock_timestamp(), CAST(:totals AS jsonb), :digest) RETURNING closed_at""")
    values = {"month": str(month), "totals": orjson.dumps(totals).decode(), "digest": digest}
    closed_at: datetime = (await connection.execute(insert, values)).scalar_one()
    move = text("UPDATE ledger_calendar SET first_open = greatest(first_open, :next)")
    await connection.execute(move, {"next": str(month.next)})
    return closed_at
