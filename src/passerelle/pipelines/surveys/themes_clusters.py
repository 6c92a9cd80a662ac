"""Groups of rows that point the same way: spherical k-means, as few groups as tell the rows apart better than chance.

More groups always look a little further apart, also among rows that have none. So a number of groups is judged by how
much further apart they are than groups of the same rows with each dimension shuffled by itself (after the gap statistic
of Tibshirani, Walther and Hastie, 2001), and of the numbers that are about as good as the best, the smallest is taken.

Deterministic: the same rows in the same order give the same groups. Five thousand rows take seconds; memory is that of the
rows and of one number for each row and group. Imports numpy: imported late.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[np.float32]

NOWHERE = -1  # the group of rows that belong to none
MOST = 25  # groups, which somebody can still look through
_TRIED = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 25)
_COARSE, _FINE = (
    4.0,
    1.5,
)  # of the root of the rows: that many groups at least and at most, as people would make
_ROUNDS, _STARTS = 30, 3
_SAMPLE = 4_000  # rows by which groups are made
_JUDGED = 1_500  # rows by which their number is chosen
_NOTHING = 0.02  # more than chance: then no number is better than another
_AS_GOOD = 0.95  # of the best: what comparisons on other halves of the comments differ by
_FAR = 0.15  # cosine to the middle, below which a row is about something else
_SAME = 0.8  # cosine of two middles, from which they are one group
_SMALLEST = 1e-9


@dataclass(frozen=True, slots=True)
class Groups:
    """Each row's group, `NOWHERE` for those of none; cosines of rows to the middle of their group."""

    of: NDArray[np.intp]
    nearness: Rows

    @property
    def count(self) -> int:
        """How many groups."""
        return int(self.of.max(initial=NOWHERE)) + 1


def unit(rows: Rows) -> Rows:
    """What is usual taken away, then every row of length 1; (rows, dimensions)."""
    moved = rows - rows.mean(axis=0, keepdims=True) if len(rows) > 1 else rows
    scaled: Rows = (moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), _SMALLEST)).astype(
        np.float32
    )
    return scaled


def grouped(rows: Rows, *, fewest: int, groups: int | None = None) -> Groups:
    """Groups of at least `fewest` rows, the largest first; `groups`: as many as that at most, None: as many as there are.

    `rows` are of length 1.
    """
    if len(rows) < 2 * fewest:
        alone = (
            np.zeros(len(rows), dtype=np.intp)
            if len(rows) >= fewest
            else np.full(len(rows), NOWHERE, np.intp)
        )
        return Groups(alone, np.ones(len(rows), dtype=np.float32))
    middles = _middles(rows, groups, fewest)
    middles = _joined(rows, middles)
    likeness = rows @ middles.T
    of = likeness.argmax(axis=1)
    nearness = likeness[np.arange(len(rows)), of].astype(np.float32)
    of[nearness < _FAR] = NOWHERE
    return Groups(_numbered(of, len(middles), fewest), nearness)


