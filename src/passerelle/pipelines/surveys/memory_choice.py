"""Which corrections a model is shown beside a comment: alike, of different labels, and those first that were wrong before.

Likeness is of words and, where there are vectors, of meaning. Words weigh as much as they are rare among the corrections
(inverse document frequency: Sparck Jones, 1972): what all comments share says nothing, the one word that decides says much.
Examples that a model got wrong help it more than those it got right (Gao et al., arXiv 2309.07900), most of all where they
were taken for what this comment is taken for. Examples are chosen as a set that covers the comment (Gupta et al., arXiv
2305.14907): a word that one has shown counts less in the next, so that a sentence that many comments share, shown once,
leaves room for the word that decides. And examples of one label only teach it to say that label, so each example of
a label makes the next one of it a little less wanted. The order depends on nothing but what is given.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from passerelle.domain.survey_work import Kept
from passerelle.domain.surveys import Correction
from passerelle.text.words import folded, stem, words

NEARLY_THE_SAME = 0.95  # cosine
_MEANING = 0.6  # of likeness; the rest is the words'
_WRONG_BEFORE = 0.05
_WRONG_LIKE_THIS = 0.1  # more: it was taken for what this comment is taken for
_RIGHT_LIKE_THIS = 0.1  # it is what this comment is taken for
_SAME_LANGUAGE = 0.05
_REPEATED = 0.1  # less for each example of the same label
_MOST_REPEATED = 4
_SHOWN = 0.1  # of its weight a word keeps with each example that has it
_ANY = 0.1  # that a word weighs which all texts have
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A correction in the ids that are asked for. `kept` is as it was made; `cosine` None: there are no vectors."""

    kept: Kept
    correction: Correction
    cosine: float | None = None


class Rarity:
    """How much each word says among some texts: the logarithm of how few of them have it."""

    def __init__(self, texts: Iterable[str]) -> None:
        held: Counter[str] = Counter()
        count = 0
        for text in texts:
            held.update(_stems(text))
            count += 1
        self._weights = {word: math.log((1 + count) / (1 + times)) + _ANY for word, times in held.items()}
        self._unseen = math.log(1 + count) + _ANY

    def likeness(
        self, one: frozenset[str], other: frozenset[str], shown: Mapping[str, int] = MappingProxyType({})
    ) -> float:
        """From 0 to 1: twice the weight of the stems that both have, of the weight of both.

        A stem counts the less the more often it was `shown`: what nothing else has shown yet may be what decides.
        """
        whole = self._of(one) + self._of(other)
        both = math.fsum(self._weight(word) * _SHOWN ** shown.get(word, 0) for word in one & other)
        return 2 * both / whole if whole else 0.0

    def _of(self, stems: frozenset[str]) -> float:
        # math.fsum: the same whatever the order of a set, which differs between processes.
        return math.fsum(map(self._weight, stems))

    def _weight(self, word: str) -> float:
        return self._weights.get(word, self._unseen)


def choose(
    text: str,
    language: str,
    candidates: Sequence[Candidate],
    k: int,
    *,
    apart: bool = False,
    rarity: Rarity | None = None,
    taken_for: Collection[str] = (),
) -> list[Correction]:
    """At most `k`, the most helpful first. Of equal texts the last correction counts.

    `apart`: what is nearly the text itself is left out, so that a measurement of it is one. `rarity`: of words among all
    corrections; None: among the candidates. `taken_for`: the categories that the text is taken for by who was asked before.
    """
    if rarity is None:
        rarity = Rarity(one.correction.text for one in candidates)
    own, stems_of, taken = same_words(text), _stems(text), frozenset(taken_for)
    last: dict[tuple[str, ...], Candidate] = {}
    for one in sorted(candidates, key=lambda one: one.kept.revision):
        key = same_words(one.correction.text)
        if apart and (key == own or (one.cosine is not None and one.cosine > NEARLY_THE_SAME)):
            continue
        last[key] = one
    waiting = [(one, _stems(one.correction.text)) for one in last.values()]
    shown: Counter[str] = Counter()
    times: Counter[str] = Counter()
    chosen: list[Correction] = []

    def wanted(at: int) -> tuple[float, int]:
        one, stems = waiting[at]
        likeness = rarity.likeness(stems_of, stems, shown)
        return _score(likeness, language, one, taken) - _repeats(times, one), one.kept.revision

    while waiting and len(chosen) < k:
        best, stems = waiting.pop(max(range(len(waiting)), key=wanted))
        times.update(_labels(best))
        shown.update(stems_of & stems)
        chosen.append(best.correction)
    return chosen


def same_words(text: str) -> tuple[str, ...]:
    """What two texts share that differ in nothing but signs, letter case and accents."""
    return tuple(_WORD.findall(folded(text))) or (text.strip(),)


def _stems(text: str) -> frozenset[str]:
    return frozenset(map(stem, words(text)))


def _score(likeness: float, language: str, one: Candidate, taken: frozenset[str]) -> float:
    said = one.correction
    if one.cosine is not None:
        likeness = _MEANING * one.cosine + (1 - _MEANING) * likeness
    return (
        likeness
        + _WRONG_BEFORE * (not said.confirmed)
        + _WRONG_LIKE_THIS * bool(taken & set(said.wrong))
        + _RIGHT_LIKE_THIS * bool(taken & set(said.right or ()))
        + _SAME_LANGUAGE * (said.language[:2] == language[:2])
    )


def _repeats(times: Counter[str], one: Candidate) -> float:
    """How much less it is wanted: by that of its labels that was shown least."""
    return _REPEATED * min(_MOST_REPEATED, *(times[label] for label in _labels(one)))


def _labels(one: Candidate) -> tuple[str, ...]:
    """Its categories; of one that has none, and of one that says nothing of them, its polarity."""
    said = one.correction
    return said.right or (f" {said.right} {said.right_polarity}",)
