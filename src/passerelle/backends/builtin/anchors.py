"""Twelve subjects, each said twice: how far apart a model puts what is alike and what is not, per language.

The spread of cosines differs widely between models, and for an English model between languages: two French
sentences that have nothing in common already lie at 0.44 for all-MiniLM-L6-v2, two English ones at 0.02.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from passerelle.backends.builtin.encoder import Vectors
from passerelle.text.words import Language

SAME: Mapping[Language, tuple[tuple[str, str], ...]] = {
    "en": (
        ("The train to Lyon leaves at eight.", "Departure of the train for Lyon is at 8 o'clock."),
        ("You can get your money back within two weeks.", "Refunds are possible for fourteen days."),
        ("The cat is asleep on the sofa.", "On the couch, a cat is sleeping."),
        ("Water boils at one hundred degrees.", "At a hundred degrees, water starts to boil."),
        ("She was elected mayor in March.", "In March she became mayor by election."),
        ("The museum is closed on Mondays.", "On Mondays the museum does not open."),
    ),
    "fr": (
        ("Le train pour Lyon part à huit heures.", "Le départ du train de Lyon est à 8 heures."),
        (
            "Vous pouvez être remboursé pendant deux semaines.",
            "Un remboursement est possible sous quatorze jours.",
        ),
        ("Le chat dort sur le canapé.", "Sur le divan, un chat est endormi."),
        ("L'eau bout à cent degrés.", "À cent degrés, l'eau se met à bouillir."),
        ("Elle a été élue maire en mars.", "En mars, elle est devenue maire par l'élection."),
        ("Le musée est fermé le lundi.", "Le lundi, le musée n'ouvre pas."),
    ),
}


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean cosine of unrelated sentences and of paraphrases: the two ends of a model's useful range."""

    unlike: float
    alike: float

    def scaled(self, cosine: float) -> float:
        """0 for unrelated sentences and below, about 1 for paraphrases."""
        return max(0.0, (cosine - self.unlike) / max(self.alike - self.unlike, 1e-6))


@dataclass(frozen=True, slots=True)
class Anchors:
    """What a model makes of the twelve subjects. `background` is (sentences, dimensions), both languages."""

    spreads: Mapping[Language, Spread]
    background: Vectors


def sayings() -> list[str]:
    """Every sentence of SAME: per language all first sayings, then all second ones."""
    return [pair[side] for pairs in SAME.values() for side in (0, 1) for pair in pairs]


def measured(vectors: Vectors) -> Anchors:
    """What the vectors of `sayings()`, in that order, say about their model."""
    spreads = {}
    start = 0
    for language, pairs in SAME.items():
        count = len(pairs)
        first, second = vectors[start : start + count], vectors[start + count : start + 2 * count]
        cosines = first @ second.T
        diagonal = float(cosines.trace())
        unlike = (float(cosines.sum()) - diagonal) / (count * (count - 1))
        spreads[language] = Spread(unlike=unlike, alike=diagonal / count)
        start += 2 * count
    return Anchors(spreads=spreads, background=vectors)
