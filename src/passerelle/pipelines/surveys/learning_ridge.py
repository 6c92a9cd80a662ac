"""Ridge regression on likenesses, for many labels at once that may be akin; with what each row would get without itself.

Kernel ridge regression with a kernel that is a product, of texts times labels (the intrinsic model of coregionalisation:
Bonilla, Chai, Williams, "Multi-task Gaussian process prediction", 2007). In the eigenvectors of the labels' kernel the
labels fall apart into single regressions, whose leave-one-out predictions have a closed form (Rasmussen, Williams,
"Gaussian processes for machine learning", 2006, eq. 5.12); so thresholds and confidence are learned from predictions
that no row had a part in, at the price of one decomposition. Imports numpy: imported late.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passerelle.pipelines.surveys.learning_features import Matrix

_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class Fitted:
    """`weights` (rows, labels) turn likenesses to the rows into scores; `left_out` is each row's score without it."""

    weights: Matrix
    left_out: Matrix

    def scores(self, likeness: Matrix) -> Matrix:
        """(texts, labels) for the likeness of texts to the rows."""
        found: Matrix = likeness @ self.weights
        return found


def fit(likeness: Matrix, wanted: Matrix, *, kinship: Matrix, smoothing: float, trust: Matrix) -> Fitted:
    """Scores as near to `wanted` (rows, labels) as `smoothing` allows.

    `likeness` (rows, rows) and `kinship` (labels, labels) are positive semidefinite; a row of trust 3 counts like three.
    """
    root = np.sqrt(trust)[:, None]
    kin, turned = np.linalg.eigh(kinship)
    values, vectors = np.linalg.eigh(likeness * root * root.T)
    target = wanted @ turned
    # (rows, labels): one ridge for each label of the turned ones.
    shrunk = 1.0 / (np.maximum(values, 0.0)[:, None] * np.maximum(kin, 0.0) + smoothing)
    dual = vectors @ (shrunk * (vectors.T @ (root * target)))
    own = (vectors * vectors) @ shrunk
    left_out = target - dual / np.maximum(own, _NOTHING) / root
    return Fitted((root * dual * np.maximum(kin, 0.0)) @ turned.T, left_out @ turned.T)
