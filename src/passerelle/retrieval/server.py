"""Passages on a Qdrant server: every tenant's in one collection for each length of vectors, each under its own name.

Tenant and collection are conditions of every request, here and nowhere else; the ids of points hold both, so that
nobody writes over another one's. Sparse vectors are worked out here, by the code that does it for the embedded store:
both find the same, a server needs no model, and how rare a stem is, is counted in the asker's collection only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from typing_extensions import override

from passerelle.domain.retrieval import Chunk, Collection, Hit, Mode, Query, named
from passerelle.retrieval import bm25, payload
from passerelle.retrieval.ranking import Found, ranked
from passerelle.retrieval.store import Chunks, Unfit, Unreachable, Vectors, few, fit, fits, in_order
from passerelle.stores.qdrant import WRITE_SECONDS, Missing, Outage, Point, Qdrant, Refused, Search, Sparse
from passerelle.stores.qdrant import Hit as Stored

_PREFIX = "passerelle-chunks-"  # of collections on the server; the length of the vectors follows
_READ_SECONDS, _WRITE_SECONDS = 5.0, 60.0
_AT_ONCE = 64  # points of one request
_PAGE = 256  # chunks of a document in one answer


class Server(Chunks):
    """The store on a server. Its client is another's to close."""

    def __init__(self, qdrant: Qdrant, *, patience: float = _READ_SECONDS) -> None:
        self._qdrant, self._patience = qdrant, patience
        self._made: set[int] = set()

    @override
    async def ensure(self, collection: Collection) -> None:
        async with _asking(_WRITE_SECONDS):
            await self._make(collection)

    @override
    async def upsert(
        self, collection: Collection, chunks: Sequence[Chunk], vectors: Vectors | None = None
    ) -> None:
        vectors = fit(collection, chunks, vectors)
        async with _asking(_WRITE_SECONDS):
            if collection.width not in self._made:
                await self._make(collection)
            for start in range(0, len(chunks), _AT_ONCE):
                points = [
                    _point(collection, chunk, vector)
                    for chunk, vector in zip(
                        chunks[start : start + _AT_ONCE], vectors[start : start + _AT_ONCE], strict=True
                    )
                ]
                try:
                    await self._qdrant.put(collection_on_server(collection), points)
                except Missing:  # somebody has removed it
                    await self._make(collection)
                    await self._qdrant.put(collection_on_server(collection), points)

    @override
    async def delete(
        self,
        collection: Collection,
        *,
        ids: Sequence[str] = (),
        document: str | None = None,
        keep: Sequence[str] = (),
    ) -> None:
        few([*ids, *keep])
        if keep and document is None:
            raise Unfit("What is to be kept is said of a document.")
        async with _asking(_WRITE_SECONDS, missing_ok=True):
            if ids:
                points = [payload.point_id(collection, one) for one in ids]
                await self._qdrant.delete(collection_on_server(collection), points)
            if document is not None:
                kept = [payload.point_id(collection, one) for one in keep]
                chosen = payload.inside(
                    collection, payload.of_document(document), *([payload.without(kept)] if kept else [])
                )
                await self._qdrant.delete(collection_on_server(collection), chosen)

    @override
    async def drop(self, tenant: str, name: str) -> None:
        named(tenant, "tenant")
        named(name, "collection")
        await self._wipe(payload.everything(tenant, name))

    @override
    async def erase(self, tenant: str) -> None:
        named(tenant, "tenant")
        await self._wipe(payload.everything(tenant))

    @override
    async def search(self, collection: Collection, query: Query) -> list[Hit]:
        if query.mode is not Mode.TEXT:
            fits(collection, query.vector)
        own = payload.inside(collection)
        allowed = payload.inside(
            collection,
            *payload.open_to(query.groups),
            *(part for condition in query.conditions for part in payload.fulfils(condition)),
        )
        wanted: dict[str, Search] = {}
        with_vector = bool(query.diversity and collection.width)
        if query.mode is not Mode.DENSE and (words := bm25.of_question(query.text, query.language)).stems:
            sparse = Sparse(payload.SPARSE, words.stems, words.weights)
            wanted["text"] = Search(sparse, allowed, query.reach, corpus=own, with_vector=with_vector)
        if query.mode is not Mode.TEXT:
            wanted["dense"] = Search(query.vector, allowed, query.reach, with_vector=with_vector)
        if not wanted:
            return []
        found: dict[str, list[Found]] = {}
        async with _asking(self._patience, missing_ok=True):
            lists = await self._qdrant.searches(collection_on_server(collection), list(wanted.values()))
            found = {kind: [_found(one) for one in some] for kind, some in zip(wanted, lists, strict=True)}
        texts, dense = found.get("text", []), found.get("dense", [])
        if query.diversity:  # some ten milliseconds of arithmetic
            return await asyncio.to_thread(ranked, collection, query, texts, dense)
        return ranked(collection, query, texts, dense)

    @override
    async def count(self, collection: Collection, *, document: str | None = None) -> int:
        chosen = payload.inside(collection, *([] if document is None else [payload.of_document(document)]))
        async with _asking(self._patience, missing_ok=True):
            return await self._qdrant.count(collection_on_server(collection), chosen)
        return 0

    @override
    async def get(
        self, collection: Collection, ids: Sequence[str], *, groups: frozenset[str] | None = None
    ) -> list[Chunk]:
        few(ids)
        points = [payload.point_id(collection, one) for one in ids]
        there: dict[str, Chunk] = {}
        async with _asking(self._patience, missing_ok=True):
            for start in range(0, len(points), _AT_ONCE):
                some = points[start : start + _AT_ONCE]
                chosen = payload.inside(collection, {"has_id": some}, *payload.open_to(groups))
                for one in await self._qdrant.read(collection_on_server(collection), chosen, most=len(some)):
                    there[one.id] = payload.chunk(collection, one.payload)
        return [there[point] for point in points if point in there]

    @override
    async def listed(
        self, collection: Collection, document: str, *, groups: frozenset[str] | None = None
    ) -> list[Chunk]:
        chosen = payload.inside(collection, payload.of_document(document), *payload.open_to(groups))
        chunks: list[Chunk] = []
        after = None
        while True:
            async with _asking(self._patience, missing_ok=True):
                some, after = await self._qdrant.page(
                    collection_on_server(collection), chosen, most=_PAGE, after=after
                )
                chunks += [payload.chunk(collection, one.payload) for one in some]
            if after is None:
                return in_order(chunks)

    @override
    async def vectors(self, collection: Collection, ids: Sequence[str]) -> dict[str, list[float]]:
        few(ids)
        if not collection.width:
            return {}
        names = {payload.point_id(collection, one): one for one in ids}
        points = list(names)
        found: dict[str, list[float]] = {}
        # For writing: what is there need not be paid for again.
        async with _asking(_WRITE_SECONDS, missing_ok=True):
            for start in range(0, len(points), _AT_ONCE):
                chosen = payload.inside(collection, {"has_id": points[start : start + _AT_ONCE]})
                some, _ = await self._qdrant.page(
                    collection_on_server(collection),
                    chosen,
                    most=_AT_ONCE,
                    with_vector=True,
                    with_payload=False,
                    seconds=WRITE_SECONDS,
                )
                found |= {names[one.id]: list(one.vector) for one in some}
        return found

    @override
    async def settle(self, collection: Collection) -> None:
        """A server that has said that it wrote, has."""

    @override
    async def aclose(self) -> None:
        """Nothing of ours is open."""

    async def _make(self, collection: Collection) -> None:
        await self._qdrant.make(
            collection_on_server(collection),
            width=collection.width,
            tenant=payload.TENANT,
            words=(payload.COLLECTION, payload.DOCUMENT, payload.ACCESS),
            numbers=(),
            sparse=payload.SPARSE,
        )
        self._made.add(collection.width)

    async def _wipe(self, chosen: payload.Json) -> None:
        async with _asking(_WRITE_SECONDS):
            for name in await self._qdrant.collections():
                if name.startswith(_PREFIX):
                    await self._qdrant.delete(name, chosen)


@asynccontextmanager
async def _asking(seconds: float, *, missing_ok: bool = False) -> AsyncIterator[None]:
    """The client's failures in the seam's words; a collection that is not there may be empty."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except Missing:
        if not missing_ok:
            raise Unreachable("Qdrant has lost a collection.") from None
    except Refused:
        raise Unfit("Qdrant refuses what it was sent.") from None
    except Outage as error:
        raise Unreachable(str(error)) from None
    except TimeoutError:
        raise Unreachable("Qdrant does not answer in time.") from None


def collection_on_server(collection: Collection) -> str:
    """What the collection on the server is called that a tenant's one is in."""
    return f"{_PREFIX}{collection.width}"


def _point(collection: Collection, chunk: Chunk, vector: Sequence[float]) -> Point:
    stored = payload.payload(collection, chunk)
    words = bm25.of_passage(chunk.indexed, chunk.language)
    return Point(
        payload.point_id(collection, chunk.id),
        vector,
        stored,
        Sparse(payload.SPARSE, words.stems, words.weights),
    )


def _found(hit: Stored) -> Found:
    return Found(hit.id, hit.score, hit.payload, hit.vector)
