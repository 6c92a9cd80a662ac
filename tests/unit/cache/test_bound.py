"""The bound holds at every moment together, however the errors change, in all but one run in twenty."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.cache.bound import BETS, RISK, evidence, faultless, shown, upper
from passerelle.domain.shares import wilson

RUNS, CHECKS = 300, 800
LOOKS = frozenset({*range(1, 40), *range(40, CHECKS + 1, 20)})

counts = st.integers(0, 3000).flatmap(lambda checked: st.tuples(st.just(checked), st.integers(0, checked)))
rates = st.floats(0.001, 0.5)

ERRORS: dict[str, Callable[[int, int], float]] = {
    "half a hundredth": lambda at, wrong: 0.005,
    "two hundredths": lambda at, wrong: 0.02,
    "one in five": lambda at, wrong: 0.2,
    "rising": lambda at, wrong: 0.002 + 0.05 * at / CHECKS,
    "falling": lambda at, wrong: 0.08 * (1 - at / CHECKS),
    "jumping": lambda at, wrong: 0.002 if at < CHECKS // 3 else 0.06,
    "waves": lambda at, wrong: 0.05 if at // 100 % 2 else 0.001,
    "worse when it looks good": lambda at, wrong: 0.05 if wrong < 0.01 * at else 0.005,
}


def test_the_weights_are_a_mixture() -> None:
    assert sum(weight for _, weight in BETS) == pytest.approx(1.0)
    assert all(0.0 <= r < 1.0 for r, _ in BETS)


Claims = Callable[
    [int, int, float], bool
]  # of so many checked and wrong: does it say that less than this is?


def missed(errors: str, claims: Claims) -> float:
    """The share of runs in which, at some look, the bound lies below the mean chance."""
    rng = random.Random(f"coverage of {errors}")
    runs = 0
    for _ in range(RUNS):
        wrong, chances = 0, 0.0
        for at in range(1, CHECKS + 1):
            chance = ERRORS[errors](at, wrong)
            chances += chance
            wrong += rng.random() < chance
            # The evidence against the true mean is what `upper` compares: the same look, without its search.
            if at in LOOKS and claims(at, wrong, chances / at):
                runs += 1
                break
    return runs / RUNS


@pytest.mark.parametrize("errors", ERRORS)
def test_the_bound_covers_the_mean_chance_at_every_look(errors: str) -> None:
    assert missed(errors, shown) <= RISK


def test_a_bound_for_one_look_would_not_have_passed() -> None:
    """What is asked here can fail: Wilson's bound, one-sided at the same risk, looked at as often, does."""

    def once(checked: int, wrong: int, rate: float) -> bool:
        return wilson(wrong, checked, z=1.645).high <= rate

    assert missed("two hundredths", once) > 2 * RISK


def test_known_counts() -> None:
    """Of the size that fixed samples need (Clopper-Pearson: 0.6, 1.0 and 2.6 hundredths), with the price of looking."""
    assert upper(0, 0) == 1.0
    assert 0.006 < upper(500, 0) < 0.010
    assert 0.010 < upper(500, 2) < 0.022
    assert 0.026 < upper(500, 8) < 0.040
    assert 300 < faultless(0.01) < 480


@given(counts)
def test_the_bound_lies_above_what_was_seen(counted: tuple[int, int]) -> None:
    checked, wrong = counted
    assert (wrong / checked if checked else 0.0) <= upper(checked, wrong) <= 1.0


@given(counts, rates)
def test_shown_is_the_bound_below_the_rate(counted: tuple[int, int], rate: float) -> None:
    top = upper(*counted)
    if abs(top - rate) > 1e-9:
        assert shown(*counted, rate) == (top < rate)


@given(counts)
def test_one_more_right_answer_never_raises_it_and_one_more_wrong_never_lowers_it(
    counted: tuple[int, int],
) -> None:
    checked, wrong = counted
    assert upper(checked + 1, wrong) <= upper(checked, wrong) + 1e-9
    assert upper(checked + 1, wrong + 1) >= upper(checked, wrong) - 1e-9


@given(counts, rates, rates)
def test_the_evidence_for_being_below_grows_with_the_rate(
    counted: tuple[int, int], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert evidence(*counted, low) <= evidence(*counted, high) + 1e-9


@given(rates)
def test_faultless_is_the_fewest_checks_that_suffice(rate: float) -> None:
    fewest = faultless(rate)
    assert shown(fewest, 0, rate)
    assert not shown(fewest - 1, 0, rate)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_the_ends_of_the_scale_are_no_trouble(rate: float) -> None:
    assert evidence(10, 10, rate) < 1.0
    assert not shown(10, 10, 0.0)
    assert faultless(rate) >= 0
