"""How well each sentence answers a question: nearness of meaning plus shared words, one scale for all models.

Measured on French and English questions about encyclopedia passages: the plain sum is as good as a fitted
weighting, and better than either part. RELEVANT is where it parts passages that answer from other subjects.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.encoder import Vectors
from passerelle.backends.builtin.reading import Passage, Reading
from passerelle.backends.builtin.sentences import split
from passerelle.text.words import Language, stems

RELEVANT = 0.45
# Characters per question; of longer texts, the sentences that share most words with it are embedded.
MOST_EMBEDDED = 48_000
PER_SENTENCE = 60  # characters that a sentence costs beside its own


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a message: characters [start, end) of the message with that index."""

    text: str
    message: int
    start: int
    end: int


def sentences(reading: Reading, passages: Iterable[Passage]) -> list[Sentence]:
    """Every sentence of the passages, in order."""
    found: list[Sentence] = []
    for passage in passages:
        text = reading.texts[passage.message]
        spans = split(text, passage.start, passage.end)
        found.extend(Sentence(span.of(text), passage.message, span.start, span.end) for span in spans)
    return found


class Ranker:
    """Texts that several questions may be asked about; each is embedded once at most."""

    def __init__(self, texts: Sequence[str], embedder: Embedder, language: Language) -> None:
        self._texts = texts
        self._embedder = embedder
        self._language = language
        self._held = [frozenset(stems(text)) for text in texts]
        self._seen = Counter(word for words in self._held for word in words)
        self._vectors: dict[int, Vectors] = {}

    def scores(self, query: str) -> list[float]:
        """Each text's relevance to the query: 0 for nothing in common, about 2 for the query itself."""
        scores = self._shared_words(query)
        likely: list[int] = []
        left = MOST_EMBEDDED
        for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
            left -= len(self._texts[i]) + PER_SENTENCE
            if left < 0 and likely:
                break
            likely.append(i)
        if not likely:
            return []
        asked = self._embedder.embed([query], question=True).vectors[0]
        missing = [i for i in likely if i not in self._vectors]
        if missing:
            vectors = self._embedder.embed([self._texts[i] for i in missing]).vectors
            self._vectors.update(zip(missing, vectors, strict=True))
        spread = self._embedder.anchors.spreads[self._language]
        for i in likely:
            scores[i] += spread.scaled(float(self._vectors[i] @ asked))
        return scores

    def _shared_words(self, query: str) -> list[float]:
        """The share of the query's words that each text holds, rare words weighing more."""
        weights = {
            word: math.log(1 + (len(self._texts) + 1) / (self._seen[word] + 0.5))
            for word in set(stems(query))
        }
        total = sum(weights[word] for word in sorted(weights))
        if not total:
            return [0.0] * len(self._texts)
        return [sum(weights[word] for word in sorted(words & weights.keys())) / total for words in self._held]
