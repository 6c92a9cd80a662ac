"""Who is told of money, and when: once a month for each thing, whatever is restarted and however many look.

What is to be told is decided purely. That it was decided, and what is sent to whom, is written in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import psycopg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain import money
from passerelle.domain.billing import FORECAST, FORECAST_P90, PRICE, THRESHOLD, Webhook
from passerelle.domain.calendar import Month
from passerelle.domain.errors import Unavailable
from passerelle.ledger.forecast import Forecast
from passerelle.stores.database import Database, Outage, within

_WRITE_SECONDS = 15.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """A ceiling and how much of it is spent this month, in pico-units of the operator's currency."""

    tenant: str
    budget: str  # `tenant`, `key:<id>`, `model:<name>`
    amount: int
    spent: int
    thresholds: tuple[int, ...] = (50, 80, 100)  # percent
    forecast: bool = True  # is its forecast told too?


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Answers of this month whose price nobody knows."""

    tenant: str
    model: str  # the name asked for
    answers: int


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """Something to be told, once for each `key`. One that is `silent` is only remembered as told."""

    tenant: str
    budget: str
    month: str
    name: str  # such as `budget.threshold.80`
    type: str = field(compare=False)  # one of `EVENTS`
    data: Mapping[str, Any] = field(compare=False, repr=False)
    silent: bool = field(compare=False, default=False)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What is told once."""
        return self.tenant, self.budget, self.month, self.name


def due(
    lines: Sequence[Standing],
    month: Month,
    *,
    currency: str,
    forecasts: Mapping[tuple[str, str], Forecast] | None = None,
    unpriced: Sequence[Unpriced] = (),
) -> list[Event]:
    """Everything that this month has reached, told already or not.

    Of several thresholds passed at once only the highest is told and the lower ones are silent: deliveries keep no
    order, so that news of 50 % could arrive after that of 100 %, and each says what is spent anyhow. A forecast is
    told where it is confident and the amount is not spent already.
    """
    events: list[Event] = []
    for line in lines:
        events += _thresholds(line, month, currency)
        seen = (forecasts or {}).get((line.tenant, line.budget))
        if seen is not None and line.forecast and seen.confident and line.spent < line.amount:
            events += _forecasts(line, month, currency, seen)
    for each in unpriced:
        if each.answers > 0:
            data = {"model": each.model, "month": str(month), "answers": each.answers}
            data = {"tenant": each.tenant, **data}
            events.append(Event(each.tenant, f"model:{each.model}", str(month), PRICE, PRICE, data))
    return sorted(events)


def _thresholds(line: Standing, month: Month, currency: str) -> list[Event]:
    # Nothing spent passes nothing, of a budget of nought either.
    passed = sorted({each for each in line.thresholds if 0 < each * line.amount <= 100 * line.spent})
    if line.amount <= 0 < line.spent:
        passed = sorted(set(line.thresholds))
    return [
        Event(
            line.tenant,
            line.budget,
            str(month),
            f"{THRESHOLD}.{percent}",
            THRESHOLD,
            {**_figures(line, month, currency), "percent": percent},
            silent=percent != passed[-1],
        )
        for percent in passed
    ]


def _forecasts(line: Standing, month: Month, currency: str, seen: Forecast) -> list[Event]:
    data = {
        **_figures(line, month, currency),
        "forecast": {
            "p10": money.exact(seen.p10),
            "p50": money.exact(seen.p50),
            "p90": money.exact(seen.p90),
        },
    }
    return [
        Event(line.tenant, line.budget, str(month), kind, kind, data)
        for kind, amount in ((FORECAST, seen.p50), (FORECAST_P90, seen.p90))
        if amount > line.amount
    ]


def _figures(line: Standing, month: Month, currency: str) -> dict[str, Any]:
    return {
        "tenant": line.tenant,
        "budget": line.budget,
        "month": str(month),
        "amount": money.exact(line.amount),
        "spent": money.exact(line.spent),
        "currency": currency,
    }


