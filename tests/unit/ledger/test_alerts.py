"""What is told of money, and that it is told once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.domain.billing import EVENTS, Webhook
from passerelle.domain.calendar import Month
from passerelle.domain.errors import Unavailable
from passerelle.ledger.alerts import Alerts, Standing, Unpriced, due, wants
from passerelle.ledger.forecast import Forecast
from passerelle.stores.database import Database

NOVEMBER = Month(2026, 11)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EURO = 10**12
ALL = Webhook("all", "http://127.0.0.1:9/", "whsec_x")


def standing(percent: int, **changes: Any) -> Standing:
    values = {"tenant": "client-a", "budget": "tenant", "amount": 200 * EURO, "spent": 2 * percent * EURO}
    return Standing(**{**values, **changes})


def seen(p50: int, p90: int, *, confident: bool = True) -> dict[tuple[str, str], Forecast]:
    return {("client-a", "tenant"): Forecast("x", 0, p50 * EURO, p90 * EURO, 9, confident)}


def names(*lines: Standing, **more: Any) -> list[tuple[str, bool]]:
    return [(event.name, event.silent) for event in due(lines, NOVEMBER, currency="EUR", **more)]


async def select(database: Database, query: str) -> list[tuple[Any, ...]]:
    async with database.begin() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


def alerts(database: Database, *webhooks: Webhook) -> Alerts:
    return Alerts(database, webhooks=lambda: webhooks or (ALL,), clock=lambda: NOW)


def test_a_threshold_is_due_once_it_is_reached_and_not_a_pico_before() -> None:
    assert names(standing(49)) == []
    assert names(standing(0, spent=100 * EURO - 1)) == []
    assert names(standing(50)) == [("budget.threshold.50", False)]


def test_of_thresholds_passed_at_once_only_the_highest_is_told() -> None:
    assert names(standing(120)) == [
        ("budget.threshold.100", False),
        ("budget.threshold.50", True),
        ("budget.threshold.80", True),
    ]
    assert names(standing(120, thresholds=(100, 90, 90))) == [
        ("budget.threshold.100", False),
        ("budget.threshold.90", True),
    ]
    assert names(standing(120, thresholds=())) == []


def test_a_budget_of_nought_is_passed_by_the_first_pico() -> None:
    assert names(standing(0, amount=0)) == []
    assert names(standing(0, amount=0, spent=-5)) == []
    assert ("budget.threshold.100", False) in names(standing(0, amount=0, spent=1))


def test_a_forecast_is_told_where_it_passes_the_amount_and_is_worth_something() -> None:
    assert names(standing(10), forecasts=seen(150, 200)) == []
    assert names(standing(10), forecasts=seen(150, 201)) == [("budget.forecast.p90", False)]
    both = [("budget.forecast", False), ("budget.forecast.p90", False)]
    assert names(standing(10), forecasts=seen(201, 300)) == both
    assert names(standing(10), forecasts=seen(201, 300, confident=False)) == []
    assert names(standing(10, forecast=False), forecasts=seen(201, 300)) == []
    assert "budget.forecast" not in dict(names(standing(100), forecasts=seen(300, 300)))


def test_what_is_told_is_exact_and_of_no_person() -> None:
    lines = [standing(80, amount=200 * EURO + 1, spent=180 * EURO + 25 * 10**10)]
    unpriced = [Unpriced("client-a", "assistant", 3), Unpriced("client-a", "embeddings", 0)]
    told = due(lines, NOVEMBER, currency="EUR", forecasts=seen(201, 300), unpriced=unpriced)
    by_name = {event.name: event.data for event in told}

    assert by_name["budget.threshold.80"] == {
        "tenant": "client-a",
        "budget": "tenant",
        "month": "2026-11",
        "percent": 80,
        "amount": "200.000000000001",
        "spent": "180.25",
        "currency": "EUR",
    }
    assert by_name["budget.forecast"]["forecast"] == {"p10": "0", "p50": "201", "p90": "300"}
    assert by_name["price.unknown"] == {
        "tenant": "client-a",
        "model": "assistant",
        "month": "2026-11",
        "answers": 3,
    }
    assert {event.type for event in told} == EVENTS


def test_a_webhook_is_told_what_it_asked_for() -> None:
    picky = Webhook("b", "", "", events=frozenset({"price.unknown"}), tenants=frozenset({"client-a"}))
    assert wants(ALL, event="budget.threshold", tenant="anybody")
    assert wants(picky, event="price.unknown", tenant="client-a")
    assert not wants(picky, event="price.unknown", tenant="client-b")
    assert not wants(picky, event="budget.threshold", tenant="client-a")


async def test_an_event_is_in_the_outbox_once_for_each_webhook_that_wants_it(database: Database) -> None:
    webhooks = (
        ALL,
        Webhook("prices", "", "", events=frozenset({"price.unknown"})),
        Webhook("other", "", "", tenants=frozenset({"client-b"})),
        Webhook("own", "", "", tenants=frozenset({"client-a"})),
    )
    told = await alerts(database, *webhooks).check([standing(90)], NOVEMBER, currency="EUR")

    assert [event.name for event in told] == ["budget.threshold.80"]
    rows = await select(
        database,
        "SELECT webhook, event, tenant, payload, created_at, next_at, tries, event_id FROM ledger_outbox ORDER BY 1",
    )
    assert [row[0] for row in rows] == ["all", "own"]
    assert len({row[7] for row in rows}) == 1
    assert rows[0][1:7] == (
        "budget.threshold",
        "client-a",
        {"type": "budget.threshold", "timestamp": "2026-11-21T12:00:00.000Z", "data": dict(told[0].data)},
        NOW,
        NOW,
        0,
    )
    remembered = await select(
        database, "SELECT tenant, budget, period, event FROM ledger_alerts ORDER BY event"
    )
    assert remembered == [("client-a", "tenant", "2026-11", f"budget.threshold.{n}") for n in (50, 80)]


async def test_each_is_told_once_a_month_also_after_a_restart(database: Database) -> None:
    async def told(room: Alerts, percent: int, month: Month = NOVEMBER) -> list[str]:
        return [event.name for event in await room.check([standing(percent)], month, currency="EUR")]

    first = alerts(database)
    assert await told(first, 55) == ["budget.threshold.50"]
    assert await told(first, 55) == []
    again = alerts(database)
    assert await told(again, 60) == []
    assert await told(again, 130) == ["budget.threshold.100"]
    assert await told(first, 130) == []
    assert await told(first, 90) == []  # a credit: nothing is told on the way down
    assert await told(first, 50, NOVEMBER.next) == ["budget.threshold.50"]
    assert await told(first, 130) == []
    assert len(await select(database, "SELECT 1 FROM ledger_outbox")) == 3


async def test_twenty_checks_at_once_tell_once(database: Database) -> None:
    lines = [standing(120, tenant=f"client-{n}", budget=b) for n in range(10) for b in ("tenant", "key:k1")]
    rooms = [alerts(database) for _ in range(20)]
    told = await asyncio.gather(
        *(
            room.check(
                lines if n % 2 else lines[::-1], NOVEMBER, currency="EUR", unpriced=[Unpriced("a", "m", 1)]
            )
            for n, room in enumerate(rooms)
        )
    )

    assert sum(map(len, told)) == 21
    assert len(await select(database, "SELECT 1 FROM ledger_outbox")) == 21
    assert len(await select(database, "SELECT 1 FROM ledger_alerts")) == 61


async def test_what_cannot_be_written_is_told_later(database: Database) -> None:
    room = alerts(database)
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE ledger_outbox RENAME TO away"))
    with pytest.raises(Unavailable):
        await room.check([standing(50)], NOVEMBER, currency="EUR")
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE away RENAME TO ledger_outbox"))

    assert len(await room.check([standing(50)], NOVEMBER, currency="EUR")) == 1
