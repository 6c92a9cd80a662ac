"""Whoever should know of a budget is told by what is spent in memory, by what the ledger foresees, and once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from passerelle.domain.calendar import Month
from passerelle.domain.ledger import Certainty, EntryKind, Unit
from passerelle.domain.money import PICO
from passerelle.gateway.edition import Editions
from passerelle.ledger.alerts import Alerts
from passerelle.ledger.budgets import Budgets
from passerelle.ledger.posting import Posting, post
from passerelle.reports.alerting import Alerting
from passerelle.stores.database import Database
from tests.books import pricing
from tests.serving import catalog_of

_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_NOVEMBER = Month(2026, 11)
_UTC = ZoneInfo("UTC")


def _catalog(**budget: Any) -> Any:
    configuration = {
        "backends": {"offline": {"kind": "builtin"}},
        "models": {"assistant": {"targets": [{"backend": "offline", "model": "extractive"}]}},
        "tenants": {"acme": {"budget": {"amount": 100, **budget}}, "free": {}},
        "webhooks": {"finance": {"url": "https://example.org/hook", "secret": "env:HOOK"}},
    }
    return catalog_of(configuration, environment={"HOOK": "x" * 32}, models=Path("unused"))


@pytest.fixture
def budgets() -> Budgets:
    return Budgets(_UTC)


def _alerting(database: Database, budgets: Budgets, **budget: Any) -> tuple[Alerting, Editions]:
    editions = Editions(_catalog(**budget), lambda _: _Nothing(), pricing)  # type: ignore[arg-type, return-value]
    alerts = Alerts(database, webhooks=lambda: editions.catalog.webhooks, clock=lambda: _NOW)
    return Alerting(database, editions, budgets, alerts), editions


class _Nothing:
    async def aclose(self) -> None:
        pass


async def _told(database: Database) -> list[tuple[str, str, str]]:
    query = text(
        "SELECT tenant, event, payload -> 'data' ->> 'spent' FROM ledger_outbox ORDER BY created_at, event_id"
    )
    async with database.begin() as connection:
        return [(row[0], row[1], row[2]) for row in await connection.execute(query)]


async def _book(database: Database, at: datetime, amount: int, *, name: str) -> None:
    async with database.begin() as connection:
        await post(
            connection,
            [
                Posting(
                    reference=name, line=1, at=at, tenant="acme", account=account, kind=EntryKind.ALLOCATE, meter="x",
                    quantity=1, unit=Unit.REQUESTS, currency="EUR", amount=signed, certainty=Certainty.EXACT,
                    billed_currency="EUR", billed=signed, reason="test",
                )
                for account, signed in (("tenant:acme", amount), ("operator:test", -amount))
            ],
        )  # fmt: skip


async def test_a_threshold_is_told_once_by_what_is_spent_in_memory(
    database: Database, budgets: Budgets
) -> None:
    alerting, editions = _alerting(database, budgets)
    await alerting.check(_NOW)
    assert await _told(database) == []

    budgets.posted("acme", 60 * PICO, month=_NOVEMBER)
    for _ in range(2):
        await alerting.check(_NOW)
    assert await _told(database) == [("acme", "budget.threshold", "60")]
    await editions.aclose()


async def test_a_reload_with_a_lower_amount_is_told_of_at_the_next_look(
    database: Database, budgets: Budgets
) -> None:
    alerting, editions = _alerting(database, budgets)
    budgets.posted("acme", 20 * PICO, month=_NOVEMBER)
    await alerting.check(_NOW)
    assert await _told(database) == []

    editions.publish(_catalog(amount=25))
    await alerting.check(_NOW)
    assert await _told(database) == [("acme", "budget.threshold", "20")]
    await editions.aclose()


async def test_a_new_month_begins_afresh(database: Database, budgets: Budgets) -> None:
    alerting, editions = _alerting(database, budgets)
    budgets.posted("acme", 60 * PICO, month=_NOVEMBER)
    await alerting.check(_NOW)
    december = datetime(2026, 12, 1, 0, 1, tzinfo=UTC)
    await alerting.check(december)
    budgets.posted("acme", 90 * PICO, month=_NOVEMBER.next)
    await alerting.check(december)

    assert {spent for *_, spent in await _told(database)} == {"60", "90"}
    await editions.aclose()


@pytest.mark.parametrize(
    ("wanted", "events"), [(True, ["budget.forecast", "budget.forecast.p90"]), (False, [])]
)
async def test_a_month_that_will_pass_its_amount_is_told_of_by_the_ledgers_hours(
    database: Database, budgets: Budgets, wanted: bool, events: list[str]
) -> None:
    for day in range(1, 21):
        await _book(database, datetime(2026, 11, day, 10, tzinfo=UTC), 4 * PICO, name=f"test:{day}")
    alerting, editions = _alerting(database, budgets, forecast=wanted, alerts=[1000])
    budgets.posted("acme", 80 * PICO, month=_NOVEMBER)

    await alerting.check(_NOW)

    assert sorted(event for _, event, _ in await _told(database)) == events
    await editions.aclose()


async def test_a_tenant_without_a_budget_has_nothing_to_be_told_of(
    database: Database, budgets: Budgets
) -> None:
    alerting, editions = _alerting(database, budgets)
    budgets.posted("free", 10_000 * PICO, month=_NOVEMBER)
    await alerting.check(_NOW + timedelta(hours=2))

    assert await _told(database) == []
    await editions.aclose()
