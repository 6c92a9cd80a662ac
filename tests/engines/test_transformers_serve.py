"""A server of Hugging Face that nobody here wrote, through the gateway, with OpenAI's own client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from openai import APIStatusError, AsyncOpenAI, BadRequestError

from passerelle.backends.transformers_serve import CHAT, COMPLETIONS, Way
from tests.engines.conftest import Python, Server
from tests.fakes.engine import closed_port
from tests.fakes.openai_like import OpenAiLike
from tests.fakes.serve import KNOWN
from tests.serving import KEY, Served, one_backend, serving

_MESSAGES: list[Any] = [{"role": "user", "content": "Where does the footbridge lead to?"}]
_SCHEMA: Any = {
    "type": "json_schema",
    "json_schema": {"name": "city", "schema": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
_ENDLESS = 1_000_000  # tokens: the model never ends by itself, so this would take the better part of an hour


def configuration(server: Server, **options: Any) -> dict[str, Any]:
    return one_backend("openai", server.url, **{"model": server.model, "dialect": "transformers", **options})


@pytest.fixture
async def served(server: Server) -> AsyncIterator[Served]:
    async with serving(configuration(server)) as served:
        yield served


@pytest.fixture
async def client(served: Served) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1", max_retries=0) as client:
        yield client


async def ask(client: AsyncOpenAI, **fields: Any) -> Any:
    return await client.chat.completions.create(model="assistant", messages=_MESSAGES, **fields)


async def test_it_chats(client: AsyncOpenAI, served: Served) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model="assistant", messages=_MESSAGES, max_tokens=12, user="u-1", frequency_penalty=0.5
    )
    answer = raw.parse()

    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 12
    assert raw.headers["x-passerelle-backend"] == "engine"
    assert set(raw.headers["x-passerelle-ignored"].split(", ")) == {"user", "frequency_penalty"}
    assert answer.id == raw.headers["x-request-id"]  # the gateway's id went all the way
    assert served.records[0].usage is not None
    assert served.records[0].usage.prompt_tokens == answer.usage.prompt_tokens


async def test_a_stream_says_what_a_whole_answer_says_and_ends_as_openai_ends_it(
    client: AsyncOpenAI, served: Served, server: Server
) -> None:
    whole = await ask(client, max_tokens=40)
    stream = await ask(client, max_tokens=40, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    body = {"model": "assistant", "messages": _MESSAGES, "max_tokens": 4, "stream": True}
    async with served.client() as http, http.post("/v1/chat/completions", json=body) as reply:
        ours = await reply.text()
    async with aiohttp.ClientSession(server.url) as http:
        async with http.post("/v1/chat/completions", json={**body, "model": server.model}) as reply:
            theirs = await reply.text()

    *parts, last = chunks
    assert "".join(part.choices[0].delta.content or "" for part in parts) == whole.choices[0].message.content
    assert parts[-1].choices[0].finish_reason == "length"
    assert all(part.usage is None for part in parts)
    assert (last.choices, last.usage) == ([], whole.usage)
    assert len(parts) > 10
    assert "[DONE]" not in theirs
    assert ours.endswith("\n\ndata: [DONE]\n\n")


async def test_chunks_come_as_they_are_made_and_a_caller_who_hangs_up_ends_the_generation(
    client: AsyncOpenAI, served: Served
) -> None:
    """The server generates one answer at a time: the next one is only given when the endless one has ended."""
    stream = await ask(client, stream=True, max_tokens=_ENDLESS)
    heard = 0
    async for chunk in stream:
        heard += bool(chunk.choices and chunk.choices[0].delta.content)
        if heard == 5:
            break
    await stream.close()

    async with asyncio.timeout(60):
        answer = await ask(client, max_tokens=4)

    assert answer.choices[0].message.content
    assert [record.outcome for record in served.records] == ["hung_up", "answered"]
    assert served.records[1].attempts[0].fault is None


async def test_an_answer_ends_before_its_stop_string(client: AsyncOpenAI) -> None:
    text = (await ask(client, max_tokens=40)).choices[0].message.content
    stop = text[len(text) // 2 :][:3]
    before = text[: text.index(stop)]

    whole = await ask(client, max_tokens=40, stop=stop)
    chunks = [chunk async for chunk in await ask(client, max_tokens=40, stop=[stop, "~~~"], stream=True)]

    assert whole.choices[0].message.content == before
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == before
    assert whole.choices[0].finish_reason == chunks[-1].choices[0].finish_reason == "stop"


async def test_it_completes_text(client: AsyncOpenAI) -> None:
    whole = await client.completions.create(model="assistant", prompt="The footbridge", max_tokens=10)
    stream = await client.completions.create(
        model="assistant",
        prompt=["The footbridge"],
        max_tokens=10,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]

    assert whole.object == "text_completion"
    assert whole.choices[0].text
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_schema_that_it_would_ignore_in_silence_is_refused_by_name(
    client: AsyncOpenAI, server: Server, stream: bool
) -> None:
    with pytest.raises(BadRequestError) as refused:
        await ask(client, response_format=_SCHEMA, max_tokens=12, stream=stream)
    body = {"model": server.model, "messages": _MESSAGES, "response_format": _SCHEMA, "max_tokens": 12}
    async with aiohttp.ClientSession(server.url) as http:
        async with http.post("/v1/chat/completions", json=body) as reply:
            said = (await reply.json())["choices"][0]["message"]["content"]

    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "response_format")
    with pytest.raises(json.JSONDecodeError):
        json.loads(said)  # so it says by itself, with status 200


async def test_a_schema_goes_to_a_target_that_honours_it(server: Server) -> None:
    async with OpenAiLike(answer='{"city": "Nantes"}') as able:
        both = configuration(server)
        both["backends"]["able"] = {"kind": "openai", "url": able.url}
        both["models"]["assistant"]["targets"].append({"backend": "able", "model": able.model, "rank": 2})
        async with (
            serving(both) as served,
            AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1", max_retries=0) as client,
        ):
            structured = await client.chat.completions.with_raw_response.create(
                model="assistant", messages=_MESSAGES, response_format=_SCHEMA
            )
            plain = await client.chat.completions.with_raw_response.create(
                model="assistant", messages=_MESSAGES, max_tokens=4
            )

    assert json.loads(structured.parse().choices[0].message.content or "") == {"city": "Nantes"}
    assert structured.headers["x-passerelle-backend"] == "able"
    assert plain.headers["x-passerelle-backend"] == "engine"


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"n": 2}, "n"), ({"logprobs": True}, "logprobs"), ({"extra_body": {"foo": 1}}, "foo")],
    ids=str,
)
async def test_a_field_that_it_cannot_honour_is_refused_by_name(
    client: AsyncOpenAI, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        await ask(client, **fields)

    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", param)


async def test_a_limit_that_it_would_fall_over_never_reaches_it(client: AsyncOpenAI, served: Served) -> None:
    with pytest.raises(BadRequestError) as refused:
        await ask(client, max_tokens=-1)

    assert (refused.value.code, refused.value.param) == ("invalid_value", "max_tokens")
    assert [attempt for record in served.records for attempt in record.attempts] == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_what_it_falls_over_is_its_failure_in_our_shape(client: AsyncOpenAI, stream: bool) -> None:
    """A token past the end of its vocabulary: 500 in plain text, or an error inside a 200."""
    with pytest.raises(APIStatusError) as failed:
        await ask(client, logit_bias={"999999": 1}, max_tokens=4, stream=stream)

    assert (failed.value.status_code, failed.value.code) == (503, "upstream_error")
    assert isinstance(failed.value.body, dict)
    assert set(failed.value.body) == {"message", "type", "param", "code"}


async def test_a_model_that_it_does_not_serve_is_the_operators_to_mend(server: Server) -> None:
    async with (
        serving(configuration(server, model="org/another")) as served,
        AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1", max_retries=0) as client,
    ):
        with pytest.raises(APIStatusError) as failed:
            await ask(client)
        with pytest.raises(APIStatusError) as unknown:
            await client.chat.completions.create(model="assistent", messages=_MESSAGES)

    assert (failed.value.status_code, failed.value.code) == (502, "upstream_model")
    assert server.model not in failed.value.message
    assert (unknown.value.status_code, unknown.value.code) == (404, "model_not_found")


async def test_its_own_errors_are_told_in_our_shape(server: Server) -> None:
    """Without its dialect the gateway sends what it was sent, and the server's words reach the caller."""
    async with (
        serving(configuration(server, dialect="openai")) as served,
        AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1", max_retries=0) as client,
    ):
        with pytest.raises(APIStatusError) as unknown:
            await ask(client, extra_body={"foo": 1})
        with pytest.raises(APIStatusError) as several:
            await client.completions.create(model="assistant", prompt=["one", "two"])

    assert unknown.value.status_code == 422
    assert unknown.value.body == {
        "message": "Unexpected fields in the request: {'foo'}",
        "type": "invalid_request_error",
        "param": None,
        "code": "upstream_refused",
    }
    assert (several.value.status_code, several.value.code) == (400, "upstream_refused")
    assert "prompt must be a string." in several.value.message


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_it_answers_for_a_target_that_is_gone(server: Server, stream: bool) -> None:
    with closed_port() as gone:
        both = configuration(server)
        both["backends"]["gone"] = {"kind": "vllm", "url": gone}
        both["models"]["assistant"]["targets"].insert(0, {"backend": "gone", "model": "x", "rank": 0})
        async with (
            serving(both) as served,
            AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1", max_retries=0) as client,
        ):
            raw: Any = await client.chat.completions.with_raw_response.create(
                model="assistant", messages=_MESSAGES, max_tokens=4, stream=stream
            )
            if stream:
                async for _ in raw.parse():
                    pass
            await served.until(lambda: served.records)

    assert (raw.headers["x-passerelle-backend"], raw.headers["x-passerelle-attempts"]) == ("engine", "2")
    assert served.records[0].outcome == "answered"


