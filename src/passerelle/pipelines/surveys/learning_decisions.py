"""From scores to labels, and how sure: rules that are chosen and measured on left-out predictions.

A rare category never has the highest score, so scores are divided by a power of how usual each label is. Which power, and
how near to the best a second label must come, is chosen on rows that were left out, for micro- and macro-F1 together, the
latter counting twice; but macro-F1 of a hundred rows is mostly chance, the fate of labels that were seen once or twice, so
the choice is held to a rule that does well wherever it was tried, and leaves it only as far as there are rows to say so.
Confidence is a logistic curve over how strong a label is, how far it leads and how common it is, fitted to the same rows and
held to one that fits most codebooks while there are few. Imports numpy: imported late.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerelle.pipelines.surveys.learning_features import Matrix

Chosen = NDArray[np.bool_]
POWERS = (0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7)
NEARNESS = (1.0, 0.9, 0.8, 0.7)
FEW = 20  # rows below which nothing is chosen
ENOUGH = 50  # rows of which none has two labels, for none to be expected to
_HELD = 30.0  # what a step away from the usual rule must gain, in F1 times rows
_STEP = 0.1  # of powers and of nearness
_PSEUDO = 0.01  # a label that nobody has seen is about this usual
_SMALLEST = 1e-6
_DRAWN = 2.0  # how much what is usual of confidence weighs
_HANDFUL = 10  # rows that what is usual of precision counts like
_STEPS = 25  # of Newton's method


@dataclass(frozen=True, slots=True)
class Rule:
    """Which labels a row of scores comes to. `usual`: the share of rows that have each label."""

    usual: Matrix
    power: float
    near: float  # 1: only the best one
    most: int = 3

    def weighed(self, scores: Matrix) -> Matrix:
        """The scores as they are compared."""
        found: Matrix = np.maximum(scores, _SMALLEST) / (self.usual + _PSEUDO) ** self.power
        return found

    def choose(self, scores: Matrix) -> Chosen:
        """(texts, labels): the best one, and those that come near it."""
        weighed = self.weighed(scores)
        chosen = np.zeros(weighed.shape, dtype=np.bool_)
        if not weighed.size:
            return chosen
        order = np.argsort(-weighed, axis=1, kind="stable")[:, : self.most]
        best = np.take_along_axis(weighed, order[:, :1], axis=1)
        near = np.take_along_axis(weighed, order, axis=1) >= best * self.near
        near[:, 0] = True
        near[:, 1:] &= self.near < 1.0
        np.put_along_axis(chosen, order, near, axis=1)
        return chosen

    def leads(self, scores: Matrix) -> tuple[Matrix, Matrix]:
        """(texts, labels): how strong each label is, and how far it leads the best of the others."""
        weighed = self.weighed(scores)
        total = np.maximum(np.maximum(scores, 0.0).sum(axis=1, keepdims=True), _SMALLEST)
        strength = np.clip(np.maximum(scores, 0.0) / np.maximum(total, 1.0), 0.0, 1.0)
        if weighed.shape[1] < 2:
            return strength, np.ones_like(weighed)
        ordered = np.sort(weighed, axis=1)
        best, second = ordered[:, -1:], ordered[:, -2:-1]
        others = np.where(weighed == best, second, best)
        return strength, (weighed - others) / np.maximum(weighed + others, _SMALLEST)


def rule_for(left_out: Matrix, wanted: Chosen, *, usual: Matrix, several: bool, untaught: Rule) -> Rule:
    """The rule that does best on rows that were left out, near to `untaught`; that itself as long as there are few rows.

    `usual` (rows, labels): the share of the other rows that have each label. Where no row of many has two labels, none is
    expected to. Macro-F1 counts twice.
    """
    if not several or (len(left_out) >= ENOUGH and not (wanted.sum(axis=1) > 1).any()):
        untaught = Rule(untaught.usual, untaught.power, 1.0, untaught.most)
    if len(left_out) < FEW:
        return untaught
    best, found = -math.inf, untaught
    for power in POWERS:
        for near in NEARNESS if several else (1.0,):
            micro, macro = f1(Rule(usual, power, near, untaught.most).choose(left_out), wanted)
            steps = ((power - untaught.power) / _STEP) ** 2 + ((near - untaught.near) / _STEP) ** 2
            worth = micro + 2 * macro - _HELD / len(left_out) * steps
            if worth > best + _SMALLEST:
                best, found = worth, Rule(untaught.usual, power, near, untaught.most)
    return found


def f1(chosen: Chosen, wanted: Chosen) -> tuple[float, float]:
    """Micro- and macro-F1, the latter over the labels that are wanted somewhere."""
    right = (chosen & wanted).sum(axis=0)
    both = chosen.sum(axis=0) + wanted.sum(axis=0)
    seen = wanted.any(axis=0)
    if not seen.any():
        return 0.0, 0.0
    return float(2 * right.sum() / both.sum()), float((2 * right[seen] / both[seen]).mean())


@dataclass(frozen=True, slots=True)
class Confidence:
    """The logistic of a weighted sum of (1, strength, lead, commonness).

    `typical`: how often what is said is right, as far as that can be known.
    """

    weights: tuple[float, float, float, float]
    typical: float

    def of(self, strength: Matrix, lead: Matrix, common: Matrix) -> Matrix:
        """From 0 to 1, of the inputs' shape."""
        constant, first, second, third = self.weights
        return _logistic(constant + first * strength + second * lead + third * common)


def confidence_for(
    strength: Matrix, lead: Matrix, common: Matrix, right: Chosen, *, untaught: Confidence
) -> Confidence:
    """Fitted to what was chosen and whether it was right, drawn to `untaught` as by a handful of rows.

    All four hold one entry for each label that was chosen.
    """
    design = np.stack([np.ones_like(strength), strength, lead, common], axis=1)
    start = np.asarray(untaught.weights)
    weights = start.copy()
    for _ in range(_STEPS):
        said = _logistic(design @ weights)
        slope = design.T @ (said - right) + _DRAWN * (weights - start)
        curve = (design * (said * (1 - said))[:, None]).T @ design + _DRAWN * np.eye(len(start))
        step = np.linalg.solve(curve, slope)
        weights = weights - step
        if float(np.abs(step).max()) < _SMALLEST:
            break
    constant, first, second, third = (float(weight) for weight in weights)
    typical = (float(right.sum()) + _HANDFUL * untaught.typical) / (len(right) + _HANDFUL)
    return Confidence((constant, first, second, third), typical)


def _logistic(value: Matrix) -> Matrix:
    found: Matrix = 1.0 / (1.0 + np.exp(-np.clip(value, -30.0, 30.0)))
    return found
