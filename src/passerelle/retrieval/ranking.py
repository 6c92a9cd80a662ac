"""From lists of what was found to one answer: fused by rank, then chosen to be unlike each other. Pure.

Reciprocal rank fusion: Cormack, Clarke, Büttcher, SIGIR 2009. Maximal marginal relevance: Carbonell, Goldstein,
SIGIR 1998.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from passerelle.domain.retrieval import Collection, Hit, Mode, Parts, Query
from passerelle.retrieval.payload import chunk

_DAMPING = 60  # of a rank, as in the paper: the first places do not decide alone


@dataclass(frozen=True, slots=True)
class Found:
    """A point as one way of searching gave it, with its vector where that was asked for."""

    id: str
    score: float
    payload: Mapping[str, Any]
    vector: Sequence[float] = ()


@dataclass(slots=True)
class _Ranked:
    found: Found
    score: float = 0.0
    parts: dict[str, Any] = field(default_factory=dict)


def ranked(collection: Collection, query: Query, text: Sequence[Found], dense: Sequence[Found]) -> list[Hit]:
    """The answer to a query from what its ways of searching found, each best first. Raises Unreachable."""
    together: dict[str, _Ranked] = {}
    shares = (("text", text, 1.0 - query.dense_share), ("dense", dense, query.dense_share))
    for name, found, share in shares:
        for rank, one in enumerate(found, start=1):
            place = together.setdefault(one.id, _Ranked(one))
            place.parts |= {name: one.score, f"{name}_rank": rank}
            place.score += share / (_DAMPING + rank) if query.mode is Mode.HYBRID else one.score
    # Equal scores are in the order of ids, so that an answer is the same each time.
    best = sorted(together.values(), key=lambda place: (-place.score, place.found.id))
    if query.diversity:
        best = _unlike(best, query)
    return [
        Hit(chunk(collection, place.found.payload), place.score, Parts(**place.parts))
        for place in best[: query.k]
    ]


def _unlike(places: list[_Ranked], query: Query) -> list[_Ranked]:
    """The k that are relevant and unlike each other, in the order they were chosen."""
    if not places:
        return []
    vectors = [_unit(place.found.vector) for place in places]
    if len(query.vector):
        wanted = _unit(query.vector)
        relevance = [_dot(wanted, vector) for vector in vectors]
    else:
        highest = places[0].score or 1.0
        relevance = [place.score / highest for place in places]
    left, chosen = list(range(len(places))), list[int]()
    nearest = [0.0] * len(places)  # to what has been chosen
    while left and len(chosen) < query.k:
        best = max(left, key=lambda i: (1.0 - query.diversity) * relevance[i] - query.diversity * nearest[i])
        left.remove(best)
        for i in left:
            likeness = _dot(vectors[best], vectors[i])
            nearest[i] = max(nearest[i], likeness) if chosen else likeness
        chosen.append(best)
    return [places[i] for i in chosen]


def _unit(vector: Sequence[float]) -> Sequence[float]:
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector] if length else vector


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(one, other, strict=False))
