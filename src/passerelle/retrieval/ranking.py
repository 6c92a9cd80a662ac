"""From lists of what was found to one answer: fused by rank, then chosen to be unlike each other. Pure.

Reciprocal rank fusion: Cormack, Clarke, Büttcher, SIGIR 2009. Maximal marginal relevance: Carbonell, Goldstein,
SIGIR 1998.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from passerelle.domain.retrieval import Chunk, Collection, Hit, Mode, Parts, Query
from passerelle.retrieval import bm25
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


def ranked(
    collection: Collection,
    query: Query,
    text: Sequence[Found],
    dense: Sequence[Found],
    *,
    read: Callable[[Sequence[str]], Mapping[str, Any]] | None = None,
) -> list[Hit]:
    """The answer to a query from what its ways of searching found, each best first. Raises Unreachable.

    `read` gives what points carry, where they were found without.
    """
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
        best = _spread(best, collection, query)
    chosen = best[: query.k]
    carried = {place.found.id: place.found.payload for place in chosen}
    if read is not None:
        carried = dict(read([*carried]))
    return [
        Hit(chunk(collection, carried[place.found.id]), place.score, Parts(**place.parts))
        for place in chosen
        if place.found.id in carried
    ]


def unlike(
    relevance: Sequence[float],
    vectors: Sequence[Sequence[float]],
    chunks: Sequence[Chunk],
    *,
    k: int,
    diversity: float,
) -> list[int]:
    """The places of k passages that are relevant and unlike each other, in the order they are chosen.

    How like two are is the cosine of their vectors; where there are none, of the words of `chunks`.
    """
    import numpy as np  # noqa: PLC0415 - few searches need it

    if not relevance:
        return []
    width = max(map(len, vectors))
    rows = np.zeros((len(relevance), width), dtype=np.float32) if width else _words(chunks)
    for row, vector in enumerate(vectors):
        if len(vector):
            rows[row] = vector
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    worth = (1.0 - diversity) * np.asarray(relevance, dtype=np.float64)
    nearest = np.zeros(len(relevance))  # to what has been chosen
    chosen: list[int] = []
    while len(chosen) < min(k, len(relevance)):
        # Of equals the first; what differs by no more than arithmetic does is equal.
        best = int(np.argmax(np.round(worth - diversity * nearest, 5)))
        likeness = rows @ rows[best]
        nearest = np.maximum(nearest, likeness) if chosen else likeness
        worth[best] = -np.inf
        chosen.append(best)
    return chosen


def _words(chunks: Sequence[Chunk]) -> Any:
    """A row for each passage: the weights of its stems."""
    import numpy as np  # noqa: PLC0415 - as above

    some = [bm25.of_passage(chunk.text, chunk.language) for chunk in chunks]
    columns = {stem: column for column, stem in enumerate({stem for one in some for stem in one.stems})}
    rows = np.zeros((len(some), max(1, len(columns))), dtype=np.float32)
    for row, one in enumerate(some):
        rows[row, [columns[stem] for stem in one.stems]] = one.weights
    return rows


def _cosines(wanted: Sequence[float], vectors: Sequence[Sequence[float]]) -> list[float]:
    import numpy as np  # noqa: PLC0415 - as above

    rows = np.array([vector if len(vector) else [0.0] * len(wanted) for vector in vectors], dtype=np.float32)
    own = np.asarray(wanted, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(own)
    products = rows @ own
    return [
        float(one) for one in np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    ]


def _spread(places: list[_Ranked], collection: Collection, query: Query) -> list[_Ranked]:
    vectors = [place.found.vector for place in places]
    chunks = [] if collection.width else [chunk(collection, place.found.payload) for place in places]
    highest = max((place.score for place in places), default=0.0) or 1.0
    relevance = [place.score / highest for place in places]
    if len(query.vector):
        relevance = _cosines(query.vector, vectors)
    order = unlike(relevance, vectors, chunks, k=query.k, diversity=query.diversity)
    return [places[place] for place in order]
