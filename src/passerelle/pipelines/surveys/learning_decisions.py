"""From scores to labels, and how sure: rules that are chosen and measured on left-out predictions.

A rare category never has the highest score, so scores are divided by a power of how usual each label is; which power, and
how near to the best a second label must come, is chosen on rows that were left out, for micro- and macro-F1 together, the latter counting twice.
Confidence is a logistic curve over how strong a label is and how far it leads, fitted to the same rows and held to a
modest one while there are few. Imports numpy: imported late.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerelle.pipelines.surveys.learning_features import Matrix

Chosen = NDArray[np.bool_]
POWERS = (0.3, 0.4, 0.5, 0.6, 0.7)
NEARNESS = (1.0, 0.9, 0.8, 0.7)
FEW = 50  # rows below which a choice among rules would be chance
_PSEUDO = 0.01  # a label that nobody has seen is about this usual
_SMALLEST = 1e-6
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


def rule_for(left_out: Matrix, wanted: Chosen, *, several: bool, untaught: Rule) -> Rule:
    """The rule that does best on rows that were left out, macro-F1 counting twice; `untaught` as long as there are few."""
    if len(left_out) < FEW:
        return Rule(untaught.usual, untaught.power, untaught.near if several else 1.0, untaught.most)
    best, found = -1.0, untaught
    for power in POWERS:
        for near in NEARNESS if several else (1.0,):
            rule = Rule(untaught.usual, power, near, untaught.most)
            micro, macro = f1(rule.choose(left_out), wanted)
            if micro + 2 * macro > best + _SMALLEST:
                best, found = micro + 2 * macro, rule
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
    """The logistic of a weighted sum of (1, strength, lead)."""

    weights: tuple[float, float, float]

    def of(self, strength: Matrix, lead: Matrix) -> Matrix:
        """From 0 to 1, of the inputs' shape."""
        constant, first, second = self.weights
        return _logistic(constant + first * strength + second * lead)


def confidence_for(strength: Matrix, lead: Matrix, right: Chosen, *, untaught: Confidence) -> Confidence:
    """Fitted to what was chosen and whether it was right, drawn to `untaught` as by a handful of rows.

    All three hold one entry for each label that was chosen.
    """
    design = np.stack([np.ones_like(strength), strength, lead], axis=1)
    start = np.asarray(untaught.weights)
    weights = start.copy()
    for _ in range(_STEPS):
        said = _logistic(design @ weights)
        slope = design.T @ (said - right) + (weights - start)
        curve = (design * (said * (1 - said))[:, None]).T @ design + np.eye(3)
        step = np.linalg.solve(curve, slope)
        weights = weights - step
        if float(np.abs(step).max()) < _SMALLEST:
            break
    return Confidence((float(weights[0]), float(weights[1]), float(weights[2])))


def _logistic(value: Matrix) -> Matrix:
    found: Matrix = 1.0 / (1.0 + np.exp(-np.clip(value, -30.0, 30.0)))
    return found
