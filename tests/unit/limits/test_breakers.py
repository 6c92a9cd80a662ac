"""A backend that keeps failing rests, is then asked by one request at a time, and is well after one answer."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from passerelle.domain.errors import Fault
from passerelle.limits.breakers import (
    FEWEST,
    FIRST,
    IN_A_ROW,
    LONGEST,
    SHORTEST,
    TURN,
    Breakers,
    Reason,
    Shown,
)
from passerelle.limits.window import SECONDS

_HARMLESS = [
    Fault.REQUEST,
    Fault.UNSUPPORTED,
    Fault.MODEL,
    Fault.CREDITS,
    Fault.CREDENTIALS,
    Fault.PLACE,
    Fault.WAKING,
    Fault.PAUSED,
    Fault.BUSY,
    Fault.RESTING,
]
_COUNTED = [fault for fault in Fault if fault not in _HARMLESS]


class _World:
    """Breakers under a clock and a draw that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.drawn = 1.0
        self.told: list[tuple[str, Reason, bool]] = []
        self.breakers = Breakers(
            lambda: self.now, lambda: self.drawn, told=lambda *change: self.told.append(change)
        )

    def fail(self, fault: Fault, times: int = 1, retry_after: float | None = None) -> None:
        for _ in range(times):
            self.breakers.failed("a", fault, retry_after)

    def answer(self, times: int = 1) -> None:
        for _ in range(times):
            self.breakers.answered("a")

    def open(self) -> None:
        self.fail(Fault.CONNECT, IN_A_ROW)


@pytest.fixture
def world() -> _World:
    return _World()


@pytest.mark.parametrize("fault", [Fault.CONNECT, Fault.TIMEOUT_CONNECT])
def test_five_connections_that_fail_in_a_row_open_it(world: _World, fault: Fault) -> None:
    world.fail(fault, 4)
    assert world.breakers.rests("a") == 0
    world.fail(fault)

    assert world.breakers.rests("a") == FIRST
    assert world.breakers.rests("b") == 0
    assert world.told == [("a", Reason.CONNECTION, True)]


def test_a_connection_that_breaks_before_any_reply_is_a_connection_that_failed(world: _World) -> None:
    for _ in range(IN_A_ROW):
        world.breakers.failed("a", Fault.BROKEN, headless=True)

    assert world.breakers.rests("a") > 0


@pytest.mark.parametrize("fault", [Fault.REQUEST, Fault.CREDENTIALS, Fault.SERVER, Fault.RATE_LIMITED, None])
def test_a_reply_of_any_kind_breaks_the_row(world: _World, fault: Fault | None) -> None:
    world.fail(Fault.CONNECT, 4)
    if fault is None:
        world.answer()
    else:
        world.fail(fault)
    world.fail(Fault.CONNECT, 4)

    assert world.breakers.rests("a") == 0


@pytest.mark.parametrize("fault", _COUNTED)
def test_one_failure_never_opens_it(world: _World, fault: Fault) -> None:
    world.fail(fault)

    assert world.breakers.rests("a") == 0


@pytest.mark.parametrize("fault", [Fault.SERVER, Fault.OVERLOADED, Fault.TIMEOUT_TOTAL, Fault.RATE_LIMITED])
def test_half_of_twenty_calls_open_it(world: _World, fault: Fault) -> None:
    world.answer(10)
    world.fail(fault, 9)
    assert world.breakers.rests("a") == 0
    world.fail(fault)

    assert world.breakers.rests("a") > 0


def test_fewer_than_half_leave_it_closed(world: _World) -> None:
    for _ in range(200):
        world.answer(2)
        world.fail(Fault.SERVER)
        world.now += 0.01

    assert world.breakers.rests("a") == 0


def test_failures_of_longer_ago_do_not_count(world: _World) -> None:
    for _ in range(100):
        world.fail(Fault.SERVER)
        world.now += 0.9

    assert world.breakers.rests("a") == 0


@pytest.mark.parametrize("fault", _HARMLESS)
def test_what_is_not_the_backends_own_failure_never_opens_it(world: _World, fault: Fault) -> None:
    world.fail(fault, 100)

    assert world.breakers.rests("a") == 0
    assert world.breakers.snapshot()["a"] == Shown("closed", None, 0.0, 0, 0)


