"""A month of the ledger as sums, all of one snapshot: as many rows as there are different things, not requests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.calendar import Month
from passerelle.domain.errors import Unavailable
from passerelle.reports import read_sql as sql
from passerelle.reports.rows import (
    BilledDay,
    BilledHour,
    CapacityPart,
    Group,
    Rows,
    SharingTerms,
    Speed,
    TagGroup,
    Tries,
)
from passerelle.stores.database import Database, Outage

_LIMIT = 600_000  # milliseconds; a month of millions of tries may take longer than any other query
_MEMORY = "64MB"  # of one sort or hash; more is spilled to disk
_HISTORY = timedelta(weeks=8)  # of hours before the month, for a forecast


async def read(database: Database, *, tenant: str | None, month: Month, zone: ZoneInfo) -> Rows:
    """Everything a report needs of a tenant's month; with `tenant` None, of all tenants and the operator.

    Raises Unavailable while the database does not answer.
    """
    try:
        async with database.begin() as connection:
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            return await read_in(connection, tenant=tenant, month=month, zone=zone)
    except (psycopg.Error, DBAPIError, *Outage) as error:
        raise Unavailable("The ledger's database does not answer.", code="ledger_unavailable") from error


async def read_in(connection: AsyncConnection, *, tenant: str | None, month: Month, zone: ZoneInfo) -> Rows:
    """The same in a snapshot that is open already. Changes the transaction's limits."""
    await connection.execute(text(f"SET LOCAL statement_timeout = {_LIMIT}"))
    await connection.execute(text(f"SET LOCAL work_mem = '{_MEMORY}'"))
    begins, ends = month.bounds(zone)
    given = {
        "tenant": tenant,
        "month": str(month),
        "zone": zone.key,
        "first": month.first,
        "begins": begins,
        "ends": ends,
        "since": begins - _HISTORY,
    }
    asked = _Asked(connection, given, all_tenants=tenant is None)
    return Rows(
        groups=tuple([_group(row) for row in await asked(sql.GROUPS)]),
        tries=tuple([_tries(row) for row in await asked(sql.TRIES)]),
        days=tuple([_day(row) for row in await asked(sql.DAYS)]),
        served_days={_date(row["day"]): int(str(row["requests"])) for row in await asked(sql.SERVED_DAYS)},
        hours=tuple([_hour(row) for row in await asked(sql.HOURS)]),
        tags=tuple([_tag(row) for row in await asked(sql.TAGS)]),
        speeds=tuple([_speed(row) for row in await asked(sql.SPEEDS)]),
        capacity=tuple([_part(row) for row in await asked(sql.CAPACITY)]),
        sharing={str(row["backend"]): _terms(row["sharing"]) for row in await asked(sql.SHARING)},
    )


class _Asked:
    """Queries of one tenant and month, in one connection."""

    def __init__(
        self, connection: AsyncConnection, given: Mapping[str, object], *, all_tenants: bool
    ) -> None:
        self._connection = connection
        self._given = given
        self._all = all_tenants

    async def __call__(self, query: str) -> list[dict[str, object]]:
        whose, named = ("", "''") if self._all else ("AND {0}.tenant = :tenant", "CAST(:tenant AS text)")
        statement = query.replace("{mine:e}", whose.format("e")).replace("{mine:a}", whose.format("a"))
        statement = statement.replace("{named}", named)
        used = {name: value for name, value in self._given.items() if f":{name}" in statement}
        found = await self._connection.execute(text(statement), used)
        return [dict(row) for row in found.mappings()]


def _group(row: dict[str, object]) -> Group:
    keys: dict[str, str | None] = dict(zip(sql.GROUP_KEYS, _texts(row["keys"]), strict=True))
    named = {name: value or "" for name, value in keys.items()}
    return Group(
        kind=named["kind"],
        side=named["side"],
        payer=named["payer"],
        served=named["served"] == "true",
        tenant=named["tenant"],
        model=named["model"],
        backend=named["backend"],
        target=named["target"],
        provider=named["provider"],
        country=named["country"],
        meter=named["meter"],
        unit=named["unit"],
        use=named["use"],
        key=named["key_id"],
        certainty=named["certainty"],
        price_id=keys["price_id"],
        currency=named["currency"],
        fx_rate=keys["fx_rate"],
        fx_date=date.fromisoformat(named["fx_date"]) if keys["fx_date"] else None,
        billed_currency=keys["billed_currency"],
        lines=_whole(row["lines"]),
        quantity=_whole(row["quantity"]),
        amount=_whole(row["amount"]),
        billed=_whole(row["billed"]),
        saved=_whole(row["saved"]),
        rate_age=None if row["rate_age"] is None else _whole(row["rate_age"]),
    )


def _tries(row: dict[str, object]) -> Tries:
    return Tries(
        tenant=str(row["tenant"]),
        model=str(row["model"]),
        backend=str(row["backend"]),
        target=str(row["target"]),
        provider=str(row["provider"]),
        country=str(row["country"]),
        use=str(row["use"]),
        key=str(row["key_id"]),
        served=bool(row["served"]),
        tries=_whole(row["tries"]),
        unpriced=_whole(row["unpriced"]),
        cached=_whole(row["cached"]),
        unknown=_whole(row["unknown"]),
    )


def _day(row: dict[str, object]) -> BilledDay:
    return BilledDay(_date(row["day"]), _whole(row["billed"]))


def _hour(row: dict[str, object]) -> BilledHour:
    return BilledHour(_moment(row["hour"]), str(row["kind"]), _whole(row["billed"]))


def _tag(row: dict[str, object]) -> TagGroup:
    return TagGroup(
        name=str(row["name"]),
        value=_optional(row["value"]),
        requests=_whole(row["requests"]),
        input_tokens=_whole(row["input_tokens"]),
        output_tokens=_whole(row["output_tokens"]),
        cost=_whole(row["cost"]),
        billed=_whole(row["billed"]),
    )


def _speed(row: dict[str, object]) -> Speed:
    return Speed(
        backend=str(row["backend"]),
        target=str(row["target"]),
        provider=str(row["provider"]),
        served=_whole(row["served"]),
        median_ms=_whole(row["median"]),
        p95_ms=_whole(row["p95"]),
    )


def _part(row: dict[str, object]) -> CapacityPart:
    return CapacityPart(
        backend=str(row["backend"]),
        account=str(row["account"]),
        meter=str(row["meter"]),
        hours=_whole(row["hours"]),
        milliseconds=_whole(row["milliseconds"]),
        billed=_whole(row["billed"]),
        tenant=str(row["tenant"]),
        idle=bool(row["idle"]),
    )


def _terms(told: object) -> SharingTerms:
    """How hours were shared, as far as the last row about them says it."""
    if not isinstance(told, dict):
        return SharingTerms()
    weights = told.get("weights")
    named = {str(name): str(each) for name, each in weights.items()} if isinstance(weights, dict) else {}
    return SharingTerms(idle=str(told.get("idle") or "operator"), weights=named)


def _whole(value: object) -> int:
    return 0 if value is None else int(value)  # type: ignore[call-overload] # a number of PostgreSQL


def _texts(value: object) -> list[str | None]:
    if not isinstance(value, list):
        raise TypeError("a list is wanted")
    return [None if each is None else str(each) for each in value]


def _optional(value: object) -> str | None:
    return None if value is None else str(value)


def _date(value: object) -> date:
    if not isinstance(value, date):
        raise TypeError("a date is wanted")
    return value


def _moment(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError("a moment is wanted")
    return value
