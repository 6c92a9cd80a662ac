"""What can be seen, without a model, of whether a passage answers a question: five signs. Pure.

None depends on how large the collection is, on an embedder, or on which other documents there are, but for `lead`,
which compares the passages that were found with each other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise

from passerelle.backends.builtin.sentences import split
from passerelle.domain.rag import Found
from passerelle.text.words import folded, stem, stems, words

MOST_READ = 20_000  # characters of a passage
MOST_STEMS = 40  # of a question
COMPARED = 6  # passages whose scores are compared
FARTHEST = 1.5  # that a passage leads, or lags behind
ALONE = 0.5  # the lead of a passage with nothing beside it: about what the first of several has

_LONG_ENOUGH = 4  # letters of a word that may be misspelt
_ALIKE = 0.5  # share of pairs of letters that two spellings of one word have in common at least
_LENGTHS = 2  # letters by which they differ at most
_WORD = re.compile(r"\w[\w-]*")

_MONTHS = (
    "janvier|fevrier|mars|avril|mai|juin|juillet|aout|septembre|octobre|novembre|decembre|january|february|march|"
    "april|may|june|july|august|september|october|november|december"
)
_NUMERALS = (
    "deux|trois|quatre|cinq|six|sept|huit|neuf|dix|onze|douze|quinze|vingt|trente|quarante|cinquante|soixante|cent|"
    "cents|mille|millions?|milliards?|moitie|tiers|quarts?|two|three|four|five|seven|eight|nine|ten|eleven|twelve|"
    "twenty|thirty|forty|fifty|hundreds?|thousands?|billions?|half|third|quarter|one|once|twice"
)
_TIME = re.compile(rf"\b(?:\d{{3,4}}|{_MONTHS}|siecles?|century|centuries|decades?)\b")
_FIGURE = re.compile(rf"\d|\b(?:{_NUMERALS})\b")
# What kind of thing a question asks for, by how it begins.
_ASKED = (
    (
        "time",
        re.compile(
            r"(?:en |a |de |depuis |in |on |since )?(?:quand\b|when\b|(?:quel|quelle|what|which) (?:annee|date|siecle|year|"
            r"century|decade)\b|date\b)"
        ),
    ),
    (
        "figure",
        re.compile(
            r"(?:a |de |en |for |by |in |at )?(?:combien\b|how (?:many|much|long|far|old|large|tall|big)\b)"
        ),
    ),
    (
        "name",
        re.compile(r"(?:a |de |avec |par |pour |d'|by |to |from |with )?(?:qui|ou|who|whom|whose|where)\b"),
    ),
)


@dataclass(frozen=True, slots=True)
class Signs:
    """How a passage stands to a question. Shares are between 0 and 1.

    `held`: how many of the question's telling words the passage has, a word spelt a little differently counting in
    part. `adjacent`: how many of the pairs of words that stand side by side in the question do so in the passage.
    `unnamed`: how many of the question's names and figures it lacks. `lead`: the natural logarithm of its score for
    words against the mean of the others'. `fitting`: the sentence that has most of the question's words also has
    something of the kind that is asked for, be it a time, a figure or a name; 1 where no kind is asked for.
    """

    held: float
    adjacent: float
    unnamed: float
    lead: float
    fitting: float

    @property
    def row(self) -> tuple[float, ...]:
        """In the order of the fields."""
        return (self.held, self.adjacent, self.unnamed, self.lead, self.fitting)


class Asked:
    """A question, read once."""

    def __init__(self, question: str) -> None:
        self.order = stems(question)[:MOST_STEMS]
        self.stems = tuple(dict.fromkeys(self.order))
        self.names = frozenset(_names(question)).intersection(self.stems)
        self.kind = _kind(question)


class Read:
    """A passage, read once."""

    def __init__(self, found: Found) -> None:
        chunk = found.chunk
        self.text = chunk.text[:MOST_READ]
        self.order = stems(self.text)
        self.title = frozenset(stems("\n".join((chunk.title, *chunk.headings))[:MOST_READ]))
        self.stems = self.title.union(self.order)

    @cached_property
    def sentences(self) -> list[tuple[str, frozenset[str]]]:
        """Each with its stems."""
        pieces = [span.of(self.text) for span in split(self.text)]
        return [(piece, frozenset(stems(piece))) for piece in pieces]

    @cached_property
    def near(self) -> frozenset[tuple[str, str]]:
        """Stems that stand side by side, or with one between them; in their order."""
        return frozenset(chain(pairwise(self.order), zip(self.order, self.order[2:], strict=False)))

    @cached_property
    def by_letter(self) -> Mapping[str, Sequence[str]]:
        """Its stems by their first letters."""
        found: dict[str, list[str]] = {}
        for one in sorted(self.stems):
            found.setdefault(one[:1], []).append(one)
        return found


def signs(question: str, found: Sequence[Found]) -> list[Signs]:
    """Those of each passage, in their order, which is the order they were found in."""
    asked = Asked(question)
    leads = _leads([one.text_score for one in found])
    return [_signs(asked, Read(one), lead) for one, lead in zip(found, leads, strict=True)]


def _signs(asked: Asked, passage: Read, lead: float) -> Signs:
    wanted = asked.stems
    missing = asked.names - passage.stems
    return Signs(
        held=sum(_held(one, passage) for one in wanted) / len(wanted) if wanted else 0.0,
        adjacent=_adjacent(asked, passage),
        unnamed=len(missing) / len(asked.names) if asked.names else 0.0,
        lead=lead,
        fitting=float(_fitting(asked, passage)),
    )


def _held(wanted: str, passage: Read) -> float:
    """1 for a word that is there; less for one that is spelt nearly so."""
    if wanted in passage.stems:
        return 1.0
    if len(wanted) < _LONG_ENOUGH:
        return 0.0
    near = (
        _likeness(wanted, other)
        for other in passage.by_letter.get(wanted[:1], ())
        if abs(len(other) - len(wanted)) <= _LENGTHS
    )
    return max(0.0, max(near, default=0.0) - _ALIKE) * 0.8 / (1 - _ALIKE)


def _likeness(one: str, other: str) -> float:
    """Dice's coefficient of their pairs of letters, the beginning of the word being a letter."""
    first, second = set(pairwise(f"^{one}")), set(pairwise(f"^{other}"))
    return 2 * len(first & second) / (len(first) + len(second))