def test_it_rests_for_the_kind_of_failure_there_was_most_of(world: _World) -> None:
    world.fail(Fault.SERVER, 8)
    world.fail(Fault.TIMEOUT_TOTAL, 12)

    assert world.breakers.snapshot()["a"].reason is Reason.TIMEOUT


def test_a_backend_that_limits_our_rate_says_how_long_it_rests(world: _World) -> None:
    world.fail(Fault.RATE_LIMITED, 1, retry_after=30)
    world.answer(9)
    assert world.breakers.rests("a") == 0  # one of many is normal
    world.fail(Fault.RATE_LIMITED, 10, retry_after=30)

    assert world.breakers.rests("a") == 30
    assert world.told == [("a", Reason.RATE_LIMITED, True)]


def test_no_backend_rests_longer_than_a_minute_because_it_says_so(world: _World) -> None:
    world.fail(Fault.RATE_LIMITED, FEWEST, retry_after=3600)

    assert world.breakers.rests("a") == LONGEST


def test_rests_are_drawn_from_nothing_up_to_a_length_that_doubles(world: _World) -> None:
    world.open()
    lengths = []
    for _ in range(6):
        lengths.append(world.breakers.rests("a"))
        world.now += lengths[-1]
        assert world.breakers.rests("a") == 0
        world.fail(Fault.CONNECT)
    assert lengths == [5, 10, 20, 40, 60, 60]

    world.now += LONGEST
    world.drawn = 0.0
    assert world.breakers.rests("a") == 0
    world.fail(Fault.CONNECT)
    assert world.breakers.rests("a") == SHORTEST
    assert world.told == [("a", Reason.CONNECTION, True)]


def test_after_the_rest_one_request_asks_and_the_others_are_told_to_wait(world: _World) -> None:
    world.open()
    world.now += FIRST

    assert world.breakers.rests("a") == 0
    assert world.breakers.rests("a") == TURN
    world.now += TURN - 0.25
    assert world.breakers.rests("a") == SHORTEST
    world.now += 0.25
    assert world.breakers.rests("a") == 0  # the first has taken too long


def test_an_answer_to_the_one_that_asks_closes_it(world: _World) -> None:
    world.open()
    world.now += FIRST
    world.breakers.rests("a")
    world.answer()

    assert world.breakers.rests("a") == world.breakers.rests("a") == 0
    assert world.told == [("a", Reason.CONNECTION, True), ("a", Reason.CONNECTION, False)]


@pytest.mark.parametrize("fault", [Fault.REQUEST, None])
def test_one_that_asks_and_learns_nothing_gives_its_turn_back(world: _World, fault: Fault | None) -> None:
    world.open()
    world.now += FIRST
    world.breakers.rests("a")
    if fault is None:
        world.breakers.unsure("a")
    else:
        world.fail(fault)

    assert world.breakers.rests("a") == 0
    assert world.breakers.rests("a") > 0


def test_what_was_sent_before_it_opened_neither_closes_nor_prolongs_it(world: _World) -> None:
    before = world.now - 1
    world.open()
    world.now += FIRST
    world.breakers.rests("a")
    world.breakers.answered("a", began=before)
    world.breakers.failed("a", Fault.TIMEOUT_TOTAL, began=before)
    world.breakers.unsure("a", began=before)

    assert world.breakers.rests("a") == TURN
    world.breakers.answered("a", began=world.now)
    for _ in range(FEWEST):
        world.breakers.failed("a", Fault.TIMEOUT_TOTAL, began=before)
    assert world.breakers.rests("a") == 0


def test_a_probe_that_fails_otherwise_changes_the_reason(world: _World) -> None:
    world.open()
    world.now += FIRST
    world.breakers.rests("a")
    world.fail(Fault.SERVER)

    assert world.told[1:] == [("a", Reason.CONNECTION, False), ("a", Reason.SERVER, True)]


def test_what_is_configured_no_more_is_forgotten(world: _World) -> None:
    world.open()
    world.breakers.forget(["a", "never heard of"])

    assert world.breakers.rests("a") == 0
    assert world.breakers.snapshot() == {}
    assert world.told[-1] == ("a", Reason.CONNECTION, False)


def test_it_shows_how_it_stands(world: _World) -> None:
    world.answer(3)
    world.fail(Fault.SERVER)
    assert world.breakers.snapshot()["a"] == Shown("closed", None, 0.0, 4, 1)
    world.open()
    assert world.breakers.snapshot()["a"] == Shown("open", Reason.CONNECTION, FIRST, 0, 0)
    world.now += FIRST
    world.breakers.rests("a")
    assert world.breakers.snapshot()["a"].state == "half-open"


