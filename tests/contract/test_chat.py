"""Every kind, one contract: what a client of OpenAI's API sees is the same whatever engine answers."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.contract.engines import ROWS, SECRETS, Row
from tests.fakes.script import (
    Answer,
    Crlf,
    EmptyFirst,
    NoDone,
    RoleFirst,
    Slice,
    ToolCall,
    garbage_after_done,
    keep_alive,
)
from tests.serving import KEY, Served, serving

_MESSAGES: list[Any] = [{"role": "user", "content": "Dis bonjour."}]
_TOOLS: list[Any] = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Row:
    found: Row = request.param
    return found


@pytest.fixture
async def engine(row: Row) -> AsyncIterator[Any]:
    async with row.make() as engine:
        yield engine


@pytest.fixture
async def served(row: Row, engine: Any) -> AsyncIterator[Served]:
    async with serving(row.configuration(engine), environment=SECRETS) as served:
        await row.known(served)
        yield served


@pytest.fixture
async def client(served: Served) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1", max_retries=0) as client:
        yield client


def _raw(served: Served, **fields: Any) -> dict[str, Any]:
    return {"json": {"model": "assistant", "messages": _MESSAGES, **fields}}


async def test_a_whole_answer_is_a_chat_completion(client: AsyncOpenAI, served: Served) -> None:
    raw = await client.chat.completions.with_raw_response.create(model="assistant", messages=_MESSAGES)
    answer = raw.parse()

    ChatCompletion.model_validate(answer.model_dump(), strict=False)
    assert answer.choices[0].message.content == "Bonjour le monde."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.id
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3
    assert raw.headers["x-passerelle-backend"] == "engine"
    assert raw.headers["x-passerelle-attempts"] == "1"
    assert float(raw.headers["x-passerelle-overhead-ms"]) >= 0
    (record,) = served.records
    assert record.outcome == "answered"
    assert record.usage is not None
    assert record.usage.completion_tokens == 3


async def test_a_stream_gives_the_same_answer_in_chunks(client: AsyncOpenAI, served: Served) -> None:
    chunks = [
        chunk
        async for chunk in await client.chat.completions.create(
            model="assistant", messages=_MESSAGES, stream=True
        )
    ]

    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.model_dump(), strict=False)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Bonjour le monde."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].id
    assert all(chunk.usage is None for chunk in chunks)
    await served.until(lambda: served.records)
    assert served.records[0].usage is not None
    assert served.records[0].usage.completion_tokens == 3


async def test_usage_comes_in_one_chunk_of_its_own_when_asked_for(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="assistant", messages=_MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3


async def test_the_engine_is_always_asked_for_usage_and_never_for_the_callers_key(
    row: Row, client: AsyncOpenAI, engine: Any
) -> None:
    async for _ in await client.chat.completions.create(model="assistant", messages=_MESSAGES, stream=True):
        pass

    request = engine.requests[-1]
    if "stream_options" not in row.cannot:
        assert request.body["stream_options"]["include_usage"] is True
    assert KEY not in str(request.headers)
    assert "x-request-id" in request.headers


@pytest.mark.parametrize(
    "touches",
    [
        [],
        [Crlf()],
        [Slice(1)],
        [Slice(7)],
        [Slice(100_000)],
        [Slice(5), Crlf()],
        [keep_alive()],
        [keep_alive(before=2)],
        [RoleFirst()],
        [EmptyFirst(4)],
        [NoDone()],
        [garbage_after_done()],
    ],
    ids=repr,
)
async def test_every_stream_ends_with_exactly_one_end_mark(
    served: Served, engine: Any, touches: list[Any]
) -> None:
    engine.script(*touches)
    async with (
        served.client() as http,
        http.post("/v1/chat/completions", **_raw(served, stream=True)) as reply,
    ):
        assert reply.status == 200
        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        text = (await reply.read()).decode()

    assert text.count("data: [DONE]") == 1
    assert text.endswith("\n\ndata: [DONE]\n\n")
    assert "garbage" not in text
    assert text.count(": passerelle ") == 1
    assert "\r" not in text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_connection_to_the_engine_is_used_again(served: Served, engine: Any, stream: bool) -> None:
    async with served.client() as http:
        for _ in range(5):
            async with http.post("/v1/chat/completions", **_raw(served, stream=stream)) as reply:
                await reply.read()
            await served.until(lambda: engine.live == 0)
            await asyncio.sleep(0)

    assert engine.connections <= 2  # the second only when a caller is quicker than the engine's last byte


async def test_tool_calls_arrive_whole(row: Row, client: AsyncOpenAI, engine: Any) -> None:
    engine.always(Answer(tools=(ToolCall("weather", '{"city":"Nantes"}'),)))

    whole = await client.chat.completions.create(model="assistant", messages=_MESSAGES, tools=_TOOLS)
    chunks = [
        chunk
        async for chunk in await client.chat.completions.create(
            model="assistant", messages=_MESSAGES, tools=_TOOLS, stream=True
        )
    ]

    (call,) = whole.choices[0].message.tool_calls or ()
    assert call.type == "function"
    assert whole.choices[0].finish_reason == "tool_calls"
    deltas = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()]
    name = "".join(delta.function.name or "" for delta in deltas if delta.function)
    arguments = "".join(delta.function.arguments or "" for delta in deltas if delta.function)
    assert (name, json.loads(arguments)) == ("weather", {"city": "Nantes"})
    finish = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert finish == ["tool_calls"]


async def test_a_schema_reaches_the_engine_in_words_it_takes_or_is_refused_by_name(
    row: Row, served: Served, engine: Any
) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    fields = {"response_format": schema, "stop": "FIN", "presence_penalty": 0}
    async with served.client() as http, http.post("/v1/chat/completions", **_raw(served, **fields)) as reply:
        payload = await reply.json()

    if "response_format" in row.cannot:
        assert (reply.status, payload["error"]["param"]) == (400, "response_format")
        assert payload["error"]["code"] == "unsupported_parameter"
        assert [request for request in engine.requests if request.method == "POST"] == []
    else:
        assert payload["choices"][0]["message"]["content"]


async def test_an_answer_ends_before_its_stop_string(row: Row, client: AsyncOpenAI, engine: Any) -> None:
    engine.answer = "un deux trois quatre"

    whole = await client.chat.completions.create(
        model="assistant", messages=_MESSAGES, stop=["trois", "cinq"]
    )
    stream = await client.chat.completions.create(
        model="assistant", messages=_MESSAGES, stop="ux tro", stream=True
    )
    chunks = [chunk async for chunk in stream]

    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    given = [whole.choices[0].message.content, streamed]
    assert given == (["un deux trois", "un deux tro"] if "stop" in row.cannot else ["un deux ", "un de"])
    finish = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert [whole.choices[0].finish_reason, *finish] == ["stop", "stop"]


async def test_several_choices_are_given_or_refused_by_name(row: Row, served: Served) -> None:
    async with served.client() as http, http.post("/v1/chat/completions", **_raw(served, n=2)) as reply:
        payload = await reply.json()

    if "n" in row.cannot:
        assert reply.status == 400
        assert payload["error"]["param"] == "n"
        assert payload["error"]["code"] == "unsupported_parameter"
    else:
        assert len(payload["choices"]) == 2


async def test_legacy_completions_are_answered_or_refused_by_name(row: Row, served: Served) -> None:
    async with served.client() as http:
        body = {"model": "assistant", "prompt": "Dis bonjour."}
        async with http.post("/v1/completions", json=body) as reply:
            payload = await reply.json()
        async with http.post("/v1/completions", json={**body, "stream": True}) as streamed:
            text = (await streamed.read()).decode()

    if "completions" in row.cannot:
        assert (reply.status, payload["error"]["code"]) == (400, "unsupported_parameter")
        assert streamed.status == 400
    else:
        assert payload["choices"][0]["text"] == "Bonjour le monde."
        assert payload["object"] == "text_completion"
        assert text.endswith("data: [DONE]\n\n")
