"""A comment in its clauses, each of which may be an opinion: spans of the comment itself, so that quotes are exact. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from passerelle.backends.builtin.sentences import Span, split
from passerelle.text.words import Language

FEWEST_WORDS = 3  # of a clause that stands by itself
LONGEST = 20_000  # characters of a comment that are divided; what follows belongs to its last clause
_WORD = re.compile(r"\w+")
_EDGE = " \t\r\n,;:–—-"
# With these words a new clause begins. Those that turn an opinion round are told apart: what follows is another one.
_TURNING: dict[Language, str] = {
    "fr": "mais|cependant|toutefois|néanmoins|par contre|en revanche|malgré|bien que|même si|sauf que|dommage que",
    "en": "but|however|although|though|yet|nevertheless|unfortunately|except that|despite|even if|whereas|while",
}
_JOINING: dict[Language, str] = {
    "fr": r"et (?=(?:je|j'|j’|il|ils|elle|elles|on|nous|le|la|les|l'|l’|un|une|ce|c'|c’|ça|mon|ma|mes|son|sa|ses|cela|cette|ces)\b)"
    r"|ainsi que (?=(?:le|la|les|l'|l’|un|une)\b)",
    "en": r"and (?=(?:i|it|he|she|they|we|you|the|this|that|these|those|there|my|his|her|its|their|an?)\b)",
}
_AFTER_COMMA: dict[Language, str] = {
    "fr": "le|la|les|l'|l’|je|j'|j’|il|ils|elle|elles|on|nous|c'|c’|ce|cette|ces|très|trop|pas|aucun|aucune",
    "en": "the|i|it|he|she|they|we|this|these|very|too|not|no|there",
}
_TURNS = {language: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for language, words in _TURNING.items()}
_CUTS = {
    language: re.compile(
        rf"(?:(?<=[\s,;:(])(?:(?:et |and )?(?:{_TURNING[language]})\b|{_JOINING[language]})|(?<=[;:])\s+"
        rf"|(?<=[,–—])\s*(?=(?:{_AFTER_COMMA[language]})(?:\b|(?<=['’]))))",
        re.IGNORECASE,
    )
    for language in _TURNING
}


def sentences(comment: str) -> list[Span]:
    """The sentences of a comment; one that has none, white space only, has no span."""
    head = split(comment[:LONGEST])
    if len(comment) > LONGEST and head:
        rest = comment.rstrip()
        head[-1] = Span(head[-1].start, max(head[-1].end, len(rest)))
    return [span for span in head if _WORD.search(span.of(comment))]


def clauses(comment: str, sentence: Span, language: Language) -> list[Span]:
    """The clauses of a sentence in their order; together they hold all its words. Never empty."""
    found: list[Span] = []
    start = sentence.start
    for cut in _cuts(comment, sentence, language):
        if _words(comment, start, cut) >= FEWEST_WORDS and _words(comment, cut, sentence.end) >= FEWEST_WORDS:
            found.append(_trimmed(comment, start, cut))
            start = cut
    found.append(_trimmed(comment, start, sentence.end))
    return found


def contrasts(sentence: str, language: Language) -> bool:
    """Does it hold words that set one thing against another?"""
    return _TURNS[language].search(sentence) is not None


def _cuts(comment: str, sentence: Span, language: Language) -> Iterator[int]:
    for match in _CUTS[language].finditer(comment, sentence.start, sentence.end):
        if sentence.start < match.start() < sentence.end:
            yield match.end() if not match.group().strip() else match.start()


def _words(comment: str, start: int, end: int) -> int:
    return sum(1 for _ in _WORD.finditer(comment, start, end))


def _trimmed(comment: str, start: int, end: int) -> Span:
    while start < end and comment[start] in _EDGE:
        start += 1
    while end > start and comment[end - 1] in _EDGE:
        end -= 1
    return Span(start, end)
