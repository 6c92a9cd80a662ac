"""Which corrections a model is shown beside a comment: alike, of different labels, and those first that were wrong before.

Likeness is of words and, where there are vectors, of meaning. Examples that a model got wrong help it more than those it
got right (Gao et al., arXiv 2309.07900), and examples of one label only teach it to say that label, so each example of a
label makes the next one of it a little less wanted. The order depends on nothing but what is given.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from passerelle.domain.survey_work import Kept
from passerelle.domain.surveys import Correction
from passerelle.text.words import folded, stem, words

NEARLY_THE_SAME = 0.95  # cosine
_MEANING = 0.6  # of likeness; the rest is the words'
_WRONG_BEFORE = 0.1
_SAME_LANGUAGE = 0.05
_REPEATED = 0.05  # less for each example of the same labels
_MOST_REPEATED = 4
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A correction in the ids that are asked for. `kept` is as it was made; `cosine` None: there are no vectors."""

    kept: Kept
    correction: Correction
    cosine: float | None = None


def choose(
    text: str, language: str, candidates: Sequence[Candidate], k: int, *, apart: bool = False
) -> list[Correction]:
    """At most `k`, the most helpful first. Of equal texts the last correction counts.

    `apart`: what is nearly the text itself is left out, so that a measurement of it is one.
    """
    own, stems_of = same_words(text), frozenset(map(stem, words(text)))
    scored: dict[tuple[str, ...], tuple[float, Candidate]] = {}
    for one in sorted(candidates, key=lambda one: one.kept.revision):
        key = same_words(one.correction.text)
        if apart and (key == own or (one.cosine is not None and one.cosine > NEARLY_THE_SAME)):
            continue
        scored[key] = (_score(stems_of, language, one), one)
    waiting = sorted(scored.values(), key=lambda pair: (-pair[0], -pair[1].kept.revision))
    chosen: list[Correction] = []
    times: Counter[tuple[str, ...]] = Counter()
    while waiting and len(chosen) < k:
        at = max(
            range(len(waiting)),
            key=lambda at: (
                waiting[at][0] - _REPEATED * min(times[_labels(waiting[at][1])], _MOST_REPEATED),
                -at,
            ),
        )
        _, best = waiting.pop(at)
        times[_labels(best)] += 1
        chosen.append(best.correction)
    return chosen


def same_words(text: str) -> tuple[str, ...]:
    """What two texts share that differ in nothing but signs, letter case and accents."""
    return tuple(_WORD.findall(folded(text))) or (text.strip(),)


def _score(stems_of: frozenset[str], language: str, one: Candidate) -> float:
    others = frozenset(map(stem, words(one.correction.text)))
    both = len(stems_of) + len(others)
    likeness = 2 * len(stems_of & others) / both if both else 0.0
    if one.cosine is not None:
        likeness = _MEANING * one.cosine + (1 - _MEANING) * likeness
    wrong = not one.correction.confirmed
    return likeness + _WRONG_BEFORE * wrong + _SAME_LANGUAGE * (one.correction.language[:2] == language[:2])


def _labels(one: Candidate) -> tuple[str, ...]:
    polarity = one.correction.right_polarity
    return (*sorted(one.correction.right or ()), "" if polarity is None else str(polarity))
