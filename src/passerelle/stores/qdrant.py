"""Qdrant: a client of one server with time limits of ours, and one kind of error for whatever goes wrong.

The library takes seconds to import, so it is imported in a thread when the server is first asked. A request is never
cancelled half-way, because the library's pool loses connections by that: a caller that goes away leaves it to its own
time limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from passerelle.domain.errors import CannotRun

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient, models

READ_SECONDS = 1  # the library counts in whole ones
WRITE_SECONDS = 10
_CONNECTIONS = 32
_CURE = "Write http://host:6333 or https://host:6333; the key goes into QDRANT_API_KEY."

Result = TypeVar("Result")
Json = Mapping[str, Any]


class Outage(Exception):
    """The server is not there, does not answer in time, or refuses. Quotes nothing of what was sent."""


class Missing(Outage):
    """There is no such collection."""


class Refused(Outage):
    """It is there and does not take what it was sent: asking again changes nothing."""


_KINDS: Mapping[int, type[Outage]] = {400: Refused, 404: Missing, 413: Refused, 422: Refused}


@dataclass(frozen=True, slots=True)
class Where:
    """What points must be: fields of their payload that equal a word, or lie on one side of a number."""

    equal: Mapping[str, str] = field(default_factory=dict)
    above: Mapping[str, float] = field(default_factory=dict)
    upto: Mapping[str, float] = field(default_factory=dict)  # that number included


Conditions = Where | Json  # the latter as Qdrant's REST interface writes a filter


@dataclass(frozen=True, slots=True)
class Sparse:
    """A vector that is nearly everywhere zero: where it is not, and what it is there; `name` among its point's."""

    name: str
    places: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Point:
    """A vector with its payload, under an id that is a UUID. An empty vector is none."""

    id: str
    vector: Sequence[float]
    payload: Mapping[str, Any]
    sparse: Sparse | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A point that was found, with its vector only where that was asked for."""

    id: str
    payload: Mapping[str, Any]
    score: float = 0.0
    vector: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Search:
    """One of several searches of one request. `corpus`: among which points a sparse vector's rareness is counted."""

    vector: Sequence[float] | Sparse
    where: Conditions
    most: int
    corpus: Conditions | None = None
    with_vector: bool = False


