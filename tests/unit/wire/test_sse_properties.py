"""Whatever an engine sends as a stream, and however it is split, memory stays flat and the end is one of ours."""

import contextlib
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.gateway.relay import Relay
from passerelle.wire.sse import LONGEST_EVENT, Framer, data_of, events

_SCRAPS = st.one_of(
    st.sampled_from([b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n"]),
    st.sampled_from(
        [b"data: a", b"data:b", b"data", b"data: ", b": note", b"event: x", b"id: 1", b"datax: no"]
    ),
    st.sampled_from([b"\xef\xbb\xbf", "é🌉".encode(), b"data: [DONE]\n\n"]),
)
_STREAMS = st.one_of(
    st.lists(_SCRAPS, max_size=24).map(b"".join),
    st.binary(max_size=200),
    st.tuples(st.sampled_from([b"", b"\xef\xbb\xbf"]), st.text(max_size=60)).map(
        lambda parts: parts[0] + parts[1].encode(errors="replace")
    ),
)


def _read(pieces: Iterable[bytes]) -> list[bytes] | Fault:
    """The payloads of a stream, or what it failed with."""
    framer = Framer()
    found: list[bytes] = []
    try:
        for block in _blocks(framer, pieces):
            found += [data for event in events(block) if (data := data_of(event)) is not None]
    except UpstreamFailed as failure:
        return failure.fault
    return found


def _blocks(framer: Framer, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield framer.feed(piece)
    yield framer.flush()


def _by_the_standard(raw: bytes) -> list[bytes] | Fault:
    """The WHATWG algorithm, line by line; an event that the end of the stream cuts off counts, as it does here."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return Fault.BROKEN
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found: list[bytes] = []
    data: list[str] = []
    for line in [*lines, "", ""]:
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif not line and data:
            found.append("\n".join(data).encode())
            data = []
    return found


@settings(max_examples=300)
@given(_STREAMS, st.data())
def test_any_bytes_split_in_any_way_give_what_the_standard_says(raw: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=12)) | {0, len(raw)})
    pieces = [raw[a:b] for a, b in pairwise(cuts)] or [raw]
    if data.draw(st.booleans()):
        pieces = [part for piece in pieces for part in (piece, b"")]

    assert _read(pieces) == _by_the_standard(raw)
    assert _read(raw[i : i + 1] for i in range(len(raw))) == _by_the_standard(raw)


def test_a_byte_order_mark_is_left_out_at_the_beginning_only() -> None:
    mark = b"\xef\xbb\xbf"

    assert _read([mark[:1], mark[1:], b"data: a\n\n", mark + b"data: b\n\n"]) == [b"a"]
    assert _read([mark + b"data: a\n\n"]) == [b"a"]
    assert _read([mark, mark + b"data: a\n\n", b"data: b\n\n"]) == [b"b"]


@pytest.mark.parametrize("size", [97, 65_536, 20_000_000], ids=str)
@pytest.mark.parametrize("head", [b"data: ", b": ", b"", b"data: a\n\ndata: "], ids=repr)
def test_a_20_mb_line_ends_in_a_failure_and_is_not_kept(head: bytes, size: int) -> None:
    piece = b"x" * size
    framer = Framer()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        framer.feed(head)
        with pytest.raises(UpstreamFailed, match="longer than") as caught:
            _feed(framer, piece, 20_000_000 // size)
        kept = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()

    assert caught.value.fault is Fault.BROKEN
    # A growing buffer may hold its old and its new room at once; a read is the engine's choice, once.
    assert kept < 4 * LONGEST_EVENT + (size if size > LONGEST_EVENT else 0)


def _feed(framer: Framer, piece: bytes, count: int) -> None:
    for _ in range(count):
        framer.feed(piece)


def test_an_event_that_is_too_long_fails_however_it_arrives() -> None:
    long = b"data: " + b"x" * LONGEST_EVENT + b"\n\n"

    for pieces in ([long], [b"data: a\n\n", long], [b"data: a\n\n" + long + b"data: b\n\n"], [long, b"\n"]):
        assert _read(pieces) is Fault.BROKEN
    fits = b"data: " + b"x" * (LONGEST_EVENT - 8) + b"\n\n"
    assert _read([fits[:5], fits[5:]]) == _read([fits]) == [b"x" * (LONGEST_EVENT - 8)]


def test_many_events_leave_nothing_behind() -> None:
    framer = Framer()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50_000):
            framer.feed(b"data: x\n")
            framer.feed(b"\n")
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert after - before < 10_000


def _relay() -> Relay:
    ask = Ask(Route.CHAT, "m", {}, stream=True, wants_usage=False, request_id="r", needs=Needs(), arrived=0.0)
    return Relay(ask)


_CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n'


@given(st.lists(st.binary(max_size=80), max_size=8), st.booleans())
def test_garbage_after_the_end_mark_changes_nothing(garbage: list[bytes], begun: bool) -> None:
    relay = _relay()
    if begun:
        relay.take(_CHUNK % b"a")
    relay.take(b"data: [DONE]\n\n" + b"".join(garbage))
    received = relay.received

    assert [relay.take(piece) for piece in garbage] == [b""] * len(garbage)
    assert (relay.done, relay.received) == (True, received)


@pytest.mark.parametrize("text", [rb"\ud800", rb"\uDFFF", rb"a\ud83d", rb"\ude00\ud83d"])
@pytest.mark.parametrize("begun", [False, True])
def test_half_a_character_is_a_broken_stream(text: bytes, begun: bool) -> None:
    relay = _relay()
    if begun:
        relay.take(_CHUNK % b"a")

    with pytest.raises(UpstreamFailed) as caught:
        relay.take(_CHUNK % text)
    assert caught.value.fault is Fault.BROKEN


@pytest.mark.parametrize("text", [rb"\ud83c\udf09", rb"\u00e9", rb"\\ud800", "é🌉".encode()])
def test_whole_characters_pass_however_they_are_written(text: bytes) -> None:
    relay = _relay()
    relay.take(_CHUNK % b"a")

    assert relay.take(_CHUNK % text)


@given(st.lists(st.one_of(_STREAMS, st.just(_CHUNK % b"a")), max_size=6))
def test_a_relay_fails_in_our_words_or_not_at_all(blocks: list[bytes]) -> None:
    relay, framer = _relay(), Framer()
    with contextlib.suppress(UpstreamFailed):
        for block in _blocks(framer, blocks):
            relay.take(block)
        relay.end()
        assert relay.done
