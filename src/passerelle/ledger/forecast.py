"""What a month will have cost when it is over, as far as the weeks before it tell: resampled, never guessed.

What is spent and what is committed are certain; the hours that are left are drawn from hours of the week that have
been, a day at a time, so that a day keeps its shape. Each path weighs the history anew (the Bayesian bootstrap, Rubin
1981), because how dear a usual day is is known no better than a few weeks tell, and paths are spread further where days
that follow each other are alike. On series without a trend, four fifths of all months end between P10 and P90. What a
few days cannot show, such as whole weeks that differ, is not in it. The same input gives the same figures.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

from passerelle.domain.calendar import Month

BOOTSTRAP, LINEAR = "hour-of-week-bootstrap", "linear"

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_WEEK = 7
_LONGEST_HISTORY = 8 * _WEEK  # days
_FEWEST_DAYS = 3  # below it nothing is known of days, and what is known is drawn out in a straight line
_FEWEST_WEEKS = 4  # below it a weekday is not told from another, only working days from weekends
_MOST_ALIKE = 0.8  # correlation of a day with the one before it, as far as it is believed
_Z90 = 1.2816  # the normal distribution's ninth decile


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the whole month will be, in pico-units. A straight line has no spread: its three figures are one."""

    method: str  # `hour-of-week-bootstrap` or `linear`
    p10: int
    p50: int
    p90: int
    days: int  # complete days of data
    confident: bool  # False with less than three of them, unless the month is over


@dataclass(frozen=True, slots=True)
class _Left:
    """The part of a day that is still to come: seconds of each hour of its clock."""

    offset: int  # days from today
    weekday: int
    seconds: tuple[int, ...]


_Hours = Sequence[int]  # of one past day, by the hour of its clock


def forecast(
    hourly: Mapping[datetime, int],
    *,
    now: datetime,
    month: Month,
    zone: ZoneInfo,
    committed: int = 0,
    seed: int = 20261,
    paths: int = 2000,
) -> Forecast:
    """The month's total: what `hourly` has of it, `committed`, and the hours from `now` to its end.

    `hourly` is in pico-units by the hour's beginning, in UTC; hours that are not in it are nought from the first day
    that is. It may hold the eight weeks before `now`; older hours count only where they are of the month. An hour is
    of the month, and of the hour of the clock, in which it begins in `zone`.
    """
    begins, ends = month.bounds(zone)
    certain = committed + sum(amount for hour, amount in hourly.items() if begins <= hour < ends)
    history = _history(hourly, now.astimezone(zone).date(), zone)
    left = _left(max(now, begins), ends, now.astimezone(zone).date(), zone)
    if not left:
        return Forecast(BOOTSTRAP, certain, certain, certain, len(history), confident=True)
    if len(history) < _FEWEST_DAYS:
        whole = certain + _straight(hourly, now, left, zone)
        return Forecast(LINEAR, whole, whole, whole, len(history), confident=False)
    pools = _pools(history, now.astimezone(zone).date())
    sums = _sums(history, left, pools, random.Random(seed), paths)  # noqa: S311 - draws, not secrets
    spread = _spread(history, left, pools)
    low, middle, high = _deciles(sums, spread, floor=0 if min(map(min, history)) >= 0 else None)
    return Forecast(BOOTSTRAP, certain + low, certain + middle, certain + high, len(history), confident=True)


def _history(hourly: Mapping[datetime, int], today: date, zone: ZoneInfo) -> list[_Hours]:
    """The complete days up to yesterday, oldest first. An hour that the clock repeats counts by its mean.

    With more than a week of them, a first day whose first hours are missing is left out: it may be one cut off.
    """
    oldest = today - timedelta(days=_LONGEST_HISTORY)
    first: datetime | None = None
    sums: dict[date, list[int]] = defaultdict(lambda: [0] * 24)
    for hour, amount in hourly.items():
        there = hour.astimezone(zone)
        if oldest <= there.date() < today:
            first = there if first is None else min(first, there)
            sums[there.date()][there.hour] += amount
    if first is None:
        return []
    count = (today - first.date()).days
    cut_off = first.hour > 0 and count > _WEEK
    days = [first.date() + timedelta(days=number) for number in range(int(cut_off), count)]
    return [_once(sums[day], day, zone) for day in days]


def _once(hours: list[int], day: date, zone: ZoneInfo) -> _Hours:
    """A day's hours, as if its clock had shown each of them once."""
    for hour in _repeated(day, zone):
        hours[hour] //= 2
    return hours


def _repeated(day: date, zone: ZoneInfo) -> list[int]:
    """Hours that the clock shows twice that day."""
    begins = datetime.combine(day, time(), tzinfo=zone)
    if (begins + _DAY).utcoffset() == begins.utcoffset():
        return []
    shown = [moment.astimezone(zone).hour for moment in _each_hour(begins, begins + _DAY)]
    return sorted({hour for hour in shown if shown.count(hour) > 1})


def _each_hour(begins: datetime, ends: datetime) -> Iterator[datetime]:
    """The beginnings of the hours of UTC from the one that `begins` is in."""
    moment = begins.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while moment < ends:
        yield moment
        moment += _HOUR


