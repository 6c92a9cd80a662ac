"""A small codebook, corrections, and an embedder without a model: the same text, the same vector."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import partial

import numpy as np

from passerelle.domain.surveys import Category, Codebook, Correction, Polarity
from passerelle.pipelines.surveys.learning_features import read
from passerelle.text.words import stems

CODEBOOK = Codebook(
    "training",
    1,
    "en",
    (
        Category("trainer", "trainer", "the trainer and how they explain", "teacher, clear explanations"),
        Category("room", "room", "the room and the equipment", "heating, chairs, projector, noise"),
        Category("pace", "pace", "how fast the training goes", "too fast, too slow, too short"),
    ),
)
_SAID = {
    "trainer": "The trainer explained {} very well|Our teacher was patient about {}|The teacher lost us on {}",
    "room": "The room was cold during {}|The projector broke in {}|Comfortable chairs for {}",
    "pace": "We went too fast through {}|It was too slow on {}|Just the right speed for {}",
}
_LEANS = {
    "trainer": (Polarity.POSITIVE, Polarity.POSITIVE, Polarity.NEGATIVE),
    "room": (Polarity.NEGATIVE, Polarity.NEGATIVE, Polarity.POSITIVE),
    "pace": (Polarity.NEGATIVE, Polarity.NEGATIVE, Polarity.POSITIVE),
}
ABOUT = (
    "Excel",
    "safety",
    "the law",
    "first aid",
    "accounting",
    "sales",
    "Python",
    "writing",
    "the audit",
    "welding",
)


def embed(texts: Sequence[str]) -> list[list[float]]:
    """A bag of stems in 64 directions."""
    vectors = np.full((len(texts), 64), 1e-3)
    for row, text in enumerate(texts):
        for stem in stems(text):
            vectors[row, zlib.crc32(stem.encode()) % 64] += 1
    unit: list[list[float]] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).tolist()
    return unit


reader = partial(read, embed=embed)


def corrections(about: Sequence[str] = ABOUT) -> list[Correction]:
    """Nine a subject: three of each category."""
    return [
        Correction(said.format(subject), "en", right=(category,), right_polarity=lean, codebook=1)
        for subject in about
        for category, several in _SAID.items()
        for said, lean in zip(several.split("|"), _LEANS[category], strict=True)
    ]
