"""How good a ranking and an answer are, and whether one way of searching is better than another. Pure.

One passage is right for a question. nDCG: Järvelin, Kekäläinen, TOIS 2002. Exact match and F1 of answers: Rajpurkar et
al., EMNLP 2016 (SQuAD), with French articles left out as English ones are. Paired bootstrap: Efron, Tibshirani, 1993.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from passerelle.text.words import folded

DEPTH = 10  # of nDCG and MRR
SHALLOW = 5  # of recall
RESAMPLES = 2000
_ARTICLES = {
    "fr": frozenset({"le", "la", "les", "l", "un", "une", "des", "du", "de", "d"}),
    "en": frozenset({"a", "an", "the"}),
}
_SIGNS = re.compile(r"[^\w\s]|_")


@dataclass(frozen=True, slots=True)
class Ranking:
    """Means over questions."""

    ndcg: float
    recall: float
    mrr: float


@dataclass(frozen=True, slots=True)
class Gain:
    """A mean difference, and the interval of 95 % of its resampled means."""

    mean: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Does the whole interval lie above zero?"""
        return self.low > 0


def gain_of(rank: int | None) -> float:
    """A question's nDCG, from the place of its passage (from 1; None: not found)."""
    return 1.0 / math.log2(rank + 1) if rank is not None and rank <= DEPTH else 0.0


def ranking(ranks: Sequence[int | None]) -> Ranking:
    """From each question's place of its passage."""
    count = max(1, len(ranks))
    return Ranking(
        ndcg=sum(map(gain_of, ranks)) / count,
        recall=sum(rank is not None and rank <= SHALLOW for rank in ranks) / count,
        mrr=sum(1.0 / rank for rank in ranks if rank is not None and rank <= DEPTH) / count,
    )


def gained(ranks: Sequence[int | None], over: Sequence[int | None], *, seed: int = 0) -> Gain:
    """What nDCG gains over another way of searching for the same questions."""
    differences = [gain_of(one) - gain_of(other) for one, other in zip(ranks, over, strict=True)]
    count = len(differences)
    draw = random.Random(seed)  # noqa: S311 - a named seed is the point
    means = sorted(sum(draw.choices(differences, k=count)) / count for _ in range(RESAMPLES))
    edge = RESAMPLES // 40
    return Gain(sum(differences) / count, means[edge], means[-edge - 1])


def plain(text: str, language: str) -> str:
    """A text for comparison: folded, without signs and articles."""
    left_out = _ARTICLES.get(language, frozenset())
    return " ".join(word for word in _SIGNS.sub(" ", folded(text)).split() if word not in left_out)


def exact(said: str, answers: Sequence[str], language: str) -> float:
    """1 where it is one of the answers."""
    return float(plain(said, language) in {plain(answer, language) for answer in answers})


def f1(said: str, answers: Sequence[str], language: str) -> float:
    """The harmonic mean of the shares of words that it and the nearest answer have in common."""
    return max(_f1(plain(said, language).split(), plain(answer, language).split()) for answer in answers)


def holds(text: str, answers: Sequence[str], language: str) -> bool:
    """Does any of the answers stand in it, as whole words?"""
    within = f" {plain(text, language)} "
    return any(f" {wanted} " in within for answer in answers if (wanted := plain(answer, language)))


def quantile(values: Sequence[float], share: float) -> float:
    """The nearest-rank quantile; 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def _f1(said: Sequence[str], answer: Sequence[str]) -> float:
    common = sum((Counter(said) & Counter(answer)).values())
    return 2 * common / (len(said) + len(answer)) if common else 0.0
