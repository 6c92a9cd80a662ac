"""An answer given again: the same text as whole answer and as stream, whichever way it came."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_openai import ChatOpenAI
from openai import OpenAI
from pydantic import SecretStr

from passerelle.cache.entry import Kept
from passerelle.cache.replay import (
    LONGEST_PIECE,
    PIECE,
    Said,
    events,
    pieces,
    said_streamed,
    said_whole,
    whole,
)
from passerelle.domain.ask import Ask, Needs, Route
from passerelle.wire.sse import DONE, data_of, event_of

NOW = 1_790_000_000.5
USAGE = {
    "prompt_tokens": 5,
    "completion_tokens": 7,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 4},
}
LONG = "Le guichet est ouvert de 9 h à 17 h, sauf le dimanche. " * 12
TEXTS = st.text(max_size=900)


def ask(route: Route = Route.CHAT, *, stream: bool = False, usage: bool = False) -> Ask:
    return Ask(
        route=route,
        model="alias",
        body={},
        stream=stream,
        wants_usage=usage,
        request_id="r",
        needs=Needs(),
        arrived=0.0,
    )


def kept(text: str | None = LONG, **changes: Any) -> Kept:
    given = Kept(
        id="ca_0",
        tenant="t",
        partition="p",
        exact="e",
        message={"role": "assistant", "content": text},
        finish_reason="stop",
        usage=USAGE,
        model="org/Model",
        backend="b",
        target="x",
        provider="p",
        country=None,
        created=0.0,
        expires=1.0,
    )
    return replace(given, **changes)


def chunks(blocks: Sequence[bytes]) -> list[dict[str, Any]]:
    return [orjson.loads(data) for block in blocks if (data := data_of(block)) not in (None, b"[DONE]")]


def chunk(delta: dict[str, Any], *, reason: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return event_of(orjson.dumps({"model": "org/Model", "choices": [choice], **more}))


@given(TEXTS)
def test_pieces_joined_are_the_text_whatever_it_is(text: str) -> None:
    given = list(pieces(text))
    assert "".join(given) == text
    assert all(0 < len(piece) <= LONGEST_PIECE for piece in given)


def test_pieces_end_after_words_and_are_of_about_24_tokens() -> None:
    given = list(pieces(LONG))
    assert all(piece.endswith(" ") and not piece.startswith(" ") for piece in given[:-1])
    assert all(PIECE <= len(piece) <= PIECE + 12 for piece in given[:-1])


def test_a_text_of_spaces_alone_is_cut_in_linear_time() -> None:
    assert "".join(pieces("x" + " " * 2_000_000)) == "x" + " " * 2_000_000


@given(TEXTS, st.booleans(), st.sampled_from([Route.CHAT, Route.COMPLETIONS]))
def test_what_was_said_survives_every_way_there_and_back(text: str, usage: bool, route: Route) -> None:
    said = Said(
        {"content": text} if route is Route.COMPLETIONS else {"role": "assistant", "content": text},
        "stop",
        USAGE,
        "org/Model",
    )
    stored = kept(message=said.message)
    again = whole(stored, ask(route), now=NOW)
    assert said_whole(again, route) == said
    stream = list(events(stored, ask(route, stream=True, usage=usage), now=NOW))
    assert said_streamed(stream, route, usage=None if usage else USAGE) == said
    assert said_streamed([*stream, DONE, event_of(b'{"error": "after the end"}')], route, usage=USAGE) == said


@given(st.text(min_size=1, max_size=300), st.integers(1, 40))
def test_the_bytes_of_a_stream_may_be_split_anywhere(text: str, size: int) -> None:
    stream = b"".join(events(kept(text), ask(stream=True, usage=True), now=NOW))
    blocks = [stream[at : at + size] for at in range(0, len(stream), size)]
    said = said_streamed(blocks, Route.CHAT)
    assert said is not None
    assert said.message["content"] == text


def test_a_stream_is_role_text_finish_and_usage_only_when_asked() -> None:
    given = chunks(list(events(kept(), ask(stream=True, usage=True), now=NOW)))
    assert given[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert "".join(each["choices"][0]["delta"]["content"] for each in given[1:-2]) == LONG
    assert given[-2]["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}
    assert given[-1]["choices"] == []
    assert given[-1]["usage"] == USAGE
    assert {(each["id"], each["object"], each["created"], each["model"]) for each in given} == {
        (given[0]["id"], "chat.completion.chunk", int(NOW), "org/Model")
    }
    assert (
        chunks(list(events(kept(), ask(stream=True), now=NOW)))[-1]["choices"][0]["finish_reason"] == "stop"
    )


def test_an_answer_given_twice_has_two_ids() -> None:
    first, second = (orjson.loads(whole(kept(), ask(), now=NOW)) for _ in range(2))
    assert first["id"] != second["id"]
    assert first.pop("id").startswith("chatcmpl-")
    del second["id"]
    assert first == second


def test_thoughts_come_before_the_answer_and_both_are_kept() -> None:
    stream = [
        chunk({"role": "assistant", "content": None}),
        chunk({"reasoning_content": "Hm, "}),
        chunk({"reasoning_content": "so."}),
        chunk({"content": "Yes."}),
        chunk({"content": ""}, reason="stop"),
    ]
    said = said_streamed(stream, Route.CHAT)
    assert said is not None
    assert said.message == {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm, so."}
    again = chunks(list(events(kept(message=said.message), ask(stream=True), now=NOW)))
    assert [each["choices"][0]["delta"] for each in again[1:]] == [
        {"reasoning_content": "Hm, so."},
        {"content": "Yes."},
        {},
    ]


def test_what_a_whole_answer_says_beside_its_text_is_kept_for_both_forms() -> None:
    cited = [{"type": "url_citation", "url_citation": {"url": "https://example.org"}}]
    message = {
        "role": "assistant",
        "content": "Yes.",
        "refusal": None,
        "annotations": cited,
        "tool_calls": [],
    }
    body = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    said = said_whole(orjson.dumps(body), Route.CHAT)
    assert said is not None
    assert said.message == {"role": "assistant", "content": "Yes.", "annotations": cited}
    last = chunks(list(events(kept(message=said.message), ask(stream=True), now=NOW)))[-1]
    assert last["choices"][0]["delta"] == {"annotations": cited}


@pytest.mark.parametrize(
    "stream",
    [
        [],
        [chunk({"content": "Broken off"})],
        [chunk({"content": "Broken off"}), DONE],
        [chunk({"tool_calls": [{"index": 0, "function": {"name": "f"}}]}), chunk({}, reason="tool_calls")],
        [chunk({"content": [{"type": "text", "text": "parts"}]}), chunk({}, reason="stop")],
        [chunk({"reasoning_details": [{"text": "how to join these?"}]}), chunk({}, reason="stop")],
        [chunk({"content": "a"}, choices=[{"index": 0}, {"index": 1}]), chunk({}, reason="stop")],
        [chunk({}, choices=[{"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"}])],
        [
            chunk(
                {}, choices=[{"index": 0, "delta": {}, "logprobs": {"content": [1]}, "finish_reason": "stop"}]
            )
        ],
        [chunk({"content": "a"}, reason="stop", error={"message": "no"})],
        [chunk({}, choices={"index": 0})],
        [chunk({}, choices=["a"])],
        [event_of(b"{half"), chunk({}, reason="stop")],
        [event_of(b"[1]"), chunk({}, reason="stop")],
        [event_of(b'{"choices":[{"delta":{"content":"\\ud83d"}}]}'), chunk({}, reason="stop")],
        [b"data: \xff\n\n", chunk({}, reason="stop")],
    ],
)
def test_a_stream_that_is_not_one_plain_answer_is_not_kept(stream: list[bytes]) -> None:
    assert said_streamed(stream, Route.CHAT) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"choices": []},
        {"choices": None},
        {"choices": [{}, {}]},
        {"choices": ["a"]},
        {"error": {"message": "no"}},
        {"choices": [{"message": {"content": "a"}, "finish_reason": None}]},
        {
            "choices": [
                {"message": {"content": None, "tool_calls": [{"id": "c"}]}, "finish_reason": "tool_calls"}
            ]
        },
        {
            "choices": [
                {"message": {"content": None, "function_call": {"name": "f"}}, "finish_reason": "stop"}
            ]
        },
        {"choices": [{"message": {"content": None, "audio": {"id": "a"}}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": [{"type": "text"}]}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": "a"}, "logprobs": {"content": []}, "finish_reason": "stop"}]},
        {"choices": [{"message": "a", "finish_reason": "stop"}]},
    ],
)
def test_a_whole_answer_that_is_not_one_plain_choice_is_not_kept(changes: dict[str, Any]) -> None:
    assert said_whole(orjson.dumps({"model": "m", **changes}), Route.CHAT) is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff"])
def test_bytes_that_are_no_answer_are_not_kept(body: bytes) -> None:
    assert said_whole(body, Route.CHAT) is None


def test_an_answer_without_usage_or_model_is_given_without_usage_under_the_name_asked_for() -> None:
    stored = kept("Yes.", usage=None, model="")
    body = orjson.loads(whole(stored, ask(), now=NOW))
    assert "usage" not in body
    assert body["model"] == "alias"
    assert all(each["choices"] for each in chunks(list(events(stored, ask(usage=True), now=NOW))))


def replaying(stored: Kept) -> Iterator[httpx.Client]:
    """A client of httpx whose every request is answered with what is kept."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked = orjson.loads(request.content)
        route = Route.CHAT if request.url.path.endswith("chat/completions") else Route.COMPLETIONS
        streamed, options = asked.get("stream", False), asked.get("stream_options") or {}
        one = ask(route, stream=streamed, usage=bool(options.get("include_usage")))
        if streamed:
            body, kind = b"".join([*events(stored, one, now=NOW), DONE]), "text/event-stream"
        else:
            body, kind = whole(stored, one, now=NOW), "application/json"
        return httpx.Response(200, content=body, headers={"content-type": kind})

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        yield client


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    yield from replaying(kept())


