"""A document's passages in the index: only what is new is embedded, and only the newest version is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.errors import OverLimit
from passerelle.domain.rag import Setup
from passerelle.domain.retrieval import WIDEST, Chunk, Collection
from passerelle.jobs.kinds import ItemFailed, Later
from passerelle.pipelines.rag import shelves
from passerelle.retrieval.store import Chunks
from passerelle.stores.database import Database

_BATCH = 256  # passages
_PATIENCE = 600.0  # seconds that are waited, all together, for a tenant's tokens per minute

_STANDS = text("""
SELECT given, state, embedder, width FROM rag_document JOIN rag_collection
    ON rag_collection.tenant = rag_document.tenant AND rag_collection.name = collection
WHERE rag_document.tenant = :tenant AND collection = :collection AND id = :id
""")
_WIDTH = text("SELECT embedder, width FROM rag_collection WHERE tenant = :tenant AND name = :name FOR UPDATE")
_LEARN = text("UPDATE rag_collection SET width = :width WHERE tenant = :tenant AND name = :name")

Tell = Callable[[int, int], Awaitable[None]]  # how many passages are embedded, of how many


class Embedder(Protocol):
    """An embedding model, asked as the tenant."""

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text."""


class Superseded(Exception):
    """Something newer came of the document, or it was deleted: what was read of it is of no use."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which version of which document is written, and where."""

    tenant: str
    collection: str
    document: str
    given: int
    setup: Setup

    @property
    def where(self) -> Collection:
        """As the store of passages knows it."""
        return Collection(self.tenant, self.collection, self.setup.width)


class Index:
    """Writes documents' passages. `store` opens what they are kept in."""

    def __init__(
        self,
        database: Database,
        store: Callable[[], Awaitable[Chunks]],
        embedders: Callable[[str, str], Embedder],
        *,
        at_once: int = 2,
    ) -> None:
        self._database = database
        self._store = store
        self._embedders = embedders
        self._gate = asyncio.Semaphore(at_once)  # each holds a connection of the pool

    async def write(self, place: Place, chunks: Sequence[Chunk], tell: Tell) -> int:
        """Have exactly these passages found of a document; how many had to be embedded.

        Raises Superseded, ItemFailed, Later, and what the gateway and the store raise.
        """
        vectors, embedded, place = await self._vectors(place, chunks, tell)
        store = await self._store()
        async with self._gate, self._writing(place):
            where = place.where
            await store.upsert(where, chunks, vectors)
            await store.delete(where, document=place.document, keep=[chunk.id for chunk in chunks])
            await store.settle(where)
        return embedded

    async def clear(self, place: Place) -> None:
        """Have nothing found of a document. Raises as `write`."""
        store = await self._store()
        async with self._gate, self._writing(place):
            await store.delete(place.where, document=place.document)
            await store.settle(place.where)

    async def forget(self, tenant: str, collection: str, document: str, setup: Setup) -> None:
        """Delete whatever is left of a document that there is no more. Raises Later, and what the store raises."""
        store = await self._store()
        where = Collection(tenant, collection, setup.width)
        async with self._gate, shelves.writing(self._database, tenant, collection, document):
            await store.delete(where, document=document)
            await store.settle(where)

    @asynccontextmanager
    async def _writing(self, place: Place) -> AsyncIterator[None]:
        """As the one writer of it, as long as it is the newest; what was written holds only if this ends well."""
        lock = shelves.writing(self._database, place.tenant, place.collection, place.document)
        async with lock as connection:
            await _must_stand(connection, place)
            yield

    async def _vectors(
        self, place: Place, chunks: Sequence[Chunk], tell: Tell
    ) -> tuple[list[list[float]] | None, int, Place]:
        if place.setup.embedder is None:
            return None, 0, place
        store = await self._store()
        have = await store.vectors(place.where, [chunk.id for chunk in chunks]) if place.setup.width else {}
        missing = [chunk for chunk in chunks if chunk.id not in have]
        if missing:
            await tell(0, len(missing))
        model = self._embedders(place.tenant, place.setup.embedder)
        for start in range(0, len(missing), _BATCH):
            some = missing[start : start + _BATCH]
            found = await _patiently(model, [chunk.indexed for chunk in some])
            have |= {chunk.id: vector for chunk, vector in zip(some, found, strict=True)}
            place = await self._fitting(place, found)
            if start + _BATCH < len(missing):
                await tell(start + len(some), len(missing))
        return [have[chunk.id] for chunk in chunks], len(missing), place

    async def _fitting(self, place: Place, vectors: Sequence[Sequence[float]]) -> Place:
        """The place, once the collection's width is known to be that of the vectors. Raises ItemFailed."""
        widths = {len(vector) for vector in vectors}
        width = place.setup.width or await self._learn(place, min(widths))
        if widths != {width}:
            message = (
                f"The embedding model gives vectors of {max(widths - {width})} numbers where the collection has "
                f"{width}. Index the collection again."
            )
            raise ItemFailed("embedder_changed", message)
        return replace(place, setup=replace(place.setup, width=width))

    async def _learn(self, place: Place, width: int) -> int:
        """The collection's width, which the first vectors settle. Until then nothing that may be there counts."""
        if not 1 <= width <= WIDEST:
            raise ItemFailed("embedder_width", f"Vectors of {width} numbers cannot be indexed.")
        store = await self._store()
        names = {"tenant": place.tenant, "name": place.collection}
        async with self._gate, shelves.alone(self._database, place.tenant, place.collection) as connection:
            row = (await connection.execute(_WIDTH, names)).one_or_none()
            if row is None or row.embedder != place.setup.embedder:
                raise Superseded
            if row.width:
                return int(row.width)
            await store.drop(place.tenant, place.collection)
            await connection.execute(_LEARN, {**names, "width": width})
        return width


async def _must_stand(connection: AsyncConnection, place: Place) -> None:
    values = {"tenant": place.tenant, "collection": place.collection, "id": place.document}
    row = (await connection.execute(_STANDS, values)).one_or_none()
    setup = (place.setup.embedder, place.setup.width)
    if row is None or row.state == "deleting" or row.given != place.given:
        raise Superseded
    if (row.embedder, row.width) != setup:
        raise Later("The collection is being set up anew.", code="collection_busy", seconds=1.0)


async def _patiently(model: Embedder, texts: list[str]) -> list[list[float]]:
    """Wait for the tenant's tokens per minute, so that what was embedded already is not paid twice."""
    waited = 0.0
    while True:
        try:
            return await model.aembed_documents(texts)
        except OverLimit as limit:
            if limit.retry_after is None or waited + limit.retry_after > _PATIENCE:
                raise
            pause = max(1.0, limit.retry_after)
            waited += pause
            await asyncio.sleep(pause)
