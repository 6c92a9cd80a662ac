"""The fake of Anthropic's API says what the real one says, in its order."""

from typing import Any

import pytest

from tests.fakes.anthropic import AnthropicFake
from tests.fakes.client import Heard, post
from tests.fakes.script import Answer, Fail, ToolCall

_HEADERS = {"anthropic-version": "2023-06-01", "x-api-key": "k"}
_BODY = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "un deux"}]}


async def _ask(fake: AnthropicFake, **more: Any) -> Heard:
    return await post(f"{fake.url}/v1/messages", {**_BODY, **more}, _HEADERS)


async def test_a_whole_message() -> None:
    async with AnthropicFake() as fake:
        heard = await _ask(fake)

    assert heard.json["content"] == [{"type": "text", "text": "Bonjour le monde."}]
    assert heard.json["stop_reason"] == "end_turn"
    assert heard.json["usage"]["input_tokens"] == 2
    assert heard.headers["request-id"].startswith("req_")


async def test_a_stream_has_named_events_and_no_end_mark() -> None:
    async with AnthropicFake() as fake:
        heard = await _ask(fake, stream=True)

    kinds = [event["type"] for event in heard.events]
    assert kinds[:3] == ["message_start", "content_block_start", "content_block_delta"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert "ping" in kinds
    assert heard.body.startswith(b"event: message_start\ndata: {")
    assert b"[DONE]" not in heard.body


async def test_a_tools_input_comes_in_pieces_of_json() -> None:
    async with AnthropicFake() as fake:
        fake.always(Answer(tools=(ToolCall("weather", '{"city":"Nantes"}'),)))
        heard = await _ask(fake, stream=True, tools=[{"name": "weather", "input_schema": {}}])

    deltas = [event["delta"] for event in heard.events if event["type"] == "content_block_delta"]
    assert "".join(delta["partial_json"] for delta in deltas) == '{"city":"Nantes"}'
    assert heard.events[-2]["delta"]["stop_reason"] == "tool_use"


async def test_what_is_marked_is_written_to_the_cache_unless_it_was_read_from_it() -> None:
    part = {"type": "text", "text": "un deux trois", "cache_control": {"type": "ephemeral"}}
    messages = [{"role": "user", "content": [part]}]
    async with AnthropicFake() as fake:
        first = await _ask(fake, messages=messages)
        fake.always(Answer(cached_tokens=3))
        second = await _ask(fake, messages=messages)

    assert first.json["usage"]["cache_creation_input_tokens"] == 3
    assert second.json["usage"]["cache_read_input_tokens"] == 3
    assert second.json["usage"]["cache_creation_input_tokens"] == 0


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"stream_options": {}}, 400, "stream_options: Extra inputs are not permitted"),
        ({"model": "other"}, 404, "model: other"),
        ({"messages": []}, 400, "messages: at least one message is required"),
    ],
)
async def test_a_bad_request_is_refused_in_its_words(body: Any, status: int, message: str) -> None:
    async with AnthropicFake() as fake:
        heard = await _ask(fake, **body)

    assert (heard.status, heard.json["error"]["message"]) == (status, message)
    assert heard.json["type"] == "error"


async def test_an_overloaded_server_says_529_and_inside_a_stream_an_event() -> None:
    async with AnthropicFake() as fake:
        fake.script(Fail("overloaded"))
        outside = await _ask(fake)
        fake.script(Fail("overloaded", after=3))
        inside = await _ask(fake, stream=True)

    assert (outside.status, outside.json["error"]["type"]) == (529, "overloaded_error")
    assert inside.events[-1] == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"},
    }


async def test_a_wrong_key_is_refused() -> None:
    async with AnthropicFake(api_key="other") as fake:
        heard = await _ask(fake)

    assert heard.status == 401
