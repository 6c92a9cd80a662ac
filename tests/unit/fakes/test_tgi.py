"""The TGI fake answers in the shapes of TGI's own OpenAPI document and sets TGI's traps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from huggingface_hub import AsyncInferenceClient
from openai import AsyncOpenAI, UnprocessableEntityError

from tests.fakes import script
from tests.fakes.client import Heard, get, post
from tests.fakes.openapi import problems
from tests.fakes.script import Answer, Fail, ToolCall
from tests.fakes.tgi import GARBAGE, TgiFake
from tests.fakes.tgi_rules import Launch

ASK: dict[str, Any] = {"messages": [{"role": "user", "content": "Quel temps fait-il ?"}]}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
]
CALL = Answer(tools=(ToolCall("weather", '{"city": "Paris", "unit": "celsius"}'),))


async def chat(tgi: TgiFake, headers: dict[str, str] | None = None, **body: Any) -> Heard:
    return await post(f"{tgi.url}/v1/chat/completions", {**ASK, **body}, headers)


@pytest.mark.parametrize(
    ("path", "body", "schema"),
    [
        ("/v1/chat/completions", ASK, "ChatCompletion"),
        ("/v1/chat/completions", {**ASK, "tools": TOOLS}, "ChatCompletion"),
        ("/v1/chat/completions", {**ASK, "logprobs": True}, "ChatCompletion"),
        ("/v1/completions", {"prompt": ["un", "deux"]}, "CompletionFinal"),
        ("/generate", {"inputs": "un deux"}, "GenerateResponse"),
        ("/generate", {"inputs": "un", "parameters": {"decoder_input_details": True}}, "GenerateResponse"),
        (
            "/generate",
            {"inputs": "un", "parameters": {"details": True, "top_n_tokens": 2, "best_of": 2}},
            "GenerateResponse",
        ),
        ("/tokenize", {"inputs": "un deux"}, "TokenizeResponse"),
        ("/chat_tokenize", ASK, "ChatTokenizeResponse"),
    ],
)
async def test_whole_answers_fit_their_schema(path: str, body: Any, schema: str) -> None:
    async with TgiFake() as tgi:
        tgi.script(CALL)
        heard = await post(tgi.url + path, body)
        assert heard.status == 200
        assert problems(heard.json, schema, "tgi") == []


@pytest.mark.parametrize(
    ("path", "body", "schema"),
    [
        ("/v1/chat/completions", {**ASK, "stream_options": {"include_usage": True}}, "ChatCompletionChunk"),
        ("/v1/chat/completions", {**ASK, "tools": TOOLS}, "ChatCompletionChunk"),
        ("/v1/chat/completions", {**ASK, "logprobs": True}, "ChatCompletionChunk"),
        ("/v1/completions", {"prompt": "un"}, "Chunk"),
        ("/generate_stream", {"inputs": "un", "parameters": {"details": True}}, "StreamResponse"),
        ("/generate_stream", {"inputs": "un", "parameters": {"top_n_tokens": 2}}, "StreamResponse"),
        ("/", {"inputs": "un"}, "StreamResponse"),
    ],
)
async def test_events_fit_their_schema(path: str, body: Any, schema: str) -> None:
    async with TgiFake() as tgi:
        tgi.script(CALL)
        heard = await post(tgi.url + path, {**body, "stream": True})
        assert heard.headers["content-type"] == "text/event-stream"
        assert heard.events
        assert [wrong for event in heard.events for wrong in problems(event, schema, "tgi")] == []


async def test_the_routes_that_describe_the_model_fit_theirs() -> None:
    async with TgiFake(model="org/m") as tgi:
        info, models = await get(f"{tgi.url}/info"), await get(f"{tgi.url}/v1/models")
        assert problems(info.json, "Info", "tgi") == []
        assert problems(models.json["data"][0], "ModelInfo", "tgi") == []
        assert (info.json["model_id"], models.json["data"][0]["created"]) == ("org/m", 0)
        for path in ("/health", "/ping", "/"):
            assert (await get(tgi.url + path)).body == b""
        tgi.healthy = False
        ill = await get(f"{tgi.url}/health")
        assert (ill.status, ill.json) == (503, {"error": "unhealthy", "error_type": "healthcheck"})
        assert b"tgi_queue_size 0\n" in (await get(f"{tgi.url}/metrics")).body


async def test_the_first_bytes_of_a_chat_stream_are_tgis_own() -> None:
    async with TgiFake(answer="Il pleut.") as tgi:
        first = (await chat(tgi, stream=True)).data[0]
        assert first.startswith(b'{"object":"chat.completion.chunk","id":"","created":')
        assert first.endswith(
            b'"choices":[{"index":0,"delta":{"role":"assistant","content":"Il"},"logprobs":null,"finish_reason":null}],'
            b'"usage":null}'
        )


@pytest.mark.parametrize("pieces", [(), ("Il ", "pl", "eut", " fort", ".")])
async def test_usage_is_the_same_streamed_or_not(pieces: tuple[str, ...]) -> None:
    async with TgiFake(answer=Answer("Il pleut fort.", pieces)) as tgi:
        whole = (await chat(tgi)).json
        events = (await chat(tgi, stream=True, stream_options={"include_usage": True})).events
        assert whole["choices"][0]["message"]["content"] == "Il pleut fort."
        assert events[-1]["choices"] == []
        assert events[-1]["usage"] == whole["usage"]
        assert whole["usage"] == {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}
        assert all(event["usage"] is None for event in events[:-1])
        assert all(event["usage"] is None for event in (await chat(tgi, stream=True)).events)


async def test_a_presence_penalty_makes_the_model_babble() -> None:
    async with TgiFake() as tgi:
        assert (await chat(tgi, presence_penalty=0.0)).json["choices"][0]["message"]["content"] == GARBAGE
        assert (await chat(tgi, presence_penalty=0.5, stream=True)).content == GARBAGE
        assert (await chat(tgi, presence_penalty=None)).json["choices"][0]["message"]["content"] != GARBAGE


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ({"stop": "fin"}, 'stop: invalid type: string "fin", expected a sequence'),
        ({"logit_bias": {"50256": -100}}, "logit_bias: invalid type: map, expected a sequence"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}},
            "response_format: missing field `value`",
        ),
        ({"response_format": {"type": "json_object"}}, "response_format: missing field `value`"),
        ({"response_format": {"type": "text"}}, "response_format: unknown variant `text`"),
        ({"stream": None}, "stream: invalid type: null, expected a boolean"),
        ({"max_tokens": -1}, "max_tokens: invalid value: integer `-1`, expected u32"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "duplicate field `max_tokens`"),
        ({"messages": "bonjour"}, "messages: invalid type: string"),
        ({"messages": [{"role": "user", "content": None}]}, "messages: data did not match any variant"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_type_that_does_not_fit_is_refused_in_plain_text(
    field: Any, reason: str, stream: bool
) -> None:
    async with TgiFake() as tgi:
        heard = await chat(tgi, **{"stream": stream, **field})
        assert heard.status == 422
        assert heard.headers["content-type"].startswith("text/plain")
        assert heard.body.decode().startswith(
            f"Failed to deserialize the JSON body into the target type: {reason}"
        )


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ({"top_p": 1.0}, "`top_p` must be > 0.0 and < 1.0"),
        ({"temperature": -1}, "`temperature` must be strictly positive"),
        ({"stop": list("abcde")}, "`stop` supports up to 4 stop sequences. Given: 5"),
        (
            {"max_tokens": 9000},
            "`inputs` tokens + `max_new_tokens` must be <= 8192. Given: 4 `inputs` tokens and 9000",
        ),
        ({"max_tokens": 0}, "`max_new_tokens` must be strictly positive"),
        ({"response_format": {"type": "json", "value": {}}}, "grammar is not valid"),
    ],
)
async def test_a_forbidden_value_is_422_or_an_event_inside_a_200(field: Any, reason: str) -> None:
    async with TgiFake() as tgi:
        whole, streamed = await chat(tgi, **field), await chat(tgi, **field, stream=True)
        assert (whole.status, whole.json["error_type"]) == (422, "validation")
        assert whole.json["error"].startswith(f"Input validation error: {reason}")
        assert problems(whole.json, "ErrorResponse", "tgi") == []
        assert streamed.status == 200
        assert streamed.events == [{"error": {"message": whole.json["error"], "http_status_code": 422}}]
        assert streamed.data[-1] == b"[DONE]"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_grammar_and_tools_exclude_each_other(stream: bool) -> None:
    async with TgiFake() as tgi:
        grammar = {"type": "json", "value": {"properties": {}}}
        heard = await chat(tgi, response_format=grammar, tools=TOOLS, stream=stream)
        assert (heard.status, heard.json["error_type"]) == (422, "tool_error")


async def test_accepted_dialects_of_structured_output() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    async with TgiFake() as tgi:
        for given in (
            {"type": "json", "value": schema},
            {"type": "json_object", "value": schema},
            {"type": "json_schema", "value": {"name": "x", "schema": schema}},
            {"type": "regex", "value": "a+"},
        ):
            assert (await chat(tgi, response_format=given)).status == 200


async def test_tool_calls_finish_with_stop_and_have_tgis_shape() -> None:
    async with TgiFake(answer=CALL) as tgi:
        choice = (await chat(tgi, tools=TOOLS)).json["choices"][0]
        call = choice["message"]["tool_calls"][0]
        assert choice["finish_reason"] == "stop"
        assert "content" not in choice["message"]
        assert (call["id"], call["function"]["name"]) == ("0", "weather")
        assert call["function"]["arguments"] == '{"city": "Paris", "unit": "celsius"}'
        choices = [event["choices"][0] for event in (await chat(tgi, tools=TOOLS, stream=True)).events]
        deltas = [c["delta"]["tool_calls"][0] for c in choices if "tool_calls" in c["delta"]]
        assert [delta["function"]["name"] for delta in deltas] == ["weather", *[None] * (len(deltas) - 1)]
        assert {delta["id"] for delta in deltas} == {"0"}
        assert "".join(d["function"]["arguments"] for d in deltas) == call["function"]["arguments"]
        assert choices[-1]["finish_reason"] == "stop"
        tgi.tool_finish = None
        events = (await chat(tgi, tools=TOOLS, stream=True)).events
        assert {event["choices"][0]["finish_reason"] for event in events} == {None}
        assert (await chat(tgi)).json["choices"][0]["message"]["content"] == "Bonjour le monde."


async def test_reasons_to_finish_are_tgis_own() -> None:
    async with TgiFake(answer="un deux trois quatre") as tgi:
        cut = (await chat(tgi, max_completion_tokens=2)).json["choices"][0]
        stopped = (await chat(tgi, stop=["trois"], stream=True)).events[-1]["choices"][0]
        native = await post(f"{tgi.url}/generate", {"inputs": "x", "parameters": {"details": True}})
        old = (await post(f"{tgi.url}/v1/completions", {"prompt": "x", "stream": True})).events
        assert (cut["message"]["content"], cut["finish_reason"]) == ("un deux", "length")
        assert (stopped["delta"]["content"], stopped["finish_reason"]) == (" trois", "stop_sequence")
        assert native.json["details"]["finish_reason"] == "eos_token"
        assert [event["choices"][0]["finish_reason"] for event in old] == ["", "", "", "", "eos_token"]
        assert "usage" in old[-1]


@pytest.mark.parametrize(
    ("kind", "status", "error_type"),
    [
        ("overloaded", 429, "overloaded"),
        ("generation", 424, "generation"),
        ("incomplete", 500, "incomplete_generation"),
        ("validation", 422, "validation"),
    ],
)
async def test_failures_have_their_status_or_hide_inside_a_stream(
    kind: Any, status: int, error_type: str
) -> None:
    async with TgiFake() as tgi:
        tgi.always(Fail(kind))
        whole = await chat(tgi)
        assert (whole.status, whole.json["error_type"]) == (status, error_type)
        assert "retry-after" not in whole.headers
        chatted = await chat(tgi, stream=True)
        assert (chatted.status, chatted.events[0]["error"]["http_status_code"]) == (200, 422)
        native = await post(f"{tgi.url}/generate_stream", {"inputs": "x"})
        assert (native.status, b"[DONE]" in native.body) == (200, False)
        assert native.events[0]["error_type"].startswith(error_type)


async def test_more_requests_than_allowed_are_refused_at_once() -> None:
    async with TgiFake(launch=Launch(max_concurrent_requests=1)) as tgi:
        gate = asyncio.Event()
        tgi.script(script.Wait(gate))
        slow = asyncio.create_task(chat(tgi))
        await tgi.until(lambda: tgi.live == 1)
        assert (await chat(tgi)).json == {"error": "Model is overloaded", "error_type": "overloaded"}
        assert (await chat(tgi, stream=True)).events[0]["error"]["message"] == "Model is overloaded"
        gate.set()
        assert (await slow).status == 200


async def test_a_key_protects_the_model_and_nothing_else() -> None:
    async with TgiFake(api_key="secret") as tgi:
        refused = await chat(tgi)
        assert (refused.status, refused.body) == (401, b"")
        assert (await chat(tgi, {"Authorization": "Bearer secret"})).status == 200
        assert (await get(f"{tgi.url}/info")).status == 200
        assert (await post(f"{tgi.url}/chat_tokenize", ASK)).status == 200


async def test_a_long_body_is_refused_in_plain_text() -> None:
    async with TgiFake(launch=Launch(payload_limit=1000)) as tgi:
        heard = await chat(tgi, user="x" * 1000)
        assert (heard.status, heard.headers["content-type"]) == (413, "text/plain; charset=utf-8")
        assert b"length limit exceeded" in heard.body


async def test_completions_refuse_a_suffix_and_big_batches() -> None:
    async with TgiFake() as tgi:
        url = f"{tgi.url}/v1/completions"
        suffix = await post(url, {"prompt": "x", "suffix": "y"})
        batch = await post(url, {"prompt": ["x"] * 5})
        assert (suffix.status, suffix.json["error_type"]) == (422, "suffix not supported")
        assert (batch.status, batch.json["error_type"]) == (422, "batch size exceeded")
        tokens = await post(url, {"prompt": [1, 2, 3]})
        assert (tokens.status, tokens.headers["content-type"]) == (422, "text/plain; charset=utf-8")


async def test_headers_say_where_the_time_went_and_what_it_cost() -> None:
    async with TgiFake(launch=Launch(queue_time=17)) as tgi:
        headers = (await chat(tgi)).headers
        assert headers["x-queue-time"] == "17"
        assert (headers["x-prompt-tokens"], headers["x-generated-tokens"]) == ("4", "3")
        streamed = (await chat(tgi, stream=True)).headers
        assert {name for name in streamed if name.startswith("x-")} == {
            "x-compute-type", "x-compute-characters", "x-accel-buffering",
        }  # fmt: skip


async def test_the_root_answers_old_clients_with_a_list() -> None:
    async with TgiFake() as tgi:
        body = {"inputs": "x", "parameters": {"return_full_text": True}}
        assert (await post(tgi.url, body)).json == [{"generated_text": "xBonjour le monde.", "details": None}]


async def test_hugging_faces_own_client_is_at_home() -> None:
    async with TgiFake() as tgi, AsyncInferenceClient(tgi.url) as client:
        assert await client.text_generation("x") == "Bonjour le monde."
        pieces = [piece async for piece in await client.text_generation("x", stream=True)]
        assert "".join(pieces) == "Bonjour le monde.</s>"  # it shows the end of the sequence to its users
        answer = await client.chat_completion(ASK["messages"])
        assert answer.choices[0].message.content == "Bonjour le monde."


async def test_openais_client_trips_as_it_does_over_the_real_thing() -> None:
    async with TgiFake() as tgi, AsyncOpenAI(base_url=f"{tgi.url}/v1", api_key="x", max_retries=0) as client:
        answer = await client.chat.completions.create(model="tgi", messages=ASK["messages"])
        assert (answer.id, answer.choices[0].message.content) == ("", "Bonjour le monde.")
        with pytest.raises(UnprocessableEntityError):
            await client.chat.completions.create(model="tgi", messages=ASK["messages"], stop="x")