_FIELDS = """
import json
from transformers.cli.serving.chat_completion import (
    UNUSED_CHAT_COMPLETION_FIELDS, TransformersCompletionCreateParamsStreaming)
from transformers.cli.serving.completion import (
    UNUSED_LEGACY_COMPLETION_FIELDS, TransformersTextCompletionCreateParams)
chat = [TransformersCompletionCreateParamsStreaming.__mutable_keys__, UNUSED_CHAT_COMPLETION_FIELDS]
text = [TransformersTextCompletionCreateParams.__mutable_keys__, UNUSED_LEGACY_COMPLETION_FIELDS]
print(json.dumps([[sorted(names) for names in lists] for lists in (chat, text)]))
"""


def test_every_field_of_the_released_server_has_a_row(python: Python) -> None:
    """When this fails, the server was upgraded: read what the new fields do, and give each a row."""
    (chat, chat_unused), (text, text_unused) = json.loads(python.run("-c", _FIELDS))

    assert set(chat) == KNOWN["/v1/chat/completions"]
    assert set(text) == KNOWN["/v1/completions"]
    assert set(chat) - set(CHAT) == set(text) - set(COMPLETIONS) == {"generation_config"}
    # What it ignores is not passed on, but for what is weighed together and what a later version may want.
    passed = {name for name in chat_unused if CHAT[name].way is Way.PASS}
    assert passed == {"parallel_tool_calls", "stream_options", "tool_choice"}
    assert {name for name in text_unused if COMPLETIONS[name].way is Way.PASS} == {"stream_options"}
