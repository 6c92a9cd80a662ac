"""Whether two questions that look alike differ in a word that changes the answer. Rules of the languages.

An embedding puts `turn on` beside `turn off`, 3 years beside 3 months, and A to B beside B to A. What differs
there can be read: numbers and their units, identifiers, negations, opposites, names, the order of two things,
one word in the same sentence. Where the rules do not know, two words that differ count as different.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from passerelle.cache.features import Features
from passerelle.cache.lexicon import akin
from passerelle.cache.numbers import Number
from passerelle.cache.order import swapped

STRICT = frozenset("gdc")  # classes of which every member counts: places, dates, currencies
IMPLIED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "n.city": frozenset({"n.capital"}),
        "n.tax": frozenset({"n.vat"}),
        "q.who": frozenset({"a.write", "a.invent", "a.found", "a.paint", "a.play"}),
        "a.cook": frozenset({"p.hard+", "p.hard-"}),
    }
)  # what is said by another word of the same sentence
WEAK = frozenset({"n.number", "l.every", "m.may"})  # often left out
FREE = frozenset("am")  # classes one side may name alone, where the sentences are built differently
FRAME = 0.5  # of the words before and after the first and last difference: the sentences are one, edited
TOLERATED = 2  # words that one side has alone, in sentences that are built differently
ALIKE = 0.5  # of the shorter question's concepts, that must be in the other
_NONE: frozenset[str] = frozenset()
_PREFIXES = "un in im ir il dis de des non mis anti re over under pre post inter intra hyper hypo mal a"
LETTERS = 4  # of each of two words that are exchanged
JOINING = frozenset({"and", "or", "vs", "versus", "nor", "between", "et", "ou", "ni", "entre"})
TURNED = frozenset(
    frozenset(pair.split())
    for pair in [
        "to from",
        "to by",
        "into from",
        "for against",
        "for from",
        "by for",
        "in out",
        "on off",
        "up down",
        "under on",
        "under over",
        "vers depuis",
        "pour contre",
        "sur sous",
        "par pour",
        "par a",
        "vers de",
        "a de",
    ]
)  # small words of opposite direction
FAILING = frozenset({"a.work", "a.accept-", "n.wrong"})  # what is denied where something went wrong
PREFIXES = frozenset(_PREFIXES.split())


class Objection(StrEnum):
    """What differs between a question and a kept one that stands near it."""

    LANGUAGE = "language"
    NUMBER = "number"
    ID = "id"
    NEGATION = "negation"
    ANTONYM = "antonym"
    LIMIT = "limit"
    NAME = "name"
    SWAP = "swap"
    EDIT = "edit"  # the same sentence with another word in it, or two words known to mean different things
    WORD = "word"
    ADDED = "added"

    @property
    def soft(self) -> bool:
        """Whether it says only that differently built sentences share too little for one kept question to do.

        Several kept questions that agree may outweigh it; none outweighs the others.
        """
        return self in {Objection.WORD, Objection.ADDED}


def objection(asked: Features, known: Features) -> Objection | None:
    """What makes their answers differ, as far as words can tell; None where nothing does."""
    if asked.words == known.words and asked.language == known.language:
        return None
    return _hard(asked, known) or _differing(asked, known)


def _hard(asked: Features, known: Features) -> Objection | None:
    if asked.language != known.language:
        return Objection.LANGUAGE
    if asked.ids != known.ids:
        return Objection.ID
    if asked.numbers != known.numbers and not _same_numbers(asked.numbers, known.numbers):
        return Objection.NUMBER
    if asked.negations != known.negations and not _both_complain(asked, known):
        return Objection.NEGATION
    if not (asked.lacking - known.lacking).isdisjoint(known.bag) and not (
        known.lacking - asked.lacking
    ).isdisjoint(asked.bag):
        return Objection.NEGATION  # to drink without eating, to eat without drinking
    return _edited(asked, known) or _opposed(asked.bag, known.bag)


def _edited(asked: Features, known: Features) -> Objection | None:
    """The same sentence with a small word turned round (sent by me, to me), or two words exchanged."""
    one, other = asked.words, known.words
    if len(one) != len(other):
        return None
    differing = [at for at, word in enumerate(one) if word != other[at]]
    if len(differing) == 1:
        turned = frozenset((one[differing[0]], other[differing[0]])) in TURNED
        return Objection.EDIT if turned else None
    if len(differing) != 2:
        return None
    first, second = differing
    exchanged = one[first] == other[second] and one[second] == other[first] and second - first > 1
    joined = not JOINING.isdisjoint(one[first:second])
    long = min(len(one[first]), len(one[second])) >= LETTERS
    return Objection.SWAP if exchanged and long and not joined else None


def _both_complain(asked: Features, known: Features) -> bool:
    """Both deny something, one of them more often, as people do who tell of what failed them.

    That is no difference in sentences built differently, as long as what one denies the other does not affirm.
    """
    if not asked.negations or not known.negations or _frame(asked, known) >= FRAME:
        return False
    one, other = frozenset(asked.negated), frozenset(known.negated)
    if len(one) < len(asked.negated) or len(other) < len(known.negated):
        return False  # a thing denied twice may be affirmed
    return not FAILING.isdisjoint(one & other) or (
        (one - other).isdisjoint(known.bag) and (other - one).isdisjoint(asked.bag)
    )


def _same_numbers(asked: tuple[Number, ...], known: tuple[Number, ...]) -> bool:
    """Each has its like, first among those written with a unit; only one of the two may leave units out."""
    if len(asked) != len(known):
        return False
    left, lacking = list(known), []
    for number in asked:
        same = next((other for other in left if _same_number(number, other)), None)
        if same is None:
            lacking.append(number)
        else:
            left.remove(same)
    if not lacking:
        return True
    if [number.written for number in lacking] != [number.written for number in left]:
        return False
    return not all(number.dimension for number in lacking[:1] + left[:1]) and (
        not any(number.dimension for number in lacking) or not any(number.dimension for number in left)
    )


def _same_number(one: Number, other: Number) -> bool:
    if one.dimension and other.dimension:
        return one.dimension == other.dimension and one.value == other.value
    return one == other


def _opposed(asked: frozenset[str], known: frozenset[str]) -> Objection | None:
    """A word against its opposite, or a limit (only, except) on one side."""
    one, other = (asked, known) if len(asked) <= len(known) else (known, asked)
    return _against(one, other) or _against(other, one) or _limited(asked, known)


def _against(asked: frozenset[str], known: frozenset[str]) -> Objection | None:
    for concept in asked - known:
        if concept[-1] in "+-" and concept[1:2] == ".":
            opposite = concept[:-1] + ("-" if concept[-1] == "+" else "+")
            if opposite in known:
                return Objection.ANTONYM
    return None


def _limited(asked: frozenset[str], known: frozenset[str]) -> Objection | None:
    for limit in ("l.only", "l.except"):
        if (limit in asked) != (limit in known):
            return Objection.LIMIT
    return None


def _differing(asked: Features, known: Features) -> Objection | None:
    only = asked.bag - known.bag
    alone = known.bag - asked.bag
    if only or alone:
        only, alone = _unlike(only, asked, known), _unlike(alone, known, asked)
    if _strict(only, asked) or _strict(alone, known):
        return Objection.NAME
    if swapped(asked, known):
        return Objection.SWAP
    if _other_mood(only, alone):
        return Objection.WORD
    only, alone = only - WEAK, alone - WEAK
    if asked.negations and known.negations and not FAILING.isdisjoint(asked.bag & known.bag):
        only, alone = only - {"q.why"}, alone - {"q.why"}  # who tells what failed asks why
    if not only and not alone:
        return None
    if only and alone:
        return _substituted(asked, known, only, alone)
    return _added(asked, known, only or alone)


def _other_mood(only: frozenset[str], alone: frozenset[str]) -> bool:
    """One asks whether it may be, the other whether it must be."""
    return any(concept[0] == "m" and concept[1:2] == "." for concept in only) and any(
        concept[0] == "m" and concept[1:2] == "." for concept in alone
    )


def _unlike(concepts: frozenset[str], of: Features, beside: Features) -> frozenset[str]:
    """Those of which the other question has no form. Two names are the same only letter by letter."""
    others = beside.bag
    return frozenset(
        concept
        for concept in concepts
        if (
            IMPLIED.get(concept, _NONE).isdisjoint(others)
            if concept[1:2] == "."
            else not any(
                akin(concept, other)
                for other in others
                if other[1:2] != "." and not (concept in of.names and other in beside.names)
            )
        )
    )


def _strict(concepts: frozenset[str], of: Features) -> bool:
    return any((concept[0] in STRICT) if concept[1:2] == "." else concept in of.names for concept in concepts)


def _substituted(
    asked: Features, known: Features, only: frozenset[str], alone: frozenset[str]
) -> Objection | None:
    if any(_prefixed(one, other) or _prefixed(other, one) for one in only for other in alone):
        return Objection.ANTONYM
    classes = {concept[0] for concept in only if concept[1:2] == "."}
    if any(concept[1:2] == "." and concept[0] in classes for concept in alone):
        return Objection.EDIT
    if _frame(asked, known) >= FRAME:
        return Objection.EDIT
    # Sentences built differently: a verb beside what is no verb may be one thing said in two ways.
    verbs = [all(concept[:2] == "a." for concept in side) for side in (only, alone)]
    few = len(only) + len(alone) <= TOLERATED
    alike = len(asked.bag & known.bag) >= ALIKE * min(len(asked.bag), len(known.bag))
    return None if any(verbs) and few and alike else Objection.WORD


def _prefixed(one: str, other: str) -> bool:
    """Whether the first is the second with a prefix that turns its meaning: irreversible, reversible."""
    return len(one) > len(other) and one.endswith(other) and one[: -len(other)] in PREFIXES


def _added(asked: Features, known: Features, extra: frozenset[str]) -> Objection | None:
    """One side says more than the other."""
    smaller = min(len(asked.bag), len(known.bag))
    counted = "n.number" in asked.bag | known.bag and all(concept[0] in "qn" for concept in extra)
    told = any(
        concept[1:2] == "." and concept[0] not in FREE and concept[:-1] != "p.when" for concept in extra
    )
    if told and not counted:
        return Objection.ADDED
    if _frame(asked, known) >= FRAME or len(extra) > TOLERATED or smaller == 0:
        return Objection.ADDED
    return None


def _frame(asked: Features, known: Features) -> float:
    """The share of words before the first and after the last difference."""
    one, other = asked.words, known.words
    shorter = min(len(one), len(other))
    front = 0
    while front < shorter and one[front] == other[front]:
        front += 1
    back = 0
    while back < shorter - front and one[-1 - back] == other[-1 - back]:
        back += 1
    return (front + back) / max(len(one), len(other), 1)
