"""Who bears an hour of capacity, in which currency, and in which month."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from passerelle.domain.billing import Idle, Sharing
from passerelle.domain.calendar import Month
from passerelle.domain.facts import State
from passerelle.ledger.allocation import Allocated
from passerelle.ledger.allocation_lines import Rates
from passerelle.ledger.capacity_states import CapacityLog
from passerelle.ledger.quotes import PriceSource, Quote
from passerelle.stores.database import Database
from tests.unit.ledger.hours import EURO, HOUR, MINUTE, TEN, booked, job, own, ran, select


async def test_two_tenants_share_what_was_busy_and_idle_time_is_the_operators(database: Database) -> None:
    await own(database, TEN)
    await ran(database, "1", TEN, 10, tenant="a", tokens={"input": 100, "output": 50})
    await ran(database, "2", TEN + 5 * MINUTE, 10, tenant="b", tokens={"input": 90, "cached_input": 100})

    assert await job(database).allocate(TEN + 2 * HOUR) == [
        Allocated("gpu", TEN, {"EUR": EURO}, 3_600_000, 900_000, ("tenant:a", "tenant:b", "operator:idle"))
    ]
    assert (await booked(database))["10:00"] == {
        "tenant:a": EURO // 4 * 3 // 4,
        "tenant:b": EURO // 4 // 4,
        "operator:idle": EURO * 3 // 4,
        "provider:us:payable": -EURO,
    }
    assert (await booked(database, "sum(quantity)"))["10:00"] == {
        "tenant:a": 675_000,
        "tenant:b": 225_000,
        "operator:idle": 2_700_000,
        "provider:us:payable": 3_600_000,
    }
    assert await select(
        database,
        """SELECT DISTINCT attempt_id, at, meter, unit, currency, certainty, price_id, fx_rate, billed_currency,
           period, backend FROM ledger_entries WHERE kind = 'allocate'""",
    ) == [
        ("capacity:gpu:2026-10-05T10:00:00Z", TEN, "capacity", "milliseconds", "EUR", "exact",
         f"gpu:hour@v={EURO}", Decimal(1), "EUR", "2026-10", "gpu"),
    ]  # fmt: skip
    tenants = "SELECT account, tenant, reason FROM ledger_entries WHERE kind = 'allocate' AND amount_pico > 0 ORDER BY 1"
    assert await select(database, tenants) == [
        ("operator:idle", "", "idle"),
        ("tenant:a", "a", None),
        ("tenant:b", "b", None),
    ]


async def test_a_price_that_changes_in_mid_hour_is_paid_from_then_on(database: Database) -> None:
    await own(database, TEN)
    await own(database, TEN + 30 * MINUTE, per_hour=3 * EURO)
    await ran(database, "1", TEN, 15, tokens={"output": 1})
    await job(database).allocate(TEN + 2 * HOUR)

    assert (await booked(database))["10:00"] == {
        "tenant:a": EURO // 2,
        "operator:idle": EURO * 3 // 2,
        "provider:us:payable": -2 * EURO,
    }
    lines = await select(
        database,
        """SELECT price_id, sum(quantity), sum(amount_pico) FROM ledger_entries
           WHERE kind = 'allocate' AND amount_pico > 0 GROUP BY 1 ORDER BY 3""",
    )
    assert lines == [
        (f"gpu:hour@v={EURO}", 1_800_000, EURO // 2),
        (f"gpu:hour@v={3 * EURO}", 1_800_000, EURO * 3 // 2),
    ]


async def test_an_endpoint_that_sleeps_after_twenty_minutes_is_paid_for_twenty(database: Database) -> None:
    await own(database, TEN, rented=False, replicas=2)
    await own(database, TEN + 20 * MINUTE, rented=False, state=State.ASLEEP)
    await ran(database, "1", TEN + 10 * MINUTE, 30, tokens={"input": 1})
    done = await job(database).allocate(TEN + 4 * HOUR)

    assert [(each.paid_ms, each.busy_ms) for each in done] == [(1_200_000, 600_000), (0, 0), (0, 0)]
    assert (await booked(database))["10:00"] == {
        "tenant:a": 333_333_333_334,
        "operator:idle": 333_333_333_333,
        "provider:us:payable": -666_666_666_667,
    }
    # What was learned by asking now and then is not exact; the hours of sleep are marked as done.
    marks = "SELECT certainty, sum(abs(amount_pico)), count(*) FROM ledger_entries WHERE kind = 'allocate' GROUP BY at, 1"
    assert await select(database, f"{marks} ORDER BY at") == [
        ("estimated", 2 * 666_666_666_667, 4),
        ("exact", 0, 2),
        ("exact", 0, 2),
    ]


async def test_retries_are_borne_by_the_operator(database: Database) -> None:
    await own(database, TEN)
    await ran(database, "1", TEN, 30, tokens={"input": 1})
    await ran(database, "2", TEN, 30, tokens={"input": 3}, payer="operator:retry")
    await job(database).allocate(TEN + 2 * HOUR)
    assert (await booked(database))["10:00"] == {
        "tenant:a": EURO // 8,
        "operator:retry": EURO * 3 // 8,
        "operator:idle": EURO // 2,
        "provider:us:payable": -EURO,
    }


async def test_where_no_tokens_are_known_time_counts(database: Database) -> None:
    await own(database, TEN)
    await ran(database, "images", TEN + 10 * MINUTE, 10, tenant="a")
    await ran(database, "long", TEN + 30 * MINUTE, 600, tenant="b", tokens={"output": 10**6})
    await ran(database, "backwards", TEN + 20 * MINUTE, -5, tenant="c")
    await job(database).allocate(TEN + 2 * HOUR)
    assert (await booked(database))["10:00"] == {
        "tenant:a": EURO // 6 + 1,
        "tenant:b": EURO // 2,
        "operator:idle": EURO // 3,
        "provider:us:payable": -EURO,
    }


@pytest.mark.parametrize(
    ("sharing", "used", "unused"),
    [
        (Sharing(idle=Idle.USERS), {"tenant:a": EURO}, {"operator:idle": EURO}),
        (
            Sharing(idle=Idle.FIXED, shares={"b": 3, "c": 1}),
            {"tenant:a": EURO // 2, "tenant:b": EURO * 3 // 8, "tenant:c": EURO // 8},
            {"tenant:b": EURO * 3 // 4, "tenant:c": EURO // 4},
        ),
    ],
)
async def test_idle_time_is_borne_as_agreed(
    database: Database, sharing: Sharing, used: dict[str, int], unused: dict[str, int]
) -> None:
    await own(database, TEN, sharing=sharing)
    await ran(database, "1", TEN, 30, tokens={"input": 1})
    await job(database).allocate(TEN + 3 * HOUR)
    shares = await booked(database)
    assert shares["10:00"] == {**used, "provider:us:payable": -EURO}
    assert shares["11:00"] == {**unused, "provider:us:payable": -EURO}
    idle = await select(
        database, "SELECT sum(amount_pico) FROM ledger_entries WHERE reason = 'idle' AND amount_pico > 0"
    )
    assert idle == [(EURO * 3 // 2,)]


async def test_a_rule_that_changes_in_an_hour_holds_from_the_next(database: Database) -> None:
    await own(database, TEN)
    await own(database, TEN + 30 * MINUTE, sharing=Sharing(idle=Idle.USERS))
    for hour in range(2):
        await ran(database, str(hour), TEN + hour * HOUR, 30, tokens={"input": 1})
    await job(database).allocate(TEN + 3 * HOUR)
    shares = await booked(database)
    assert (shares["10:00"]["tenant:a"], shares["11:00"]["tenant:a"]) == (EURO // 2, EURO)


async def test_hours_are_utcs_whatever_the_clocks_do_and_months_the_operators(database: Database) -> None:
    """In Paris the clocks were put back on 25 October 2026, and November began at 23:00 UTC on the 31st."""
    paris = ZoneInfo("Europe/Paris")
    begin = Month(2026, 10).begins(paris)
    end = Month(2026, 11).begins(paris)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE ledger_calendar SET time_zone = 'Europe/Paris'"))
    await own(database, datetime(2026, 10, 24, 0, tzinfo=UTC))
    done = await job(database).allocate(datetime(2026, 11, 1, 2, 10, tzinfo=UTC))

    assert [each.hour for each in done] == [
        datetime(2026, 10, 24, tzinfo=UTC) + number * HOUR for number in range(194)
    ]
    day = [each for each in done if each.hour.astimezone(paris).date() == date(2026, 10, 25)]
    assert len(day) == 25
    assert end - begin == 31 * 24 * HOUR + HOUR
    assert await select(
        database,
        "SELECT period, min(at), max(at), count(DISTINCT at) FROM ledger_entries GROUP BY 1 ORDER BY 1",
    ) == [
        ("2026-10", datetime(2026, 10, 24, tzinfo=UTC), end - HOUR, 191),
        ("2026-11", end, end + 2 * HOUR, 3),
    ]


async def test_an_hour_of_a_month_that_is_closed_falls_in_the_next(database: Database) -> None:
    await own(database, TEN)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE ledger_calendar SET first_open = '2026-11'"))
    await job(database).allocate(TEN + 2 * HOUR)
    assert await select(database, "SELECT DISTINCT period, at FROM ledger_entries") == [("2026-11", TEN)]


async def test_a_price_that_nobody_knows_is_not_nought(database: Database) -> None:
    quote = Quote("USD", PriceSource.UNKNOWN, "Nobody says.")
    await CapacityLog(database).record(
        "gpu", at=TEN, state=State.READY, quote=quote, payee="provider:hf:payable", sharing=Sharing()
    )
    await job(database).allocate(TEN + 2 * HOUR)
    assert await select(
        database, "SELECT DISTINCT certainty, abs(amount_pico), quantity, price_id FROM ledger_entries"
    ) == [("unpriced", 0, 3_600_000, None)]


@dataclass(frozen=True, slots=True)
class Dollars:
    """0.9 EUR for one USD, on and after the day it is known."""

    since: date
    text: str = "0.9"

    @property
    def on(self) -> date:
        return self.since

    def of(self, amount: int) -> int:
        return amount * 9 // 10

    def rate(self, source: str, target: str, day: date) -> Dollars | None:
        assert (source, target) == ("USD", "EUR")
        return self if day >= self.since else None


async def test_what_is_paid_in_another_currency_is_charged_at_the_days_rate(database: Database) -> None:
    await own(database, TEN, currency="USD", per_hour=EURO + 1)
    await ran(database, "1", TEN, 20, tenant="a", tokens={"input": 1})
    await ran(database, "2", TEN, 20, tenant="b", tokens={"input": 1})
    waits = job(database, rates=Dollars(TEN.date() + timedelta(days=1)))
    assert await waits.allocate(TEN + 2 * HOUR) == []
    assert await job(database).allocate(TEN + 2 * HOUR) == []

    rates: Rates = Dollars(TEN.date())
    markup = {"a": Decimal("12.5"), "b": Decimal(0)}
    done = await job(database, rates=rates, markup=lambda tenant: markup[tenant]).allocate(TEN + 2 * HOUR)
    assert len(done) == 1
    assert (await booked(database))["10:00"] == {
        "tenant:a": 166_666_666_667,
        "tenant:b": 166_666_666_667,
        "operator:idle": 666_666_666_667,
        "operator:margin": 0,
        "provider:us:payable": -(EURO + 1),
    }
    assert (await booked(database, "sum(billed_pico)"))["10:00"] == {
        "tenant:a": 150_000_000_000 * 9 // 8,
        "tenant:b": 150_000_000_000,
        "operator:idle": 600_000_000_000,
        "operator:margin": -150_000_000_000 // 8,
        "provider:us:payable": -900_000_000_000,
    }
    assert await select(
        database,
        "SELECT DISTINCT fx_rate, fx_date, billed_currency FROM ledger_entries WHERE kind = 'allocate'",
    ) == [(Decimal("0.9"), TEN.date(), "EUR")]


@pytest.mark.parametrize("seed", range(3))
async def test_random_days_add_up(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    moment, cost = TEN, Decimal(0)
    while moment < TEN + 24 * HOUR:
        replicas, per_hour = chance.randrange(4), chance.randrange(10**13)
        lasts = chance.randrange(60, 30_000)
        await own(
            database,
            moment,
            per_hour=per_hour,
            replicas=replicas,
            rented=False,
            state=State.READY if replicas else State.ASLEEP,
            sharing=Sharing(idle=chance.choice(list(Idle)), shares={"a": 2, "c": 1}),
        )
        until = min(moment + timedelta(seconds=lasts), TEN + 24 * HOUR)
        cost += Decimal(replicas * per_hour) * Decimal((until - moment).total_seconds()) / 3600
        moment += timedelta(seconds=lasts)
    for number in range(150):
        began = TEN + timedelta(seconds=chance.randrange(24 * 3600))
        tokens = {"input": chance.randrange(9999), "output": chance.randrange(999)}
        await ran(
            database, str(number), began, chance.random() * 20, tenant=chance.choice("abc"), tokens=tokens
        )

    done = []
    for hours in sorted(chance.randrange(1, 25) for _ in range(5)):
        done += await job(database).allocate(TEN + hours * HOUR + 10 * MINUTE)
    done += await job(database).allocate(TEN + 24 * HOUR + 10 * MINUTE)
    assert [each.hour for each in done] == [TEN + number * HOUR for number in range(24)]
    assert abs(sum(each.cost.get("EUR", 0) for each in done) - cost) < 100
    totals = await select(
        database,
        """SELECT attempt_id, sum(amount_pico), sum(billed_pico),
           sum(amount_pico) FILTER (WHERE amount_pico > 0), sum(quantity) FILTER (WHERE amount_pico < 0)
           FROM ledger_entries WHERE kind = 'allocate' GROUP BY 1 ORDER BY 1""",
    )
    assert [(row[1], row[2]) for row in totals] == [(0, 0)] * 24
    assert [int(row[3] or 0) for row in totals] == [each.cost.get("EUR", 0) for each in done]
