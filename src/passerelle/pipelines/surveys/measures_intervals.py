"""Intervals for what a survey counts and averages, and for differences between groups. Pure; no table is looked up.

Shares: Wilson (1927); their differences: Newcombe's hybrid score interval (Statistics in Medicine 17, 1998, method 10).
Net promoter score: the adjusted Wald interval that adds three imaginary answers, 3/4 to promoters and to detractors each
and 3/2 to the others (Rocks, "Interval estimation for the net promoter score", The American Statistician 70, 2016, finds
this family near its promise at small n; a test counts the coverage exactly). Means: Student's t; differences: Welch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import NormalDist

from passerelle.domain.shares import Z_95, wilson
from passerelle.domain.survey_report import Estimate

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Moments:
    """What a mean and its interval need of some numbers between `low` and `high`."""

    n: int
    mean: float
    variance: float  # of the sample, by n - 1
    low: float
    high: float


def moments(values: Sequence[float], low: float, high: float) -> Moments:
    """The moments of numbers on a scale."""
    n = len(values)
    mean = sum(values) / n if n else 0.0
    variance = sum((value - mean) ** 2 for value in values) / (n - 1) if n > 1 else 0.0
    return Moments(n, mean, variance, low, high)


def z_for(comparisons: int) -> float:
    """Two-sided 95 % after Bonferroni: no more than 5 in 100 such families hold a single false difference."""
    return Z_95 if comparisons <= 1 else _NORMAL.inv_cdf(1 - 0.025 / comparisons)


def student(z: float, freedom: float) -> float:
    """Student's quantile from the normal one: Abramowitz and Stegun 26.7.5, within 0.001 of it from four degrees on."""
    if freedom <= 0:
        return inf
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))


def share(count: int, of: int, *, z: float = Z_95) -> Estimate:
    """A share with Wilson's interval."""
    found = wilson(count, of, z=z)
    return Estimate(of, found.share, found.low, found.high)


def mean(of: Moments, *, z: float = Z_95) -> Estimate:
    """A mean with Student's interval, inside its scale.

    Where all gave the same number nothing varies: then the share of others that Wilson's interval still allows may sit
    at either end of the scale.
    """
    if of.n == 0:
        return Estimate(0, 0.0, of.low, of.high)
    if of.variance == 0:
        others = 1 - wilson(of.n, of.n, z=z).low
        return Estimate(
            of.n, of.mean, of.mean - others * (of.mean - of.low), of.mean + others * (of.high - of.mean)
        )
    half = student(z, of.n - 1) * sqrt(of.variance / of.n)
    return Estimate(of.n, of.mean, max(of.low, of.mean - half), min(of.high, of.mean + half))


def net_promoter(promoters: int, detractors: int, n: int, *, z: float = Z_95) -> Estimate:
    """Promoters less detractors, from -1 to 1, with the adjusted Wald interval."""
    if n == 0:
        return Estimate(0, 0.0, -1.0, 1.0)
    centre, spread = _promoting(promoters, detractors, n)
    value = (promoters - detractors) / n
    return Estimate(
        n, value, min(value, max(-1.0, centre - z * spread)), max(value, min(1.0, centre + z * spread))
    )


def _promoting(promoters: int, detractors: int, n: int) -> tuple[float, float]:
    more = n + 3
    up, down = (promoters + 0.75) / more, (detractors + 0.75) / more
    return up - down, sqrt((up + down - (up - down) ** 2) / more)


def share_difference(one: tuple[int, int], other: tuple[int, int], *, z: float = Z_95) -> Estimate:
    """One share less another, each as (count, of)."""
    first, second = wilson(*one, z=z), wilson(*other, z=z)
    gap = first.share - second.share
    low = gap - sqrt((first.share - first.low) ** 2 + (second.high - second.share) ** 2)
    high = gap + sqrt((first.high - first.share) ** 2 + (second.share - second.low) ** 2)
    return Estimate(one[1], gap, max(-1.0, low), min(1.0, high))


def mean_difference(one: Moments, other: Moments, *, z: float = Z_95) -> Estimate:
    """One mean less another: Welch. A group in which nothing varies lends its uncertainty from its own interval."""
    parts = [_squared_error(each, z) for each in (one, other)]
    whole = sum(error for error, _ in parts)
    gap = one.mean - other.mean
    if whole == 0:
        return Estimate(one.n, gap, gap, gap)
    freedom = whole**2 / sum(error**2 / max(free, 1) for error, free in parts if error)
    half = student(z, freedom) * sqrt(whole)
    return Estimate(one.n, gap, gap - half, gap + half)


def _squared_error(of: Moments, z: float) -> tuple[float, int]:
    if of.variance:
        return of.variance / of.n, of.n - 1
    interval = mean(of, z=z)
    return (max(interval.high - of.mean, of.mean - interval.low) / z) ** 2, max(of.n - 1, 1)


def promoter_difference(
    one: tuple[int, int, int], other: tuple[int, int, int], *, z: float = Z_95
) -> Estimate:
    """One net promoter score less another, each as (promoters, detractors, of)."""
    (_, wide), (_, narrow) = _promoting(*one), _promoting(*other)
    gap = (one[0] - one[1]) / one[2] - (other[0] - other[1]) / other[2]
    half = z * sqrt(wide**2 + narrow**2)
    return Estimate(one[2], gap, max(-2.0, gap - half), min(2.0, gap + half))
