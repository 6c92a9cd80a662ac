"""The vLLM fake is as strict as vLLM, and its answers are what OpenAI's own client expects."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from openai import AsyncOpenAI, NotFoundError

from tests.fakes.client import Heard, get, post
from tests.fakes.script import Answer, Fail, ToolCall
from tests.fakes.vllm import VllmFake

MODEL = "Qwen/Qwen2.5-7B-Instruct"
ASK: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Quel temps fait-il ?"}]}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
]
CALL = Answer(tools=(ToolCall("weather", '{"city": "Paris"}'), ToolCall("time")))
USAGE: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


async def chat(vllm: VllmFake, headers: dict[str, str] | None = None, **body: Any) -> Heard:
    return await post(f"{vllm.url}/v1/chat/completions", {**ASK, **body}, headers)


async def test_only_the_served_name_is_known() -> None:
    async with VllmFake() as vllm:
        for path, body in (
            ("chat/completions", ASK), ("completions", {"prompt": "x"}), ("embeddings", {"input": "x"}),
        ):  # fmt: skip
            heard = await post(f"{vllm.url}/v1/{path}", {**body, "model": "tgi"})
            told = {
                "message": "The model `tgi` does not exist.",
                "type": "NotFoundError",
                "param": "model",
                "code": 404,
            }
            assert (heard.status, heard.json) == (404, {"error": told})
        assert (await get(f"{vllm.url}/v1/models")).json["data"][0]["id"] == MODEL


async def test_unknown_fields_are_ignored() -> None:
    async with VllmFake() as vllm:
        assert (await chat(vllm, who="knows", presence_penalty=0.0, stop="x")).status == 200


@pytest.mark.parametrize(
    ("field", "param"),
    [
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"tools": []}, "tools"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"messages": "x"}, "body.messages"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"response_format": {"type": "json", "value": {}}}, "body.response_format.type"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 9000}, None),
        ({"temperature": -1, "stream": True}, "temperature"),
        ({"max_tokens": 9000, "stream": True}, None),
    ],
)
async def test_what_it_refuses_is_a_400_streamed_or_not(field: Any, param: str | None) -> None:
    async with VllmFake() as vllm:
        heard = await chat(vllm, **field)
        error = heard.json["error"]
        assert (heard.status, error["code"], error["param"]) == (400, 400, param)


@pytest.mark.parametrize(
    "fault", [{"encoding_format": None}, {"input": []}, {"input": None}, {"input": [[]]}]
)
async def test_embeddings_refuse_nulls_and_nothing(fault: Any) -> None:
    async with VllmFake() as vllm:
        heard = await post(f"{vllm.url}/v1/embeddings", {"model": MODEL, "input": "x", **fault})
        assert (heard.status, heard.json["error"]["type"]) == (400, "Bad Request")


async def test_embeddings_are_the_same_in_both_encodings_and_for_any_batch() -> None:
    async with VllmFake(dimensions=16) as vllm:
        url, inputs = f"{vllm.url}/v1/embeddings", ["un", "deux trois"]
        plain = (await post(url, {"model": MODEL, "input": inputs})).json
        packed = (await post(url, {"model": MODEL, "input": inputs, "encoding_format": "base64"})).json
        assert plain["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
        assert [row["index"] for row in plain["data"]] == [0, 1]
        for row, coded in zip(plain["data"], packed["data"], strict=True):
            assert list(struct.unpack("<16f", base64.b64decode(coded["embedding"]))) == row["embedding"]
        one = (await post(url, {"model": MODEL, "input": "deux trois"})).json["data"][0]["embedding"]
        assert one == plain["data"][1]["embedding"]
        assert abs(sum(x * x for x in one) - 1) < 1e-6
        ids = (await post(url, {"model": MODEL, "input": [1, 2, 3]})).json
        rows = (await post(url, {"model": MODEL, "input": [[1], [2, 3]]})).json
        assert (ids["usage"]["prompt_tokens"], len(ids["data"]), len(rows["data"])) == (3, 1, 2)


async def test_a_stream_begins_with_the_role_and_usage_comes_only_when_asked() -> None:
    async with VllmFake() as vllm:
        plain, asked = await chat(vllm, stream=True), await chat(vllm, **USAGE)
        assert plain.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert plain.events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        assert not any("usage" in event for event in plain.events)
        assert plain.events[-1]["choices"][0]["finish_reason"] == "stop"
        assert asked.events[-1]["choices"] == []
        assert asked.events[-1]["usage"]["completion_tokens"] == 3
        assert "prompt_tokens_details" not in asked.events[-1]["usage"]
        assert (await chat(vllm)).json["usage"]["prompt_tokens_details"] is None
        assert len({event["id"] for event in asked.events}) == 1


async def test_cached_tokens_are_reported_when_there_are_any() -> None:
    async with VllmFake(answer=Answer("oui", cached_tokens=2)) as vllm:
        assert (await chat(vllm)).json["usage"]["prompt_tokens_details"] == {"cached_tokens": 2}
        assert (await chat(vllm, **USAGE)).events[-1]["usage"]["prompt_tokens_details"] == {
            "cached_tokens": 2
        }


async def test_several_choices_are_all_sent_and_all_paid_for() -> None:
    async with VllmFake() as vllm:
        whole, events = (await chat(vllm, n=2)).json, (await chat(vllm, n=2, **USAGE)).events
        assert [choice["index"] for choice in whole["choices"]] == [0, 1]
        assert whole["usage"]["completion_tokens"] == events[-1]["usage"]["completion_tokens"] == 6
        choices = [choice for event in events for choice in event["choices"]]
        texts = ["".join(c["delta"].get("content", "") for c in choices if c["index"] == i) for i in (0, 1)]
        assert texts == ["Bonjour le monde."] * 2
        assert [c["index"] for c in choices if c["finish_reason"]] == [0, 1]


async def test_log_probabilities_cover_every_token() -> None:
    async with VllmFake() as vllm:
        whole = (await chat(vllm, logprobs=True, top_logprobs=0)).json["choices"][0]["logprobs"]["content"]
        events = (await chat(vllm, logprobs=True, stream=True)).events
        seen = [token for e in events if (lp := e["choices"][0]["logprobs"]) for token in lp["content"]]
        assert [token["token"] for token in whole] == ["Bonjour", " le", " monde."]
        assert seen == whole


async def test_the_text_route_takes_texts_and_token_ids() -> None:
    async with VllmFake() as vllm:
        url = f"{vllm.url}/v1/completions"
        for prompt, used in (("a b", 2), (["a", "b c"], 3), ([1, 2, 3], 3), ([[1], [2]], 2)):
            heard = (await post(url, {"model": MODEL, "prompt": prompt})).json
            streamed = (await post(url, {"model": MODEL, "prompt": prompt, **USAGE})).events
            assert heard["usage"]["prompt_tokens"] == used
            assert streamed[-1]["usage"] == heard["usage"]
            texts = [c["text"] for event in streamed for c in event["choices"]]
            assert "".join(texts) == "".join(choice["text"] for choice in heard["choices"])


async def test_a_failing_engine_says_so_inside_the_stream() -> None:
    async with VllmFake() as vllm:
        vllm.always(Fail("generation"))
        whole, streamed = await chat(vllm), await chat(vllm, stream=True)
        assert (whole.status, whole.json["error"]["code"]) == (500, 500)
        assert (streamed.status, streamed.data[-1]) == (200, b"[DONE]")
        assert streamed.events == [whole.json]
        vllm.always(Fail("overloaded"))
        assert (await chat(vllm, stream=True)).status == 503


async def test_tools_need_a_parser() -> None:
    async with VllmFake(auto_tools=False) as vllm:
        assert (await chat(vllm, tools=TOOLS)).status == 400
        assert (await chat(vllm, tools=TOOLS, tool_choice="none")).status == 200


async def test_a_key_protects_v1_only() -> None:
    async with VllmFake(api_key="secret") as vllm:
        refused = await chat(vllm)
        assert (refused.status, refused.json) == (401, {"error": "Unauthorized"})
        assert (await chat(vllm, {"Authorization": "Bearer secret"})).status == 200
        assert (await get(f"{vllm.url}/health")).status == 200
        assert b"vllm:num_requests_running" in (await get(f"{vllm.url}/metrics")).body
        vllm.healthy = False
        assert (await get(f"{vllm.url}/health")).status == 503


async def test_load_is_told_to_who_asks_but_not_in_streams() -> None:
    async with VllmFake() as vllm:
        wanted = {"endpoint-load-metrics-format": "JSON"}
        assert (await chat(vllm, wanted)).headers["endpoint-load-metrics"].startswith("JSON {")
        assert "endpoint-load-metrics" not in (await chat(vllm, wanted, stream=True)).headers


async def test_openais_client_is_at_home() -> None:
    async with (
        VllmFake() as vllm,
        AsyncOpenAI(base_url=f"{vllm.url}/v1", api_key="x", max_retries=0) as client,
    ):
        vllm.script(CALL)
        streamed = client.chat.completions.stream(model=MODEL, messages=ASK["messages"], tools=_strict(TOOLS))
        async with streamed as stream:
            final = await stream.get_final_completion()
        calls = final.choices[0].message.tool_calls or []
        assert [(call.function.name, call.function.arguments) for call in calls] == [
            ("weather", '{"city": "Paris"}'),
            ("time", "{}"),
        ]
        assert final.choices[0].finish_reason == "tool_calls"
        vectors = await client.embeddings.create(model=MODEL, input=["un", "deux"])
        assert [len(row.embedding) for row in vectors.data] == [8, 8]
        with pytest.raises(NotFoundError):
            await client.chat.completions.create(model="x", messages=ASK["messages"])


def _strict(tools: list[dict[str, Any]]) -> Any:
    function = {
        "strict": True,
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    }
    return [{**tool, "function": {**tool["function"], **function}} for tool in tools] + [
        {"type": "function", "function": {"name": "time", **function}}
    ]
