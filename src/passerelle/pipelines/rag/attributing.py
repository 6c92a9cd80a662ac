"""Whether a sentence stands in a passage, or is borne out by it, and by which of its sentences. Pure.

A sentence is supported where enough of its telling words, all its figures and all its names are in the passage, title
and headings included. That is no proof: it is what can be checked without another model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from passerelle.backends.builtin.sentences import Span, split
from passerelle.domain.rag import Found
from passerelle.pipelines.rag.fencing import unseen
from passerelle.text.words import STOP, folded, language_of, stem, stems, words

ENOUGH = 0.5  # of a sentence's telling words, where a model says which passage they come from
PLAIN = 0.75  # where nobody says so
OWN = 0.2  # at least as many in each passage of those that bear it out together
SHORT = 20  # characters: shorter sentences stand in many texts by chance
MOST_QUOTED = 400  # characters
MOST_READ = 2_000  # characters that tell the language of a passage

NUMERALS: Mapping[str, str] = MappingProxyType(
    {
        word: str(number)
        for words_of_it, number in (
            ("un une one", 1), ("deux two", 2), ("trois three", 3), ("quatre four", 4), ("cinq five", 5), ("six", 6),
            ("sept seven", 7), ("huit eight", 8), ("neuf nine", 9), ("dix ten", 10), ("onze eleven", 11),
            ("douze twelve", 12), ("treize thirteen", 13), ("quatorze fourteen", 14), ("quinze fifteen", 15),
            ("seize sixteen", 16), ("vingt twenty", 20), ("trente thirty", 30), ("quarante forty", 40),
            ("cinquante fifty", 50), ("soixante sixty", 60), ("cent cents hundred", 100), ("mille thousand", 1000),
        )
        for word in words_of_it.split()
    }
)  # fmt: skip
_FIGURE = re.compile(r"(?<![\w.,])\d{1,3}(?:[\u00a0\u202f ’'.,]\d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)?")
_GROUPING = re.compile(r"[\u00a0\u202f ’'.,](?=\d{3}(?!\d))")
_WORD = re.compile(r"[^\W\d_][\w’'-]*")
_HEADING = re.compile(r"(?:#{1,6}\s.*|\*\*[^*]+\*\*\s*:?|[\W_]*)$", re.DOTALL)
_SIGNS = re.compile(r"[\W_]+")
_BEGINS = re.compile(r"(?:^|[.!?…:;«“\"(\n*#>-])\s*$")


@dataclass(frozen=True, slots=True)
class Quote:
    """Characters [start, end) of a passage's text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Flat:
    """A text with its white space made one space and what is not seen left out; where each character stood."""

    text: str
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """What of a sentence can be checked."""

    roots: frozenset[str]
    figures: frozenset[str]
    names: frozenset[str]
    language: str = ""  # empty: not known

    @property
    def weighs(self) -> bool:
        """Does it say anything that would need a source?"""
        return len(self.roots) >= 3 or bool(self.figures or self.names)


class Passage:
    """A passage, ready to be compared with many sentences."""

    def __init__(self, number: int, found: Found) -> None:
        self.number = number
        self.found = found
        self.text = found.chunk.text
        self._titles = {_bare(part) for part in (found.chunk.title, *found.chunk.headings)}

    @cached_property
    def language(self) -> str:
        """The language it is written in."""
        return self.found.chunk.language or language_of(self.text[:MOST_READ])

    @cached_property
    def flat(self) -> Flat:
        """Its text, flat."""
        return flat(self.text)

    @cached_property
    def roots(self) -> frozenset[str]:
        """The stems of its telling words."""
        return frozenset(stems(self.found.chunk.indexed)) | frozenset(
            stem(folded(word)) for word in _WORD.findall(self.found.chunk.indexed.replace("-", " "))
        )

    @cached_property
    def figures(self) -> frozenset[str]:
        """Its figures, as they are compared."""
        return figures(self.found.chunk.indexed)

    @cached_property
    def numerals(self) -> frozenset[str]:
        """The small numbers that it writes as words, as figures."""
        return frozenset(NUMERALS[word] for word in words(self.found.chunk.indexed) if word in NUMERALS)

    @cached_property
    def sentences(self) -> tuple[Span, ...]:
        """Where its sentences stand; its headings only where it has nothing else."""
        every = tuple(split(self.text))
        said = tuple(span for span in every if not self._is_heading(span.of(self.text)))
        return said or every or (Span(0, len(self.text)),)

    def verbatim(self, sentence: Flat, after: int = -1) -> Quote | None:
        """Where a sentence stands in it word for word; first looked for where the one before it ended."""
        wanted = sentence.text.strip()
        if not wanted or not any(map(str.isalnum, wanted)):
            return None
        at = self.flat.text.find(wanted, after) if after >= 0 else -1
        follows = at >= 0 and at - after <= 2
        if not follows:
            at = self.flat.text.find(wanted)
            if at < 0 or (len(wanted) < SHORT and wanted != self.flat.text.strip()):
                return None
        places = self.flat.places
        quote = Quote(places[at], places[at + len(wanted) - 1] + 1)
        return None if self._is_heading(self.text[quote.start : quote.end]) else quote

    def place_after(self, quote: Quote) -> int:
        """Where the flat text goes on after a quote."""
        places = self.flat.places
        low, high = 0, len(places)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if places[middle] < quote.end else (low, middle)
        return low

    def best(self, claim: Claim) -> Quote:
        """The sentence of it that bears a claim out best, with the next one where that says more of it."""
        scored = [self._covered(claim, span) for span in self.sentences]
        top = max(range(len(scored)), key=lambda index: (scored[index], -index))
        start, end = self.sentences[top].start, self.sentences[top].end
        for near in (top + 1, top - 1):
            if 0 <= near < len(self.sentences):
                both = Span(min(start, self.sentences[near].start), max(end, self.sentences[near].end))
                if (
                    both.end - both.start <= MOST_QUOTED
                    and not self._parted(self.sentences[min(near, top)], self.sentences[max(near, top)])
                    and self._covered(claim, both) >= scored[top] + 2
                ):
                    return Quote(both.start, both.end)
        return Quote(start, min(end, start + 2 * MOST_QUOTED))

    def _is_heading(self, text: str) -> bool:
        """Does it only name what follows?"""
        return _HEADING.match(text) is not None or _bare(text) in self._titles

    def _parted(self, one: Span, other: Span) -> bool:
        """Is there anything, such as a heading, between them?"""
        return bool(self.text[one.end : other.start].strip())

    def _covered(self, claim: Claim, span: Span) -> int:
        text = span.of(self.text)
        held = frozenset(stems(text))
        return len(claim.roots & held) + 2 * len(claim.figures & figures(text)) + len(claim.names & held)


