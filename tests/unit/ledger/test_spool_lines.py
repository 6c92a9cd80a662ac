"""A line gives back what was written, or nothing."""

from __future__ import annotations

import json
from types import MappingProxyType
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.ledger import Began, Certainty, Ended, Exchange, Line, Unit, UsageSource
from passerelle.ledger.spool_lines import Event, decode, encode, look
from tests.unit.ledger.events import NOON, began, ended, line

_ANY = st.text(st.characters(exclude_categories=()), max_size=20)  # halves of surrogate pairs too
_USUAL = st.text(st.characters(codec="utf-8", min_codepoint=32, exclude_characters='"\\\x7f'), max_size=20)
_HUGE = st.integers(1 - 10**37, 10**37 - 1)
_AMOUNTS = st.integers(1 - 10**18, 10**18 - 1)
_RATES = st.decimals(0, 10**6, places=6).map(lambda rate: format(rate, "f"))
_EXCHANGES = st.builds(Exchange, st.sampled_from(("EUR", "XXX")), _RATES, st.none() | st.dates().map(str))


def events(
    text: st.SearchStrategy[str],
    amounts: st.SearchStrategy[int],
    moments: st.SearchStrategy[int],
    small: st.SearchStrategy[int],
) -> tuple[st.SearchStrategy[Began], st.SearchStrategy[Ended]]:
    """Beginnings and ends made of such texts, amounts, moments and small numbers."""
    maybe = st.none() | text
    values = amounts | text | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | maybe
    lines = st.builds(
        Line, text, amounts, st.sampled_from(Unit), text, amounts, st.sampled_from(Certainty), maybe, amounts,
        amounts, amounts,
    )  # fmt: skip
    beginnings = st.builds(
        Began, text, text, text, text, text, text, small, text, text, maybe, moments, text,
        st.none() | st.dictionaries(text, text, max_size=3), text, st.none() | amounts, maybe,
        evidence=st.none() | st.dictionaries(text, maybe | st.dictionaries(text, text, max_size=2), max_size=3),
    )  # fmt: skip
    ends = st.builds(
        Ended, text, moments, text, maybe, st.booleans(), maybe, maybe,
        st.none() | st.dictionaries(text, values, max_size=3), st.sampled_from(UsageSource), text,
        st.lists(lines, max_size=3).map(tuple), maybe, st.none() | _EXCHANGES, st.none() | small, maybe,
    )  # fmt: skip
    return beginnings, ends


BEGINNINGS, ENDS = events(
    _ANY,
    _AMOUNTS | _HUGE,
    st.integers(-62_135_596_800_000, 253_402_300_799_999),
    st.integers(-(2**31), 2**31 - 1),
)
USUAL_BEGINNINGS, USUAL_ENDS = events(
    _USUAL, _AMOUNTS, st.integers(0, 9_999_999_999_999), st.integers(0, 10**9 - 1)
)


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


@given(BEGINNINGS | ENDS | USUAL_BEGINNINGS | USUAL_ENDS)
def test_a_look_tells_whose_line_it_is(event: Event) -> None:
    begins, name, _ = look(encode(event)[:-1]) or (None, b"", None)

    assert begins == isinstance(event, Began)
    assert name.decode("utf-8", "surrogatepass") == event.attempt_id


@given(st.binary(max_size=60))
def test_a_look_at_anything_shows_nothing_that_reading_it_does_not(noise: bytes) -> None:
    for mark in (b"b ", b"e ", b"B ", b"E ", b""):
        assert look(b"%08x %b" % (crc32(mark + noise), mark + noise)) is None
    assert look(noise) is None


