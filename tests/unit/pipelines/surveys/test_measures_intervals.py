"""Intervals keep their promise: coverage counted exactly, quantiles against published ones."""

from math import comb, isclose
from statistics import mean as average

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.pipelines.surveys.measures_intervals import (
    mean,
    mean_difference,
    moments,
    net_promoter,
    promoter_difference,
    share,
    share_difference,
    student,
    z_for,
)

_Z = 1.959964


@pytest.mark.parametrize(
    ("freedom", "published"), [(4, 2.776), (5, 2.571), (9, 2.262), (29, 2.045), (1000, 1.962)]
)
def test_students_quantile_is_the_published_one(freedom: int, published: float) -> None:
    assert student(_Z, freedom) == pytest.approx(published, abs=0.0015)


def _coverage(n: int, up: float, down: float) -> float:
    held = 0.0
    for promoters in range(n + 1):
        for detractors in range(n - promoters + 1):
            chance = (
                comb(n, promoters)
                * comb(n - promoters, detractors)
                * up**promoters
                * down**detractors
                * (1 - up - down) ** (n - promoters - detractors)
            )
            found = net_promoter(promoters, detractors, n)
            held += chance * (found.low <= up - down <= found.high)
    return held


@pytest.mark.parametrize("n", [5, 10, 30])
def test_the_net_promoter_interval_holds_the_true_score_about_95_times_in_100(n: int) -> None:
    truths = [(0.2, 0.2), (0.4, 0.2), (0.5, 0.1), (0.6, 0.1), (0.3, 0.5), (0.33, 0.33), (0.45, 0.25)]
    covered = [_coverage(n, up, down) for up, down in truths]

    assert average(covered) > 0.94
    assert min(covered) > 0.90


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_an_interval_of_promoters_holds_its_own_value(up: int, down: int, others: int) -> None:
    found = net_promoter(up, down, up + down + others)

    assert -1 <= found.low <= found.value <= found.high <= 1


@given(st.lists(st.integers(1, 5), min_size=2, max_size=60))
def test_a_mean_lies_in_its_interval_and_the_interval_on_its_scale(values: list[int]) -> None:
    found = mean(moments(values, 1, 5))

    assert 1 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 5


def test_a_group_that_agrees_is_not_certain() -> None:
    found = mean(moments([5] * 8, 1, 5))

    assert found.value == 5
    assert found.low < 4.6


@given(st.integers(5, 80), st.integers(5, 80), st.data())
def test_a_difference_turned_round_is_its_negative(first: int, second: int, data: st.DataObject) -> None:
    a, b = data.draw(st.integers(0, first)), data.draw(st.integers(0, second))
    one, other = share_difference((a, first), (b, second)), share_difference((b, second), (a, first))

    assert isclose(one.value, -other.value, abs_tol=1e-12)
    assert isclose(one.low, -other.high, abs_tol=1e-9)


def test_newcombes_interval_is_the_published_one() -> None:
    # Newcombe 1998, table II, method 10: 56/70 less 48/80.
    found = share_difference((56, 70), (48, 80))

    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)


def test_equal_groups_do_not_differ_and_unlike_ones_do() -> None:
    same = moments([3, 4, 5, 4, 3, 4], 1, 5)
    high, low = moments([5, 5, 4, 5, 5, 5, 4], 1, 5), moments([2, 1, 2, 1, 2, 2, 1], 1, 5)

    assert not mean_difference(same, same).excludes_nought
    assert mean_difference(high, low).low > 0
    assert promoter_difference((40, 5, 60), (5, 40, 60)).low > 0
    assert not promoter_difference((4, 1, 8), (3, 2, 8)).excludes_nought


def test_more_comparisons_ask_for_more() -> None:
    assert z_for(1) == pytest.approx(1.96, abs=0.001)
    assert z_for(20) == pytest.approx(3.023, abs=0.001)
    assert share(0, 0).n == 0
