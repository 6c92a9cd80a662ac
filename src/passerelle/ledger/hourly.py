"""What each tenant was charged hour by hour, and which answers have no price: what alerts and forecasts go by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import Row, TextClause, text
from sqlalchemy.exc import DBAPIError

from passerelle.domain.calendar import Month
from passerelle.domain.errors import Unavailable
from passerelle.ledger.alerts import Unpriced
from passerelle.stores.database import Database, Outage

_LIMIT = 60_000  # milliseconds

_HOURLY = text("""
SELECT substr(account, 8) AS tenant, date_trunc('hour', at, 'UTC') AS hour, sum(billed_pico) AS billed
FROM ledger_entries WHERE at >= :since AND account LIKE 'tenant:%' AND billed_currency = :currency
    AND kind IN ('settle', 'allocate') GROUP BY 1, 2
""")
_UNPRICED = text("""
SELECT a.tenant, a.model, count(DISTINCT a.attempt_id) AS answers
FROM ledger_entries e JOIN ledger_attempts a USING (attempt_id)
WHERE e.period = :period AND e.certainty = 'unpriced' AND e.account LIKE 'tenant:%' AND a.served GROUP BY 1, 2
""")

_CHARGED_BY = text("""
SELECT substr(account, 8) AS tenant, period, sum(billed_pico) AS billed FROM ledger_entries
WHERE attempt_id = ANY(:references) AND account LIKE 'tenant:%' AND billed_pico IS NOT NULL GROUP BY 1, 2
""")


async def hourly(
    database: Database, *, since: datetime, currency: str
) -> Mapping[str, Mapping[datetime, int]]:
    """Pico-units by tenant and hour, UTC. Raises Unavailable while the database does not answer."""
    found: dict[str, dict[datetime, int]] = {}
    for row in await _rows(database, _HOURLY, {"since": since, "currency": currency}):
        found.setdefault(row.tenant, {})[row.hour] = int(row.billed or 0)
    return found


async def unpriced(database: Database, month: Month) -> list[Unpriced]:
    """Answers of the month whose price nobody knows. Raises Unavailable while the database does not answer."""
    rows = await _rows(database, _UNPRICED, {"period": str(month)})
    return [Unpriced(row.tenant, row.model, row.answers) for row in rows]


async def charged_by(database: Database, references: Sequence[str]) -> list[tuple[str, Month, int]]:
    """What bookings that no try has made charge tenants: tenant, month and pico-units. Raises Unavailable."""
    rows = await _rows(database, _CHARGED_BY, {"references": list(references)})
    return [(row.tenant, Month.read(row.period), int(row.billed)) for row in rows]


async def _rows(database: Database, query: TextClause, values: Mapping[str, object]) -> Sequence[Row[Any]]:
    try:
        async with database.begin() as connection:
            await connection.execute(text(f"SET LOCAL statement_timeout = {_LIMIT}"))
            return (await connection.execute(query, values)).all()
    except (psycopg.Error, DBAPIError, *Outage) as error:
        raise Unavailable("The ledger's database does not answer.", code="ledger_unavailable") from error
