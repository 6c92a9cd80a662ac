"""Where tenants' data has been, as the ledger saw it: who was sent something, in which country, how often, and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.calendar import Month
from passerelle.domain.catalog import Catalog

_LIMIT = 600_000  # milliseconds

# An answer from the cache was sent to nobody.
_WENT = """
SELECT tenant, to_char(ended_at AT TIME ZONE CAST(:zone AS text), 'YYYY-MM') AS month, backend,
    coalesce(provider, '') AS provider, coalesce(country, '') AS country, count(*) AS calls,
    min(began_at) AS first, max(ended_at) AS last
FROM ledger_attempts
WHERE ended_at >= :begins AND ended_at < :ends AND outcome <> 'cached' {mine}
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
"""


@dataclass(frozen=True, slots=True)
class Went:
    """Tries of a tenant in a month that were sent to one place, whatever came back.

    `operators` are the legal parties that a backend of this name has today, in the order in which they see what is
    sent; an unknown one is left out.
    """

    tenant: str
    month: str
    backend: str
    provider: str | None
    country: str | None
    operators: tuple[str, ...]
    calls: int
    first: datetime
    last: datetime


async def went(
    connection: AsyncConnection,
    *,
    tenant: str | None,
    months: Iterable[Month],
    zone: ZoneInfo,
    catalog: Catalog,
) -> tuple[Went, ...]:
    """Of a tenant, or of all, in months that follow one another. Changes the transaction's limits."""
    every = sorted(months)
    await connection.execute(text(f"SET LOCAL statement_timeout = {_LIMIT}"))
    given: dict[str, object] = {
        "zone": zone.key,
        "begins": every[0].begins(zone),
        "ends": every[-1].next.begins(zone),
    }
    if tenant is not None:
        given["tenant"] = tenant
    query = text(_WENT.format(mine="AND tenant = :tenant" if tenant is not None else ""))
    found = (await connection.execute(query, given)).mappings()
    return tuple(
        Went(
            tenant=row["tenant"],
            month=row["month"],
            backend=row["backend"],
            provider=row["provider"] or None,
            country=row["country"] or None,
            operators=operators_of(catalog, row["backend"], row["provider"] or None),
            calls=row["calls"],
            first=row["first"],
            last=row["last"],
        )
        for row in found
    )


def operators_of(catalog: Catalog, backend: str, provider: str | None) -> tuple[str, ...]:
    """Every legal party that sees what is sent to a backend, or to one provider behind it."""
    spec = catalog.backends.get(backend)
    if spec is None:
        return ()
    named = [host for host in spec.hosts if host.name == provider]
    parties = (*spec.parties[:-1], *named) if spec.choice is not None else spec.parties
    return tuple(dict.fromkeys(party.location.operator for party in parties if party.location.operator))