def _adjacent(asked: Asked, passage: Read) -> float:
    pairs = list(pairwise(asked.order))
    if not pairs:
        return ALONE
    near = passage.near
    return sum(pair in near or pair[::-1] in near for pair in pairs) / len(pairs)


def _leads(scores: Sequence[float | None]) -> list[float]:
    """How far each leads the others of the first few; one without a score lags as far as can be."""
    compared = scores[:COMPARED]
    if all(score is None for score in compared):
        return [0.0] * len(scores)
    leads = []
    for place, score in enumerate(scores):
        others = [other or 0.0 for at, other in enumerate(compared) if at != place]
        if not others:
            leads.append(ALONE)
            continue
        mean = sum(others) / len(others)
        lead = math.log(max(score or 0.0, 1e-3) / max(mean, 1e-3))
        leads.append(max(-FARTHEST, min(FARTHEST, lead)))
    return leads


def _fitting(asked: Asked, passage: Read) -> bool:
    if asked.kind is None or not passage.sentences:
        return asked.kind is None
    wanted = frozenset(asked.stems)
    shared = [len(wanted & (held | passage.title)) for _, held in passage.sentences]
    best = max(shared)
    return any(
        _has(asked.kind, text, wanted)
        for (text, _), count in zip(passage.sentences, shared, strict=True)
        if count == best
    )


def _has(kind: str, sentence: str, wanted: frozenset[str]) -> bool:
    if kind == "time":
        return _TIME.search(folded(sentence)) is not None
    if kind == "figure":
        return _FIGURE.search(folded(sentence)) is not None
    return any(one not in wanted for one in _names(sentence))


def _names(text: str) -> Iterable[str]:
    """Stems of the words with a capital or a figure in front, but for the first word; none where all is in capitals."""
    if text.isupper():
        return
    found = _WORD.findall(text)
    for word in found[1:]:
        if word[0].isupper() or word[0].isdigit():
            telling = stems(word)
            yield telling[0] if telling else stem(next(words(word), word))


def _kind(question: str) -> str | None:
    plain = folded(question).replace("’", "'").lstrip(" \t\n\"'«“¿([-")
    return next((kind for kind, begins in _ASKED if begins.match(plain)), None)
