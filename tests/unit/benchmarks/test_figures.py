"""A percentile, a cost and a median mean what their names say."""

import pytest

from benchmarks.figures import Spread, per_unit, percentile, table


@pytest.mark.parametrize(("share", "value"), [(0.01, 1), (0.5, 50), (0.55, 55), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_the_nearest_rank(share: float, value: int) -> None:
    assert percentile(dict.fromkeys(range(1, 101), 1), share) == value


def test_a_percentile_weighs_each_value_by_its_count() -> None:
    histogram = {10: 98, 5000: 1, 9000: 1}

    assert [percentile(histogram, share) for share in (0.5, 0.98, 0.99, 1.0)] == [10, 10, 5000, 9000]


def test_nothing_observed_has_no_percentile_and_no_cost() -> None:
    assert percentile({}, 0.5) is None
    assert per_unit(1.0, 0, scale=1e3) is None
    assert Spread.of([None, None]) is None


def test_a_cost_is_time_divided_by_work() -> None:
    assert per_unit(1.5, 5000, scale=1e3) == pytest.approx(0.3)


def test_a_spread_is_the_median_with_the_lowest_and_highest() -> None:
    assert Spread.of([3.0, None, 1.0, 2.0, 10.0]) == Spread(median=2.5, low=1.0, high=10.0)


def test_a_range_is_shown_only_when_rounds_differ_at_the_shown_precision() -> None:
    assert Spread(median=2.04, low=2.01, high=2.04).text(1) == "2.0"
    assert Spread(median=2.04, low=2.01, high=2.04).text(2) == "2.04 [2.01-2.04]"


def test_a_bar_inside_a_cell_does_not_end_it() -> None:
    assert table(["a", "b"], [["x|y", "z"]]).splitlines()[-1] == "| x\\|y | z |"
