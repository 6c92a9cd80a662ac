"""Passages whose words are sealed before any store has them: a copy of the store is of no use without the tenant's key.

Text, title, headings and the tenant's metadata are sealed; digests under the tenant's key stand for words in titles,
headings and metadata, so that they can be asked for. Vectors, weights of stems, numbers in metadata and what says where
a passage stands are not sealed: they are what is searched by. Passages from before are read as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
from typing_extensions import override

from passerelle.domain.retrieval import MOST_HITS, RESERVED, Chunk, Collection, Condition, Hit, Query
from passerelle.retrieval.payload import fits_in
from passerelle.retrieval.ranking import unlike
from passerelle.retrieval.store import Chunks, Unfit, Vectors
from passerelle.sealing.values import Opener, Seal, Sealing

_BOUND = b"passage"
_OURS = RESERVED - {"title", "headings"} | {"document"}  # where a passage stands, which is not sealed


class Sealed(Chunks):
    """A store in front of another, which it closes."""

    def __init__(self, store: Chunks, seals: Sealing) -> None:
        self._store, self._seals = store, seals

    @override
    async def ensure(self, collection: Collection) -> None:
        await self._store.ensure(collection)

    @override
    async def upsert(
        self, collection: Collection, chunks: Sequence[Chunk], vectors: Vectors | None = None
    ) -> None:
        seal = await self._seals.of(collection.tenant)
        try:
            sealed = [_sealed(seal, chunk) for chunk in chunks]
        except TypeError:
            raise Unfit(
                "A chunk holds what JSON cannot: broken characters, or metadata of another kind."
            ) from None
        await self._store.upsert(collection, sealed, vectors)

    @override
    async def delete(
        self,
        collection: Collection,
        *,
        ids: Sequence[str] = (),
        document: str | None = None,
        keep: Sequence[str] = (),
    ) -> None:
        await self._store.delete(collection, ids=ids, document=document, keep=keep)

    @override
    async def drop(self, tenant: str, name: str) -> None:
        await self._store.drop(tenant, name)

    @override
    async def erase(self, tenant: str) -> None:
        await self._store.erase(tenant)

    @override
    async def search(self, collection: Collection, query: Query) -> list[Hit]:
        opener = await self._seals.opener(collection.tenant)
        query = _asked(opener, query)
        if not query.diversity or collection.width:
            found = await self._store.search(collection, query)
            return [replace(hit, chunk=_opened(opener, hit.chunk)) for hit in found]
        # How like two passages are is told by their words, which the store does not know.
        found = await self._store.search(
            collection, replace(query, k=min(query.reach, MOST_HITS), diversity=0.0)
        )
        found = [replace(hit, chunk=_opened(opener, hit.chunk)) for hit in found]
        return await asyncio.to_thread(_spread, found, query)

    @override
    async def count(self, collection: Collection, *, document: str | None = None) -> int:
        return await self._store.count(collection, document=document)

    @override
    async def get(
        self, collection: Collection, ids: Sequence[str], *, groups: frozenset[str] | None = None
    ) -> list[Chunk]:
        found = await self._store.get(collection, ids, groups=groups)
        return await self._open(collection, found)

    @override
    async def listed(
        self, collection: Collection, document: str, *, groups: frozenset[str] | None = None
    ) -> list[Chunk]:
        found = await self._store.listed(collection, document, groups=groups)
        return await self._open(collection, found)

    @override
    async def vectors(self, collection: Collection, ids: Sequence[str]) -> dict[str, list[float]]:
        return await self._store.vectors(collection, ids)

    @override
    async def settle(self, collection: Collection) -> None:
        await self._store.settle(collection)

    @override
    async def aclose(self) -> None:
        await self._store.aclose()

    async def _open(self, collection: Collection, chunks: Sequence[Chunk]) -> list[Chunk]:
        opener = await self._seals.opener(collection.tenant)
        return [_opened(opener, chunk) for chunk in chunks]


def _sealed(seal: Seal, chunk: Chunk) -> Chunk:
    if not seal.on:
        return chunk
    fits_in(orjson.dumps(dict(chunk.metadata)))
    told = orjson.dumps([chunk.text, chunk.title, chunk.headings, dict(chunk.metadata)]).decode()
    return replace(
        chunk,
        text=seal.seal_text(told, _BOUND),
        title=_mark(seal, "title", chunk.title) if chunk.title else "",
        headings=tuple(_mark(seal, "headings", each) for each in chunk.headings),
        metadata={
            name: _masked(seal, name, value)
            for name, value in chunk.metadata.items()
            if not isinstance(value, dict)  # which nobody can ask for
        },
        words=chunk.indexed,
    )


def _opened(opener: Opener, chunk: Chunk) -> Chunk:
    if chunk.words is None:
        return chunk
    text, title, headings, metadata = orjson.loads(opener.open_text(chunk.text, _BOUND))
    return replace(chunk, text=text, title=title, headings=tuple(headings), metadata=metadata, words=None)


def _masked(seal: Seal, name: str, value: Any) -> Any:
    """Marks in the place of words; numbers stay, because they are asked for by their size."""
    if isinstance(value, list | tuple):
        return [_masked(seal, name, one) for one in value if not isinstance(one, dict | list | tuple)]
    return _mark(seal, name, value) if isinstance(value, str) else value


def _mark(seal: Seal, name: str, value: str) -> str:
    return seal.marks(value, name.encode())[0]


def _asked(opener: Opener, query: Query) -> Query:
    """The query as the store can answer it: with the marks that stand in the place of words."""
    if not query.conditions:
        return query
    return replace(query, conditions=tuple(_marked(opener, each) for each in query.conditions))


def _marked(opener: Opener, condition: Condition) -> Condition:
    if condition.name in _OURS:
        return condition
    name = condition.name.encode()

    def marks(values: tuple[str | int | bool, ...]) -> tuple[str | int | bool, ...]:
        """With the values themselves, which older passages have."""
        said = [one for one in values if isinstance(one, str)]
        return (*values, *(mark for one in said for mark in opener.marks(one, name)))

    return replace(condition, any_of=marks(condition.any_of), none_of=marks(condition.none_of))


def _spread(found: Sequence[Hit], query: Query) -> list[Hit]:
    """The most relevant ones that are unlike each other."""
    highest = max((hit.score for hit in found), default=0.0) or 1.0
    relevance = [hit.score / highest for hit in found]
    order = unlike(
        relevance, [()] * len(found), [hit.chunk for hit in found], k=query.k, diversity=query.diversity
    )
    return [found[place] for place in order]
