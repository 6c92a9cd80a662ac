"""How fast a backend serves is measured while somebody waits, and only then."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.limits.pace import Pace


def _steady(
    pace: Pace, *, cost: int = 100, every: float = 0.5, times: int = 40, start: float = 100.0
) -> float:
    pace.begin(start)
    for number in range(1, times + 1):
        pace.left(cost, start + number * every)
    return start + times * every


def test_a_steady_engine_is_measured_as_it_is() -> None:
    pace = Pace()
    now = _steady(pace)
    assert pace.rate(now) == pytest.approx(200, rel=0.02)
    assert pace.seconds(1_000, now) == pytest.approx(5, rel=0.02)
    assert pace.seconds(0, now) == 0


def test_few_observations_predict_nothing() -> None:
    pace = Pace()
    assert pace.rate(0.0) is None
    now = _steady(pace, times=4)
    assert pace.seconds(1_000, now) is None


def test_time_in_which_nobody_waits_does_not_count() -> None:
    pace = Pace()
    now = _steady(pace)
    pace.end(now)
    before = pace.rate(now)
    pace.left(100, now + 20)
    assert pace.rate(now + 30) == before
    pace.begin(now + 30)
    assert pace.rate(now + 30) == before


def test_an_engine_that_stalls_is_slower_the_longer_nobody_leaves() -> None:
    pace = Pace()
    now = _steady(pace)
    rates = [pace.rate(now + after) or 0.0 for after in (0, 5, 20, 60)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1 * rates[0]


def test_what_was_long_ago_is_forgotten() -> None:
    pace = Pace()
    now = _steady(pace)
    pace.end(now)
    pace.begin(now + 61)
    assert pace.rate(now + 61) is None


@given(st.lists(st.tuples(st.integers(1, 10_000), st.floats(0.0, 5.0)), min_size=1, max_size=50))
def test_a_rate_is_never_more_than_what_left_in_the_time_allows(leaves: list[tuple[int, float]]) -> None:
    pace = Pace()
    now = 0.0
    pace.begin(now)
    for cost, after in leaves:
        now += after
        pace.left(cost, now)
    rate = pace.rate(now + 1.0)
    assert rate is None or 0 < rate <= sum(cost for cost, _ in leaves)
