"""Any split of the bytes gives the same events."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.sse import LONGEST_EVENT, Framer, data_of, events

_LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)


@st.composite
def _streams(draw: st.DrawFn) -> tuple[list[str], str]:
    """Payloads, and the stream that carries them with mixed line ends, comments and blank lines."""
    payloads = draw(st.lists(_LINE, min_size=1, max_size=8))
    text = ""
    for payload in payloads:
        end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
        if draw(st.booleans()):
            text += f": {draw(_LINE)}{end}{end}"
        text += f"data: {payload}{end}{end}"
        if end == "\r":
            text += ": cr\r\n"  # so that a CR is never followed by an LF that belongs to the next event
            text += "\r\n"
    return payloads, text


def _read(pieces: list[bytes]) -> list[bytes]:
    framer = Framer()
    blocks = [framer.feed(piece) for piece in pieces] + [framer.flush()]
    found = [data_of(event) for block in blocks for event in events(block)]
    return [data for data in found if data is not None]


@given(_streams(), st.data())
def test_any_split_of_the_bytes_gives_the_same_events(
    stream: tuple[list[str], str], data: st.DataObject
) -> None:
    payloads, text = stream
    raw = text.encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=12)) | {0, len(raw)})
    pieces = [raw[a:b] for a, b in pairwise(cuts)]

    assert _read(pieces) == [payload.encode() for payload in payloads]


def test_one_byte_at_a_time_gives_the_same_events() -> None:
    raw = "data: é\r\n\r\ndata: two\r\r: note\r\rdata: three\n\n".encode()

    assert _read([raw[i : i + 1] for i in range(len(raw))]) == ["é".encode(), b"two", b"three"]


def test_the_last_event_may_lack_its_blank_line() -> None:
    assert _read([b"data: a\n\ndata: b"]) == [b"a", b"b"]


def test_data_over_several_lines_is_joined() -> None:
    assert _read([b"data: a\ndata:b\n\n"]) == [b"a\nb"]


def test_an_event_past_the_limit_fails_before_it_is_kept_whole() -> None:
    framer = Framer()
    piece = b"x" * 65_536

    with pytest.raises(UpstreamFailed, match="longer than") as caught:
        _feed_until_refused(framer, piece)

    assert caught.value.fault is Fault.BROKEN


def _feed_until_refused(framer: Framer, piece: bytes) -> None:
    for _ in range(LONGEST_EVENT // len(piece) + 2):
        framer.feed(piece)


def test_bytes_that_are_not_text_fail() -> None:
    with pytest.raises(UpstreamFailed, match="UTF-8"):
        Framer().feed(b"data: \xff\xfe\n\n")


def test_a_character_split_over_two_reads_is_whole() -> None:
    framer = Framer()
    raw = "data: 🌉\n\n".encode()

    assert framer.feed(raw[:8]) == b""
    assert framer.feed(raw[8:]) == raw
