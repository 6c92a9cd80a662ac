"""The `transformers serve` fake lacks what the real server lacks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.client import Heard, get, post
from tests.fakes.script import Fail
from tests.fakes.serve import ServeFake

ASK: dict[str, Any] = {"model": "/models/tiny", "messages": [{"role": "user", "content": "Bonjour"}]}


async def chat(server: ServeFake, headers: dict[str, str] | None = None, **body: Any) -> Heard:
    return await post(f"{server.url}/v1/chat/completions", {**ASK, **body}, headers)


async def test_a_stream_has_no_done_no_nulls_and_usage_with_its_finish() -> None:
    async with ServeFake() as server:
        heard = await chat(server, stream=True)
        assert b"[DONE]" not in heard.body
        assert b"null" not in heard.body
        assert heard.events[0]["choices"][0]["delta"] == {"role": "assistant"}
        assert heard.events[-1]["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
        assert heard.events[-1]["usage"] == (await chat(server)).json["usage"]
        assert b"null" not in (await chat(server)).body


async def test_it_echoes_the_request_id_and_pins_its_model() -> None:
    async with ServeFake() as server:
        heard = await chat(server, {"x-request-id": "abc"})
        assert (heard.headers["x-request-id"], heard.json["id"]) == ("abc", "abc")
        assert heard.json["model"] == "/models/tiny@main"
        pinned = await chat(server, model="/models/tiny@main")
        assert (pinned.status, pinned.json) == (
            400,
            {"detail": "Server is pinned to '/models/tiny'; requested '/models/tiny@main'."},
        )
        assert (await get(f"{server.url}/v1/models")).json["data"] == []


async def test_unknown_fields_are_refused_and_unsupported_ones_ignored() -> None:
    async with ServeFake() as server:
        heard = await chat(server, foo=1)
        assert (heard.status, heard.json) == (422, {"detail": "Unexpected fields in the request: {'foo'}"})
        ignored = await chat(server, n=3, logprobs=True, user="x", response_format={"type": "json_object"})
        assert (ignored.status, len(ignored.json["choices"])) == (200, 1)
        usage = (await chat(server, stream=True, stream_options={"include_usage": True})).events[-1]
        assert usage["choices"]


async def test_a_stop_string_stays_in_the_text() -> None:
    async with ServeFake(answer="un deux trois") as server:
        assert (await chat(server, stop="deux")).json["choices"][0]["message"]["content"] == "un deux"


@pytest.mark.parametrize(
    "field",
    [
        {"max_tokens": -1},
        {"max_tokens": 0},
        {"messages": []},
        {"messages": "x"},
        {"messages": [{"role": "assistant", "content": "x", "tool_calls": None}]},
        {"chat_template_kwargs": None},
        {"stop": []},
        {"frequency_penalty": -1.5},
        {"logit_bias": {}},
        {"logit_bias": {"5": 100}},
    ],
    ids=str,
)
async def test_what_it_does_not_check_makes_it_fall_over(field: Any) -> None:
    async with ServeFake() as server:
        heard = await chat(server, **field)
        assert (heard.status, heard.body) == (500, b"Internal Server Error")


async def test_a_stream_has_begun_when_generation_falls_over() -> None:
    async with ServeFake() as server:
        heard = await chat(server, stream=True, max_tokens=-1)
        assert heard.status == 200
        assert heard.events[-1] == {"error": "`max_new_tokens` must be greater than 0, but is -1."}


async def test_completions_take_one_text_and_glue_the_suffix_on() -> None:
    async with ServeFake() as server:
        url, body = f"{server.url}/v1/completions", {"model": "/models/tiny"}
        several = await post(url, {**body, "prompt": ["un", "deux"]})
        assert (several.status, several.json) == (400, {"detail": "prompt must be a string."})
        unknown = await post(url, {**body, "prompt": "un", "max_completion_tokens": 3})
        assert unknown.status == 422
        glued = await post(url, {**body, "prompt": "un", "suffix": " FIN"})
        assert glued.json["choices"][0]["text"] == "Bonjour le monde. FIN"
        assert (await post(url, {**body, "prompt": ""})).status == 500


async def test_a_failing_stream_has_a_string_and_ends() -> None:
    async with ServeFake() as server:
        server.script(Fail("generation", after=2))
        heard = await chat(server, stream=True)
        assert heard.events[-1] == {"error": "CUDA out of memory"}


async def test_there_is_a_health_route_and_no_embeddings() -> None:
    async with ServeFake() as server:
        assert (await get(f"{server.url}/health")).json == {"status": "ok"}
        missing = await post(f"{server.url}/v1/embeddings", {"input": "x"})
        assert (missing.status, missing.json) == (404, {"detail": "Not Found"})
        assert (await get(f"{server.url}/metrics")).status == 404