class BreakerMachine(RuleBasedStateMachine):
    """Against a model that keeps every event: whatever comes in whatever order, it rests exactly when it should."""

    def __init__(self) -> None:
        super().__init__()
        self.world = _World()
        self.events: list[tuple[int, Reason | None]] = []
        self.row = 0
        self.reason: Reason | None = None
        self.until = self.length = 0.0
        self.probing = False
        self.changes: list[tuple[Reason, bool]] = []

    @rule(seconds=st.sampled_from([0.0, 0.3, 1.0, 4.0, 11.0, 70.0]))
    def wait(self, seconds: float) -> None:
        self.world.now += seconds

    @rule(drawn=st.sampled_from([0.0, 0.5, 0.99]))
    def draw(self, drawn: float) -> None:
        self.world.drawn = drawn

    @rule()
    def ask(self) -> None:
        rests = self.world.breakers.rests("a")
        if self.reason is None:
            assert rests == 0
        elif self.world.now < self.until:
            assert rests == max(self.until - self.world.now, SHORTEST)
        else:
            assert rests == 0
            self.until, self.probing = self.world.now + TURN, True

    @rule(times=st.sampled_from([1, 4, 12]))
    def answer(self, times: int) -> None:
        self.world.answer(times)
        for _ in range(times):
            if self.reason is not None and not self.probing:
                continue
            if self.reason is not None:
                self.changes.append((self.reason, False))
            self.reason, self.probing, self.row = None, False, 0
            self.events.append((int(self.world.now), None))

    @rule(
        kind=st.sampled_from(
            [
                (Fault.CONNECT, Reason.CONNECTION),
                (Fault.SERVER, Reason.SERVER),
                (Fault.TIMEOUT_TOTAL, Reason.TIMEOUT),
                (Fault.RATE_LIMITED, Reason.RATE_LIMITED),
            ]
        ),
        times=st.sampled_from([1, 4, 12]),
        asked=st.sampled_from([None, 20.0, 600.0]),
    )
    def fail(self, kind: tuple[Fault, Reason], times: int, asked: float | None) -> None:
        self.world.fail(kind[0], times, asked)
        for _ in range(times):
            self._failed(kind[1], asked)

    def _failed(self, reason: Reason, asked: float | None) -> None:
        if self.reason is not None:
            if self.probing:
                self._open(reason, asked)
            return
        if reason is not Reason.TIMEOUT:
            self.row = self.row + 1 if reason is Reason.CONNECTION else 0
        self.events.append((int(self.world.now), reason))
        recent = [each for second, each in self.events if second > int(self.world.now) - SECONDS]
        bad = [each for each in recent if each not in (None, Reason.RATE_LIMITED)]
        if self.row >= IN_A_ROW:
            self._open(Reason.CONNECTION, asked)
        elif len(recent) >= FEWEST and recent.count(Reason.RATE_LIMITED) * 2 >= len(recent):
            self._open(Reason.RATE_LIMITED, asked if reason is Reason.RATE_LIMITED else None)
        elif len(recent) >= FEWEST and len(bad) * 2 >= len(recent):
            most = max(Reason, key=bad.count)
            self._open(most, asked if reason is most else None)

    def _open(self, reason: Reason, asked: float | None) -> None:
        self.length = min(self.length * 2, LONGEST) if self.reason is not None else FIRST
        rest = max(self.world.drawn * self.length, SHORTEST, min(asked or 0.0, LONGEST))
        if self.reason is not reason:
            if self.reason is not None:
                self.changes.append((self.reason, False))
            self.changes.append((reason, True))
        self.reason, self.until, self.probing = reason, self.world.now + rest, False
        self.row = 0
        self.events.clear()

    @precondition(lambda self: self.reason is not None)
    @rule()
    def give_back(self) -> None:
        self.world.breakers.unsure("a")
        if self.probing:
            self.until, self.probing = self.world.now, False

    @invariant()
    def it_stands_as_the_model_does(self) -> None:
        shown = self.world.breakers.snapshot().get("a")
        assert (shown.reason if shown else None) is self.reason
        assert [(reason, opened) for _, reason, opened in self.world.told] == self.changes
        if self.reason is not None:
            assert self.until - self.world.now <= LONGEST


BreakerMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestBreakers = BreakerMachine.TestCase
