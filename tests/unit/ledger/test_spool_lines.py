"""A line gives back what was written, or nothing."""

from __future__ import annotations

import json
from types import MappingProxyType
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.ledger import Began, Certainty, Ended, Line, Unit, UsageSource
from passerelle.ledger.spool_lines import Event, decode, encode
from tests.unit.ledger.events import NOON, began, ended, line

_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)  # halves of surrogate pairs too
_MOMENTS = st.integers(-62_135_596_800_000, 253_402_300_799_999)
_AMOUNTS = st.integers(1 - 10**38, 10**38 - 1)
_LINES = st.builds(
    Line,
    _TEXT,
    _AMOUNTS,
    st.sampled_from(Unit),
    _TEXT,
    _AMOUNTS,
    st.sampled_from(Certainty),
    st.none() | _TEXT,
)
BEGINNINGS = st.builds(
    Began, _TEXT, _TEXT, _TEXT, _TEXT, _TEXT, _TEXT, st.integers(-(2**31), 2**31 - 1), _TEXT, _TEXT,
    st.none() | _TEXT, _MOMENTS, _TEXT, st.none() | st.dictionaries(_TEXT, _TEXT, max_size=3),
)  # fmt: skip
ENDS = st.builds(
    Ended, _TEXT, _MOMENTS, _TEXT, st.none() | _TEXT, st.booleans(), st.none() | _TEXT, st.none() | _TEXT,
    st.none() | st.dictionaries(_TEXT, st.integers(), max_size=3), st.sampled_from(UsageSource), _TEXT,
    st.lists(_LINES, max_size=3).map(tuple), st.none() | _TEXT,
)  # fmt: skip


@given(BEGINNINGS | ENDS)
def test_every_event_comes_back_as_it_was(event: Event) -> None:
    written = encode(event)

    assert written.endswith(b"\n")
    assert written.count(b"\n") == 1
    assert decode(written[:-1]) == event


@given(BEGINNINGS | ENDS, st.data())
def test_a_byte_that_changed_is_noticed(event: Event, data: st.DataObject) -> None:
    written = bytearray(encode(event)[:-1])
    written[data.draw(st.integers(0, len(written) - 1))] ^= data.draw(st.integers(1, 255))

    assert decode(bytes(written)) is None


@given(st.binary(max_size=60))
def test_no_bytes_make_it_fail(noise: bytes) -> None:
    assert decode(noise) is None
    for mark in (b"b ", b"e ", b"B ", b"E ", b"x ", b""):
        assert decode(b"%08x %b" % (crc32(mark + noise), mark + noise)) is None


def test_any_mapping_can_be_written() -> None:
    event = ended(usage=MappingProxyType({"prompt_tokens": 2**70}))

    assert decode(encode(event)[:-1]) == ended(usage={"prompt_tokens": 2**70})


@pytest.mark.parametrize(
    "changes",
    [{"at": "noon"}, {"at": 10**18}, {"at": 1.5}, {"at": True}, {"attempt_id": None}, {"usage": []}, {"served": 1},
     {"usage_source": "oracle"}, {"lines": [{}]}, {"lines": None}, {"lines": ["x"]}],
)  # fmt: skip
def test_a_sound_line_that_nobody_can_have_meant_is_damaged(changes: dict[str, object]) -> None:
    said = json.loads(encode(ended())[11:]) | changes
    body = b"e " + json.dumps(said).encode()

    assert decode(b"%08x %b" % (crc32(body), body)) is None


def test_numbers_that_no_column_holds_are_damaged() -> None:
    assert decode(encode(ended(lines=(line("input", 1, amount=10**38),)))[:-1]) is None
    assert decode(encode(began(sequence=2**31))[:-1]) is None
    assert decode(encode(began(at=NOON * 1000))[:-1]) is None
