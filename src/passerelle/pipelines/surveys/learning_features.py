"""How alike two comments are: by their words, by parts of their words, by meaning, and by which way they lean.

Each view is a matrix of rows of length 1, so that a product of two rows is a likeness. Words carry as much as they are
rare among what is learned from. Parts of words (three to five letters) bring together what a French stem tears apart.
Imports numpy: imported late, by what learns.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from passerelle.backends.builtin.polarity import NEGATIONS, leaning
from passerelle.text.words import Language, stem, words

Matrix: TypeAlias = NDArray[np.float64]

WORD_BUCKETS = 1 << 12  # hashed: a fixed width, whatever words come
PART_BUCKETS = 1 << 12
_PARTS = (3, 4, 5)
_LEANING = 0.3  # plainly to one side
_LONG = 40  # words, for the feature that tells long texts
_SMALLEST = 1e-9
_MARKS = 8  # of opinion
_TURNS = """
    but mais however cependant toutefois too trop more plus could would should pourrait aurait manque lack
"""
_TURNING = NEGATIONS | frozenset(_TURNS.split())


@dataclass(frozen=True, slots=True)
class Read:
    """Texts as numbers, one row each; counts are not yet weighed.

    `words` and `parts` are damped counts in buckets, `meaning` the vectors as they came, `lean` eight marks of opinion.
    """

    texts: tuple[str, ...]
    words: NDArray[np.float32]
    parts: NDArray[np.float32]
    meaning: Matrix
    lean: Matrix

    def followed_by(self, other: Read) -> Read:
        """These, then others."""
        return Read(
            (*self.texts, *other.texts),
            np.concatenate([self.words, other.words]),
            np.concatenate([self.parts, other.parts]),
            np.concatenate([self.meaning, other.meaning]),
            np.concatenate([self.lean, other.lean]),
        )

    def rows(self, chosen: Sequence[int]) -> Read:
        """Some of them, in this order."""
        at = np.asarray(chosen, dtype=np.intp)
        return Read(
            tuple(self.texts[i] for i in chosen),
            self.words[at],
            self.parts[at],
            self.meaning[at],
            self.lean[at],
        )


def read(texts: Sequence[str], languages: Sequence[Language], embed: Callable[[Sequence[str]], Any]) -> Read:
    """The texts as numbers; `embed` is called once, and not at all for none."""
    meaning = np.asarray(embed(texts) if texts else np.zeros((0, 1)), dtype=np.float64)
    marks = [_marks(text, language) for text, language in zip(texts, languages, strict=True)]
    return Read(
        tuple(texts),
        _counted((_grams(text) for text in texts), len(texts), WORD_BUCKETS),
        _counted((_parts(text) for text in texts), len(texts), PART_BUCKETS),
        meaning,
        np.asarray(marks, dtype=np.float64).reshape(len(texts), _MARKS),
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """What is usual among the texts that are learned from, and how much each word says there."""

    words: NDArray[np.float32]
    parts: NDArray[np.float32]
    centre: Matrix
    usual: Matrix
    spread: Matrix

    @classmethod
    def of(cls, learned: Read, spoken: Sequence[int]) -> Scale:
        """`spoken`: the rows that people wrote, whose mean is taken away; the codebook's words are not usual ones."""
        spoken = spoken or range(len(learned.texts))
        return cls(
            _rarity(learned.words),
            _rarity(learned.parts),
            learned.meaning[spoken].mean(axis=0),
            learned.lean[spoken].mean(axis=0),
            learned.lean[spoken].std(axis=0) + 0.1,
        )

    def views(self, read: Read) -> Views:
        """The texts' rows in every view."""
        marks = (read.lean - self.usual) / self.spread / math.sqrt(read.lean.shape[1])
        return Views(
            _unit(read.words * self.words),
            _unit(read.parts * self.parts),
            _unit((read.meaning - self.centre).astype(np.float32)),
            marks.astype(np.float32),
        )


@dataclass(frozen=True, slots=True)
class Views:
    """Rows of length 1 (of about 1 where it is about leaning)."""

    words: NDArray[np.float32]
    parts: NDArray[np.float32]
    meaning: NDArray[np.float32]
    lean: NDArray[np.float32]

    def like(self, others: Views) -> Likeness:
        """Of each row here to each row there."""
        return Likeness(
            *(
                (one @ other.T).astype(np.float64)
                for one, other in (
                    (self.words, others.words),
                    (self.parts, others.parts),
                    (self.meaning, others.meaning),
                    (self.lean, others.lean),
                )
            )
        )


@dataclass(frozen=True, slots=True)
class Likeness:
    """Products of rows in every view."""

    words: Matrix
    parts: Matrix
    meaning: Matrix
    lean: Matrix

    @property
    def of_topics(self) -> Matrix:
        """For categories: every view but leaning, alike."""
        return (self.words + self.parts + self.meaning) / 3

    @property
    def of_opinions(self) -> Matrix:
        """For polarity: leaning too."""
        return (self.words + self.parts + self.meaning + self.lean) / 3


def _grams(text: str) -> Iterator[str]:
    stems = [stem(word) for word in words(text)]
    yield from stems
    yield from (f"{one} {other}" for one, other in itertools.pairwise(stems))


def _parts(text: str) -> Iterator[str]:
    for word in words(text):
        framed = f"<{word}>"
        for length in _PARTS:
            for start in range(len(framed) - length + 1):
                yield framed[start : start + length]


def _marks(text: str, language: Language) -> tuple[float, ...]:
    lean = leaning(text, language)
    found = list(words(text))
    return (
        lean,
        abs(lean),
        float(lean > _LEANING),
        float(lean < -_LEANING),
        float(abs(lean) < 0.1),
        min(1.0, sum(word in _TURNING for word in found) / 3),
        float("!" in text),
        min(len(found), _LONG) / _LONG,
    )


def _counted(texts: Iterable[Iterator[str]], count: int, buckets: int) -> NDArray[np.float32]:
    found = np.zeros((count, buckets), dtype=np.float32)
    for row, grams in enumerate(texts):
        for gram, times in Counter(grams).items():
            found[row, zlib.crc32(gram.encode("utf-8", "replace")) % buckets] += 1 + math.log(times)
    return found


def _rarity(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    held = (counts > 0).sum(axis=0)
    weights: NDArray[np.float32] = (np.log((1 + len(counts)) / (1 + held)) + 1).astype(np.float32)
    return weights


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _SMALLEST)
    return unit
