"""How right labels are: F1 over sets of labels, and what one way of labelling gains over another.

Macro-F1 is the mean over the labels that are right somewhere in what is measured. Intervals are of a paired bootstrap
over comments (Efron, Tibshirani, "An introduction to the bootstrap", 1993): the same comments are drawn for both ways.
Imports numpy: imported late.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class Counted:
    """Comments by labels: what was said, what is right. Labels that are only said count for micro-F1."""

    said: NDArray[np.float64]
    right: NDArray[np.float64]

    def f1(
        self, weights: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Micro and macro, one for each row of `weights` (draws, comments); without them, for the comments as they are."""
        weights = np.ones((1, len(self.said))) if weights is None else weights
        hits = weights @ (self.said * self.right)
        both = weights @ self.said + weights @ self.right
        seen = (weights @ self.right) > 0
        each = np.where(seen, 2 * hits / np.maximum(both, 1e-9), 0.0)
        micro = 2 * hits.sum(axis=1) / np.maximum(both.sum(axis=1), 1e-9)
        return micro, each.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)


@dataclass(frozen=True, slots=True)
class Gain:
    """A difference and its 95 % interval."""

    mean: float
    low: float
    high: float


def counted(said: Sequence[Collection[str]], right: Sequence[Collection[str]]) -> Counted:
    """Sets of labels as numbers."""
    labels = sorted({label for one in (*said, *right) for label in one})
    place = {label: column for column, label in enumerate(labels)}

    def table(sets: Sequence[Collection[str]]) -> NDArray[np.float64]:
        found = np.zeros((len(sets), max(1, len(labels))))
        for row, one in enumerate(sets):
            for label in one:
                found[row, place[label]] = 1.0
        return found

    return Counted(table(said), table(right))


def f1(said: Sequence[Collection[str]], right: Sequence[Collection[str]]) -> tuple[float, float]:
    """Micro and macro."""
    micro, macro = counted(said, right).f1()
    return float(micro[0]), float(macro[0])


def gained_micro(
    said: Sequence[Collection[str]],
    over: Sequence[Collection[str]],
    right: Sequence[Collection[str]],
    *,
    seed: int = 0,
) -> Gain:
    """What micro-F1 gains over another way of labelling the same comments, of which there is at least one."""
    weights = draws(len(right), seed=seed)
    one, other = (counted(way, right).f1(weights)[0] for way in (said, over))
    return gain_of(one - other)


def draws(comments: int, *, seed: int) -> NDArray[np.float64]:
    """(draws, comments): how often each comment is drawn; the first row has every one once."""
    drawn = np.random.default_rng(seed).multinomial(comments, [1 / comments] * comments, RESAMPLES)
    return np.concatenate([np.ones((1, comments)), drawn.astype(np.float64)])


def gain_of(differences: NDArray[np.float64]) -> Gain:
    """Of differences by draws, the first being that of the comments as they are."""
    low, high = np.quantile(differences[1:], [0.025, 0.975])
    return Gain(float(differences[0]), float(low), float(high))
