"""What two answers state beyond doubt: numbers, identifiers, dates, yes or no, and what they deny.

French and English. What contradicts is different; where one answer states more than the other, or two of its
sentences differ in a single word, nothing is decided here, but nobody may call them the same by their sound alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from passerelle.cache.statements import Statements, statements_of
from passerelle.text.words import folded, stems

_ALIGNED = 0.75  # shared share of the stems from which two sentences speak of the same
_ECHOED = 0.9  # from which they say it in the same words, so that a negation in one of them turns it
_FEWEST = 3  # stems of a sentence that is compared
_MOST_SENTENCES = 60

_MARKDOWN = re.compile(r"[*_`#>|]+")
_BULLET = re.compile(r"^[ \t]*(?:\d{1,2}[.)]|[-•–])[ \t]+", re.MULTILINE)
_STEP = re.compile(r"\b(?:step|etape)\s+\d{1,2}\b\s*:?")
_CITED = re.compile(r"\[\d{1,3}\]")
_SENTENCE = re.compile(r"(?<=[.!?…;])\s+|\n+")
_CONTRACTED = re.compile(r"\b(?:cannot|can't)\b|n't\b")
_DENIES = re.compile(
    r"\b(?:not|never|no|none|nobody|nothing|without|neither|nor|unable|impossible"
    r"|pas|jamais|aucune?s?|rien|personne ne|sans|ni|incapable|ne (?:\w+ ){1,2}plus|n'(?:\w+ ){1,2}plus)\b"
)
_NOT_ONLY = re.compile(
    r"\b(?:not only|pas seulement|pas uniquement|no later|sans doute|no doubt|no longer than)\b"
)
_YES = re.compile(
    r"(?:oui|yes|yep|yeah|absolutely|absolument|certainly|certainement|of course|bien sur|tout a fait|indeed"
    r"|effectivement|sure|exactement|definitely)\b(?! (?:not|pas|que non))"
)
_NO = re.compile(
    r"(?:non|no|nope|not at all|pas du tout|absolutely not|absolument pas|certainly not|certainement pas"
    r"|of course not|bien sur que non|unfortunately,? (?:not|no)|malheureusement,? non|definitely not)\b"
    r"(?! (?:problem|worries|matter|need|one|fee|charge))"
)
_NO_MATTER = re.compile(r"(?:no|pas de) (?:problem|probleme|worries|souci)")
_MAY = re.compile(
    r"\b(?:can|could|may|able|possible|allowed|permitted|available|included"
    r"|pouvez|peut|peuvent|pouvons|autorise\w*|permis\w*|disponibles?|inclus\w*)\b|\bimpossible\b"
)


class Agreement(StrEnum):
    """How the facts of two answers stand to each other."""

    IDENTICAL = "identical"  # word for word
    AGREED = "agreed"  # nothing speaks against it
    PARTIAL = "partial"  # one says more, or a word is another: somebody who understands must look
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class _Sentence:
    bag: Counter[str]
    order: tuple[str, ...]
    denies: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What an answer states. `leaning` is 2 for yes, -2 for no, 1 and -1 for what may and may not be, 0 for neither."""

    text: str  # folded, white space as one space
    stated: Statements
    leaning: int
    sentences: tuple[_Sentence, ...]


def facts_of(text: str) -> Facts:
    """The facts of an answer."""
    plain = _plain(text)
    found = [_sentence(each) for each in islice(_SENTENCE.split(plain), _MOST_SENTENCES)]
    return Facts(
        text=" ".join(plain.split()),
        stated=statements_of(plain, original=text),
        leaning=_leaning(plain),
        sentences=tuple([each for each in found if len(each.order) >= _FEWEST]),
    )


def compared(one: Facts, other: Facts) -> Agreement:
    """How they stand to each other."""
    if one.text == other.text:
        return Agreement.IDENTICAL
    found = {_stated(one.stated, other.stated), _leanings(one, other)}
    if Agreement.DIFFERENT not in found:
        found |= _said(one, other)
    for worst in (Agreement.DIFFERENT, Agreement.PARTIAL):
        if worst in found:
            return worst
    return Agreement.AGREED


def _plain(text: str) -> str:
    """Folded, with `not` written out, without the marks of lists and emphasis, whose numbers count nothing."""
    flat = folded(_BULLET.sub("", _MARKDOWN.sub("", text)))
    return _CONTRACTED.sub(_written_out, _CITED.sub("", _STEP.sub("", flat)))


def _written_out(match: re.Match[str]) -> str:
    return " not" if match.group() == "n't" else "can not"


def _stated(one: Statements, other: Statements) -> Agreement:
    partial = False
    for kind in one.keys() | other.keys():
        here, there = one.get(kind, frozenset()), other.get(kind, frozenset())
        if here == there:
            continue
        if here <= there or there <= here:
            partial = True
        elif not here & there or kind.settles:
            return Agreement.DIFFERENT
        else:
            partial = True
    return Agreement.PARTIAL if partial else Agreement.AGREED


def _leanings(one: Facts, other: Facts) -> Agreement:
    """Yes against no is a contradiction. Other openings are too loose for that: `you can, but not online`."""
    product = one.leaning * other.leaning
    if product == -4:
        return Agreement.DIFFERENT
    return Agreement.PARTIAL if product < 0 else Agreement.AGREED


def _leaning(plain: str) -> int:
    opening = plain.lstrip(" \n\t\"'«").removeprefix("bonjour").removeprefix("hello").lstrip(" ,!.\n")
    if _NO.match(opening):
        return -2
    if _YES.match(opening):
        return 2
    first = _SENTENCE.split(opening, maxsplit=1)[0]
    if _MAY.search(first) is None or _NO_MATTER.match(opening):
        return 0
    return -1 if _denies(first) else 1


def _sentence(text: str) -> _Sentence:
    order = tuple(stems(text))
    return _Sentence(Counter(order), order, _denies(text))


def _denies(text: str) -> bool:
    return _DENIES.search(_NOT_ONLY.sub(" ", text)) is not None


def _said(one: Facts, other: Facts) -> set[Agreement]:
    """What sentences that speak of the same make of it."""
    found: set[Agreement] = set()
    known = {(each.order, each.denies) for each in other.sentences}
    for sentence in one.sentences:
        if (sentence.order, sentence.denies) in known:
            continue
        best = max(
            ((_shared(sentence.bag, each.bag), each) for each in other.sentences),
            key=lambda pair: (pair[0], pair[1].denies == sentence.denies, pair[1].order == sentence.order),
            default=None,
        )
        if best is not None and (best[0] >= _ALIGNED or _edited(sentence, best[1])):
            found.add(_aligned(sentence, best[1], best[0]))
    return found


def _edited(one: _Sentence, other: _Sentence) -> bool:
    """Is one word another, or one word more in either?"""
    longest = max(len(one.order), len(other.order))
    return (one.bag & other.bag).total() >= longest - 1


def _aligned(one: _Sentence, other: _Sentence, shared: float) -> Agreement:
    if one.denies != other.denies:
        return Agreement.DIFFERENT if shared >= _ECHOED else Agreement.PARTIAL
    if one.bag != other.bag:
        return Agreement.PARTIAL  # a word that may be another name, or the opposite
    return Agreement.AGREED if one.order == other.order else Agreement.PARTIAL


def _shared(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """The multiset Jaccard index, by which one word in four may be another."""
    both = sum([min(count, other.get(word, 0)) for word, count in one.items()])
    return both / (sum(one.values()) + sum(other.values()) - both)
