"""Rankings by every kind that makes them: order, cuts, documents, usage."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.engines import RERANKERS, SECRETS, Row
from tests.serving import Served, serving

_DOCUMENTS = ["un chien dort", "le chat noir", "un chat dort", "rien"]
_BODY: dict[str, Any] = {"model": "assistant", "query": "le chat noir", "documents": _DOCUMENTS}


@pytest.fixture(params=RERANKERS, ids=lambda row: row.name)
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Row, Any]]:
    row: Row = request.param
    async with row.make() as engine:
        yield row, engine


@pytest.fixture
async def served(engine: tuple[Row, Any]) -> AsyncIterator[Served]:
    row, fake = engine
    async with serving(row.configuration(fake, task="rerank"), environment=SECRETS) as served:
        yield served


async def _post(served: Served, **more: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    async with served.client() as http, http.post("/v1/rerank", json={**_BODY, **more}) as reply:
        return (
            reply.status,
            await reply.json(),
            {name.lower(): value for name, value in reply.headers.items()},
        )


async def test_every_document_is_ranked_the_most_relevant_first(
    served: Served, engine: tuple[Row, Any]
) -> None:
    status, payload, headers = await _post(served)

    assert status == 200, payload
    assert set(payload) == {"id", "object", "model", "results", "usage"}
    assert (payload["object"], payload["model"]) == ("list", engine[0].model)
    assert [result["index"] for result in payload["results"]] == [1, 2, 0, 3]
    scores = [result["relevance_score"] for result in payload["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(set(result) == {"index", "relevance_score"} for result in payload["results"])
    assert headers["x-passerelle-backend"] == "engine"


async def test_the_tokens_an_engine_counts_are_told_and_recorded(served: Served) -> None:
    _, payload, _ = await _post(served)

    assert payload["usage"]["prompt_tokens"] == payload["usage"]["total_tokens"] > 0
    await served.until(lambda: served.records)
    usage = served.records[0].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (payload["usage"]["prompt_tokens"], 0)


@pytest.mark.parametrize(("top", "left"), [(1, [1]), (2, [1, 2]), (99, [1, 2, 0, 3]), (None, [1, 2, 0, 3])])
async def test_top_n_keeps_the_best(served: Served, top: int | None, left: list[int]) -> None:
    _, payload, _ = await _post(served, top_n=top)

    assert [result["index"] for result in payload["results"]] == left


async def test_documents_are_given_back_where_that_was_asked_for(served: Served) -> None:
    _, payload, _ = await _post(served, return_documents=True, top_n=2)

    assert [result["document"] for result in payload["results"]] == [
        {"text": "le chat noir"},
        {"text": "un chat dort"},
    ]


async def test_documents_may_be_objects_with_a_text(served: Served) -> None:
    documents = [{"text": "rien"}, "un chien", {"text": "le chat", "title": "Chats"}]
    status, payload, _ = await _post(served, documents=documents, return_documents=True)

    assert status == 200
    assert payload["results"][0]["index"] == 2
    assert payload["results"][0]["document"] == {"text": "le chat"}


async def test_a_parameter_that_no_engine_here_reads_is_named(served: Served) -> None:
    _, _, headers = await _post(served, rank_fields=["title"], max_chunks_per_doc=None)

    assert headers["x-passerelle-ignored"] == "rank_fields"


async def test_a_ranking_is_not_streamed(served: Served) -> None:
    status, payload, _ = await _post(served, stream=True)

    assert (status, payload["error"]["param"]) == (400, "stream")


async def test_a_model_for_something_else_does_not_rank_and_says_so(engine: tuple[Row, Any]) -> None:
    row, fake = engine
    async with serving(row.configuration(fake, task="embed"), environment=SECRETS) as served:
        status, payload, _ = await _post(served)

    assert (status, payload["error"]["code"], payload["error"]["param"]) == (400, "wrong_task", "model")
    assert fake.requests == []
