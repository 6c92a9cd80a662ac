"""Passages without a server: in shards of Qdrant's engine, asked of the process that owns them.

The owner is started when first needed and started again when it has died; what was under way then is asked again,
which is safe because every request may be repeated. Searches and writing have connections of their own, so that a
search does not wait behind a document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import override

from passerelle.domain.retrieval import Chunk, Collection, Hit, Mode, Query, named
from passerelle.retrieval import payload, protocol
from passerelle.retrieval.line import Line
from passerelle.retrieval.names import MOST_OPEN
from passerelle.retrieval.store import Chunks, Unfit, Vectors, few, fit, fits, in_order
from passerelle.retrieval.summoning import Summons

_READ_SECONDS, _WRITE_SECONDS = 20.0, 60.0  # an owner that has to be started may take some
_MOST_CHUNKS = 64  # of one request: what is written at a time holds up nobody
_MOST_CHARACTERS = 1_000_000
_MOST_NUMBERS = 200_000  # of the vectors of one reply
_FOLDER = "vectors"


class Embedded(Chunks):
    """The store in a data folder; other processes may use it at the same time. Whoever makes it, closes it."""

    def __init__(self, data: Path, *, most_open: int = MOST_OPEN) -> None:
        folder = data.absolute() / _FOLDER
        summons = Summons(folder, most_open=most_open)
        self._reads, self._writes = Line(summons), Line(summons)

    @override
    async def ensure(self, collection: Collection) -> None:
        await self._write("ensure", collection)

    @override
    async def upsert(
        self, collection: Collection, chunks: Sequence[Chunk], vectors: Vectors | None = None
    ) -> None:
        vectors = fit(collection, chunks, vectors)
        for start, end in _slices(chunks):
            entries = [
                protocol.written_entry(collection, chunk, vector)
                for chunk, vector in zip(chunks[start:end], vectors[start:end], strict=True)
            ]
            await self._write("upsert", collection, entries=entries)

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
        await self._write("delete", collection, ids=list(ids), document=document, keep=list(keep))

    @override
    async def drop(self, tenant: str, name: str) -> None:
        named(tenant, "tenant")
        named(name, "collection")
        await self._writes.ask({"do": "drop", "tenant": tenant, "name": name}, seconds=_WRITE_SECONDS)

    @override
    async def erase(self, tenant: str) -> None:
        named(tenant, "tenant")
        await self._writes.ask({"do": "erase", "tenant": tenant}, seconds=_WRITE_SECONDS)

    @override
    async def search(self, collection: Collection, query: Query) -> list[Hit]:
        if query.mode is not Mode.TEXT:
            fits(collection, query.vector)
        found = await self._read("search", collection, query=protocol.written_query(query))
        return [protocol.read_hit(collection, one) for one in found]

    @override
    async def count(self, collection: Collection, *, document: str | None = None) -> int:
        return int(await self._read("count", collection, document=document))

    @override
    async def get(
        self, collection: Collection, ids: Sequence[str], *, groups: frozenset[str] | None = None
    ) -> list[Chunk]:
        few(ids)
        told = None if groups is None else sorted(groups)
        found = await self._read("get", collection, ids=list(ids), groups=told)
        return [payload.chunk(collection, one) for one in found]

    @override
    async def listed(
        self, collection: Collection, document: str, *, groups: frozenset[str] | None = None
    ) -> list[Chunk]:
        told = {"document": document, "groups": None if groups is None else sorted(groups)}
        chunks: list[Chunk] = []
        after = None
        while True:
            some, after = await self._read("page", collection, **told, after=after)
            chunks += [payload.chunk(collection, one) for one in some]
            if after is None:
                return in_order(chunks)

    @override
    async def vectors(self, collection: Collection, ids: Sequence[str]) -> dict[str, list[float]]:
        few(ids)
        if not collection.width:
            return {}
        found: dict[str, list[float]] = {}
        at_once = max(1, _MOST_NUMBERS // collection.width)
        for start in range(0, len(ids), at_once):
            some = await self._read("vectors", collection, ids=list(ids[start : start + at_once]))
            found |= {name: list(protocol.read_vector(letters)) for name, letters in some.items()}
        return found

    @override
    async def settle(self, collection: Collection) -> None:
        await self._write("settle", collection)

    @override
    async def aclose(self) -> None:
        await self._reads.aclose()
        await self._writes.aclose()

    async def _read(self, what: str, collection: Collection, **told: Any) -> Any:
        request = {"do": what, "in": protocol.written_collection(collection), **told}
        return await self._reads.ask(request, seconds=_READ_SECONDS)

    async def _write(self, what: str, collection: Collection, **told: Any) -> Any:
        request = {"do": what, "in": protocol.written_collection(collection), **told}
        return await self._writes.ask(request, seconds=_WRITE_SECONDS)


def _slices(chunks: Sequence[Chunk]) -> Iterator[tuple[int, int]]:
    """Where to cut, so that no request is long."""
    start, characters = 0, 0
    for place, chunk in enumerate(chunks):
        length = len(chunk.text) + len(chunk.title) + sum(map(len, chunk.headings))
        if place > start and (place - start == _MOST_CHUNKS or characters + length > _MOST_CHARACTERS):
            yield start, place
            start, characters = place, 0
        characters += length
    if start < len(chunks):
        yield start, len(chunks)
