"""The seam: what every store of passages can do, and how it fails."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from passerelle.domain.errors import Unavailable
from passerelle.domain.retrieval import Chunk, Collection, Hit, Query

MOST_AT_ONCE = 10_000  # chunks or ids of one call

Vectors = Sequence[Sequence[float]]


class Unreachable(Unavailable):
    """The store is away, does not answer in time, or is damaged. Never a reason to answer without sources."""

    def __init__(self, message: str, *, retry_after: float = 5.0) -> None:
        super().__init__(message, code="retrieval_unavailable", retry_after=retry_after)


class Unfit(ValueError):
    """What was given cannot be stored or searched for; asking again changes nothing. Quotes no text."""


class Chunks(Protocol):
    """Passages of every tenant, each seen by its own only. All of it may be repeated: a second time changes nothing.

    Everything raises Unreachable, and Unfit for what cannot be meant. A collection that was never made is empty.
    """

    async def ensure(self, collection: Collection) -> None:
        """There is such a collection. Writing to one makes it too."""

    async def upsert(
        self, collection: Collection, chunks: Sequence[Chunk], vectors: Vectors | None = None
    ) -> None:
        """Write chunks over those of the same ids; they are found when this returns, and survive a kill.

        `vectors`, one for each chunk, are needed exactly where the collection has them.
        """

    async def delete(
        self,
        collection: Collection,
        *,
        ids: Sequence[str] = (),
        document: str | None = None,
        keep: Sequence[str] = (),
    ) -> None:
        """Delete chunks by their ids, and those of a document except the ids to `keep`."""

    async def drop(self, tenant: str, name: str) -> None:
        """Delete a tenant's collection, with vectors of whichever length."""

    async def erase(self, tenant: str) -> None:
        """Delete everything of a tenant."""

    async def search(self, collection: Collection, query: Query) -> list[Hit]:
        """The best passages, best first."""

    async def count(self, collection: Collection, *, document: str | None = None) -> int:
        """How many chunks there are, of a document or of all."""

    async def get(
        self, collection: Collection, ids: Sequence[str], *, groups: frozenset[str] | None = None
    ) -> list[Chunk]:
        """Those that are there, in the order of `ids`; `groups` as in a Query."""

    async def listed(
        self, collection: Collection, document: str, *, groups: frozenset[str] | None = None
    ) -> list[Chunk]:
        """A document's chunks in the order in which they are read; `groups` as in a Query."""

    async def vectors(self, collection: Collection, ids: Sequence[str]) -> dict[str, list[float]]:
        """The vectors, of length 1, of those that are there; none where the collection has none."""

    async def settle(self, collection: Collection) -> None:
        """What was written survives a loss of power when this returns."""

    async def aclose(self) -> None:
        """Stop using the store."""


def in_order(chunks: Iterable[Chunk]) -> list[Chunk]:
    """Chunks of a document in the order in which they are read: by page, place and id; what has no page comes first."""

    def place(chunk: Chunk) -> tuple[int, int, str]:
        page, start = (-1 if value is None else value for value in (chunk.page, chunk.start))
        return page, start, chunk.id

    return sorted(chunks, key=place)


def fit(collection: Collection, chunks: Sequence[Chunk], vectors: Vectors | None) -> Vectors:
    """The vectors, one for each chunk; of length 0 where the collection has none. Raises Unfit."""
    few(chunks)
    if not collection.width:
        if vectors is not None and any(len(vector) for vector in vectors):
            raise Unfit("This collection has no vectors.")
        return [()] * len(chunks)
    if vectors is None or len(vectors) != len(chunks):
        raise Unfit("This collection needs a vector for each chunk.")
    for vector in vectors:
        fits(collection, vector)
    return vectors


def fits(collection: Collection, vector: Sequence[float]) -> None:
    """Raises Unfit when that is no vector of the collection."""
    if len(vector) != collection.width:
        raise Unfit(f"A vector of {len(vector)} numbers was given where {collection.width} are needed.")
    if len(vector) and not _finite(vector):
        raise Unfit("A vector holds something that is not a number of its size.")


def few(things: Sequence[object]) -> None:
    """Raises Unfit when they are too many for one call."""
    if len(things) > MOST_AT_ONCE:
        raise Unfit(f"One call takes at most {MOST_AT_ONCE} chunks or ids.")


def _finite(vector: Sequence[float]) -> bool:
    try:
        return (
            math.isfinite(sum(map(abs, vector))) and max(map(abs, vector)) < 1e18
        )  # its square must fit, too
    except TypeError:
        return False
