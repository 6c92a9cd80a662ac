"""What the ledger says each tenant was charged in a month, by key and model: what budgets go on from after a start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from passerelle.domain.calendar import Month
from passerelle.domain.errors import Unavailable
from passerelle.stores.database import Database, Outage

_LIMIT = 120_000  # milliseconds; a month of a busy installation is millions of entries

# Who pays is the account, whatever the entry's own tenant; tags and tries that operators bear are no matter here.
_SPENT = text("""
SELECT substr(e.account, 8), coalesce(a.key_id, ''), coalesce(a.model, ''), sum(e.billed_pico)
FROM ledger_entries e LEFT JOIN ledger_attempts a USING (attempt_id)
WHERE e.period = :period AND e.account LIKE 'tenant:%' AND e.billed_pico IS NOT NULL
    AND (CAST(:currency AS text) IS NULL OR e.billed_currency = :currency)
    AND (CAST(:before AS timestamptz) IS NULL OR coalesce(a.began_at, e.written_at) < :before)
    AND (CAST(:ended AS timestamptz) IS NULL OR coalesce(a.ended_at, e.written_at) < :ended)
GROUP BY 1, 2, 3 HAVING sum(e.billed_pico) <> 0
""")


@dataclass(frozen=True, slots=True)
class Spent:
    """What was charged in a month, in pico-units, by tenant, id of the key and model; "" where there is none."""

    month: Month
    billed: Mapping[tuple[str, str, str], int] = field(default_factory=dict)


async def spent(
    database: Database,
    month: Month,
    *,
    currency: str | None = None,
    before: datetime | None = None,
    ended_before: datetime | None = None,
) -> Spent:
    """Read it, in one query. Raises Unavailable while the database does not answer.

    `currency`: only what was charged in it. `before`: without what began later, for a process that has counted since
    then itself. `ended_before`: without what ended later.
    """
    try:
        async with database.begin() as connection:
            await connection.execute(text(f"SET LOCAL statement_timeout = {_LIMIT}"))
            values = {"period": str(month), "currency": currency, "before": before, "ended": ended_before}
            found = (await connection.execute(_SPENT, values)).all()
    except (psycopg.Error, DBAPIError, *Outage) as error:
        raise Unavailable("The ledger's database does not answer.", code="ledger_unavailable") from error
    return Spent(month, {(tenant, key_id, model): int(billed) for tenant, key_id, model, billed in found})
