"""Hours of capacity, tries that used them, and the job that shares them out, as tests need them."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from passerelle.domain.billing import Sharing
from passerelle.domain.facts import State
from passerelle.ledger.allocation import Allocation
from passerelle.ledger.capacity_states import CapacityLog
from passerelle.ledger.quotes import Capacity, PriceSource, Quote
from passerelle.stores.database import Database

EURO = 10**12
TEN = datetime(2026, 10, 5, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


async def own(
    database: Database, at: datetime, *, per_hour: int = EURO, backend: str = "gpu", **other: Any
) -> None:
    """A machine of the operator's is paid from here on."""
    currency = other.pop("currency", "EUR")
    quote = Quote(
        currency,
        PriceSource.CONFIGURED,
        "",
        {},
        capacity=Capacity(f"{backend}:hour@v={per_hour}", currency, per_hour),
    )
    given = {
        "state": State.READY,
        "payee": "provider:us:payable",
        "sharing": Sharing(),
        "rented": True,
        **other,
    }
    await CapacityLog(database).record(backend, at=at, quote=quote, **given)


async def ran(
    database: Database,
    name: str,
    began: datetime,
    minutes: float,
    *,
    tenant: str = "a",
    tokens: dict[str, int] | None = None,
    payer: str | None = None,
    written: datetime | None = None,
    backend: str = "gpu",
) -> None:
    """A try, as the drain would have written it."""
    ended = began + timedelta(minutes=minutes)
    payer = payer or f"tenant:{tenant}"
    attempt = {
        "name": name, "tenant": tenant, "began": began, "ended": ended, "payer": payer, "backend": backend,
        "written": written or ended + MINUTE,
    }  # fmt: skip
    async with database.begin() as connection:
        await connection.execute(
            text("""INSERT INTO ledger_attempts (attempt_id, request_id, tenant, key_id, route, model, sequence,
                backend, target, began_at, ended_at, catalog, outcome, served, usage_source, payer, written_at)
                VALUES (:name, :name, :tenant, 'k', 'chat', 'm', 1, :backend, 't', :began, :ended, 'v', 'answered',
                true, 'provider', :payer, :written)"""),
            attempt,
        )
        for line, (meter, quantity) in enumerate((tokens or {}).items(), 1):
            for account in (payer, "operator:capacity"):
                await connection.execute(
                    text("""INSERT INTO ledger_entries (attempt_id, line, at, tenant, account, kind, meter, quantity,
                        unit, currency, amount_pico, certainty, period) VALUES (:name, :line, :ended, :tenant,
                        :account, 'settle', :meter, :quantity, 'tokens', 'EUR', 0, 'exact', '2026-10')"""),
                    {**attempt, "line": line, "account": account, "meter": meter, "quantity": quantity},
                )


def job(database: Database, **other: Any) -> Allocation:
    return Allocation(database, **{"rates": None, "currency": "EUR", **other})


async def select(database: Database, query: str) -> list[tuple[Any, ...]]:
    async with database.begin() as connection:
        return [tuple(row) for row in (await connection.execute(text(query))).all()]


async def booked(database: Database, what: str = "sum(amount_pico)") -> dict[str, dict[str, int]]:
    """By hour (as hour of the day) and account."""
    query = f"""SELECT substr(attempt_id, length(attempt_id) - 8, 5), account, {what} FROM ledger_entries
        WHERE kind = 'allocate' GROUP BY 1, 2"""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for hour, account, total in await select(database, query):
        found[hour][account] = int(total)
    return found
