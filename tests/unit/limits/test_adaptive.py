"""What is sent to an engine follows its own queue, and nothing that it did not say."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.facts import Load
from passerelle.limits.adaptive import FRESH, Adaptive

QUEUES, IDLE = Load(8, 3), Load(8, 0)


@dataclass(frozen=True)
class Reading:
    """What was heard, how long after the one before, and how many were in flight."""

    load: Load | None
    after: float
    in_flight: int


READINGS = st.lists(
    st.builds(
        Reading,
        st.none() | st.builds(Load, st.integers(0, 50), st.integers(0, 3)),
        st.floats(0.1, 8.0),
        st.integers(0, 200),
    ),
    max_size=60,
)


def _feed(adaptive: Adaptive, readings: list[Reading], *, least: int = 4, most: int | None = 64) -> float:
    now = 0.0
    for reading in readings:
        now += reading.after
        adaptive.heard(reading.load, now=now, in_flight=reading.in_flight, least=least, most=most)
    return now


@given(READINGS, st.integers(1, 8), st.integers(8, 64))
def test_it_stays_between_least_and_most(readings: list[Reading], least: int, most: int) -> None:
    adaptive = Adaptive()
    now = 0.0
    for reading in readings:
        now += reading.after
        in_flight = min(reading.in_flight, most)
        adaptive.heard(reading.load, now=now, in_flight=in_flight, least=least, most=most)
        assert adaptive.limit is None or least <= adaptive.limit <= most


@given(READINGS, st.floats(0.1, 10.0), st.integers(0, 200))
def test_an_unknown_reading_changes_nothing(readings: list[Reading], after: float, in_flight: int) -> None:
    adaptive, same = Adaptive(), Adaptive()
    now = _feed(adaptive, readings)
    _feed(same, readings)
    for _ in range(5):
        now += after
        adaptive.heard(None, now=now, in_flight=in_flight, least=4, most=64)
    assert adaptive.limit == same.limit


@given(READINGS)
def test_an_engine_that_never_queues_is_never_held_back(readings: list[Reading]) -> None:
    adaptive = Adaptive()
    _feed(adaptive, [Reading(Load(9, 0), each.after, each.in_flight) for each in readings])
    assert adaptive.limit is None


@given(READINGS)
def test_one_reading_moves_it_by_no_more_than_a_cut_or_a_step(readings: list[Reading]) -> None:
    adaptive = Adaptive()
    now = 0.0
    for reading in readings:
        now += reading.after
        before = adaptive.limit
        adaptive.heard(reading.load, now=now, in_flight=reading.in_flight, least=4)
        if before is not None and adaptive.limit is not None:
            assert adaptive.limit <= before + max(1, before // 20)
            assert adaptive.limit >= min(before, int(reading.in_flight * 0.8), before)


def test_calls_that_wait_in_the_engine_for_two_seconds_cut_what_is_sent() -> None:
    adaptive = Adaptive()
    _feed(adaptive, [Reading(QUEUES, 1.0, 50)] * 2)
    assert adaptive.limit is None, "one second is no proof"
    adaptive.heard(QUEUES, now=3.0, in_flight=50, least=4)
    assert adaptive.limit == 40
    adaptive.heard(QUEUES, now=4.0, in_flight=40, least=4)
    assert adaptive.limit == 40, "what was cut must show first"
    adaptive.heard(QUEUES, now=5.0, in_flight=40, least=4)
    assert adaptive.limit == 32


def test_readings_with_a_long_silence_between_them_prove_nothing() -> None:
    adaptive = Adaptive()
    _feed(adaptive, [Reading(QUEUES, FRESH + 1, 50)] * 4)
    assert adaptive.limit is None


def test_it_grows_only_where_all_that_may_be_sent_is_in_flight() -> None:
    adaptive = Adaptive()
    adaptive.limit = 10
    adaptive.heard(IDLE, now=1.0, in_flight=9, least=4)
    assert adaptive.limit == 10
    adaptive.heard(IDLE, now=2.0, in_flight=10, least=4)
    assert adaptive.limit == 11
    adaptive.limit = 100
    adaptive.heard(IDLE, now=3.0, in_flight=100, least=4)
    assert adaptive.limit == 105


@pytest.mark.parametrize("limit", [4, 40])
def test_noughts_of_an_engine_that_counts_nothing_are_no_news(limit: int) -> None:
    adaptive = Adaptive()
    adaptive.limit = limit
    _feed(adaptive, [Reading(Load(0, 0), 1.0, limit)] * 5)
    assert adaptive.limit == limit


def test_it_finds_what_an_engine_takes_without_queueing() -> None:
    slots, adaptive = 16, Adaptive()
    in_flight = 64
    for second in range(300):
        load = Load(min(slots, in_flight), max(0, in_flight - slots))
        adaptive.heard(load, now=float(second), in_flight=in_flight, least=4)
        in_flight = 64 if adaptive.limit is None else adaptive.limit
        if second > 30:
            assert 0.75 * slots <= in_flight <= slots + 3
