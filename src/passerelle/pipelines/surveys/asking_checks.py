"""What a language model said of a comment, held to the comment and the codebook: nothing that is not there is kept. Pure.

A quote is a substring of the comment, to the letter. One that differs by white space, quotation marks, accents' form or
case is moved to where its words really stand; one that stands nowhere is dropped, and a person looks at the comment.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from passerelle.domain.surveys import Analysed, Codebook, Label, Opinion, Polarity, Review
from passerelle.pipelines.surveys.asking_prompts import NOTHING_SAID

SURE = 0.6  # language models are seldom less sure than this where they are right
PLAINLY = 0.6  # of the learner that needs no language model: from here on, its voice counts
_MARKS = {
    "’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
    "–": "-", "—": "-", "‑": "-", "‐": "-", "−": "-",
}  # fmt: skip
_MEANINGLESS = frozenset("'\"-….")  # at the ends of a quote
_WHOLE = 100.0  # some models say percents


@dataclass(frozen=True, slots=True)
class Checked:
    """A reading that holds. `dropped` counts opinions whose quote is nowhere, `unknown` ids that no category has."""

    analysed: Analysed
    dropped: int = 0
    unknown: int = 0


def checked(comment: str, language: str, said: Mapping[str, Any], codebook: Codebook) -> Checked:
    """What of an answer holds. Raises ValueError where it has not the form of one at all."""
    given = said.get("opinions")
    if not isinstance(given, list):
        raise ValueError("an answer lists opinions")  # noqa: TRY004 - it is about a value, not a caller's mistake
    known = frozenset(codebook.ids)
    finder = _Finder(comment)
    opinions: list[Opinion] = []
    dropped = unknown = 0
    for each in given:
        if not isinstance(each, Mapping):
            dropped += 1
            continue
        names = _names(each.get("categories"))
        kept = [name for name in names if name in known]
        unknown += len(names) - len(kept)
        polarity = _polarity(each.get("polarity"))
        span = finder.find(each.get("quote"))
        if span is None or polarity is None:
            dropped += 1
            continue
        sure = confidence_of(each.get("confidence"))
        labels = tuple(Label(name, sure) for name in kept)
        opinions.append(Opinion(comment[span[0] : span[1]], *span, labels, polarity, sure))
    opinions.sort(key=lambda opinion: (opinion.start, opinion.end))
    polarity, sure = _overall(said, opinions)
    doubtful = bool(dropped or unknown) or sure < SURE or any(one.confidence < SURE for one in opinions)
    review = [Review.UNCERTAIN] if doubtful else []
    if any(not one.labels for one in opinions):
        review.append(Review.OUT_OF_CODEBOOK)
    analysed = Analysed(comment, language, tuple(opinions), polarity, sure, tuple(review))
    return Checked(analysed, dropped, unknown)


def compared(analysed: Analysed, other: Analysed | None) -> Analysed:
    """With DISAGREEING, where the one who needs no language model is sure of something else."""
    if other is None or Review.DISAGREEING in analysed.review or not _differ(analysed, other):
        return analysed
    return Analysed(
        analysed.comment,
        analysed.language,
        analysed.opinions,
        analysed.polarity,
        analysed.confidence,
        (*analysed.review, Review.DISAGREEING),
    )


def confidence_of(said: object) -> float:
    """From 0 to 1, whatever was said; 0 where nothing was."""
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        return 0.0
    value = said / _WHOLE if 1.0 < said <= _WHOLE else float(said)
    return min(1.0, max(0.0, value))


def _names(said: object) -> list[str]:
    """Each once, in their order."""
    return list(dict.fromkeys(str(name) for name in said)) if isinstance(said, list) else []


def _differ(one: Analysed, other: Analysed) -> bool:
    opposite = {one.polarity, other.polarity} == {Polarity.POSITIVE, Polarity.NEGATIVE}
    if opposite and other.confidence >= PLAINLY:
        return True
    sure = {label.category for label in other.labels if label.confidence >= PLAINLY}
    said = {label.category for label in one.labels}
    return bool(sure) and not sure & said


def _overall(said: Mapping[str, Any], opinions: Sequence[Opinion]) -> tuple[Polarity | None, float]:
    sure = confidence_of(said.get("confidence"))
    polarity = _polarity(said.get("polarity"))
    if polarity is None and (opinions or said.get("polarity") != NOTHING_SAID):
        found = {opinion.polarity for opinion in opinions}
        if not found:
            return None, 0.0
        both = {Polarity.POSITIVE, Polarity.NEGATIVE} <= found
        best = max(opinions, key=lambda opinion: opinion.confidence).polarity
        return (Polarity.MIXED if both else best), min(sure, SURE)
    return polarity, sure


def _polarity(said: object) -> Polarity | None:
    try:
        return Polarity(said)  # type: ignore[arg-type]  # whatever a model said
    except ValueError:
        return None


class _Finder:
    """Where quotes stand in a comment."""

    def __init__(self, comment: str) -> None:
        self._comment = comment
        self._plain: str | None = None
        self._places: list[int] = []  # of each sign of the plain text, in the comment
        self._taken: set[tuple[int, int]] = set()

    def find(self, quote: object) -> tuple[int, int] | None:
        """The span of a quote that was not found before, or else that was."""
        if not isinstance(quote, str):
            return None
        quote = quote.strip()
        if not quote:
            return None
        spans = self._exactly(quote) or self._nearly(quote)
        if not spans:
            return None
        span = next((each for each in spans if each not in self._taken), spans[0])
        self._taken.add(span)
        return span

    def _exactly(self, quote: str) -> list[tuple[int, int]]:
        return [(at, at + len(quote)) for at in _all(self._comment, quote)]

    def _nearly(self, quote: str) -> list[tuple[int, int]]:
        if self._plain is None:
            self._plain, self._places = _plain(self._comment)
        wanted = _plain(quote)[0].strip("".join(_MEANINGLESS))
        if not any(sign.isalnum() for sign in wanted):
            return []
        found = []
        for at in _all(self._plain, wanted):
            start, last = self._places[at], self._places[at + len(wanted) - 1]
            end = last + 1
            while end < len(self._comment) and unicodedata.combining(self._comment[end]):
                end += 1
            if not _inside_a_word(self._comment, start, end):
                found.append((start, end))
        return found


def _plain(text: str) -> tuple[str, list[int]]:
    """Without white space, accents and what nobody sees, in lower case; and where each sign comes from."""
    signs: list[str] = []
    places: list[int] = []
    for at, sign in enumerate(text):
        for each in unicodedata.normalize("NFKD", _MARKS.get(sign, sign)).casefold():
            if each.isspace() or unicodedata.combining(each) or unicodedata.category(each).startswith("C"):
                continue
            signs.append(each)
            places.append(at)
    return "".join(signs), places


def _all(text: str, wanted: str) -> list[int]:
    found: list[int] = []
    at = text.find(wanted)
    while at >= 0 and len(found) < 50:
        found.append(at)
        at = text.find(wanted, at + 1)
    return found


def _inside_a_word(comment: str, start: int, end: int) -> bool:
    """Does a span without its blanks begin or end within a word?"""
    begins = start > 0 and comment[start - 1].isalnum() and comment[start].isalnum()
    ends = end < len(comment) and comment[end - 1].isalnum() and comment[end].isalnum()
    return begins or ends
