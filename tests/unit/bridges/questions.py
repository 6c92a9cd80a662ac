"""What the tests of the bridges share: a small embedder whose cosines are known, and what it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from passerelle.cache.library import Library
from passerelle.domain.cache import Caching, Semantic

if TYPE_CHECKING:
    from passerelle.cache.entry import Vector

HOURS = "When does the counter open on weekdays?"
HOURS_AGAIN = "On weekdays, when does the counter open?"
CARD = "How can I block a lost bank card?"
MORNING = "The counter opens every weekday in the morning and closes late in the evening."
BLOCK = "Call the number on the back of the card and the bank blocks it for you."
TOPICS = {HOURS: 0, HOURS_AGAIN: 0, CARD: 1, MORNING: 2, BLOCK: 3}


def embed(text: str) -> Vector:
    """Texts of one topic have a cosine of .99, of two topics of 0; every other text stands alone."""
    vector = np.zeros(64, np.float32)
    if text in TOPICS:
        vector[TOPICS[text]] = 1.0
        vector[32 + sum(text.encode()) % 32] = 0.1
    else:
        vector[16 + sum(text.encode()) % 16] = 1.0
    length: np.float32 = np.linalg.norm(vector)
    return vector / length


def library(**changes: object) -> Library:
    """A library that never holds an answer back."""
    caching = Caching(semantic=Semantic(shadow=0.0))
    return Library(embed, **{"caching": caching, **changes})  # type: ignore[arg-type]
