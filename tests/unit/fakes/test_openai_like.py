"""The servers that speak OpenAI's API differ where the real ones do."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.fakes.client import Heard, get, post
from tests.fakes.openai_like import LLAMA_CPP, LM_STUDIO, OLLAMA, OPENAI, SGLANG, OpenAiLike
from tests.fakes.openai_shape import Variant
from tests.fakes.script import Answer, Fail

ALL = [OPENAI, LLAMA_CPP, OLLAMA, SGLANG, LM_STUDIO]
ASK: dict[str, Any] = {"model": "qwen2.5-7b-instruct", "messages": [{"role": "user", "content": "un <deux>"}]}
USAGE: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


async def chat(server: OpenAiLike, **body: Any) -> Heard:
    return await post(f"{server.url}/v1/chat/completions", {**ASK, **body})


@pytest.mark.parametrize("variant", ALL, ids=lambda variant: variant.name)
async def test_each_says_the_same_streamed_or_not_and_charges_the_same(variant: Variant) -> None:
    async with OpenAiLike(variant, answer="un & <deux> trois") as server:
        whole, streamed = (await chat(server)).json, await chat(server, **USAGE)
        assert whole["choices"][0]["message"]["content"] == streamed.content == "un & <deux> trois"
        assert streamed.events[-1]["usage"]["total_tokens"] == whole["usage"]["total_tokens"] == 6
        assert streamed.data[-1] == b"[DONE]"


@pytest.mark.parametrize("variant", ALL, ids=lambda variant: variant.name)
async def test_openais_client_reads_each(variant: Variant) -> None:
    async with (
        OpenAiLike(variant) as server,
        AsyncOpenAI(base_url=f"{server.url}/v1", api_key="x", max_retries=0) as client,
    ):
        async with client.chat.completions.stream(model=ASK["model"], messages=ASK["messages"]) as stream:
            final = await stream.get_final_completion()
        assert final.choices[0].message.content == "Bonjour le monde."
        assert final.choices[0].finish_reason == "stop"


async def test_openai_indents_whole_answers_and_sends_null_usage() -> None:
    async with OpenAiLike(OPENAI, answer=Answer("un deux", reasoning_tokens=1)) as server:
        whole, streamed = await chat(server), await chat(server, **USAGE)
        assert b'\n  "usage": {\n' in whole.body
        assert whole.json["usage"]["completion_tokens_details"] == {"reasoning_tokens": 1}
        assert [event["usage"] is None for event in streamed.events] == [True] * 4 + [False]
        assert not any("usage" in event for event in (await chat(server, stream=True)).events)


async def test_llama_cpp_loads_its_model_and_hides_errors_in_streams() -> None:
    async with OpenAiLike(LLAMA_CPP) as server:
        assert (await chat(server, stream=True)).events[0]["choices"][0]["delta"]["content"] is None
        assert (await get(f"{server.url}/health")).json == {"status": "ok"}
        wrong = await chat(server, messages="x", stream=True)
        assert (wrong.status, wrong.events[0]["error"]["code"], b"[DONE]" in wrong.body) == (200, 400, False)
        assert (await chat(server, messages="x")).status == 400
        server.loading = True
        loading = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
        for heard in (await chat(server), await get(f"{server.url}/health")):
            assert (heard.status, heard.json) == (503, loading)


async def test_ollama_escapes_html_and_misses_models_in_its_own_words() -> None:
    async with OpenAiLike(OLLAMA, answer="<b>&</b>") as server:
        heard = await chat(server, stream=True)
        assert b"\\u003cb\\u003e\\u0026" in heard.body
        assert heard.content == "<b>&</b>"
        missing = await chat(server, model="gemma")
        assert missing.status == 404
        assert missing.json["error"]["message"] == 'model "gemma" not found, try pulling it first'
        assert (await get(server.url)).body == b"Ollama is running"


async def test_sglang_repeats_keys_as_nulls_and_has_flat_errors() -> None:
    async with OpenAiLike(SGLANG) as server:
        deltas = [event["choices"][0]["delta"] for event in (await chat(server, stream=True)).events]
        assert deltas[1] == {
            "role": None,
            "reasoning_content": None,
            "tool_calls": None,
            "content": "Bonjour",
        }
        server.script(Fail("validation"))
        server.script(Fail("generation"))
        flat, wrapped = await chat(server, stream=True), await chat(server, stream=True)
        assert (flat.status, flat.json["object"], flat.json["code"]) == (400, "error", 400)
        assert (wrapped.status, wrapped.events[0]["error"]["object"]) == (200, "error")
        assert wrapped.data[-1] == b"[DONE]"


async def test_lm_studio_takes_any_model_and_has_plain_text_errors() -> None:
    async with OpenAiLike(LM_STUDIO) as server:
        assert (await chat(server, model="any")).status == 200
        server.script(Fail("model"))
        server.script(Fail("overloaded"))
        plain, named = await chat(server), await chat(server, stream=True)
        assert (plain.status, plain.headers["content-type"]) == (404, "text/plain; charset=utf-8")
        assert plain.body.startswith(b"No models loaded.")
        assert named.body.startswith(b"event: error\ndata: {")
        lost = await get(f"{server.url}/v1/nothing")
        assert lost.json == {
            "error": "Unexpected endpoint or method. (GET /v1/nothing). Returning 200 anyway"
        }
        assert lost.status == 200


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("rate_limited", 429, "rate_limit_exceeded"),
        ("credits", 429, "insufficient_quota"),
        ("server", 500, None),
    ],
)
async def test_openais_failures_have_a_status_even_for_streams(
    kind: Any, status: int, code: str | None
) -> None:
    async with OpenAiLike(OPENAI) as server:
        server.script(Fail(kind))
        heard = await chat(server, stream=True)
        assert (heard.status, heard.json["error"]["code"]) == (status, code)
        assert ("retry-after" in heard.headers) == (kind == "rate_limited")
        assert set(heard.json["error"]) == {"message", "type", "param", "code"}


async def test_a_key_is_checked_in_each_ones_form() -> None:
    async with OpenAiLike(OPENAI, api_key="sk-1") as server, OpenAiLike(LLAMA_CPP, api_key="k") as llama:
        refused, other = await chat(server), await chat(llama)
        assert (refused.status, refused.json["error"]["code"]) == (401, "invalid_api_key")
        assert other.json == {
            "error": {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}
        }
        allowed = await post(f"{server.url}/v1/chat/completions", ASK, {"Authorization": "Bearer sk-1"})
        assert allowed.status == 200