def test_the_openai_client_reads_both_forms_of_a_chat(client: httpx.Client) -> None:
    with OpenAI(api_key="k", base_url="http://cache/v1", http_client=client) as sdk:
        answer = sdk.chat.completions.create(model="m", messages=[])
        assert answer.choices[0].message.content == LONG
        assert answer.usage is not None
        assert answer.usage.total_tokens == 12
        with sdk.chat.completions.stream(
            model="m", messages=[], stream_options={"include_usage": True}
        ) as stream:
            final = stream.get_final_completion()
        assert final.choices[0].message.content == LONG
        assert final.choices[0].finish_reason == "stop"
        assert final.usage == answer.usage


def test_the_openai_client_reads_both_forms_of_a_completion(client: httpx.Client) -> None:
    with OpenAI(api_key="k", base_url="http://cache/v1", http_client=client) as sdk:
        answer = sdk.completions.create(model="m", prompt="p")
        assert answer.id.startswith("cmpl-")
        assert answer.choices[0].text == LONG
        stream = list(sdk.completions.create(model="m", prompt="p", stream=True))
        assert "".join(each.choices[0].text for each in stream) == LONG
        assert stream[-1].choices[0].finish_reason == "stop"


def test_langchain_reads_both_forms(client: httpx.Client) -> None:
    model = ChatOpenAI(
        model="m",
        api_key=SecretStr("k"),
        base_url="http://cache/v1",
        http_client=client,
        stream_usage=True,
    )
    assert model.invoke("q").content == LONG
    total: AIMessageChunk | None = None
    for piece in model.stream("q"):
        assert isinstance(piece, AIMessageChunk)
        total = piece if total is None else total + piece
    assert total is not None
    assert total.content == LONG
    assert total.usage_metadata is not None
    assert total.usage_metadata["total_tokens"] == 12
