"""How many of some answers may be wrong, at worst, when only part of them was checked: at any time, at once.

The bound holds at every moment together (with probability 1 - `risk`), so it may be looked at after each answer,
and acted upon. It asks nothing of the errors but that they were counted as they came: each check may have another
chance to be wrong, dependent on all before it, and what is bounded is the mean of those chances so far.

For one check that is wrong with chance p, and any r in (0, 1), the factor r^wrong / (1 - p (1 - r)) has mean 1; so
the product over all checks is a martingale. -log(1 - p (1 - r)) is convex in p, so putting the mean chance in the
place of each makes the product no larger (Jensen). A mixture over several r keeps that, and Ville's inequality says
that it ever reaches 1 / risk with probability `risk` at most: the bound is the mean chance at which it would.
(Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence
sequences", Annals of Statistics 49(2), 2021.) It needs two counts only, and counts of several processes can be added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

RISK = 0.05
STEPS = 40  # halvings of the interval: far below what anybody can count


class Bet(NamedTuple):
    """One r of the mixture and its weight. A small r is quick where nothing is wrong, one near 1 where much is."""

    r: float
    weight: float


BETS = (
    Bet(0.0, 0.20),
    Bet(0.05, 0.14),
    Bet(0.10, 0.12),
    Bet(0.20, 0.12),
    Bet(0.30, 0.10),
    Bet(0.40, 0.08),
    Bet(0.50, 0.07),
    Bet(0.60, 0.06),
    Bet(0.70, 0.04),
    Bet(0.80, 0.03),
    Bet(0.90, 0.02),
    Bet(0.95, 0.01),
    Bet(0.98, 0.01),
)


class Stake(NamedTuple):
    """What one check that is right, or wrong, adds to the log of a bet's worth at some rate."""

    start: float
    right: float
    wrong: float


@lru_cache(maxsize=64)
def _stakes(rate: float) -> tuple[Stake, ...]:
    """Of all bets that can be made at this rate."""
    stakes = []
    for r, weight in BETS:
        if rate * (1.0 - r) < 1.0:
            right = -math.log1p(-rate * (1.0 - r))
            stakes.append(Stake(math.log(weight), right, right + math.log(r) if r > 0.0 else -math.inf))
    return tuple(stakes)


def evidence(checked: int, wrong: int, rate: float) -> float:
    """Log of the evidence that the mean chance of being wrong lies below `rate`; it starts at 0.

    Where that mean is `rate` or more, this ever exceeds log(1 / risk) with probability `risk` at most.
    """
    return _sum(_terms(checked, wrong, rate))


def _terms(checked: int, wrong: int, rate: float) -> list[float]:
    """Log of each bet's part in the evidence."""
    right = checked - wrong
    if wrong:
        return [start + right * won + wrong * lost for start, won, lost in _stakes(rate)]
    return [start + right * won for start, won, _ in _stakes(rate)]


def _sum(terms: Sequence[float]) -> float:
    """The log of the sum of what these are the logs of."""
    top = max(terms, default=-math.inf)
    return top + math.log(sum([math.exp(term - top) for term in terms])) if top > -math.inf else top


def upper(checked: int, wrong: int, *, risk: float = RISK) -> float:
    """The share that may be wrong at worst; 1 where too little was checked to say anything."""
    needed = math.log(1.0 / risk)
    low, high = (wrong / checked if checked else 0.0), 1.0
    if checked == 0 or evidence(checked, wrong, high - 1e-9) < needed:
        return 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2.0
        if evidence(checked, wrong, middle) < needed:
            low = middle
        else:
            high = middle
    return high


def shown(checked: int, wrong: int, rate: float, *, risk: float = RISK) -> bool:
    """Whether `upper` lies at `rate` or below: one look at the evidence, without searching for the bound."""
    if wrong > checked * rate:
        return False
    needed = math.log(1.0 / risk)
    terms = _terms(checked, wrong, rate)
    top = max(terms, default=-math.inf)  # no sum is less, or more than all of them at the top
    return top >= needed or (top + math.log(len(BETS)) >= needed and _sum(terms) >= needed)


def faultless(rate: float, *, risk: float = RISK) -> int:
    """How many checks, all of them right, show that the share lies at `rate` or below."""
    if rate <= 0.0:
        return 0
    low, high = 0, 1
    while not shown(high, 0, rate, risk=risk):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle, 0, rate, risk=risk) else (middle, high)
    return high
