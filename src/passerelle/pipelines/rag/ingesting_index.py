"""A document's passages in the index: only what is new is embedded, and only the newest version is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.errors import PasserelleError
from passerelle.domain.rag import Setup
from passerelle.domain.retrieval import WIDEST, Chunk, Collection
from passerelle.jobs.kinds import ItemFailed, Later
from passerelle.pipelines.rag import shelves
from passerelle.pipelines.rag.ingesting_vectors import Embedder, Paid, Tell, embed
from passerelle.retrieval.store import Chunks
from passerelle.stores.database import Database, Outage

_FIRST = 32  # passages

_STANDS = text("""
SELECT given, state, embedder, width FROM rag_document JOIN rag_collection
    ON rag_collection.tenant = rag_document.tenant AND rag_collection.name = collection
WHERE rag_document.tenant = :tenant AND collection = :collection AND id = :id
""")
_WIDTH = text("SELECT embedder, width, behind FROM rag_collection WHERE tenant = :tenant AND name = :name")
_LEARN = text("""
UPDATE rag_collection SET width = :width, behind = :behind
WHERE tenant = :tenant AND name = :name AND embedder = :embedder AND width = 0
""")

Models = Callable[[str], Sequence[str]]  # those behind a name


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
        models: Models | None = None,
        at_once: int = 2,
    ) -> None:
        self._database = database
        self._store = store
        self._embedders = embedders
        self._models = models
        self._paid = Paid()
        self._gate = asyncio.Semaphore(at_once)  # each holds a connection of the pool

    def settled(self, place: Place) -> Place:
        """The place, with the models that are behind its embedder's name now.

        Raises ItemFailed where the collection was indexed with others: their vectors do not compare.
        """
        setup = place.setup
        if setup.embedder is None or self._models is None:
            return place
        now = shelves.told_behind(self._models(setup.embedder))
        if setup.behind not in (None, now):
            raise _changed(setup.embedder)
        return replace(place, setup=replace(setup, behind=now))

    async def write(self, place: Place, chunks: Sequence[Chunk], tell: Tell) -> int:
        """Have exactly these passages found of a document; how many had to be embedded.

        Raises Superseded, ItemFailed, Later, and what the gateway and the store raise.
        """
        found: dict[str, list[float]] = {}  # paid for here
        try:
            vectors, place = await self._vectors(place, chunks, found, tell)
            store = await self._store()
            async with self._gate, self._writing(place):
                where = place.where
                await store.upsert(where, chunks, vectors)
                await store.delete(where, document=place.document, keep=[chunk.id for chunk in chunks])
                await store.settle(where)
        except (PasserelleError, Later, *Outage, asyncio.CancelledError):
            self._paid.keep(found, by=place.setup.behind)
            raise
        return len(found)

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
        self, place: Place, chunks: Sequence[Chunk], found: dict[str, list[float]], tell: Tell
    ) -> tuple[list[list[float]] | None, Place]:
        """Of each passage; those that were not there are added to what is found."""
        if place.setup.embedder is None:
            return None, place
        store = await self._store()
        have = await store.vectors(place.where, [chunk.id for chunk in chunks]) if place.setup.width else {}
        missing = [chunk for chunk in chunks if chunk.id not in have]
        if missing:
            await tell(0, len(missing))
        model = self._embedders(place.tenant, place.setup.embedder)
        found.update(self._paid.take(missing, by=place.setup.behind))
        # The first ones show whether the others would be of any use.
        for part in (missing[:_FIRST], missing):
            if part:
                await embed(model, part, found, tell)
                place = await self._fitting(place, list(found.values()))
        have |= found
        self.settled(place)  # who knows which of two models has answered, if it changed meanwhile
        return [have[chunk.id] for chunk in chunks], place

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
            setup = place.setup
            row = (await connection.execute(_WIDTH, names)).one_or_none()
            if row is None or row.embedder != setup.embedder:
                raise Superseded
            if row.width:
                if row.behind not in (None, setup.behind):
                    raise _changed(str(setup.embedder))
                return int(row.width)
            # Without the row's lock, for which everybody else who reads or hands in documents would wait.
            await store.drop(place.tenant, place.collection)
            learned = {**names, "width": width, "behind": setup.behind, "embedder": setup.embedder}
            if not (await connection.execute(_LEARN, learned)).rowcount:
                raise Superseded  # it is being indexed with another
        return width


async def _must_stand(connection: AsyncConnection, place: Place) -> None:
    values = {"tenant": place.tenant, "collection": place.collection, "id": place.document}
    row = (await connection.execute(_STANDS, values)).one_or_none()
    setup = (place.setup.embedder, place.setup.width)
    if row is None or row.state == "deleting" or row.given != place.given:
        raise Superseded
    if (row.embedder, row.width) != setup:
        raise Later("The collection is being set up anew.", code="collection_busy", seconds=1.0)


def _changed(embedder: str) -> ItemFailed:
    message = (
        f"Another model than the one that this collection was indexed with has the name {embedder[:200]!r} now. "
        f"Index the collection again."
    )
    return ItemFailed("embedder_changed", message)
