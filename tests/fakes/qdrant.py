"""Qdrant's REST server, as far as its client needs it here, over Qdrant's own engine (`qdrant-edge-py`).

What is stored and found is the engine's; the routes, statuses and refusals are written after the server's OpenAPI
document; `hnsw_config` and `timeout` change nothing. What the engine cannot show: replicas, shards, optimisers, TLS. It is embedded in the test's own
process and holds the GIL, so that its times say nothing of a server's.
"""

from __future__ import annotations

import itertools
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import qdrant_edge as edge
from typing_extensions import override

from passerelle.retrieval.conditions import as_filter
from tests.fakes.engine import Engine
from tests.fakes.script import Fail, Plan
from tests.fakes.wire import Received, Reply, json_reply

Json = dict[str, Any]
_THREADS = 1  # of a shard's searches; left to itself the engine starts one a core and shard
_SCHEMAS: Mapping[str, Callable[[Json], Any]] = {
    "keyword": lambda given: edge.KeywordIndexParams(is_tenant=given.get("is_tenant")),
    "integer": lambda given: edge.IntegerIndexParams(lookup=True, range=True),
    "float": lambda given: edge.FloatIndexParams(),
    "bool": lambda given: edge.BoolIndexParams(),
}
_DISTANCES = {name: getattr(edge.Distance, name) for name in ("Cosine", "Dot", "Euclid", "Manhattan")}


class Refusal(Exception):
    """The request is refused with this status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class QdrantFake(Engine):
    """A server whose collections live as long as this object, through `down` and `up`."""

    def __init__(self, *, api_key: str | None = None) -> None:
        super().__init__()
        self.api_key = api_key
        self.shards: dict[str, edge.EdgeShard] = {}
        self.schemas: dict[str, dict[str, Json]] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp"))
        self._number = itertools.count(1)

    @override
    async def __aexit__(self, *given: object) -> None:
        try:
            await super().__aexit__(*given)
        finally:
            for shard in self.shards.values():
                shard.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def points(self, collection: str) -> list[Json]:
        """Everything that is stored there, vectors included."""
        if collection not in self.shards:
            return []
        records, _ = self.shards[collection].scroll(
            edge.ScrollRequest(limit=1_000_000, with_payload=True, with_vector=True)
        )
        return [
            {"id": str(record.id), "payload": record.payload, "vector": record.vector} for record in records
        ]

    def put(self, collection: str, point: str, payload: Json, vector: list[float]) -> None:
        """Write a point as somebody else with access to the server would."""
        self.shards[collection].update(
            edge.UpdateOperation.upsert_points([edge.Point(point, vector, payload)])
        )

    def empty(self) -> None:
        """The server has lost its disk."""
        for shard in self.shards.values():
            shard.close()
        self.shards, self.schemas = {}, {}

    @override
    async def reply(self, request: Received, plan: Plan) -> Reply:
        try:
            if self.api_key and request.headers.get("api-key") != self.api_key:
                raise Refusal(401, "Must provide an API key or an Authorization bearer token")
            if fail := plan.get(Fail):
                raise Refusal(500, fail.message or "Service internal error: WAL is gone")
            result = self._answer(request)
        except Refusal as refusal:
            told = {"status": {"error": str(refusal)}, "time": 0.0}
            return json_reply(told, refusal.status)
        return json_reply({"result": result, "status": "ok", "time": 0.0})

    def _answer(self, request: Received) -> Any:
        method, path, body = request.method, request.path, request.body or {}
        if (method, path) == ("GET", "/collections"):
            return {"collections": [{"name": name} for name in self.shards]}
        match = re.fullmatch(r"/collections/([^/]+)(/.*)?", path)
        if not match:
            raise Refusal(404, "")
        name, rest = match[1], match[2] or ""
        if (method, rest) == ("PUT", ""):
            return self._create(name, body)
        shard = self.shards.get(name)
        if shard is None:
            raise Refusal(404, f"Not found: Collection `{name}` doesn't exist!")
        match method, rest:
            case "DELETE", "":
                shard.close()
                del self.shards[name], self.schemas[name]
                return True
            case "GET", "/exists":
                return {"exists": True}
            case "PUT", "/index":
                return self._index(name, body)
            case "PUT", "/points":
                return self._updated(shard, edge.UpdateOperation.upsert_points(_points(body)))
            case "POST", "/points/query":
                return self._query(shard, body)
            case "POST", "/points/query/batch":
                return [self._query(shard, search) for search in body["searches"]]
            case "POST", "/points/scroll":
                return self._scroll(shard, body)
            case "POST", "/points/count":
                counted = edge.CountRequest(exact=body.get("exact", True), filter=_filter(body.get("filter")))
                return {"count": shard.count(counted)}
            case "POST", "/points/delete":
                return self._updated(shard, _deletion(body))
        raise Refusal(404, "")

    def _create(self, name: str, body: Json) -> bool:
        if name in self.shards:
            raise Refusal(409, f"Wrong input: Collection `{name}` already exists!")
        config = edge.EdgeConfig(**_kinds(body), max_search_threads=_THREADS)
        self.shards[name] = edge.EdgeShard.create(str(self._folder / f"{next(self._number)}"), config)
        self.schemas[name] = {}
        return True

    def _index(self, name: str, body: Json) -> Json:
        schema = body["field_schema"]
        given: Json = {"type": schema} if isinstance(schema, str) else schema
        operation = edge.UpdateOperation.create_field_index(
            body["field_name"], _SCHEMAS[given["type"]](given)
        )
        self.schemas[name][body["field_name"]] = given
        return self._updated(self.shards[name], operation)

    def _query(self, shard: edge.EdgeShard, body: Json) -> Json:
        found = shard.query(
            edge.QueryRequest(
                limit=body.get("limit", 10),
                query=edge.Query.Nearest(_vector(_nearest(body["query"])), using=body.get("using")),
                filter=_filter(body.get("filter")),
                params=_params(body.get("params")),
                with_payload=bool(body.get("with_payload", False)),
                with_vector=body.get("with_vector", False),
            )
        )
        points = [
            {
                "id": str(point.id),
                "version": point.version,
                "score": point.score,
                "payload": point.payload,
                "vector": point.vector,
            }
            for point in found
        ]
        return {"points": points}

    def _scroll(self, shard: edge.EdgeShard, body: Json) -> Json:
        records, after = shard.scroll(
            edge.ScrollRequest(
                limit=body.get("limit", 10),
                offset=body.get("offset"),
                filter=_filter(body.get("filter")),
                with_payload=bool(body.get("with_payload", False)),
                with_vector=body.get("with_vector", False),
            )
        )
        points = [
            {"id": str(record.id), "payload": record.payload, "vector": record.vector} for record in records
        ]
        return {"points": points, "next_page_offset": None if after is None else str(after)}

    def _updated(self, shard: edge.EdgeShard, operation: Any) -> Json:
        try:
            shard.update(operation)
        except Exception as error:  # the engine has no kind of its own for a vector of another length
            raise Refusal(400, f"Wrong input: {error}") from error
        return {"operation_id": next(self._number), "status": "completed"}


def _kinds(body: Json) -> Json:
    """The vectors of a collection, in the engine's words."""
    dense, sparse = body.get("vectors") or {}, body.get("sparse_vectors") or {}
    kinds: Json = {}
    if dense:
        kinds["vectors"] = edge.EdgeVectorParams(size=dense["size"], distance=_DISTANCES[dense["distance"]])
    if sparse:
        modifiers = {None: None, "idf": edge.Modifier.Idf}
        kinds["sparse_vectors"] = {
            name: edge.EdgeSparseVectorParams(modifier=modifiers[(given or {}).get("modifier")])
            for name, given in sparse.items()
        }
    return kinds


