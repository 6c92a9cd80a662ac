"""How right labels are: F1 over sets of labels, what one way gains over another, and whether confidence can be believed.

Macro-F1 is the mean over the labels that are right somewhere in what is measured. Intervals are of a paired bootstrap
over comments (Efron, Tibshirani, "An introduction to the bootstrap", 1993): the same comments are drawn for both ways.
Imports numpy: imported late.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from passerelle.pipelines.surveys.promoting_scores import Counted, Gain, counted, draws, f1, gain_of

__all__ = ["Counted", "Gain", "calibration_error", "counted", "f1", "gained"]

_BINS = 10


def gained(
    ways: Sequence[Sequence[Collection[str]]],
    over: Sequence[Sequence[Collection[str]]],
    right: Sequence[Collection[str]],
    *,
    seed: int = 0,
) -> Gain:
    """What macro-F1 gains over another way, mean over runs; run by run, `ways` and `over` say something of each comment."""
    weights = draws(len(right), seed=seed)
    differences = np.mean(
        [
            counted(one, right).f1(weights)[1] - counted(other, right).f1(weights)[1]
            for one, other in zip(ways, over, strict=True)
        ],
        axis=0,
    )
    return gain_of(differences)


def calibration_error(confidence: Sequence[float], right: Sequence[bool]) -> float:
    """Expected calibration error over ten bins of equal width; 0 of nothing."""
    if not confidence:
        return 0.0
    sure, true = np.asarray(confidence), np.asarray(right, dtype=np.float64)
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    return float(
        sum(
            abs(sure[bins == one].mean() - true[bins == one].mean()) * (bins == one).mean()
            for one in np.unique(bins)
        )
    )
