"""What a relay lets through, holds back and notices."""

import json

import orjson
import pytest

from passerelle.domain.ask import Ask, Needs, Route, Usage
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.gateway.relay import Relay


def _ask(*, wants_usage: bool = False, n: int = 1, route: Route = Route.CHAT) -> Ask:
    return Ask(
        route, "m", {"n": n}, stream=True, wants_usage=wants_usage, request_id="r", needs=Needs(), arrived=0.0
    )


def _chunk(
    delta: dict[str, object] | None = None, *, finish: str | None = None, index: int = 0, **more: object
) -> bytes:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    return b"data: " + orjson.dumps({"id": "x", "choices": [choice], **more}) + b"\n\n"


_USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
_USAGE_CHUNK = b"data: " + orjson.dumps({"id": "x", "choices": [], "usage": _USAGE}) + b"\n\n"
_DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("event", "content"),
    [
        (_chunk({"role": "assistant"}), False),
        (_chunk({"role": "assistant", "content": ""}), False),
        (_chunk({"content": None, "tool_calls": []}), False),
        (_chunk({"content": "a"}), True),
        (_chunk({"reasoning_content": "hm"}), True),
        (_chunk({"refusal": "no"}), True),
        (_chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]}), True),
        (_chunk(finish="stop"), True),
        (b": keep-alive\n\n", False),
        (b'data: {"choices":[]}\n\n', False),
    ],
)
def test_only_a_piece_of_the_answer_counts_as_content(event: bytes, content: bool) -> None:
    relay = Relay(_ask())

    relay.take(event)

    assert relay.content is content


def test_text_counts_as_content_on_the_completions_route() -> None:
    relay = Relay(_ask(route=Route.COMPLETIONS))
    relay.take(b'data: {"choices":[{"index":0,"text":""}]}\n\n')
    assert not relay.content

    relay.take(b'data: {"choices":[{"index":0,"text":"a"}]}\n\n')

    assert relay.content


def test_plain_chunks_after_the_first_content_pass_as_the_same_object() -> None:
    relay = Relay(_ask())
    relay.take(_chunk({"content": "a"}))
    block = b'data: {"choices":[{"index":0,"delta":{"content":"b"},"finish_reason":null}]}\n\n' * 3

    assert relay.take(block) is block


def test_text_that_looks_like_a_key_is_text() -> None:
    relay = Relay(_ask())
    relay.take(_chunk({"content": "a"}))
    block = _chunk({"content": '{"usage":{"prompt_tokens":9},"error":{},"finish_reason":"stop"} '})

    assert relay.take(block) is block
    assert relay.usage is None


def test_usage_is_read_and_held_back_unless_the_caller_asked() -> None:
    relay = Relay(_ask())
    out = relay.take(_chunk({"content": "a"}) + _chunk(finish="stop") + _USAGE_CHUNK + _DONE)

    assert relay.usage == Usage(3, 2)
    assert b"usage" not in out + relay.closing()


def test_usage_comes_once_in_a_chunk_of_its_own_when_the_caller_asked() -> None:
    relay = Relay(_ask(wants_usage=True))
    with_finish = _chunk(finish="stop", usage=_USAGE)

    out = relay.take(_chunk({"content": "a"}, usage=None) + with_finish)

    assert b"usage" not in out
    assert relay.closing() == _USAGE_CHUNK


def test_null_usage_in_every_chunk_is_stripped() -> None:
    relay = Relay(_ask())
    relay.take(_chunk({"content": "a"}))

    out = relay.take(
        b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"b"},"finish_reason":null}],"usage":null}\n\n'
    )

    assert out == b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"b"},"finish_reason":null}]}\n\n'


def test_nothing_passes_after_the_end_mark() -> None:
    relay = Relay(_ask())

    out = relay.take(_chunk({"content": "a"}) + _DONE + _chunk({"content": "garbage"}))

    assert relay.done
    assert b"garbage" not in out
    assert b"[DONE]" not in out
    assert relay.take(b"data: more\n\n") == b""


def test_a_finished_answer_without_end_mark_is_whole() -> None:
    relay = Relay(_ask())
    relay.take(_chunk({"content": "a"}) + _chunk(finish="stop"))

    relay.end()

    assert relay.done


@pytest.mark.parametrize("n", [1, 2])
def test_an_answer_that_ends_early_is_broken(n: int) -> None:
    relay = Relay(_ask(n=n))
    relay.take(_chunk({"content": "a"}) + (_chunk(finish="stop") if n == 2 else b""))

    with pytest.raises(UpstreamFailed) as caught:
        relay.end()

    assert caught.value.fault is Fault.BROKEN


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        (b'data: {"error":{"message":"Model is overloaded","http_status_code":422}}\n\n', Fault.OVERLOADED),
        (b'data: {"error":"boom"}\n\n', Fault.SERVER),
        (b"event: error\ndata: {}\n\n", Fault.SERVER),
        (b"data: not json\n\n", Fault.BROKEN),
        (b"data: [1]\n\n", Fault.BROKEN),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_an_error_event_is_a_failure_never_content(event: bytes, fault: Fault, late: bool) -> None:
    relay = Relay(_ask())
    if late:
        relay.take(_chunk({"content": "a"}))
        if b"not json" in event or b"[1]" in event:
            return  # after the first content a block that needs no look is relayed as it is

    with pytest.raises(UpstreamFailed) as caught:
        relay.take(event)

    assert caught.value.fault is fault


def test_what_is_counted_of_a_stream_without_usage_is_its_text_however_its_events_are_written() -> None:
    def event(text: str, finish: str | None = None) -> bytes:
        delta = {"content": text} if text else {}
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        more = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return b"data: " + json.dumps({**more, "choices": choices, "usage": None}).encode() + b"\n\n"

    relay = Relay(_ask())
    for block in (event("mot "), event("mot ") * 40, event("data: x " * 40), event("", "stop"), _DONE):
        relay.take(block)

    assert relay.received == 41 * 4 + 40 * 8
