"""The three things Text Embeddings Inference does, behind the gateway: what its tests share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.fakes.tei import Kind, TeiFake
from tests.serving import Served, one_backend


@dataclass(frozen=True)
class Way:
    """One of the three things TEI does: the model it takes, the routes on both sides, how inputs are carried."""

    kind: Kind
    task: str
    path: str
    native: str
    field: str  # of the caller's body
    sent: str  # of the engine's
    rest: dict[str, Any]

    def body(self, inputs: list[str]) -> dict[str, Any]:
        return {"model": "assistant", self.field: inputs, **self.rest}


EMBED = Way("embedding", "embed", "/v1/embeddings", "/v1/embeddings", "input", "input", {})
RERANK = Way("reranker", "rerank", "/v1/rerank", "/rerank", "documents", "texts", {"query": "un chat"})
CLASSIFY = Way("classifier", "classify", "/v1/classify", "/predict", "input", "inputs", {})
WAYS = [EMBED, RERANK, CLASSIFY]


def configured(way: Way, engine: TeiFake, **options: Any) -> dict[str, Any]:
    made = one_backend("tei", engine.url, model=engine.model, task=way.task, **options)
    made["tenants"] = {"acme": {"attempts": 1}}
    return made


async def post(served: Served, way: Way, inputs: list[str]) -> tuple[int, dict[str, Any], dict[str, str]]:
    async with served.client() as http, http.post(way.path, json=way.body(inputs)) as reply:
        return (
            reply.status,
            await reply.json(),
            {name.lower(): value for name, value in reply.headers.items()},
        )


def asked(engine: TeiFake) -> list[Any]:
    return [request for request in engine.requests if request.method == "POST"]


def chats(count: int) -> list[str]:
    """So many texts of 1, 2, 1, 2, ... words, so that each one's answer tells its place."""
    return ["chat" if number % 2 == 0 else "un chien" for number in range(count)]


def answered(way: Way, payload: dict[str, Any]) -> list[Any]:
    """What the reply says of each input, in the order of the inputs."""
    if way is RERANK:
        ranked = sorted(payload["results"], key=lambda result: result["index"])
        assert [result["index"] for result in ranked] == list(range(len(ranked)))
        return [result["relevance_score"] for result in ranked]
    assert [item["index"] for item in payload["data"]] == list(range(len(payload["data"])))
    return [tuple(item["embedding"]) if way is EMBED else item["label"] for item in payload["data"]]
