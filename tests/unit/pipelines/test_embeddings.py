"""Vectors and ranks for LangChain through the gateway: in order, in few calls, as calls of the tenant."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.documents import Document

from passerelle.domain.errors import BadRequest, UpstreamFailed
from passerelle.gateway.record import Outcome
from passerelle.pipelines.models.embeddings import GatewayEmbeddings
from passerelle.pipelines.models.reranker import SCORE, GatewayReranker
from tests.fakes.openai_like import OpenAiLike
from tests.fakes.script import Fail, Silent, Status
from tests.fakes.speech import vector
from tests.fakes.tei import TeiFake
from tests.serving import one_backend
from tests.unit.gateway.internal import inside
from tests.unit.pipelines.asking import CONFIGURATION, asker_of, asking


def _embedding(engine: OpenAiLike, model: str | None = None) -> CONFIGURATION:
    return one_backend("openai", engine.url, model=model or engine.model, task="embed")


async def test_texts_come_back_as_vectors_in_their_order_and_equal_ones_are_sent_once() -> None:
    texts = [f"Phrase n° {number % 70}" for number in range(100)]
    async with OpenAiLike() as engine, asking(_embedding(engine)) as (_, gateway, asker):
        vectors = await GatewayEmbeddings(asker, "assistant").aembed_documents(texts)
        sent = [text for request in engine.requests for text in request.body["input"]]
        assert len(engine.requests) == 3
    assert vectors == [pytest.approx(vector(text, 8), abs=1e-6) for text in texts]
    assert sorted(sent) == sorted(set(texts))
    assert {record.key_id for record in gateway.records} == {"internal:rag"}


async def test_questions_and_passages_bear_the_prefixes_of_e5() -> None:
    async with OpenAiLike(model="intfloat/multilingual-e5-small") as engine:
        async with asking(_embedding(engine)) as (_, _, asker):
            embeddings = GatewayEmbeddings(asker, "assistant")
            await embeddings.aembed_query("Où ?")
            await embeddings.aembed_documents(["Là."])
            await GatewayEmbeddings(asker, "assistant", before_query="").aembed_query("Où ?")
        sent = [request.body["input"] for request in engine.requests]
    assert sent == [["query: Où ?"], ["passage: Là."], ["Où ?"]]


async def test_nothing_to_embed_asks_nobody() -> None:
    async with OpenAiLike() as engine, asking(_embedding(engine)) as (_, _, asker):
        assert await GatewayEmbeddings(asker, "assistant").aembed_documents([]) == []
        assert engine.requests == []


@pytest.mark.parametrize(
    "data",
    [
        [],
        [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": [0.0, 0.0]}, {"index": 1, "embedding": [1.0, 0.0]}],
        [{"index": 0, "embedding": [1.0, 0.0]}, {"index": 1, "embedding": [1.0]}],
    ],
    ids=["none", "twice", "zero", "widths"],
)
async def test_an_answer_without_a_vector_for_each_text_is_none(data: list[object]) -> None:
    async with OpenAiLike() as engine, asking(_embedding(engine)) as (_, _, asker):
        engine.always(Status(200, {"object": "list", "data": data, "model": "m", "usage": {}}))
        with pytest.raises(UpstreamFailed):
            await GatewayEmbeddings(asker, "assistant").aembed_documents(["a", "b"])


async def test_one_call_that_fails_ends_the_others_and_all_are_closed() -> None:
    async with OpenAiLike() as engine, asking(_embedding(engine)) as (_, gateway, asker):
        engine.script(Fail("validation"))
        engine.always(Silent())
        with pytest.raises(UpstreamFailed):
            await GatewayEmbeddings(asker, "assistant", texts=1).aembed_documents(list("abcdefgh"))
        await engine.until(lambda: engine.live == 0)
    assert {record.outcome for record in gateway.records} <= {Outcome.FAILED, Outcome.HUNG_UP}


async def test_a_cancelled_list_hangs_up_on_every_call() -> None:
    async with OpenAiLike() as engine, asking(_embedding(engine)) as (_, gateway, asker):
        engine.always(Silent())
        task = asyncio.ensure_future(
            GatewayEmbeddings(asker, "assistant", texts=1).aembed_documents(list("abc"))
        )
        await engine.until(lambda: engine.live == 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [record.outcome for record in gateway.records] == [Outcome.HUNG_UP] * 3
        await engine.until(lambda: engine.live == 0)


async def test_a_model_of_another_task_is_refused_by_name() -> None:
    async with asking() as (_, _, asker):
        with pytest.raises(BadRequest) as caught:
            await GatewayEmbeddings(asker, "assistant").aembed_query("Où ?")
    assert caught.value.code == "wrong_task"


async def test_waiting_methods_work_in_other_threads_and_refuse_here() -> None:
    async with OpenAiLike() as engine, asking(_embedding(engine)) as (_, _, asker):
        embeddings = GatewayEmbeddings(asker, "assistant")
        assert len(await asyncio.to_thread(embeddings.embed_query, "Où ?")) == 8
        with pytest.raises(RuntimeError, match="methods named"):
            embeddings.embed_documents(["Là."])


async def test_documents_come_in_the_order_of_relevance_with_their_scores() -> None:
    documents = [
        Document("Le port est fermé."),
        Document("La capitale de la France est Paris.", metadata={"page": 3}),
        Document("Paris.", metadata={"title": "Capitale"}),
    ]
    async with TeiFake(kind="reranker") as engine:
        configuration = one_backend("tei", engine.url, model=engine.model, task="rerank")
        async with inside(configuration) as gateway:
            reranker = GatewayReranker(asker=asker_of(gateway), model="assistant", top_n=2)
            found = await reranker.acompress_documents(documents, "capitale de la France")
            none = await reranker.acompress_documents([], "capitale")
            strict = reranker.model_copy(update={"least": 2.0})
            assert await strict.acompress_documents(documents, "capitale de la France") == []
    assert found[0].metadata["page"] == 3
    assert len(found) == 2
    assert found[0].metadata[SCORE] >= found[1].metadata[SCORE]
    assert SCORE not in documents[1].metadata
    assert none == []
    assert {record.tenant for record in gateway.records} == {"acme"}
    assert not gateway.ledger.open()
