"""An answer ends before its stop string, however a stream was cut."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.backends.stops import cut_reply, cutter, stops_of
from passerelle.domain.ask import Ask, Needs, Route
from passerelle.wire.sse import data_of, event_of, events


def ask(stop: Any, route: Route = Route.CHAT) -> Ask:
    return Ask(route, "assistant", {"stop": stop}, True, False, "req-1", Needs(), 0.0)


def stream(pieces: list[str], *, finish: str = "length", route: Route = Route.CHAT) -> list[bytes]:
    def event(text: str | None, reason: str | None = None) -> bytes:
        part: dict[str, Any] = (
            {"text": text or ""} if route is Route.COMPLETIONS else {"delta": {"content": text}}
        )
        if text is None and route is Route.CHAT:
            part = {"delta": {}}
        choice = {"index": 0, **part, **({"finish_reason": reason} if reason else {})}
        return event_of(orjson.dumps({"id": "x", "choices": [choice]}))

    return [*map(event, pieces), event(None, finish)]


def heard(blocks: list[bytes]) -> tuple[str, list[str]]:
    """The text and the finish reasons of a stream."""
    text, reasons = "", []
    for event in events(b"".join(blocks)):
        choice = orjson.loads(data_of(event) or b"")["choices"][0]
        text += choice.get("text") or choice.get("delta", {}).get("content") or ""
        reasons += [choice["finish_reason"]] if choice.get("finish_reason") else []
    return text, reasons


@pytest.mark.parametrize("route", [Route.CHAT, Route.COMPLETIONS])
def test_a_stop_string_across_two_pieces_is_cut(route: Route) -> None:
    mend = cutter(ask("deux", route))

    assert heard([mend(block) for block in stream(["un de", "ux"], route=route)]) == ("un ", ["stop"])


def test_what_only_looked_like_a_beginning_is_given_with_the_end() -> None:
    mend = cutter(ask("deux"))

    assert heard([mend(block) for block in stream(["un", " de"])]) == ("un de", ["length"])


def test_a_piece_that_cannot_begin_a_stop_string_is_given_at_once() -> None:
    mend = cutter(ask("deux"))
    first, *_ = stream(["un "])

    assert heard([mend(first)]) == ("un ", [])


def test_held_text_goes_before_a_tool_call() -> None:
    mend = cutter(ask("deux"))
    call = {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0}]}}]}

    mend(stream(["un de"])[0])
    assert heard([mend(event_of(orjson.dumps(call)))]) == ("de", [])


@pytest.mark.parametrize(
    "block",
    [
        b": comment\n\n",
        b'data: {"error": "x"}\n\n',
        b'data: {"choices" nonsense\n\n',
        b'data: {"choices":[]}\n\n',
    ],
)
def test_what_is_no_chunk_passes_as_it_is(block: bytes) -> None:
    assert cutter(ask("x"))(block) == block


def test_without_a_stop_string_a_stream_passes_as_it_is() -> None:
    block = stream(["un deux"])[0]

    assert cutter(ask(None))(block) is block


@given(
    st.lists(st.text("ab ", max_size=4), max_size=8),
    st.lists(st.text("ab ", min_size=1, max_size=3), min_size=1, max_size=3),
    st.booleans(),
)
def test_any_cut_of_a_stream_gives_what_a_whole_answer_gives(
    pieces: list[str], stop: list[str], glued: bool
) -> None:
    """The server ends its text with the piece in which a stop string was completed."""
    text = ""
    said = []
    for piece in pieces:
        said.append(piece)
        text += piece
        if any(each in text for each in stop):
            break
    whole: dict[str, Any] = {"choices": [{"message": {"content": text}, "finish_reason": "length"}]}
    cut_reply(ask(stop), whole)
    blocks = stream(said)
    mend = cutter(ask(stop))

    given_text, reasons = heard([mend(block) for block in ([b"".join(blocks)] if glued else blocks)])

    assert given_text == whole["choices"][0]["message"]["content"]
    assert reasons == [whole["choices"][0]["finish_reason"]]
    assert not any(each in given_text for each in stop)


def test_a_whole_completion_is_cut_and_says_why_it_ended() -> None:
    payload: dict[str, Any] = {"choices": [{"text": "un deux trois", "finish_reason": "length"}]}

    assert cut_reply(ask(["trois", "deux"], Route.COMPLETIONS), payload)
    assert payload["choices"] == [{"text": "un ", "finish_reason": "stop"}]
    assert not cut_reply(ask(["quatre"], Route.COMPLETIONS), payload)


def test_a_message_without_text_is_left_alone() -> None:
    payload = {"choices": [{"message": {"tool_calls": []}, "finish_reason": "tool_calls"}]}

    assert not cut_reply(ask("x"), payload)


@pytest.mark.parametrize(
    ("stop", "stops"), [(None, ()), ("x", ("x",)), ("", ()), (["a", ""], ("a",)), ([], ())]
)
def test_stop_strings_come_as_one_or_many(stop: Any, stops: tuple[str, ...]) -> None:
    assert stops_of({"stop": stop}) == stops