def wants(webhook: Webhook, *, event: str, tenant: str) -> bool:
    """Is this webhook told of such events of this tenant?"""
    if webhook.tenants is not None and tenant not in webhook.tenants:
        return False
    return not webhook.events or event in webhook.events


# Both in the order of the key: two processes at once wait for each other, never in a ring.
_REMEMBER = text("""
INSERT INTO ledger_alerts (tenant, budget, period, event, at)
SELECT tenant, budget, period, event, :at
FROM unnest(CAST(:tenants AS text[]), CAST(:budgets AS text[]), CAST(:periods AS text[]), CAST(:events AS text[]))
    AS incoming (tenant, budget, period, event)
ORDER BY tenant, budget, period, event
ON CONFLICT DO NOTHING RETURNING tenant, budget, period, event
""")
_SEND = text("""
INSERT INTO ledger_outbox (event_id, webhook, event, tenant, payload, created_at, next_at)
VALUES (:event_id, :webhook, :event, :tenant, CAST(:payload AS jsonb), :at, :at)
""")


class Alerts:
    """Tells of what is due. `webhooks` gives those of the configuration in force."""

    def __init__(
        self,
        database: Database,
        *,
        webhooks: Callable[[], Sequence[Webhook]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._webhooks = webhooks
        self._clock = clock
        self._known: set[tuple[str, str, str, str]] = set()  # of the last month that was looked at
        self._month: Month | None = None

    async def check(
        self,
        lines: Sequence[Standing],
        month: Month,
        *,
        currency: str,
        forecasts: Mapping[tuple[str, str], Forecast] | None = None,
        unpriced: Sequence[Unpriced] = (),
    ) -> list[Event]:
        """What is told now and was not before, written to the outbox of each webhook that wants it.

        Raises Unavailable while the database is away; then nothing counts as told.
        """
        events = due(lines, month, currency=currency, forecasts=forecasts, unpriced=unpriced)
        if month != self._month:
            self._month, self._known = month, set()
        fresh = [event for event in events if event.key not in self._known]
        if not fresh:
            return []
        try:
            told = await within(_WRITE_SECONDS, self._write(fresh))
        except (psycopg.Error, DBAPIError, *Outage) as error:
            raise Unavailable("Alerts cannot be written.", code="ledger_unavailable") from error
        if month == self._month:
            self._known.update(event.key for event in fresh)
        for event in told:
            _log.warning(
                "alert", tenant=event.tenant, budget=event.budget, month=event.month, event_name=event.name
            )
        return told

    async def _write(self, events: Sequence[Event]) -> list[Event]:
        webhooks, at = self._webhooks(), self._clock()
        async with self._database.begin() as connection:
            new = await _remember(connection, events, at)
            told = [event for event in events if event.key in new and not event.silent]
            rows = [row for event in told for row in _rows(event, webhooks, at)]
            if rows:
                await connection.execute(_SEND, rows)
        return told


async def _remember(
    connection: AsyncConnection, events: Sequence[Event], at: datetime
) -> set[tuple[str, str, str, str]]:
    """The keys that nobody has told of before."""
    tenants, budgets, periods, names = (list(column) for column in zip(*{e.key for e in events}, strict=True))
    values = {"tenants": tenants, "budgets": budgets, "periods": periods, "events": names, "at": at}
    return {(row[0], row[1], row[2], row[3]) for row in await connection.execute(_REMEMBER, values)}


def _rows(event: Event, webhooks: Sequence[Webhook], at: datetime) -> list[dict[str, Any]]:
    """One for each webhook: the same event with the same id."""
    event_id = f"evt_{uuid4().hex}"
    timestamp = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    payload = orjson.dumps({"type": event.type, "timestamp": timestamp, "data": event.data}).decode()
    return [
        {
            "event_id": event_id,
            "webhook": name,
            "event": event.type,
            "tenant": event.tenant,
            "payload": payload,
            "at": at,
        }
        for name in sorted(
            {each.name for each in webhooks if wants(each, event=event.type, tenant=event.tenant)}
        )
    ]
