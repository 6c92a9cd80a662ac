"""A small codebook, corrections, an embedder without a model, and a model whose errors are known."""

from __future__ import annotations

import random
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


_TRUTH = {"links": "material", "slots": "pace", "teacher": "trainer", "chairs": "room"}
_BLIND = {
    "links": "room",
    "slots": "trainer",
}  # what the model says instead: it does not know this company's words
_DAYS = (
    "Monday",
    "Tuesday",
    "Friday",
    "the first day",
    "the last day",
    "week two",
    "week three",
    "module four",
)


def comments(seed: int, count: int) -> list[tuple[str, str]]:
    """Complaints, each with its category."""
    draw = random.Random(seed)
    words = sorted(_TRUTH)
    return [
        (f"On {draw.choice(_DAYS)} the {word} were not good, number {draw.randrange(9999)}", _TRUTH[word])
        for word in (draw.choice(words) for _ in range(count))
    ]


def scripted(comment: str, examples: Sequence[Correction]) -> str:
    """The model: it copies an example about the same thing, and errs by its rules without one."""
    word = next(one for one in _TRUTH if one in comment)
    for example in examples:
        if word in example.text and example.right:
            return example.right[0]
    return _BLIND.get(word, _TRUTH[word])
