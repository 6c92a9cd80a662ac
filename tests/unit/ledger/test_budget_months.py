"""What is spent counts in the month in which it is settled, whatever clocks and calendars do."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from passerelle.domain.money import PICO
from passerelle.ledger.budgets import Budgets, OverBudget
from tests.unit.ledger.test_budgets import (
    NOON,
    NOVEMBER,
    PARIS,
    Client,
    at,
    budgets,
    euros,
    hold,
    spend,
    stands,
)

__all__ = ["budgets"]


def test_a_new_month_begins_at_nought_at_midnight_of_the_operator(budgets: Budgets) -> None:
    client = euros(1)
    last = at("2026-11-30T22:59:59.999")
    spend(budgets, client, PICO, now=last)
    with pytest.raises(OverBudget):
        hold(budgets, client, now=last)
    hold(budgets, client, now=last + 1)


def test_a_call_over_the_month_s_end_is_spent_in_the_month_in_which_it_is_settled(budgets: Budgets) -> None:
    client = euros(10)
    call = hold(budgets, client, now=at("2026-11-30T22:59:59"))
    later = at("2026-11-30T23:00:01")
    assert stands(budgets, client, later) == {"tenant": (0, PICO)}
    call.settle(PICO, later)
    assert stands(budgets, client, later) == {"tenant": (PICO, 0)}
    assert stands(budgets, client) == {"tenant": (0, 0)}


def test_a_clock_that_jumps_loses_nothing(budgets: Budgets) -> None:
    client = euros(100)
    for moment in ("2026-11-21T12:00", "2036-02-01T00:00", "2001-01-01T00:00", "2026-10-25T01:30"):
        for _ in range(2):
            hold(budgets, client, now=NOON).settle(PICO, at(moment))
        budgets.sweep()
    assert stands(budgets, client) == {"tenant": (2 * PICO, 0)}
    for absurd in (-(10**18), 10**18):
        hold(budgets, client, now=absurd).settle(PICO, absurd)
    assert stands(budgets, client) == {"tenant": (2 * PICO, 0)}
    assert stands(budgets, client, at("2036-02-28T00:00")) == {"tenant": (2 * PICO, 0)}


def test_months_long_past_are_forgotten_and_the_one_in_use_is_not(budgets: Budgets) -> None:
    client, idle = euros(1000), Client(None, "client-b")
    spend(budgets, client, PICO)
    for year in range(2027, 2030):
        for month in range(1, 13):
            spend(budgets, client, PICO, now=at(f"{year}-{month:02}-15T00:00"))
            spend(budgets, idle, PICO, now=at(f"{year}-{month:02}-15T00:00"))
            spend(budgets, client, PICO)
            budgets.sweep()
    assert stands(budgets, client) == {"tenant": (37 * PICO, 0)}
    book = budgets._tenants["client-a"]
    counted = [
        *book.accounts.values(),
        *book.totals.values(),
        *budgets._tenants["client-b"].accounts.values(),
    ]
    assert {len(each.posted) for each in counted} <= {23, 24}


def test_closed_months_are_posted_to_no_more(budgets: Budgets) -> None:
    client = euros(10)
    spend(budgets, client, PICO)
    budgets.calendar(PARIS, NOVEMBER.next)
    spend(budgets, client, PICO)
    assert stands(budgets, client, at("2026-12-15T00:00")) == {"tenant": (PICO, 0)}
    with pytest.raises(OverBudget) as caught:
        hold(budgets, client, 10 * PICO)
    assert caught.value.ends == datetime(2026, 12, 31, 23, tzinfo=UTC)


def test_another_time_zone_counts_from_now_on() -> None:
    budgets, client = Budgets(ZoneInfo("UTC")), euros(10)
    evening = at("2026-11-30T23:30")
    spend(budgets, client, PICO, now=evening)
    spend(budgets, Client(None, "client-b"), PICO, now=evening)
    budgets.calendar(PARIS)
    spend(budgets, client, 2 * PICO, now=evening)
    assert stands(budgets, client, evening) == {"tenant": (2 * PICO, 0)}
    assert stands(budgets, client) == {"tenant": (PICO, 0)}
    assert stands(budgets, Client(client.budget, "client-b")) == {"tenant": (PICO, 0)}
