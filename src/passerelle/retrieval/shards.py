"""Qdrant's engine in the process that owns its folder: a shard for each collection, in the tenant's own folder.

Shards apart are tenants apart, with nothing to filter; a tenant's end is the end of its folder. The engine holds
Python's lock in every call, so nothing here is concurrent. Written points survive a kill at once, a loss of power
after `settle`, `tidy` or `close`.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import qdrant_edge as edge

from passerelle.domain.retrieval import Chunk, Collection, Condition, Hit, Mode, Query
from passerelle.retrieval import bm25, payload
from passerelle.retrieval.conditions import as_filter
from passerelle.retrieval.names import MOST_OPEN
from passerelle.retrieval.ranking import Found, ranked
from passerelle.retrieval.store import Unfit, Unreachable, fits

_MOST_INDEXES = 24  # of a shard
_PAGE = 256  # chunks of a document given at a time
_MAKING, _GONE = ".making-", ".gone-"
_CURE = "Its documents can be indexed again."

Result = TypeVar("Result")


class Shards:
    """Every tenant's shards under one folder. Whoever makes it, closes it; nobody else may use the folder meanwhile."""

    def __init__(self, folder: Path, *, most_open: int = MOST_OPEN) -> None:
        self._folder = folder
        self._most_open = most_open
        self._open: OrderedDict[Path, edge.EdgeShard] = OrderedDict()
        self._written: set[Path] = set()
        self._number = itertools.count()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.iterdir():
            if left.name.startswith((_MAKING, _GONE)):  # by somebody who was killed
                shutil.rmtree(left, ignore_errors=True)

    def ensure(self, collection: Collection) -> None:
        """There is a shard for it."""
        self._made(collection)

    def upsert(self, collection: Collection, entries: Sequence[tuple[Chunk, Sequence[float]]]) -> None:
        """Write chunks with their vectors."""
        points = []
        for chunk, vector in entries:
            fits(collection, vector)
            words = bm25.of_passage(chunk.indexed, chunk.language)
            vectors: dict[str, Any] = {
                payload.SPARSE: edge.SparseVector(list(words.stems), list(words.weights))
            }
            if len(vector):
                vectors[payload.DENSE] = list(vector)
            points.append(
                edge.Point(
                    payload.point_id(collection, chunk.id), vectors, payload.payload(collection, chunk)
                )
            )
        path, shard = self._made(collection)
        if points:
            self._update(path, shard, edge.UpdateOperation.upsert_points(points))

    def delete(
        self, collection: Collection, *, ids: Sequence[str], document: str | None, keep: Sequence[str]
    ) -> None:
        """Delete by ids, and a document's except those to keep."""
        path, shard = self._found(collection)
        if shard is None:
            return
        if ids:
            gone: list[edge.PointId] = [payload.point_id(collection, one) for one in ids]
            self._update(path, shard, edge.UpdateOperation.delete_points(gone))
        if document is not None:
            kept = [payload.point_id(collection, one) for one in keep]
            chosen = as_filter(
                {"must": [payload.of_document(document), *([payload.without(kept)] if kept else [])]}
            )
            self._update(path, shard, edge.UpdateOperation.delete_points_by_filter(chosen))

    def drop(self, tenant: str, name: str) -> None:
        """Remove the folder of a tenant's collection."""
        self._remove(self._place(tenant, name))

    def erase(self, tenant: str) -> None:
        """Remove a tenant's folder."""
        self._remove(self._place(tenant))

    def search(self, collection: Collection, query: Query) -> list[Hit]:
        """The best passages."""
        if query.mode is not Mode.TEXT:
            fits(collection, query.vector)
        path, shard = self._found(collection)
        if shard is None:
            return []
        conditions = [
            *payload.open_to(query.groups),
            *(part for condition in query.conditions for part in payload.fulfils(condition)),
        ]
        allowed = as_filter({"must": conditions}) if conditions else None
        self._index(path, shard, query.conditions)
        text, dense = list[Found](), list[Found]()
        if query.mode is not Mode.DENSE:
            words = bm25.of_question(query.text, query.language)
            sparse = edge.SparseVector(list(words.stems), list(words.weights))
            wanted = edge.Query.Nearest(sparse, using=payload.SPARSE)
            text = self._list(path, shard, collection, query, wanted, allowed) if words.stems else []
        if query.mode is not Mode.TEXT:
            wanted = edge.Query.Nearest(list(query.vector), using=payload.DENSE)
            dense = self._list(path, shard, collection, query, wanted, allowed)
        read = (lambda points: self._carried(path, shard, points)) if _lean(collection, query) else None
        return ranked(collection, query, text, dense, read=read)

    def count(self, collection: Collection, *, document: str | None) -> int:
        """How many chunks there are."""
        path, shard = self._found(collection)
        if shard is None:
            return 0
        chosen = None if document is None else as_filter({"must": [payload.of_document(document)]})
        asked = edge.CountRequest(exact=True, filter=chosen)
        return self._ask(path, lambda: shard.count(asked))

    def get(
        self, collection: Collection, ids: Sequence[str], *, groups: frozenset[str] | None
    ) -> list[Chunk]:
        """Those that are there."""
        path, shard = self._found(collection)
        if shard is None or not ids:
            return []
        points = [payload.point_id(collection, one) for one in ids]
        asked = edge.ScrollRequest(
            limit=len(points),
            filter=as_filter({"must": [{"has_id": points}, *payload.open_to(groups)]}),
            with_payload=True,
            with_vector=False,
        )
        records, _ = self._ask(path, lambda: shard.scroll(asked))
        there = {str(record.id): payload.chunk(collection, record.payload) for record in records}
        return [there[point] for point in points if point in there]

    def page(
        self, collection: Collection, document: str, *, groups: frozenset[str] | None, after: str | None
    ) -> tuple[list[Chunk], str | None]:
        """Some of a document's chunks in no order, and after which point the next ones come; None: there are none."""
        path, shard = self._found(collection)
        if shard is None:
            return [], None
        asked = edge.ScrollRequest(
            offset=after,
            limit=_PAGE,
            filter=as_filter({"must": [payload.of_document(document), *payload.open_to(groups)]}),
            with_payload=True,
            with_vector=False,
        )
        records, following = self._ask(path, lambda: shard.scroll(asked))
        chunks = [payload.chunk(collection, record.payload) for record in records]
        return chunks, None if following is None else str(following)

    def vectors(self, collection: Collection, ids: Sequence[str]) -> dict[str, Sequence[float]]:
        """The vectors of those that are there."""
        path, shard = self._found(collection)
        if shard is None or not ids or not collection.width:
            return {}
        points = {payload.point_id(collection, one): one for one in ids}
        asked: list[edge.PointId] = list(points)
        records = self._ask(
            path, lambda: shard.retrieve(asked, with_payload=False, with_vector=[payload.DENSE])
        )
        return {points[str(record.id)]: _dense(record.vector) for record in records}

    def settle(self, collection: Collection) -> None:
        """Bring what was written to the disk."""
        path, shard = self._found(collection)
        if shard is not None and path in self._written:
            self._flush(path, shard)

    def tidy(self) -> None:
        """Bring everything that was written to the disk."""
        for path in [*self._written]:
            if path in self._open:
                self._flush(path, self._open[path])

    def close(self) -> None:
        """Close every shard."""
        while self._open:
            self._shut(next(iter(self._open)))

    @property
    def open(self) -> int:
        """How many shards are open."""
        return len(self._open)

    def _list(
        self,
        path: Path,
        shard: edge.EdgeShard,
        collection: Collection,
        query: Query,
        wanted: Any,
        allowed: edge.Filter | None,
    ) -> list[Found]:
        asked = edge.QueryRequest(
            limit=query.reach,
            query=wanted,
            filter=allowed,
            with_payload=not _lean(collection, query),
            with_vector=[payload.DENSE] if query.diversity and collection.width else False,
        )
        return [
            Found(str(point.id), point.score, point.payload or {}, _dense(point.vector))
            for point in self._ask(path, lambda: shard.query(asked))
        ]

    def _carried(self, path: Path, shard: edge.EdgeShard, points: Sequence[str]) -> dict[str, Any]:
        """What points carry, by their ids."""
        asked: list[edge.PointId] = list(points)
        records = self._ask(path, lambda: shard.retrieve(asked, with_payload=True, with_vector=False))
        return {str(record.id): record.payload or {} for record in records}

    def _index(self, path: Path, shard: edge.EdgeShard, conditions: Sequence[Condition]) -> None:
        """What is filtered by is indexed from then on: without, each search would read every payload from the disk."""
        if not conditions:
            return
        known = self._ask(path, shard.info).payload_schema
        for condition in conditions:
            key = payload.key(condition.name)
            if key in known or len(known) >= _MOST_INDEXES:
                continue
            operation = edge.UpdateOperation.create_field_index(key, _index_for(condition))
            self._update(path, shard, operation)
            known[key] = None  # type: ignore[assignment]

    def _made(self, collection: Collection) -> tuple[Path, edge.EdgeShard]:
        path, shard = self._found(collection)
        if shard is None:
            self._make(path, collection.width)
            shard = self._load(path, collection.width)
        return path, shard

    def _found(self, collection: Collection) -> tuple[Path, edge.EdgeShard | None]:
        """Its shard, opened; the one that was not used for longest may be closed for it."""
        path = self._place(collection.tenant, collection.name) / str(collection.width)
        if path in self._open:
            self._open.move_to_end(path)
            return path, self._open[path]
        if not path.is_dir():
            return path, None
        return path, self._load(path, collection.width)

    def _load(self, path: Path, width: int) -> edge.EdgeShard:
        while len(self._open) >= self._most_open:
            self._shut(next(iter(self._open)))
        with _failing():
            shard = self._open[path] = edge.EdgeShard.load(str(path), _config(width))
        return shard

    def _make(self, path: Path, width: int) -> None:
        """A new shard, whole or not at all."""
        making = self._folder / f"{_MAKING}{os.getpid()}-{next(self._number)}"
        making.mkdir(mode=0o700)
        with _failing():
            shard = edge.EdgeShard.create(str(making), _config(width))
            for name in (payload.DOCUMENT, payload.ACCESS):
                shard.update(edge.UpdateOperation.create_field_index(name, edge.KeywordIndexParams()))
            shard.close()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        making.rename(path)

    def _remove(self, folder: Path) -> None:
        """Nothing of it is found when this returns, and it does not come back after a kill."""
        for path in [path for path in self._open if path.is_relative_to(folder)]:
            self._shut(path)
        if folder.is_dir():
            gone = self._folder / f"{_GONE}{os.getpid()}-{next(self._number)}"
            folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    def _place(self, *names: str) -> Path:
        """A folder for names of any letters."""
        return self._folder.joinpath(*(hashlib.sha256(name.encode()).hexdigest()[:40] for name in names))

    def _update(self, path: Path, shard: edge.EdgeShard, operation: edge.UpdateOperation) -> None:
        self._written.add(path)
        self._ask(path, lambda: shard.update(operation))

    def _ask(self, path: Path, call: Callable[[], Result]) -> Result:
        """Its result; a shard that fails is opened anew the next time."""
        try:
            with _failing():
                return call()
        except Unreachable:
            with contextlib.suppress(Unreachable):
                self._shut(path)
            raise

    def _flush(self, path: Path, shard: edge.EdgeShard) -> None:
        self._ask(path, shard.flush)
        self._written.discard(path)

    def _shut(self, path: Path) -> None:
        shard = self._open.pop(path, None)
        self._written.discard(path)
        if shard is not None:
            with _failing():
                shard.close()


