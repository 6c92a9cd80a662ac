"""Without a reranker, documents are still ordered by what they have in common with the query."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.engine import BuiltinBackend
from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.catalog import Target

_QUERY = "Quel jour le musée est-il fermé ?"
_DOCUMENTS = ["Le billet coûte 12 euros.", {"text": "Le musée est fermé le mardi."}, "", _QUERY]


@pytest.fixture
async def backend(models: Path) -> AsyncIterator[BuiltinBackend]:
    backend = BuiltinBackend(Embedder(cache=models))
    yield backend
    await backend.aclose()


async def _rank(backend: BuiltinBackend, **more: Any) -> dict[str, Any]:
    body = {"model": "m", "query": _QUERY, "documents": _DOCUMENTS, **more}
    ask = Ask(
        Route.RERANK,
        "m",
        body,
        stream=False,
        wants_usage=False,
        request_id="req_1",
        needs=Needs(),
        arrived=0.0,
    )
    reply = await backend.start(ask, Target("offline", "reranker"))
    payload: dict[str, Any] = orjson.loads(reply.body)
    assert reply.usage is not None
    assert payload["usage"]["prompt_tokens"] == reply.usage.prompt_tokens > 0
    return payload


async def test_the_document_that_answers_comes_before_those_that_do_not(backend: BuiltinBackend) -> None:
    payload = await _rank(backend)

    assert payload["model"] == "builtin/reranker"
    assert [result["index"] for result in payload["results"]][:2] == [3, 1]
    scores = {result["index"]: result["relevance_score"] for result in payload["results"]}
    assert set(scores) == {0, 1, 2, 3}
    assert all(0 <= score <= 1 for score in scores.values())
    assert scores[1] > 0.5 > scores[0]


async def test_nothing_in_common_scores_nothing(backend: BuiltinBackend) -> None:
    payload = await _rank(backend)

    assert payload["results"][-1] == {"index": 2, "relevance_score": 0.0}


async def test_raw_scores_are_in_the_same_order(backend: BuiltinBackend) -> None:
    raw, mapped = await _rank(backend, raw_scores=True), await _rank(backend)

    assert [result["index"] for result in raw["results"]] == [result["index"] for result in mapped["results"]]
    assert raw["results"][0]["relevance_score"] > 1.5


async def test_a_query_and_documents_without_words_are_ranked_all_the_same(backend: BuiltinBackend) -> None:
    payload = await _rank(backend, query="?", documents=["", "…"])

    assert [result["index"] for result in payload["results"]]