def _left(begins: datetime, ends: datetime, today: date, zone: ZoneInfo) -> list[_Left]:
    """What is still to come, day by day."""
    days: dict[date, list[int]] = defaultdict(lambda: [0] * 24)
    for hour in _each_hour(begins, ends):
        there = max(hour, begins).astimezone(zone)
        until = min(hour + _HOUR, ends)
        days[there.date()][there.hour] += round((until - max(hour, begins)).total_seconds())
    return [
        _Left((day - today).days, day.weekday(), tuple(seconds))
        for day, seconds in days.items()
        if any(seconds)
    ]


def _straight(hourly: Mapping[datetime, int], now: datetime, left: Sequence[_Left], zone: ZoneInfo) -> int:
    """The rate since midnight of the first day with data, kept up. An hour is the least it is taken from."""
    seen = [hour for hour in hourly if hour <= now]
    if not seen:
        return 0
    oldest = now.astimezone(zone).date() - timedelta(days=_LONGEST_HISTORY)
    first = max(min(seen).astimezone(zone).date(), oldest)
    begins = datetime.combine(first, time(), tzinfo=zone).astimezone(UTC)
    total = sum(hourly[hour] for hour in seen if hour >= begins)
    elapsed = max(3600, round((now - begins).total_seconds()))
    return total * sum(sum(day.seconds) for day in left) // elapsed


def _pools(history: Sequence[_Hours], today: date) -> list[list[int]]:
    """For each weekday, which past days are like it: the same weekday; or working days and weekends; or all."""
    weekdays = [(today - timedelta(days=len(history) - index)).weekday() for index in range(len(history))]
    same = [[index for index, other in enumerate(weekdays) if other == day] for day in range(_WEEK)]
    if min(map(len, same)) >= _FEWEST_WEEKS:
        return same
    rest = [index for index, weekday in enumerate(weekdays) if weekday >= 5]
    work = [index for index, weekday in enumerate(weekdays) if weekday < 5]
    if min(len(work), len(rest)) > 1:
        return [work] * 5 + [rest] * 2
    return [list(range(len(history)))] * _WEEK


def _sums(
    history: Sequence[_Hours],
    left: Sequence[_Left],
    pools: Sequence[Sequence[int]],
    chance: random.Random,
    paths: int,
) -> list[int]:
    """What is left of the month, once for every path."""
    parts: dict[tuple[int, ...], list[_Left]] = defaultdict(list)
    for day in left:
        parts[tuple(pools[day.weekday])].append(day)
    sums = [0] * paths
    for pool, days in parts.items():
        costs = [_widened([_cost(history[index], day) for index in pool]) for day in days]
        past = range(len(pool))
        for path in range(paths):
            weights = list(accumulate(chance.expovariate(1.0) for _ in past))  # evenly from all there are
            drawn = chance.choices(past, cum_weights=weights, k=len(days))
            for cost, index in zip(costs, drawn, strict=True):
                sums[path] += cost[index]
    return sums


def _cost(hours: _Hours, day: _Left) -> int:
    """What is left of a day, if it is like a past one."""
    return sum(hour * seconds for hour, seconds in zip(hours, day.seconds, strict=True)) // 3600


def _widened(costs: list[int]) -> list[int]:
    """The same mean, further apart: k draws, weighed anew, vary less than what they are of, by (k - 1) / (k + 1)."""
    mean = sum(costs) // len(costs)
    factor = math.sqrt((len(costs) + 1) / (len(costs) - 1))
    return [mean + round((cost - mean) * factor) for cost in costs]


def _spread(history: Sequence[_Hours], left: Sequence[_Left], pools: Sequence[Sequence[int]]) -> float:
    """By how much paths of single days are too narrow.

    Few days call for Student's deciles in place of the normal ones (Cornish-Fisher expansion); and where a day is like
    the one before it, sums of days vary more (those of an autoregressive series of the first order).
    """
    totals = [sum(hours) for hours in history]
    means = {index: sum(totals[other] for other in pool) / len(pool) for pool in pools for index in pool}
    off = [total - means[index] for index, total in enumerate(totals)]
    size, whole = len(off), sum(each * each for each in off)
    alike = sum(one * two for one, two in pairwise(off)) / whole if whole else 0.0
    # What is measured around means of the same days is too low (Kendall 1954).
    alike = min(_MOST_ALIKE, max(0.0, (alike * size + 1) / (size - 3))) if size > _WEEK else 0.0
    length = len(left)
    more = 1 + 2 * sum((1 - lag / length) * alike**lag for lag in range(1, length))
    freedom = max(1.0, (size - len({tuple(pool) for pool in pools})) / more)
    square = _Z90**2
    student = 1 + (square + 1) / (4 * freedom) + (5 * square**2 + 16 * square + 3) / (96 * freedom**2)
    return student * math.sqrt(more)


def _deciles(sums: list[int], spread: float, *, floor: int | None) -> tuple[int, int, int]:
    """The first, fifth and ninth tenths of the sums, the outer ones so much further from the middle."""
    sums.sort()
    low, middle, high = (sums[min(len(sums) - 1, len(sums) * tenth // 10)] for tenth in (1, 5, 9))
    low, high = middle - round((middle - low) * spread), middle + round((high - middle) * spread)
    return (low if floor is None else max(floor, low)), middle, high