class Qdrant:
    """Connections to one server. Whoever makes it, closes it."""

    def __init__(self, address: str, *, key: str | None = None) -> None:
        """Raises CannotRun."""
        _check(address)
        self._address, self._key = address, key
        self._client: AsyncQdrantClient | None = None
        self._opening = asyncio.Lock()
        self._asked: set[asyncio.Task[Any]] = set()

    async def collections(self) -> list[str]:
        """Their names. Raises Outage, as everything here does."""
        answer = await self._do(lambda client: client.get_collections())
        return [collection.name for collection in answer.collections]

    async def make(
        self,
        collection: str,
        *,
        width: int,
        tenant: str,
        words: Sequence[str],
        numbers: Sequence[str],
        sparse: str | None = None,
    ) -> None:
        """A collection of vectors compared by their cosine, unless there is one. A width of 0: of sparse ones only.

        `tenant` is the field of the payload that no search ever goes beyond, so that graphs are built inside it only;
        `words` and `numbers` are further fields to filter by. `sparse` names vectors that count by how rare they are.
        Two processes may do this at once.
        """
        await self._opened()
        from qdrant_client import models  # noqa: PLC0415 - the server is optional, and its library is heavy

        try:
            await self._do(
                lambda client: client.create_collection(
                    collection,
                    vectors_config=models.VectorParams(size=width, distance=models.Distance.COSINE)
                    if width
                    else {},
                    sparse_vectors_config=(
                        {sparse: models.SparseVectorParams(modifier=models.Modifier.IDF)} if sparse else None
                    ),
                    hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),
                    on_disk_payload=True,
                    timeout=WRITE_SECONDS,
                )
            )
        except Outage:
            if collection not in await self.collections():
                raise
        wanted: list[tuple[str, Any]] = [
            (tenant, models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)),
            *[(name, models.PayloadSchemaType.KEYWORD) for name in words],
            *[(name, models.PayloadSchemaType.FLOAT) for name in numbers],
        ]
        for name, kind in wanted:
            await self._do(_indexed(collection, name, kind))

    async def put(self, collection: str, points: Sequence[Point]) -> None:
        """Write points, over those of the same ids; they can be found when this returns."""
        await self._opened()
        from qdrant_client import models  # noqa: PLC0415 - as above

        written = [
            models.PointStruct(id=point.id, vector=_vectors(point), payload=dict(point.payload))
            for point in points
        ]
        await self._do(
            lambda client: client.upsert(collection, points=written, wait=True, timeout=WRITE_SECONDS)
        )

    async def search(self, collection: str, vector: Sequence[float], *, where: Where, most: int) -> list[Hit]:
        """The nearest, nearest first."""
        answer = await self._do(
            lambda client: client.query_points(
                collection,
                query=list(vector),
                query_filter=_filter(where),
                limit=most,
                with_payload=True,
                timeout=READ_SECONDS,
            )
        )
        return [Hit(str(point.id), point.payload or {}) for point in answer.points]

    async def searches(self, collection: str, searches: Sequence[Search]) -> list[list[Hit]]:
        """What each of them finds, best first, in one request."""
        await self._opened()
        from qdrant_client import models  # noqa: PLC0415 - as above

        asked = []
        for search in searches:
            sparse = search.vector if isinstance(search.vector, Sparse) else None
            corpus = (
                models.IdfCorpusParams(corpus=_filter(search.corpus)) if search.corpus is not None else None
            )
            asked.append(
                models.QueryRequest(
                    query=_sparse(sparse) if sparse else list(cast("Sequence[float]", search.vector)),
                    using=sparse.name if sparse else None,
                    filter=_filter(search.where),
                    params=models.SearchParams(idf=corpus) if corpus else None,
                    limit=search.most,
                    with_payload=True,
                    with_vector=[""] if search.with_vector else False,
                )
            )
        answers = await self._do(
            lambda client: client.query_batch_points(collection, requests=asked, timeout=READ_SECONDS)
        )
        return [
            [
                Hit(str(point.id), point.payload or {}, point.score, _dense(point.vector))
                for point in answer.points
            ]
            for answer in answers
        ]

    async def read(self, collection: str, where: Conditions, *, most: int) -> list[Hit]:
        """Points that are like that, in no order."""
        return (await self.page(collection, where, most=most))[0]

    async def page(
        self,
        collection: str,
        where: Conditions,
        *,
        most: int,
        after: str | None = None,
        with_payload: bool = True,
        with_vector: bool = False,
        seconds: int = READ_SECONDS,
    ) -> tuple[list[Hit], str | None]:
        """Some of the points that are like that, and with which id the next ones begin; None: there are no more."""
        records, following = await self._do(
            lambda client: client.scroll(
                collection,
                scroll_filter=_filter(where),
                limit=most,
                offset=after,
                with_payload=with_payload,
                with_vectors=[""] if with_vector else False,
                timeout=seconds,
            )
        )
        hits = [Hit(str(record.id), record.payload or {}, vector=_dense(record.vector)) for record in records]
        return hits, None if following is None else str(following)

    async def count(self, collection: str, where: Conditions) -> int:
        """How many points are like that, exactly."""
        answer = await self._do(
            lambda client: client.count(
                collection, count_filter=_filter(where), exact=True, timeout=READ_SECONDS
            )
        )
        return answer.count

    async def delete(self, collection: str, chosen: Sequence[str] | Conditions) -> None:
        """Delete points by their ids or by what they are; they are gone when this returns."""
        await self._opened()
        from qdrant_client import models  # noqa: PLC0415 - as above

        selector = (
            models.FilterSelector(filter=_filter(chosen))
            if isinstance(chosen, Where | Mapping)
            else models.PointIdsList(points=list(chosen))
        )
        await self._do(
            lambda client: client.delete(
                collection, points_selector=selector, wait=True, timeout=WRITE_SECONDS
            )
        )

    async def aclose(self) -> None:
        """Wait a moment for what is under way, and close every connection: a silent server keeps nobody from ending."""
        if self._asked:
            _, late = await asyncio.wait(self._asked, timeout=READ_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _do(self, call: Callable[[AsyncQdrantClient], Awaitable[Result]]) -> Result:
        """Its result, from a task of its own that outlives whoever waits."""
        task = asyncio.ensure_future(self._ask(call))
        self._asked.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._asked.discard(task)
        if not task.cancelled():
            task.exception()  # has been told to whoever waited, if anybody still did

    async def _ask(self, call: Callable[[AsyncQdrantClient], Awaitable[Result]]) -> Result:
        client = await self._opened()
        try:
            return await call(client)
        except Exception as error:  # noqa: BLE001 - it has no common base for its errors and its transport's
            kind = _KINDS.get(getattr(error, "status_code", 0), Outage)
            raise kind(f"Qdrant cannot be asked: {type(error).__name__}") from None

    async def _opened(self) -> AsyncQdrantClient:
        """The library's client. Before this the library is not imported: that would hold up the loop."""
        if self._client is None:
            async with self._opening:
                if self._client is None:
                    self._client = await asyncio.to_thread(_client, self._address, self._key)
        return self._client


def _client(address: str, key: str | None) -> AsyncQdrantClient:
    from qdrant_client import AsyncQdrantClient  # noqa: PLC0415 - as above

    return AsyncQdrantClient(
        url=address,
        port=None,
        headers={"api-key": key} if key else None,
        timeout=WRITE_SECONDS,
        check_compatibility=False,  # it would ask at once, and wait for the answer
        trust_env=False,  # no proxy stands between us and our own store
        # The shape of httpx.Limits; left to itself, the library opens a connection for each request to a near server.
        limits=SimpleNamespace(
            max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=30.0
        ),
    )


def _indexed(collection: str, name: str, kind: Any) -> Callable[[AsyncQdrantClient], Awaitable[Any]]:
    return lambda client: client.create_payload_index(
        collection, field_name=name, field_schema=kind, wait=True, timeout=WRITE_SECONDS
    )


def _vectors(point: Point) -> Any:
    if point.sparse is None:
        return list(point.vector)
    dense = {"": list(point.vector)} if len(point.vector) else {}
    return {**dense, point.sparse.name: _sparse(point.sparse)}


def _sparse(vector: Sparse) -> models.SparseVector:
    from qdrant_client import models  # noqa: PLC0415 - as above

    return models.SparseVector(indices=list(vector.places), values=list(vector.values))


def _dense(vector: Any) -> Sequence[float]:
    """The one without a name, however the server gives it."""
    found = vector.get("") if isinstance(vector, dict) else vector
    return found if isinstance(found, list) else ()


def _filter(where: Conditions) -> models.Filter:
    from qdrant_client import models  # noqa: PLC0415 - as above

    if isinstance(where, Mapping):
        return models.Filter.model_validate(where)
    must: list[Any] = [
        models.FieldCondition(key=name, match=models.MatchValue(value=word))
        for name, word in where.equal.items()
    ]
    must += [
        models.FieldCondition(key=name, range=models.Range(gt=bound)) for name, bound in where.above.items()
    ]
    must += [
        models.FieldCondition(key=name, range=models.Range(lte=bound)) for name, bound in where.upto.items()
    ]
    return models.Filter(must=must)


def _check(address: str) -> None:
    """Raises CannotRun, quoting nothing of the address."""
    try:
        parts = urlsplit(address)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        bare = not (parts.username or parts.password or parts.query or parts.fragment)
    except ValueError:
        fits = bare = False
    if not (fits and bare):
        raise CannotRun("QDRANT_URL is not the address of a Qdrant server.", _CURE)
    if find_spec("qdrant_client") is None:
        raise CannotRun(
            "QDRANT_URL is set, and Qdrant's client is not installed.",
            "Install passerelle with its extra `qdrant`, or leave QDRANT_URL out.",
        )
