"""What others do: one fixed cosine for everything, and vCache's rule, written from its paper.

vCache: L. G. Schroeder et al., "vCache: Verified Semantic Prompt Caching", arXiv 2502.03771. Per kept question a
logistic curve of P(same answer | cosine) is fitted to what was seen around it; with the probability that the
curve's uncertain end leaves, the model is asked (explored), else the kept answer is given. Its promise bounds
wrong answers in all requests, not in hits.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, sqrt
from statistics import NormalDist

from passerelle.evaluation.nearest import Ground, Known
from passerelle.evaluation.outcome import Noisy, Outcome

FEWEST = 4  # observations of a kept question before its answer is given for another one
TRIED = tuple((k + 0.5) / 50 for k in range(50))  # confidences at which the curve's threshold is bounded
BOUNDED = tuple((1 - epsilon, NormalDist().inv_cdf(1 - epsilon)) for epsilon in TRIED)
FARTHEST = 500.0  # of a logistic curve's middle: beyond it is 0
RIDGE = 1e-3  # keeps the fit finite where the observations separate perfectly
STEPS = 25  # of Newton's method at most
STEEPEST = 200.0


def static(ground: Ground, answers: Sequence[str], order: Sequence[int], *, least: float) -> Outcome:
    """Give the nearest question's answer from a cosine of `least` on; keep every question that was asked."""
    known, outcome = Known(ground), Outcome()
    for number in order:
        outcome.asked += 1
        near = known.near(number, 1)
        if near and near[0][1] >= least:
            outcome.hits += 1
            outcome.wrong += answers[near[0][0]] != answers[number]
        else:
            known.add(number)
    return outcome


@dataclass(slots=True)
class Curve:
    """What was seen around one kept question: cosines, and whether its answer was right."""

    seen: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 0.0), (1.0, 1.0)])
    fitted: tuple[float, float, float] | None = None  # slope, threshold, standard deviation of the threshold

    def saw(self, cosine: float, *, right: bool) -> None:
        """One more observation."""
        self.seen.append((cosine, float(right)))
        self.fitted = None

    def explore(self, cosine: float, delta: float) -> float:
        """The probability with which the model is to be asked."""
        if len(self.seen) - 2 < FEWEST:
            return 1.0
        if self.fitted is None:
            self.fitted = _fit(self.seen)
        slope, threshold, deviation = self.fitted
        here, step = slope * (cosine - threshold), slope * deviation
        right = max([sure / (1 + exp(min(step * quantile - here, FARTHEST))) for sure, quantile in BOUNDED])
        return 1 - delta / max(1 - right, delta)


def vcache(
    ground: Ground,
    answers: Sequence[str],
    order: Sequence[int],
    *,
    delta: float,
    judge: Noisy,
    rng: random.Random,
) -> Outcome:
    """The rule of vCache with its promise of at most `delta` wrong answers in all that was asked."""
    known, outcome = Known(ground), Outcome()
    curves: dict[int, Curve] = {}
    for number in order:
        outcome.asked += 1
        near = known.near(number, 1)
        if not near:
            known.add(number)
            curves[number] = Curve()
            continue
        nearest, cosine = near[0]
        right = answers[nearest] == answers[number]
        if rng.random() >= curves[nearest].explore(cosine, delta):
            outcome.hits += 1
            outcome.wrong += not right
            continue
        outcome.judged += 1
        said = judge.says(same=right)
        curves[nearest].saw(cosine, right=said)
        if not said:
            known.add(number)
            curves[number] = Curve()
    return outcome


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x)) if x > -FARTHEST else 0.0


def _fit(seen: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Slope and threshold of greatest likelihood, and the threshold's deviation by the delta method."""
    bias, slope = 0.0, 1.0
    for _ in range(STEPS):
        (g0, g1), (h00, h01, h11) = _derivatives(seen, bias, slope)
        determinant = h00 * h11 - h01 * h01
        step0, step1 = (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant
        longest = max(abs(step0), abs(step1), 1e-12)
        shrink = min(1.0, 5.0 / longest)
        bias, slope = bias + shrink * step0, slope + shrink * step1
        if longest < 1e-4:
            break
    slope = min(max(slope, 1e-3), STEEPEST)
    threshold = min(max(-bias / slope, 0.0), 1.0)
    _, (h00, h01, h11) = _derivatives(seen, bias, slope)
    determinant = h00 * h11 - h01 * h01
    # grad of -bias/slope is (-1/slope, bias/slope^2); the inverse of the information is the covariance
    d0, d1 = -1 / slope, bias / (slope * slope)
    variance = (d0 * d0 * h11 - 2 * d0 * d1 * h01 + d1 * d1 * h00) / determinant
    return slope, threshold, sqrt(max(variance, 0.0))


def _derivatives(
    seen: Sequence[tuple[float, float]], bias: float, slope: float
) -> tuple[tuple[float, float], tuple[float, float, float]]:
    """Gradient and information of the log-likelihood less the ridge."""
    g0, g1 = -RIDGE * bias, -RIDGE * slope
    h00, h01, h11 = RIDGE, 0.0, RIDGE
    for cosine, right in seen:
        share = _sigmoid(bias + slope * cosine)
        weight = share * (1 - share)
        g0 += right - share
        g1 += (right - share) * cosine
        h00 += weight
        h01 += weight * cosine
        h11 += weight * cosine * cosine
    return (g0, g1), (h00, h01, h11)