def _middles(rows: Rows, groups: int | None, fewest: int) -> Rows:
    """The middles of the best number of groups."""
    step = max(1, -(-len(rows) // _SAMPLE))
    sample = rows[::step]
    most = max(2, min(MOST, len(rows) // fewest))
    root = math.sqrt(len(rows))
    sensible = [k for k in _TRIED if k <= most and min(MOST, root / _COARSE) <= k <= max(2.0, root / _FINE)]
    if groups is not None:
        return _best(sample, min(max(groups, 1), most))
    return _best(sample, _number(rows[:: max(1, -(-len(rows) // _JUDGED))], sensible or [most]))


def _number(rows: Rows, tried: list[int]) -> int:
    """Of the numbers of groups, the smallest that tells about as much as the best."""
    if len(tried) == 1:
        return tried[0]
    draw = np.random.default_rng(0)
    shuffled = np.stack([draw.permutation(rows[:, at]) for at in range(rows.shape[1])], axis=1)
    chance = (shuffled / np.maximum(np.linalg.norm(shuffled, axis=1, keepdims=True), _SMALLEST)).astype(
        np.float32
    )
    told = [_apart(rows, _best(rows, k)) - _apart(chance, _best(chance, k, starts=1)) for k in tried]
    best = max(told)
    if best < _NOTHING:
        return tried[0]
    return next(k for k, much in zip(tried, told, strict=True) if much >= _AS_GOOD * best)


def _best(rows: Rows, count: int, *, starts: int = _STARTS) -> Rows:
    """Of some starts the one whose groups are tightest."""
    tries = []
    for seed in range(starts):
        middles = _settled(rows, _spread(rows, count, np.random.default_rng(seed)))
        tries.append((float((rows @ middles.T).max(axis=1).sum()), middles))
    return max(tries, key=lambda each: each[0])[1]


def _spread(rows: Rows, count: int, draw: np.random.Generator) -> Rows:
    """First middles far from one another (k-means++; Arthur and Vassilvitskii, 2007)."""
    chosen = [int(draw.integers(len(rows)))]
    nearest = 1.0 - rows @ rows[chosen[0]]
    while len(chosen) < count:
        weights = np.maximum(nearest, 0.0).astype(np.float64)
        total = weights.sum()
        at = int(draw.choice(len(rows), p=weights / total)) if total > 0 else int(draw.integers(len(rows)))
        chosen.append(at)
        nearest = np.minimum(nearest, 1.0 - rows @ rows[at])
    middles: Rows = rows[chosen].copy()
    return middles


def _settled(rows: Rows, middles: Rows) -> Rows:
    """Every middle where its rows are, until none moves."""
    of = np.full(len(rows), NOWHERE, dtype=np.intp)
    for _ in range(_ROUNDS):
        now = (rows @ middles.T).argmax(axis=1)
        if np.array_equal(now, of):
            break
        of = now
        order = np.argsort(of, kind="stable")
        starts = np.searchsorted(of[order], np.arange(len(middles)))
        held = np.bincount(of, minlength=len(middles))
        filled = held > 0
        sums = np.add.reduceat(rows[order], np.minimum(starts, len(rows) - 1), axis=0)
        middles = middles.copy()
        middles[filled] = sums[filled] / np.maximum(
            np.linalg.norm(sums[filled], axis=1, keepdims=True), _SMALLEST
        )
    return middles


def _apart(rows: Rows, middles: Rows) -> float:
    """The simplified silhouette (Hruschka et al., 2004): how much nearer rows are to their own middle than to the next."""
    if len(middles) < 2:
        return 0.0
    far = 1.0 - rows @ middles.T
    two = np.partition(far, 1, axis=1)[:, :2]
    return float(((two[:, 1] - two[:, 0]) / np.maximum(two[:, 1], _SMALLEST)).mean())


def _joined(rows: Rows, middles: Rows) -> Rows:
    """Middles that point the same way made one."""
    kept: list[int] = []
    held = np.bincount((rows @ middles.T).argmax(axis=1), minlength=len(middles))
    for at in np.argsort(-held, kind="stable"):
        if all(float(middles[at] @ middles[other]) < _SAME for other in kept):
            kept.append(int(at))
    return middles[kept]


def _numbered(of: NDArray[np.intp], count: int, fewest: int) -> NDArray[np.intp]:
    """The largest group first; those that are too small are none."""
    held = np.bincount(of[of >= 0], minlength=count)
    names = np.full(count, NOWHERE, dtype=np.intp)
    large = [at for at in np.argsort(-held, kind="stable") if held[at] >= fewest]
    names[large] = np.arange(len(large))
    numbered = np.full(len(of), NOWHERE, dtype=np.intp)
    numbered[of >= 0] = names[of[of >= 0]]
    return numbered