def _points(body: Json) -> list[edge.Point]:
    return [
        edge.Point(point["id"], _vectors(point["vector"]), point.get("payload")) for point in body["points"]
    ]


def _vectors(given: Any) -> Any:
    """A point's vector, or its vectors by name."""
    return {name: _vector(one) for name, one in given.items()} if isinstance(given, dict) else given


def _vector(given: Any) -> Any:
    return edge.SparseVector(given["indices"], given["values"]) if isinstance(given, dict) else given


def _nearest(query: Any) -> Any:
    return query["nearest"] if isinstance(query, dict) and "nearest" in query else query


def _params(given: Json | None) -> edge.SearchParams | None:
    corpus = ((given or {}).get("idf") or {}).get("corpus")
    return edge.SearchParams(idf=edge.IdfParams(corpus=_filter(corpus))) if corpus else None


def _deletion(body: Json) -> Any:
    if "points" in body:
        return edge.UpdateOperation.delete_points(body["points"])
    chosen = _filter(body["filter"])
    if chosen is None:
        raise Refusal(422, "the stand-in deletes nothing without a condition")
    return edge.UpdateOperation.delete_points_by_filter(chosen)


def _filter(given: Json | None) -> edge.Filter | None:
    """The server's filters, as far as they are asked for."""
    if not given:
        return None
    try:
        return as_filter(given)
    except (TypeError, ValueError) as error:
        raise Refusal(400, f"the stand-in does not know that filter: {error}") from error
