"""Whether two questions name the same things in exchanged places: A to B and B to A, who does it and to whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from types import MappingProxyType

from passerelle.cache.features import Features
from passerelle.cache.lexicon import akin

DIRECTED = frozenset({"from", "to", "than", "by", "then"})  # roles of which an order is the meaning
OPPOSITE = frozenset({"from", "to"})
MOODS = frozenset({"m.", "l."})
SUBJECTS = MappingProxyType({"en": frozenset({"i", "we"}), "fr": frozenset({"je", "j"})})
OBJECTS = MappingProxyType({"en": frozenset({"me", "us"}), "fr": frozenset({"me", "m", "moi"})})
LONGEST = 24  # concepts that are compared in their order: each with each
WHO = frozenset({"who", "which", "what", "whom", "qui", "quel"})
OTHERWISE = 2  # concepts one of the two may have alone where only the subject changed


def swapped(asked: Features, known: Features) -> bool:
    """Two things stand in each other's place."""
    one, other = asked.concepts, known.concepts
    if one == other and asked.roles == known.roles:
        return False
    shared = _shared(asked, known)
    english = asked.language == "en"  # French `de` is a genitive as well
    if english and any({asked.roles[here], known.roles[there]} == OPPOSITE for here, there, _ in shared):
        return True
    if all(one[1] < two[1] for one, two in pairwise(shared)) and all(
        asked.roles[here] == known.roles[there] for here, there, _ in shared
    ):
        return False
    whole = len(asked.words) == len(known.words) and Counter(asked.words) == Counter(known.words)
    if _sides(asked, known) or _turned(shared, asked, known) or _other_subject(shared, asked, known):
        return True
    shared = [
        row for row in shared if row[2][:2] != "a." or {asked.roles[row[0]], known.roles[row[1]]} <= DIRECTED
    ]
    for number, (here, there, concept) in enumerate(shared):
        for here_next, there_next, following in shared[number + 1 :]:
            if concept != following and _exchanged(
                asked, known, (here, here_next), (there, there_next), whole=whole
            ):
                return True
    return False


def _shared(asked: Features, known: Features) -> list[tuple[int, int, str]]:
    """The concepts of both with their places: the first with the first where one stands there twice."""
    places: dict[str, list[int]] = {}
    for place, concept in enumerate(known.concepts):
        places.setdefault(concept, []).append(place)
    rows: list[tuple[int, int, str]] = []
    for here, concept in enumerate(asked.concepts):
        found = places.get(concept)
        if not found or concept[:2] in MOODS or concept == "n.wrong":
            continue
        there = found[0]
        if concept[:2] == "q." and {asked.roles[here], known.roles[there]}.isdisjoint(DIRECTED):
            continue
        rows.append((here, found.pop(0), concept))
        if len(rows) == LONGEST:
            break
    return rows


def _sides(asked: Features, known: Features) -> bool:
    """What comes before and what after are exchanged: to eat before one runs, to run before one eats."""
    for joint in ("p.when+", "p.when-"):
        if joint in asked.bag and joint in known.bag:
            first, second = _beside(asked, joint)
            third, fourth = _beside(known, joint)
            if _alike(first - second, fourth - third) and _alike(second - first, third - fourth):
                return True
    return False


def _beside(of: Features, joint: str) -> tuple[frozenset[str], frozenset[str]]:
    """The concepts on the left of a joint and on its right; a clause in front that it opens is on its right."""
    at = of.concepts.index(joint)
    if joint in of.topic and at == 0:
        return of.bag - of.topic, of.topic - {joint}
    return frozenset(of.concepts[:at]), frozenset(of.concepts[at + 1 :])


def _alike(some: frozenset[str], others: frozenset[str]) -> bool:
    return any(one == other or akin(one, other) for one in some for other in others if one[:2] not in MOODS)


