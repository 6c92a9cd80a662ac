"""Plain BM25 over title and text: the measure of any other way of searching. Pure.

Robertson, Zaragoza, "The probabilistic relevance framework: BM25 and beyond", 2009, with its usual k1 = 1.2 and b = 0.75,
the corpus's own mean length, and the language's stemmer and small words from Qdrant.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

from passerelle.domain.retrieval import Chunk

_K1, _B = 1.2, 0.75
_SNOWBALL = {"fr": "french", "en": "english", "de": "german", "es": "spanish", "it": "italian"}


class PlainBm25:
    """A corpus in memory."""

    def __init__(self, passages: Sequence[Chunk], language: str) -> None:
        import qdrant_edge as edge  # noqa: PLC0415 - only an evaluation of documents needs it here

        stemmed = _SNOWBALL.get(language, "english")
        # Without an effect of the length, the weight of a stem tells how often it occurs.
        self._stems = edge.Bm25(edge.Bm25Config(language=stemmed, k=_K1, b=0.0))
        counts = [self._counts(f"{passage.title}\n{passage.text}") for passage in passages]
        lengths = [sum(count.values()) for count in counts]
        mean = sum(lengths) / max(1, len(lengths))
        self._ids = [passage.id for passage in passages]
        self._held: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for place, (count, length) in enumerate(zip(counts, lengths, strict=True)):
            norm = _K1 * (1 - _B + _B * length / mean)
            for stem, times in count.items():
                self._held[stem].append((place, times * (_K1 + 1) / (times + norm)))

    def found(self, question: str, k: int) -> list[str]:
        """The ids of the best passages, best first."""
        scores: dict[int, float] = defaultdict(float)
        for stem in sorted(self._stems.embed_query(question).indices):
            held = self._held.get(stem, ())
            rarity = math.log(1 + (len(self._ids) - len(held) + 0.5) / (len(held) + 0.5))
            for place, weight in held:
                scores[place] += rarity * weight
        best = sorted(scores, key=lambda place: (-scores[place], self._ids[place]))
        return [self._ids[place] for place in best[:k]]

    def _counts(self, text: str) -> Counter[int]:
        sparse = self._stems.embed_document(text)
        # weight = times * (k1 + 1) / (times + k1), turned round
        return Counter(
            {
                stem: round(weight * _K1 / (_K1 + 1 - weight))
                for stem, weight in zip(sparse.indices, sparse.values, strict=True)
            }
        )
