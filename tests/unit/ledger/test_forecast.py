"""What a month will cost: exact where it is certain, honest where it is not."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from passerelle.domain.calendar import Month
from passerelle.ledger.forecast import BOOTSTRAP, LINEAR, Forecast, forecast

PARIS = ZoneInfo("Europe/Paris")
NOVEMBER = Month(2026, 11)
HOUR = timedelta(hours=1)


def hours(begins: datetime, ends: datetime, amount: Callable[[datetime], int]) -> dict[datetime, int]:
    """An amount for each hour, by its time in Paris."""
    count = (ends - begins) // HOUR
    moments = (begins.astimezone(UTC) + number * HOUR for number in range(count))
    return {moment: amount(moment.astimezone(PARIS)) for moment in moments}


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=PARIS).astimezone(UTC)


def flat(result: Forecast) -> int:
    """Its only figure."""
    assert result.p10 == result.p50 == result.p90
    return result.p50


def test_what_is_always_the_same_stays_so() -> None:
    now = at(2026, 11, 11)
    seen = hours(now - timedelta(days=56), now, lambda _: 1000)

    result = forecast(seen, now=now, month=NOVEMBER, zone=PARIS, committed=5)

    assert (result.method, result.days, result.confident) == (BOOTSTRAP, 55, True)
    assert flat(result) == 30 * 24 * 1000 + 5


@pytest.mark.parametrize("days", [3, 5, 12, 27, 40])
def test_days_have_the_shape_of_their_kind(days: int) -> None:
    now = at(2026, 11, 11, 9, 30)
    working: Callable[[datetime], int] = lambda there: 600 if 8 <= there.hour < 18 else 0  # noqa: E731
    begins = (datetime(2026, 11, 11, tzinfo=PARIS) - timedelta(days=days)).astimezone(UTC)
    seen = hours(begins, now.replace(minute=0), working)
    seen[now.replace(minute=0)] = 300  # half of the hour has gone
    result = forecast(seen, now=now, month=NOVEMBER, zone=PARIS)

    assert result.days == days
    missing = sum(amount for hour, amount in hours(at(2026, 11, 1), now, working).items() if hour not in seen)
    assert flat(result) == 30 * 10 * 600 - missing


def test_working_days_and_weekends_are_told_apart() -> None:
    now = at(2026, 11, 16)  # a Monday
    seen = hours(now - timedelta(days=14), now, lambda there: 0 if there.weekday() >= 5 else 10)

    result = forecast(seen, now=now, month=NOVEMBER, zone=PARIS)

    worked = sum(1 for day in range(2, 31) if datetime(2026, 11, day, tzinfo=UTC).weekday() < 5)
    assert flat(result) == worked * 24 * 10


def test_a_weekday_is_told_from_another_after_four_weeks() -> None:
    now = at(2026, 11, 2)
    seen = hours(at(2026, 10, 5), now, lambda there: 10 if there.weekday() == 2 else 0)

    assert flat(forecast(seen, now=now, month=NOVEMBER, zone=PARIS)) == 4 * 24 * 10


def test_less_than_three_days_are_a_straight_line() -> None:
    now = at(2026, 11, 3, 12)
    seen = hours(at(2026, 11, 2), now, lambda _: 10)

    result = forecast(seen, now=now, month=NOVEMBER, zone=PARIS)

    assert (result.method, result.days, result.confident) == (LINEAR, 1, False)
    assert flat(result) == 29 * 24 * 10


def test_the_first_minutes_are_not_drawn_out() -> None:
    now = at(2026, 11, 1, 0, 1)
    result = forecast({at(2026, 11, 1): 60}, now=now, month=NOVEMBER, zone=PARIS)

    assert flat(result) == 60 + 60 * (30 * 24 * 60 - 1) // 60
    assert (result.method, result.days, result.confident) == (LINEAR, 0, False)


def test_no_data_is_what_is_committed() -> None:
    for now in (at(2026, 11, 1), at(2026, 11, 17, 3), at(2026, 10, 5)):
        result = forecast({}, now=now, month=NOVEMBER, zone=PARIS, committed=7)
        assert result == Forecast(LINEAR, 7, 7, 7, 0, confident=False)


def test_the_first_hour_has_the_whole_month_ahead() -> None:
    now = at(2026, 11, 1)
    seen = hours(now - timedelta(days=56), now, lambda _: 10)

    assert flat(forecast(seen, now=now, month=NOVEMBER, zone=PARIS)) == 30 * 24 * 10


def test_the_last_hour_has_little_ahead() -> None:
    now = at(2026, 11, 30, 23, 45)
    seen = hours(at(2026, 10, 1), at(2026, 11, 30, 23), lambda _: 100)
    seen[at(2026, 11, 30, 23)] = 75

    assert flat(forecast(seen, now=now, month=NOVEMBER, zone=PARIS)) == 30 * 24 * 100


def test_a_month_that_is_over_is_what_it_was() -> None:
    seen = hours(at(2026, 10, 1), at(2026, 12, 5), lambda _: 100)
    for now in (at(2026, 12, 1), at(2027, 6, 1)):
        result = forecast(seen, now=now, month=NOVEMBER, zone=PARIS, committed=1)
        assert flat(result) == 30 * 24 * 100 + 1
        assert result.confident


@pytest.mark.parametrize(
    ("month", "expected"),
    [(Month(2026, 3), 31 * 24 - 1), (Month(2026, 10), 31 * 24 + 1), (Month(2027, 2), 28 * 24)],
)
def test_every_hour_of_a_month_counts_once_when_clocks_change(month: Month, expected: int) -> None:
    begins, ends = month.bounds(PARIS)
    for day in (0, 15, 24, 27):
        now = begins + timedelta(days=day)
        seen = hours(now - timedelta(days=40), now, lambda _: 10)
        assert flat(forecast(seen, now=now, month=month, zone=PARIS)) == expected * 10
        assert (ends - begins) // HOUR == expected


def test_an_hour_shown_twice_counts_by_its_mean_afterwards() -> None:
    now = at(2026, 11, 15)  # three weeks after the clocks went back
    seen = hours(now - timedelta(days=42), now, lambda there: 10 if there.hour == 2 else 0)

    assert flat(forecast(seen, now=now, month=NOVEMBER, zone=PARIS)) == 30 * 10


def test_a_zone_of_half_hours_loses_nothing() -> None:
    zone = ZoneInfo("Asia/Kolkata")
    begins, ends = NOVEMBER.bounds(zone)
    now = begins + timedelta(days=10, minutes=-30)
    seen = hours(now - timedelta(days=56), now, lambda _: 60)
    whole = flat(forecast(seen, now=now, month=NOVEMBER, zone=zone))

    # Its first half hour is of an hour of October's.
    assert whole == (ends - begins) // HOUR * 60 - 30


def test_credits_count_and_a_spread_of_costs_never_goes_below_nought() -> None:
    now = at(2026, 11, 11)
    chance = random.Random(1)
    wild = hours(now - timedelta(days=10), now, lambda there: 10**6 if chance.random() < 0.02 else 0)
    spent = sum(amount for hour, amount in wild.items() if hour >= at(2026, 11, 1))
    result = forecast(wild, now=now, month=NOVEMBER, zone=PARIS)
    assert spent <= result.p10 < result.p50 < result.p90

    wild[at(2026, 11, 5)] = -(10**9)
    assert forecast(wild, now=now, month=NOVEMBER, zone=PARIS).p10 < -(10**9)


def test_the_same_input_gives_the_same_figures() -> None:
    seen = series("bursty", random.Random(4), at(2026, 9, 20), at(2026, 11, 9))
    one, two = (forecast(seen, now=at(2026, 11, 9), month=NOVEMBER, zone=PARIS) for _ in range(2))
    shuffled = dict(sorted(seen.items(), key=hash))
    other = forecast(seen, now=at(2026, 11, 9), month=NOVEMBER, zone=PARIS, seed=5)

    assert one == two == forecast(shuffled, now=at(2026, 11, 9), month=NOVEMBER, zone=PARIS)
    assert other != one
    assert abs(other.p50 - one.p50) < 0.1 * (one.p90 - one.p10)


def series(shape: str, chance: random.Random, begins: datetime, ends: datetime) -> dict[datetime, int]:
    """Traffic without a trend whose every draw is the seed's."""
    level, today, busy = 1.0, None, 1.0

    def amount(there: datetime) -> int:
        nonlocal level, today, busy
        if there.date() != today:
            today, busy = there.date(), chance.lognormvariate(0, 0.3)
            level = max(0.05, 0.3 + 0.7 * level + chance.gauss(0, 0.25))
        if shape == "working hours":
            open_now = 8 <= there.hour < 19 and there.weekday() < 5
            return int((1e12 if open_now else 2e10) * busy * chance.lognormvariate(0, 0.5))
        if shape == "bursty":
            return int(2e12 * chance.paretovariate(2.2) if chance.random() < 0.04 else 3e10 * chance.random())
        if shape == "days alike":
            return int(5e11 * level * chance.lognormvariate(0, 0.4))
        return chance.randrange(10**12)

    return hours(begins, ends, amount)


@pytest.mark.parametrize("shape", ["working hours", "bursty", "even", "days alike"])
@pytest.mark.parametrize(("history", "day"), [(56, 9), (12, 11)])
def test_four_fifths_of_all_months_end_between_the_outer_figures(shape: str, history: int, day: int) -> None:
    """Of 200 seeded months: 70 to 92 %, where 80 % is meant. Fewer paths than usual, for time."""
    begins, ends = NOVEMBER.bounds(PARIS)
    inside = below = above = 0
    for seed in range(200):
        now = begins + timedelta(days=day, hours=seed % 24, minutes=15)
        hour = now.replace(minute=0)
        whole = series(shape, random.Random(f"{shape} {seed}"), hour - timedelta(days=history), ends)
        truth = sum(amount for moment, amount in whole.items() if moment >= begins)
        seen = {moment: amount for moment, amount in whole.items() if moment < hour} | {
            hour: whole[hour] // 4
        }
        result = forecast(seen, now=now, month=NOVEMBER, zone=PARIS, paths=200)
        below, above = below + (truth < result.p10), above + (truth > result.p90)
        inside += result.p10 <= truth <= result.p90

    assert 0.70 <= inside / 200 <= 0.92
    assert max(below, above) / 200 <= 0.25