def _other_subject(shared: list[tuple[int, int, str]], asked: Features, known: Features) -> bool:
    """Who asks does it in one, and has it done to them in the other: I add my wife, my wife adds me."""
    if len(asked.bag ^ known.bag) > OTHERWISE:
        return False
    acts, suffers = _acts(asked), _acts(known)
    if acts is None or suffers is None or acts == suffers:
        return False
    return any(
        first[1] > second[1] and (asked.bag == known.bag or (first[2][:2] == "a.") != (second[2][:2] == "a."))
        for first, second in pairwise(shared)
    )


def _acts(one: Features) -> bool | None:
    """Whether the first person is the subject of what is done, its object, or (None) both or neither."""
    subject = not SUBJECTS[one.language].isdisjoint(one.words)
    objects = OBJECTS[one.language]
    done = any(
        word in objects and (one.language == "fr" or (at > 0 and one.content[at - 1]))  # add me, not: tell me
        for at, word in enumerate(one.words)
    )
    return None if subject is done else subject


def _turned(shared: list[tuple[int, int, str]], asked: Features, known: Features) -> bool:
    """One thing, what it does, and another thing, read from the other end.

    Also a question for who does it, beside one for whom it is done to: who replaces him, whom does he replace.
    """
    if _voice(*asked.roles) != _voice(*known.roles) or "and" in asked.roles + known.roles:
        return False
    topic = asked.topic | known.topic
    rows = [row for row in shared if row[2] not in topic]
    loose = {"of", "from"} & {*asked.roles, *known.roles}
    for (_, one, _), (_, two, middle), (_, three, _) in _threes(rows):
        if one > two > three and (not loose or middle[:2] == "a."):
            return True
    if asked.bag != known.bag or not (_asks_who(asked) and _asks_who(known)):
        return False
    return any(
        first[1] > second[1]
        and (
            (first[2][:2] == "a.") != (second[2][:2] == "a.")
            or (first[2] in asked.names) != (second[2] in asked.names)
        )
        and not asked.roles[first[0]]
        + asked.roles[second[0]]
        + known.roles[first[1]]
        + known.roles[second[1]]
        for first, second in pairwise(shared)
    )


def _threes(
    rows: list[tuple[int, int, str]],
) -> Iterable[tuple[tuple[int, int, str], tuple[int, int, str], tuple[int, int, str]]]:
    return zip(rows, rows[1:], rows[2:], strict=False)


def _asks_who(one: Features) -> bool:
    return bool(one.words) and one.words[0] in WHO


def _exchanged(
    asked: Features, known: Features, here: tuple[int, int], there: tuple[int, int], *, whole: bool
) -> bool:
    first, second = asked.roles[here[0]], asked.roles[here[1]]
    third, fourth = known.roles[there[0]], known.roles[there[1]]
    if first != second and third != fourth and {first, second, third, fourth} & DIRECTED:
        if (first, second) == (fourth, third):
            return True
        if (first, second) == (third, fourth):
            return False
    inverted = there[0] > there[1]
    if not inverted or "and" in {second, third}:
        return False
    pair = {asked.concepts[here[0]], asked.concepts[here[1]]}
    if pair & (asked.topic | known.topic):
        return False
    if abs(here[0] - here[1]) == 1 == abs(there[0] - there[1]) and (second in {"of", "from"}) != (
        third in {"of", "from"}
    ):
        return False  # a city of the country, the country's city
    if _voice(first, second) != _voice(third, fourth):
        return False  # Brutus killed Caesar, Caesar was killed by Brutus
    return whole or _same_kind(pair, asked, closed=asked.bag == known.bag)


def _voice(*roles: str) -> bool:
    return "by" in roles


def _same_kind(pair: Iterable[str], of: Features, *, closed: bool) -> bool:
    kinds = {
        concept[0]
        if concept[1:2] == "." or concept[0] == "#"
        else ("name" if concept in of.names else ("word" if closed else concept))
        for concept in pair
    }
    return len(kinds) == 1
