"""Streams whose vectors are made by hand: each answer has a direction of its own, and questions lie around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from passerelle.domain.cache import Reason
from passerelle.evaluation.nearest import Ground
from passerelle.evaluation.questions import Prepared, Question, question

Make = Callable[..., Prepared]


@pytest.fixture
def made() -> Make:
    """A stream of `answers` answers with `each` questions; a greater `spread` puts questions further apart."""
    words = question("please tell me about that").features

    def make(
        *, answers: int = 6, each: int = 30, spread: float = 0.4, seed: int = 0, barred: Sequence[int] = ()
    ) -> Prepared:
        rng = np.random.default_rng(seed)
        centres = np.eye(answers, 32)
        vectors = np.repeat(centres, each, axis=0) + rng.normal(0, spread / 5, (answers * each, 32))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        asked = [
            Question(f"q{n}", Reason.FRESH if n in barred else None, "en", words) for n in range(len(vectors))
        ]
        return Prepared(
            name="en_made",
            language="en",
            questions=asked,
            answers=[f"a{n // each}" for n in range(len(vectors))],
            ground=Ground(vectors.astype("float32")),
            repeats=0,
        )

    return make
