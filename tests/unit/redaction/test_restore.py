"""Answers get back what was taken out of their request, however a stream is cut, and nothing else of them changes."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.domain.ask import Route
from passerelle.domain.errors import UpstreamFailed
from passerelle.redaction.mending import Mender
from passerelle.redaction.redactor import Redactor
from passerelle.redaction.restore import MOST_TEXTS, Restoration
from passerelle.redaction.vault import Vault
from passerelle.wire.sse import data_of, event_of, events
from tests.unit.redaction.asking import ask_of, redaction, said

VALUES = {"email": "jean@laposte.net", "phone": "06 12 34 56 78", "name": 'Zoé "Zaza" L\\'}


def restoration(form: str = "", **body: Any) -> Restoration:
    vault = Vault(lambda: form)
    for kind, value in VALUES.items():
        vault.placeholder(kind, value)
    vault.placeholder("email", "other@laposte.net")
    return Restoration(vault, said("x", **body))


def chunk(piece: str, *, index: int = 0, **others: Any) -> bytes:
    choice = {"index": index, "delta": {"content": piece}, "finish_reason": None, **others}
    return event_of(orjson.dumps({"id": "c", "choices": [choice]}))


def texts_of(stream: bytes) -> dict[tuple[Any, ...], str]:
    """Every text of a stream, put together."""
    found: dict[tuple[Any, ...], str] = {}
    for event in events(stream):
        for choice in orjson.loads(data_of(event) or b"{}").get("choices", ()):
            delta = choice.get("delta") or {}
            places: dict[tuple[Any, ...], str] = {
                (choice["index"], name): delta[name] for name in ("content", "reasoning") if name in delta
            }
            for call in delta.get("tool_calls", ()):
                places[choice["index"], "call", call["index"]] = call["function"]["arguments"]
            if "text" in choice:
                places[choice["index"], "text"] = choice["text"]
            for place, piece in places.items():
                found[place] = found.get(place, "") + (piece or "")
    return found


def streamed(blocks: list[bytes], restored: Restoration | None = None) -> bytes:
    stream = (restored or restoration()).stream()
    return b"".join([*[stream.take(block) for block in blocks], stream.finish()])


@pytest.mark.parametrize(
    "written",
    ["[EMAIL_1]", "[email_1]", "[ EMAIL_1 ]", "[EMAIL\\_1]", "\\[EMAIL\\_1\\]", "[EMAIL-1]", "[Email 1]", "\\\\[EMAIL_1\\\\]"],
)  # fmt: skip
def test_placeholders_are_known_as_models_write_them(written: str) -> None:
    assert restoration().mender.mended(f"to {written}.") == "to jean@laposte.net."


@pytest.mark.parametrize(
    "text",
    ["[EMAIL_3]", "[EMAIL_01]", "[EMAIL]", "[EMAIL_1", "EMAIL_1]", "[IBAN_1]", "[EMAIL_A1]", "[EMAIL__1]", "[1] [x](y) \\[z\\]"],
)  # fmt: skip
def test_what_is_no_placeholder_of_the_request_stays(text: str) -> None:
    assert restoration().mender.mended(text) == text


def test_a_backslash_of_the_text_stays_before_what_is_put_back() -> None:
    assert restoration().mender.mended("C:\\[EMAIL_1]\\x") == "C:\\jean@laposte.net\\x"


def test_a_whole_answer_gets_its_values_back_and_arguments_stay_json() -> None:
    body = orjson.dumps(
        {
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "Hi [NAME_1], [name_1]", "tool_calls": [
                    {"id": "a", "function": {"name": "send", "arguments": '{"to": "[NAME_1]"}'}}]}}
            ],
            "usage": {"prompt_tokens": 1},
        }
    )  # fmt: skip
    message = orjson.loads(restoration().whole(body))["choices"][0]["message"]
    assert message["content"] == f"Hi {VALUES['name']}, {VALUES['name']}"
    assert orjson.loads(message["tool_calls"][0]["function"]["arguments"]) == {"to": VALUES["name"]}


def test_an_answer_in_json_stays_json() -> None:
    restored = restoration(response_format={"type": "json_object"})
    body = orjson.dumps({"choices": [{"index": 0, "message": {"content": '{"n": "[NAME_1]"}'}}]})
    content = orjson.loads(restored.whole(body))["choices"][0]["message"]["content"]
    assert orjson.loads(content) == {"n": VALUES["name"]}


@pytest.mark.parametrize("body", [b"not json", b'{ "choices": [{"x": 1}] }', b'{"choices":[[]],"a":"[x"}'])
def test_an_answer_without_placeholders_leaves_byte_for_byte(body: bytes) -> None:
    assert restoration().whole(body) == body


def test_documents_of_a_ranking_are_put_back() -> None:
    vault = Vault(str)
    vault.placeholder("email", "a@b.fr")
    restored = Restoration(vault, ask_of({"query": "x"}, Route.RERANK))
    body = orjson.dumps({"results": [{"index": 0, "document": {"text": "by [EMAIL_1]"}}]})
    assert orjson.loads(restored.whole(body))["results"][0]["document"]["text"] == "by a@b.fr"


PIECES = st.lists(
    st.sampled_from(
        ["[EMAIL_1]", "[email_2]", "\\[PHONE\\_1\\]", "[ NAME_1 ]", "[EMAIL_9]", "[", "]", "\\", "\\\\", "[EM", "AIL_1]",
         "_1]", "é", " ", "\n", "[[", "texte", "1", "[EMAIL ", "[email\\", '"']
    ),
    max_size=12,
).map("".join)  # fmt: skip


def cuts(draw: st.DrawFn, text: str) -> list[str]:
    at = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[begin:end] for begin, end in zip([0, *at], [*at, len(text)], strict=True)]


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_any_chunking_restores_the_same_text(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["", "A"]))
    restored = restoration(form)
    wanted: dict[tuple[Any, ...], str] = {}
    queues: list[list[tuple[tuple[Any, ...], str]]] = []
    for place in [(0, "content"), (0, "reasoning"), (1, "content"), (1, "call", 0), (1, "call", 1)]:
        text = data.draw(PIECES)
        if form:
            text = text.replace("_1", "_A1").replace("_2", "_a2")
        wanted[place] = restored.mender.mended(text, escaped="call" in place)
        queues.append([(place, piece) for piece in data.draw(st.composite(cuts)(text))])
    blocks: list[bytes] = []
    while any(queues):
        waiting = [queue for queue in queues if queue]
        queue = waiting[data.draw(st.integers(0, len(waiting) - 1))]
        place, piece = queue.pop(0)
        delta = (
            {"tool_calls": [{"index": place[2], "function": {"arguments": piece}}]}
            if "call" in place
            else {place[1]: piece}
        )
        event = event_of(orjson.dumps({"id": "c", "choices": [{"index": place[0], "delta": delta}]}))
        joins: bool = data.draw(st.booleans())
        if blocks and joins:
            blocks[-1] += event
        else:
            blocks.append(event)
    ends: bool = data.draw(st.booleans())
    if ends:
        blocks += [chunk("", index=index, finish_reason="stop") for index in (0, 1)]
    found = texts_of(streamed(blocks, restored))
    assert {place: found.get(place, "") for place in wanted} == wanted


@given(PIECES)
@settings(max_examples=100, deadline=None)
def test_what_is_held_back_is_never_longer_than_a_placeholder(text: str) -> None:
    mender: Mender = restoration().mender
    for end in range(len(text) + 1):
        assert end - mender.begun(text[:end]) < 32


def test_a_text_that_looks_like_structure_is_put_back_all_the_same() -> None:
    body = orjson.dumps({"choices": [{"index": 0, "message": {"content": 'x":[EMAIL_1]'}}]})
    assert b"jean@laposte.net" in restoration().whole(body)
    assert texts_of(streamed([chunk('x":[EMAIL_1]')])) == {(0, "content"): 'x":jean@laposte.net'}


SAID = st.lists(
    st.sampled_from(
        ["jean@laposte.net", "06 12 34 56 78", "FR76 3000 6000 0112 3456 7890 189", "je m'appelle Anna Petit", "8.8.8.8",
         "Anna Petit", "né le 12/03/1980", "[EMAIL_1]", "\\", "[", "]", "[email_a", "_1", '"', "\n", " ", ", ", "{", ":"]
    ),
    max_size=12,
).map("".join)  # fmt: skip


@given(SAID, st.booleans())
@settings(max_examples=100, deadline=None)
def test_what_is_repeated_as_it_was_given_is_what_was_said(text: str, as_json: bool) -> None:
    asked = said(orjson.dumps({"a": [text, 1.0]}).decode() if as_json else text)
    redacted = asyncio.run(Redactor(redaction()).redact(asked))
    if redacted is None:
        return
    assert redacted.restore is not None
    given_back = redacted.body["messages"][0]["content"]
    mended = redacted.restore.mender.mended(given_back, escaped=as_json)
    if as_json:
        assert orjson.loads(mended) == {"a": [text, 1.0]}
    else:
        assert mended == text


def test_events_that_hold_nothing_of_it_leave_byte_for_byte() -> None:
    odd = b'data: {"choices": [ {"delta":{"content":"a [b] \\\\ c"},"index":0}],  "x":1}\n\n'
    blocks = [chunk("Bonjour "), b": note\n\n", odd, b"data: [DONE]\n\n"]
    assert streamed(blocks) == b"".join(blocks)


def test_only_the_event_that_holds_it_is_held() -> None:
    stream = restoration().stream()
    assert stream.take(chunk("Hi [EMA")) == chunk("Hi ")
    assert stream.take(chunk("IL_1], hello")) == chunk("jean@laposte.net, hello")
    assert stream.take(chunk("plain")) == chunk("plain")


def test_what_is_left_at_the_end_leaves_before_the_end() -> None:
    stream = restoration().stream()
    stream.take(chunk("see [EMAIL"))
    out = stream.take(event_of(b'{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'))
    first, last = list(events(out))
    assert texts_of(first) == {(0, "content"): "[EMAIL"}
    assert b'"finish_reason":"stop"' in last
    assert stream.finish() == b""


def test_text_of_the_legacy_route_is_put_back() -> None:
    pieces = ["to [", "EMAIL_1", "] now ["]
    blocks = [event_of(orjson.dumps({"choices": [{"index": 0, "text": piece}]})) for piece in pieces]
    assert texts_of(streamed(blocks)) == {(0, "text"): "to jean@laposte.net now ["}


def test_a_stream_that_cannot_be_read_or_never_ends_is_broken_off() -> None:
    with pytest.raises(UpstreamFailed):
        restoration().stream().take(b"data: {[\n\n")
    stream = restoration().stream()
    for index in range(MOST_TEXTS):
        stream.take(chunk("[", index=index))
    with pytest.raises(UpstreamFailed):
        stream.take(chunk("[", index=MOST_TEXTS))


@pytest.mark.parametrize(
    "event",
    [
        b'{"choices":[{"index":[],"delta":{"content":"[EMAIL_1]"}}]}',
        b'{"choices":[{"index":null,"delta":{"content":"[EMAIL_1]"}}]}',
    ],
)
def test_a_choice_whose_number_is_none_is_the_first(event: bytes) -> None:
    assert b"jean@laposte.net" in streamed([event_of(event)])


@pytest.mark.parametrize("depth", [300, 900, 5_000])
def test_what_is_too_deep_to_be_written_is_the_engines_fault(depth: int) -> None:
    body = b'{"choices":[{"index":0,"delta":%b"[EMAIL_1]"%b}]}' % (b'{"a":' * depth, b"}" * depth)
    assert restoration().whole(body) == body
    with pytest.raises(UpstreamFailed):
        restoration().stream().take(event_of(body))


def test_what_is_remembered_of_a_stream_is_not_what_its_events_say_beside_their_texts() -> None:
    """One event of each of many texts, with as much around it as an engine likes."""
    stream = restoration().stream()
    for index in range(100):
        choice = {"index": index, "delta": {"content": "["}}
        stream.take(event_of(orjson.dumps({"id": "c" * 100_000, "choices": [choice]})))
    assert len(pickle.dumps(stream._texts)) < 100_000
    with pytest.raises(UpstreamFailed):
        stream.take(event_of(orjson.dumps({"choices": [{"delta": {"k" * 1_000: "["}}]})))