def test_what_the_gateway_writes_every_day_is_plain() -> None:
    rate = Exchange("EUR", "0.9234", "2026-11-30")
    detailed = {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 1}, "cost": 0.25, "x": None}
    many = (line("input", 1), line("output", 2, cost=3, billed=4), line("reasoning", 0, price_id=None))
    for event in (
        began(), began(tags=None, country=None, held=12, held_currency="USD", use="rag", tenant="Société"),
        began(evidence={"policy": "eu@1a2b3c4d", "operator": None, "left_out": {"hub/Qwen/Qwen3": "R01"}}),
        ended(), ended(lines=(), usage=None, provider=None), ended(exchange=rate, first_ms=9, revision="4f2e"),
        ended(usage=detailed, lines=many, payer="operator:retry", payee="operator:capacity"),
    ):  # fmt: skip
        assert (look(encode(event)[:-1]) or (0, 0, None))[2] is True


@pytest.mark.parametrize(
    "event",
    [began(model='"'), began(model="\n"), began(tags={"a": "\0"}), began(at=-1), began(sequence=-1),
     began(held=10**18), began(attempt_id=""), began(attempt_id="a" * 251), ended(usage={"n": 2**64}),
     ended(payer="operator:margin"), ended(payee="operator:margin:x"), ended(outcome="\ud800"),
     ended(usage={"a": {"b": {"c": 1}}}), ended(first_ms=-1), ended(lines=(line("input", 10**18),))],
)  # fmt: skip
def test_what_is_unusual_is_not_plain(event: Event) -> None:
    assert (look(encode(event)[:-1]) or (0, 0, None))[2] is False


def test_a_hostile_line_is_looked_at_in_no_more_time_than_its_length_takes() -> None:
    hostile: list[dict[str, object]] = [
        {"a" * 100_000: "{" * 50},
        {str(number): {} for number in range(20_000)},
        {"}{" * 9_000: 1},
    ]
    for usage in hostile:
        assert decode(encode(ended(usage=usage))[:-1]) == ended(usage=usage)
        assert look(encode(ended(usage=usage))[:-1]) is not None


def test_a_line_of_an_older_program_is_read() -> None:
    whole = json.loads(encode(began())[11:]), json.loads(encode(ended())[11:])
    new = ("use", "held", "held_currency", "exchange", "first_ms", "revision", "subject", "evidence")
    for mark, said, event in zip((b"b ", b"e "), whole, (began(), ended()), strict=True):
        older = {name: value for name, value in said.items() if name not in new}
        for each in older.get("lines", []):
            del each["cost"], each["billed"], each["saved"]
        body = mark + json.dumps(older).encode()
        written = b"%08x %b" % (crc32(body), body)

        assert decode(written) == event
        assert look(written) == (mark == b"b ", b"att_00000001", False)


def test_any_mapping_can_be_written() -> None:
    event = ended(usage=MappingProxyType({"prompt_tokens": 2**70}))

    assert decode(encode(event)[:-1]) == ended(usage={"prompt_tokens": 2**70})


@pytest.mark.parametrize(
    "changes",
    [{"at": "noon"}, {"at": 10**18}, {"at": 1.5}, {"at": True}, {"attempt_id": None}, {"usage": []}, {"served": 1},
     {"first_ms": 2**31}, {"revision": 1}, {"exchange": []}, {"exchange": {"currency": "EUR", "rate": "NaN"}},
     {"exchange": {"currency": "EUR", "rate": "1", "on": "2026-02-30"}}, {"usage_source": "oracle"}, {"lines": [{}]}, {"lines": None}, {"lines": ["x"]}],
)  # fmt: skip
def test_a_sound_line_that_nobody_can_have_meant_is_damaged(changes: dict[str, object]) -> None:
    said = json.loads(encode(ended())[11:]) | changes
    body = b"e " + json.dumps(said).encode()

    assert decode(b"%08x %b" % (crc32(body), body)) is None


def test_numbers_that_no_column_holds_are_damaged() -> None:
    assert decode(encode(ended(lines=(line("input", 1, amount=10**38),)))[:-1]) is None
    assert decode(encode(began(sequence=2**31))[:-1]) is None
    assert decode(encode(began(at=NOON * 1000))[:-1]) is None