@contextlib.contextmanager
def _failing() -> Iterator[None]:
    """The engine's failures in our words; it has no kinds of its own, and its panics are no Exceptions."""
    try:
        yield
    except (Unfit, Unreachable, KeyboardInterrupt, SystemExit):
        raise
    except OSError as error:
        said = (error.strerror or "error").lower()
        raise Unreachable(f"The folder of the passages cannot be used: {said}.") from None
    except BaseException as error:
        raise Unreachable(f"A collection cannot be used ({type(error).__name__}). {_CURE}") from error


def _config(width: int) -> edge.EdgeConfig:
    sparse = {payload.SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)}
    if not width:
        return edge.EdgeConfig(sparse_vectors=sparse, max_search_threads=1)
    dense = {payload.DENSE: edge.EdgeVectorParams(size=width, distance=edge.Distance.Cosine)}
    return edge.EdgeConfig(vectors=dense, sparse_vectors=sparse, max_search_threads=1)


def _lean(collection: Collection, query: Query) -> bool:
    """Are points found without what they carry, because more are found than given, and their texts are not compared?"""
    return query.reach > query.k and bool(collection.width or not query.diversity)


def _index_for(condition: Condition) -> Any:
    values = condition.any_of + condition.none_of
    if condition.bounds:
        return edge.FloatIndexParams()
    if all(isinstance(value, str) for value in values):
        return edge.KeywordIndexParams()
    return edge.IntegerIndexParams(lookup=True, range=False)


def _dense(vector: Any) -> Sequence[float]:
    """The dense one, however the engine gives it."""
    if isinstance(vector, dict):
        vector = vector.get(payload.DENSE)
    return vector if isinstance(vector, list) else ()
