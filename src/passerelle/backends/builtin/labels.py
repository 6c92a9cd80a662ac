"""The label nearest to a text: by cosine, less what each label attracts anyway."""

from __future__ import annotations

import re
from collections.abc import Sequence

from passerelle.backends.builtin import polarity
from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.encoder import Vectors
from passerelle.backends.builtin.polarity import TYPICAL
from passerelle.backends.builtin.sentences import split
from passerelle.text.words import Language, folded, language_of

CAMEL = re.compile(r"(?<=[a-zà-ÿ0-9])(?=[A-ZÀ-Þ])")
SEPARATORS = re.compile(r"[_\-/.\s]+")
MOST_PIECES = 64  # sentences of a text too long for the model that stand for the whole of it
LANGUAGES: dict[str, Language] = {
    "fr": "fr", "fra": "fr", "french": "fr", "francais": "fr",
    "en": "en", "eng": "en", "english": "en", "anglais": "en",
}  # fmt: skip
LANGUAGE_NAMES = frozenset({"language", "langue", "lang"})


def readable(name: str) -> str:
    """An identifier as words: `card_arrival` and `cardArrival` become `card arrival`."""
    return SEPARATORS.sub(" ", CAMEL.sub(" ", name)).strip().lower()


def scores(text: str, labels: Sequence[str], embedder: Embedder, *, about: str = "") -> list[float]:
    """How near each label is to the text; only their order means something.

    `about` is the readable name of what is labelled; it precedes one-word labels (`priority: high`).
    """
    language = language_of(text)
    tongue = _tongue(labels, about, language)
    if tongue is not None:
        return tongue
    poles = [polarity.pole(label) for label in labels]
    opinion = len({pole for pole in poles if pole}) > 1
    vector = _whole(text, embedder)
    background = embedder.anchors.background
    lean = polarity.leaning(text, language) if opinion else 0.0
    found = []
    for label, pole in zip(labels, poles, strict=True):
        typical = TYPICAL[pole, language] if opinion and pole else (_worded(label, about),)
        likeness = embedder.embed(typical).vectors.mean(axis=0)
        likeness /= max(float(likeness @ likeness) ** 0.5, 1e-12)
        # Some labels are near to everything; what they share with unrelated sentences says nothing.
        score = float(vector @ likeness) - float((background @ likeness).mean())
        found.append(score + (polarity.weight(pole, lean) if opinion and pole else 0.0))
    return found


def _worded(label: str, about: str) -> str:
    words = readable(label)
    return f"{about}: {words}" if about and " " not in words else words


def _tongue(labels: Sequence[str], about: str, language: Language) -> list[float] | None:
    """Labels of a property that asks for the text's language, when French and English are among them."""
    named = [LANGUAGES.get(folded(label)) for label in labels]
    if not LANGUAGE_NAMES.intersection(folded(about).split()) or language not in named:
        return None
    return [float(name == language) for name in named]


def _whole(text: str, embedder: Embedder) -> Vectors:
    """One vector for a text of any length: its own, or its sentences' mean when the model would cut it."""
    one = embedder.embed([text])
    if not one.dropped[0]:
        only: Vectors = one.vectors[0]
        return only
    spans = split(text)
    step = max(1, -(-len(spans) // MOST_PIECES))
    mean: Vectors = embedder.embed([span.of(text) for span in spans[::step]] or [text]).vectors.mean(axis=0)
    mean /= max(float(mean @ mean) ** 0.5, 1e-12)
    return mean
