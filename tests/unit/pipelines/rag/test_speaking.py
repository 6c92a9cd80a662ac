"""A collection as a model, for the real OpenAI client over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam

from passerelle.domain.errors import Blocked, Fault, NotFound, OverLimit, Unavailable, UpstreamFailed
from passerelle.domain.rag import Citation, Refusal, Said, Turn
from passerelle.domain.retrieval import Condition, Mode
from tests.serving import KEY, Served
from tests.unit.pipelines.rag.reading import FILE, TEXT, Scene, Scripted, answered, answering

ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Who built the bridge?"}]
BODY = {"model": "rag/docs", "messages": [{"role": "user", "content": "Who built the bridge?"}]}


@asynccontextmanager
async def client(served: Served) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key=KEY, max_retries=0) as made:
        yield made


async def streamed(made: AsyncOpenAI, **more: Any) -> list[ChatCompletionChunk]:
    stream = await made.chat.completions.create(model="rag/docs", messages=ASK, stream=True, **more)
    async with stream:
        return [chunk async for chunk in stream]


async def test_a_whole_answer_is_a_chat_completion_with_its_sources() -> None:
    scene = Scene()
    async with answering(scene) as served, client(served) as made:
        raw = await made.chat.completions.with_raw_response.create(model="rag/docs", messages=ASK)
    said = raw.parse()
    # As strict clients check it, whose own types would refuse any annotation that is not one of the web.
    ChatCompletion.model_validate_json(raw.content, strict=True)
    message = said.choices[0].message
    assert (said.model, said.object, said.choices[0].finish_reason) == ("rag/docs", "chat.completion", "stop")
    assert (message.role, message.content, message.refusal) == ("assistant", TEXT, None)
    assert said.usage is not None
    assert (said.usage.prompt_tokens, said.usage.completion_tokens, said.usage.total_tokens) == (120, 30, 150)
    assert message.annotations is not None
    first, second = [each.url_citation for each in message.annotations]
    assert (first.url, first.title) == ("https://docs.example/bridge", "The bridge")
    assert TEXT[first.start_index : first.end_index] == "[1]"
    assert second.url == "/v1/rag/collections/docs/documents/doc_2"
    assert TEXT[second.start_index : second.end_index] == "[2]"
    ours = (message.model_extra or {})["passerelle"]
    assert ours["citations"][1] == {
        "number": 2,
        "document": "doc_2",
        "chunk": "c7",
        "title": "Report.pdf",
        "quote": "it is old",
        "score": 0.4,
        "url": None,
        "page": 3,
        "start": 5,
        "end": 14,
        "supported": True,
        "places": [[29, 32]],
    }
    assert (ours["id"], ours["conversation"], ours["refused"]) == ("ans_1", "conv_1", False)
    headers = raw.headers
    assert headers["x-passerelle-model"] == "fake"
    assert headers["x-passerelle-attempts"] == "2"
    assert headers["x-passerelle-cost"] == "0.0012 EUR"
    assert 0 <= float(headers["x-passerelle-overhead-ms"]) < 5_000


async def test_a_stream_says_the_same_in_chunks_with_sources_where_they_stand() -> None:
    scene = Scene()
    async with answering(scene) as served, client(served) as made:
        chunks = await streamed(made, stream_options={"include_usage": True})
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(chunk.model_dump_json(), strict=True)
    assert {chunk.model for chunk in chunks} == {"rag/docs"}
    assert len({chunk.id for chunk in chunks}) == 1
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert [delta.role for delta in deltas if delta.role] == ["assistant"]
    assert "".join(delta.content or "" for delta in deltas) == TEXT
    told = [note for delta in deltas for note in (delta.model_extra or {}).get("annotations", ())]
    assert [(note["index"], note["file_citation"]["number"]) for note in told] == [(0, 1), (1, 2)]
    kinds = ["content" if delta.content else "note" for delta in deltas if delta.content or delta.model_extra]
    assert kinds == ["content", "content", "note", "content", "note"]
    *_, last, used = chunks
    assert last.choices[0].finish_reason == "stop"
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-2]] == [None] * (len(chunks) - 2)
    assert (last.model_extra or {})["passerelle"]["citations"][0]["document"] == "doc_1"
    assert used.choices == []
    assert used.usage is not None
    assert used.usage.total_tokens == 150
    assert (scene.scripted.left_by, scene.scripted.asked[0][2]) == ([True], True)


async def test_usage_is_told_only_where_it_is_asked_for_and_the_figures_always() -> None:
    async with answering(Scene()) as served, served.client() as http:
        async with http.post("/v1/chat/completions", json={**BODY, "stream": True}) as reply:
            assert reply.headers["content-type"].startswith("text/event-stream")
            text = (await reply.read()).decode()
    assert '"usage"' not in text
    assert text.endswith("data: [DONE]\n\n")
    assert "attempts=2 cost=0.0012 EUR" in text
    assert text.count('"finish_reason":"stop"') == 1


async def test_the_stream_gives_each_piece_as_it_comes() -> None:
    gate = asyncio.Event()
    scene = Scene(
        Scripted([Said("Anna "), gate, Said("built it."), answered("Anna built it.", citations=())])
    )
    async with answering(scene) as served, client(served) as made:
        stream = await made.chat.completions.create(model="rag/docs", messages=ASK, stream=True)
        seen = ""
        async for chunk in stream:
            seen += chunk.choices[0].delta.content or ""
            if seen == "Anna ":
                gate.set()
    assert seen == "Anna built it."


async def test_a_refusal_says_so_with_the_nearest_sources() -> None:
    refused = answered(
        "I don't know.", citations=(), nearest=(FILE,), refusal=Refusal.NOT_RELEVANT, cost="0 EUR", facts={}
    )
    scene = Scene(Scripted([refused]))
    async with answering(scene) as served, client(served) as made:
        said = await made.chat.completions.create(model="rag/docs", messages=ASK)
        chunks = await streamed(made)
    message = said.choices[0].message
    ours = (message.model_extra or {})["passerelle"]
    assert (message.content, message.annotations) == ("I don't know.", [])
    assert (ours["refused"], ours["refusal"]) == (True, "not_relevant")
    assert ours["nearest"][0]["document"] == "doc_2"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "I don't know."
    assert (chunks[-1].model_extra or {})["passerelle"]["refusal"] == "not_relevant"


async def test_a_source_whose_places_are_known_at_the_end_only_is_told_then_and_once() -> None:
    unplaced = Citation(1, "doc_1", "c1", "The bridge", "built", 0.9)
    twice = Citation(1, "doc_1", "c1", "The bridge", "built", 0.9, places=((14, 17), (29, 32)))
    early = Citation(1, "doc_1", "c1", "The bridge", "built", 0.9, places=((14, 17),))
    for first in (unplaced, early):
        scene = Scene(Scripted([Said(TEXT), first, answered(citations=(twice,))]))
        async with answering(scene) as served, client(served) as made:
            chunks = await streamed(made)
        told = [
            note["url_citation"]["start_index"]
            for chunk in chunks
            for note in (chunk.choices[0].delta.model_extra or {}).get("annotations", ())
        ]
        assert told == [14, 29]


_FAILURES: list[tuple[Exception, int, str]] = [
    (NotFound("There is no such collection.", code="collection_not_found"), 404, "collection_not_found"),
    (Unavailable("The index is away.", code="index_unavailable"), 503, "index_unavailable"),
    (OverLimit("Too many.", retry_after=2.0), 429, "rate_limit_exceeded"),
    (Blocked("Not asked.", rule="r"), 400, "content_filter"),
    (UpstreamFailed(Fault.TIMEOUT_FIRST_CONTENT, "Too slow."), 504, "upstream_first_content_timeout"),
    (RuntimeError("canary"), 500, "internal_error"),
]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_fails_before_the_first_word_is_a_status(*, stream: bool) -> None:
    scene = Scene()
    async with answering(scene) as served, served.client() as http:
        for error, status, code in _FAILURES:
            scene.scripted.steps = [error]
            async with http.post("/v1/chat/completions", json={**BODY, "stream": stream}) as reply:
                body = await reply.json()
            assert (reply.status, body["error"]["code"]) == (status, code)
            assert "canary" not in json.dumps(body)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UpstreamFailed(Fault.BROKEN, "It broke off."), "upstream_broken"),
        (Unavailable("Away.", code="index_unavailable"), "index_unavailable"),
        (RuntimeError("canary"), "internal_error"),
    ],
)
async def test_what_fails_later_ends_the_stream_without_its_end_mark(error: Exception, code: str) -> None:
    scene = Scene(Scripted([Said("Anna "), error]))
    async with answering(scene) as served:
        async with served.client() as http:
            async with http.post("/v1/chat/completions", json={**BODY, "stream": True}) as reply:
                text = (await reply.read()).decode()
        async with client(served) as made:
            with pytest.raises(openai.APIError):
                await streamed(made)
    assert reply.status == 200
    assert '"content":"Anna "' in text
    assert f'"code":"{code}"' in text
    assert "[DONE]" not in text
    assert "canary" not in text


async def test_an_answer_that_ends_without_its_end_is_broken() -> None:
    scene = Scene(Scripted([Said("Anna ")]))
    async with answering(scene) as served, served.client() as http:
        async with http.post("/v1/chat/completions", json={**BODY, "stream": True}) as reply:
            text = (await reply.read()).decode()
        async with http.post("/v1/chat/completions", json=BODY) as whole:
            assert whole.status == 503
    assert '"code":"upstream_broken"' in text
    assert "[DONE]" not in text


@pytest.mark.parametrize("steps", [[Said("Anna "), None], [None]], ids=["midway", "before the first word"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_hang_up_stops_the_answer_where_it_is(steps: list[Any], *, stream: bool) -> None:
    scene = Scene(Scripted(steps))
    async with answering(scene) as served, client(served) as made:
        call: asyncio.Future[Any] = asyncio.ensure_future(
            made.chat.completions.create(model="rag/docs", messages=ASK, stream=stream)
        )
        await served.until(lambda: scene.scripted.asked)
        if stream and len(steps) > 1:
            opened = await call
            await opened.close()
        else:
            call.cancel()
        async with asyncio.timeout(5):
            await scene.scripted.left.wait()
    # What it has open was closed in the task that opened it.
    assert scene.scripted.left_by == [True]


async def test_a_caller_that_does_not_read_holds_the_answer_back() -> None:
    piece = "x" * 16_384
    steps = [Said(piece) for _ in range(2_000)]
    scene = Scene(Scripted([*steps, answered(piece * 2_000, citations=())]))
    async with answering(scene) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
        body = json.dumps({**BODY, "stream": True}).encode()
        head = f"POST /v1/chat HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await reader.readline()
        last = -1
        while scene.scripted.told != last:  # until it stands still
            last = scene.scripted.told
            await asyncio.sleep(0.2)
        assert 0 < last < 1_900
        writer.transport.abort()
        async with asyncio.timeout(5):
            await scene.scripted.left.wait()


async def test_what_an_ordinary_client_says_becomes_the_question() -> None:
    scene = Scene()
    async with answering(scene) as served, client(served) as made:
        await made.chat.completions.create(
            model="rag/docs",
            messages=[
                {"role": "system", "content": "Be short."},
                {"role": "developer", "content": "Answer in French."},
                {"role": "user", "content": "Who?"},
                {"role": "assistant", "content": "Anna."},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "And"}, {"type": "text", "text": "when?"}],
                },
            ],
            temperature=0.2,
            max_completion_tokens=99,
            seed=7,
            user="u1",
            metadata={"a": "b"},
            stop=["x"],
            extra_body={
                "rag": {
                    "groups": [],
                    "filter": {"year": {"gte": 2020}, "lang": ["fr", "en"]},
                    "k": 4,
                    "mode": "text",
                    "model": "assistant",
                }
            },
        )
    asked = scene.scripted.question
    assert asked.collection == "docs"
    assert asked.system == "Be short.\n\nAnswer in French."
    assert asked.turns == (Turn("user", "Who?"), Turn("assistant", "Anna."), Turn("user", "And\nwhen?"))
    assert asked.conditions == (Condition("year", at_least=2020.0), Condition("lang", any_of=("fr", "en")))
    assert (asked.k, asked.mode, asked.model, asked.groups) == (4, Mode.TEXT, "assistant", frozenset())
    assert asked.options == {
        "temperature": 0.2,
        "max_completion_tokens": 99,
        "seed": 7,
        "user": "u1",
        "metadata": {"a": "b"},
        "stop": ["x"],
    }
    assert asked.request_id


async def test_what_means_nothing_here_is_told_as_ignored(shared: Served) -> None:
    async with shared.client() as http:
        more = {"store": True, "reasoning_effort": "low"}
        async with http.post("/v1/chat", json={**BODY, **more}) as reply:
            assert reply.status == 200
            assert reply.headers["x-passerelle-ignored"] == "store, reasoning_effort"


async def test_what_cannot_be_honoured_is_refused_over_the_wire_too(shared: Served) -> None:
    async with shared.client() as http:
        for more, status, code in (
            ({"tools": [{"type": "function"}]}, 400, "unsupported_parameter"),
            ({"rag": {"groups": ["hr"]}}, 403, "group_not_yours"),
        ):
            async with http.post("/v1/chat/completions", json={**BODY, **more}) as reply:
                body = await reply.json()
            assert (reply.status, body["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("completions", {"prompt": "x"}),
        ("embeddings", {"input": "x"}),
        ("rerank", {"query": "x", "documents": ["y"]}),
        ("classify", {"input": "x"}),
    ],
)
async def test_a_collection_answers_chats_alone(shared: Served, path: str, more: dict[str, Any]) -> None:
    async with shared.client() as http:
        async with http.post(f"/v1/{path}", json={"model": "rag/docs", **more}) as reply:
            body = await reply.json()
    assert (reply.status, body["error"]["code"]) == (400, "wrong_task")
    assert "/v1/chat/completions" in body["error"]["message"]


async def test_ordinary_models_are_asked_as_ever(shared: Served) -> None:
    async with client(shared) as made:
        said = await made.chat.completions.create(model="assistant", messages=ASK)
    assert said.choices[0].message.content


async def test_what_cannot_be_a_collection_is_no_model(shared: Served) -> None:
    async with shared.client() as http:
        for model in ("rag/", "rag/ docs", "rag/do\0cs", f"rag/{'x' * 201}"):
            async with http.post("/v1/chat/completions", json={**BODY, "model": model}) as reply:
                body = await reply.json()
            assert (reply.status, body["error"]["code"]) == (404, "model_not_found")


async def test_a_tenant_without_documents_has_no_such_model() -> None:
    async with answering(Scene(), rag=False) as served, served.client() as http:
        async with http.post("/v1/chat/completions", json=BODY) as reply:
            body = await reply.json()
        assert (reply.status, body["error"]["code"]) == (404, "model_not_found")


@pytest.fixture
async def shared() -> AsyncIterator[Served]:
    async with answering(Scene()) as served:
        yield served