def flat(text: str) -> Flat:
    """See `Flat`. Signs that a prompt shows in another form count as the same."""
    signs: list[str] = []
    places: list[int] = []
    for place, sign in enumerate(text):
        if sign.isspace():
            if signs and signs[-1] != " ":
                signs.append(" ")
                places.append(place)
        elif not unseen(sign):
            signs.append(_SAME.get(sign, sign))
            places.append(place)
    return Flat("".join(signs), tuple(places))


_SAME = {"‹": "<", "›": ">", "＜": "<", "〈": "<", "⟨": "<", "’": "'", "ʼ": "'", "“": '"', "”": '"'}


def claim_of(sentence: str) -> Claim:
    """What of a sentence can be checked."""
    return Claim(frozenset(stems(sentence)), figures(sentence), _names(sentence), _told(sentence))


def supported(claim: Claim, passages: Sequence[Passage], *, least: float = ENOUGH) -> bool:
    """Do these passages together bear a claim out?

    In another language than theirs, its words say little: its figures must be there, in digits or in words, and half of
    its names, many of which are written otherwise; where it has neither, a few of its words.
    """
    roots = frozenset().union(*(passage.roots for passage in passages))
    there = frozenset().union(*(passage.figures for passage in passages))
    shared = len(claim.roots & roots)
    if claim.figures <= there and claim.names <= roots and claim.roots and shared >= least * len(claim.roots):
        return True
    if least > ENOUGH or not foreign(claim, passages):
        return False
    named = len(claim.names & roots)
    if not claim.figures <= there.union(*(passage.numerals for passage in passages)):
        return False
    if claim.figures or claim.names:
        return 2 * named >= len(claim.names)
    return shared >= max(1.0, OWN * len(claim.roots))


def foreign(claim: Claim, passages: Sequence[Passage]) -> bool:
    """Is it in another language than all of these passages?"""
    return bool(claim.language) and all(passage.language != claim.language for passage in passages)


def contributes(claim: Claim, passage: Passage) -> bool:
    """Does a passage have a part in it, where others are cited beside it?"""
    if foreign(claim, [passage]):
        there = passage.figures | passage.numerals | passage.roots
        return bool((claim.figures | claim.names | claim.roots) & there)
    return len(claim.roots & passage.roots) >= OWN * len(claim.roots)


def figures(text: str) -> frozenset[str]:
    """The numbers in a text, however their thousands and decimals are parted."""
    found = set()
    for match in _FIGURE.finditer(text):
        number = _GROUPING.sub("", match.group()).replace(",", ".")
        found.add(number.lstrip("0") or "0")
    return frozenset(found)


def _told(text: str) -> str:
    """French or English, where a text tells."""
    said = language_of(text, "en")
    return said if said == language_of(text, "fr") else ""


def _bare(text: str) -> str:
    return _SIGNS.sub(" ", folded(text)).strip()


def _names(sentence: str) -> frozenset[str]:
    """The stems of words with a capital that no sentence begins with."""
    found = set()
    for match in _WORD.finditer(sentence):
        for part in re.split(r"[’'-]", match.group()):
            begins = (
                _BEGINS.search(sentence, max(0, match.start() - 8), match.start())
                if match.group().startswith(part)
                else None
            )
            if not part[:1].isupper() or len(part) < 2 or begins or match.start() == 0:
                continue
            word = folded(part)
            if word not in STOP:
                found.add(stem(word))
    return frozenset(found)
