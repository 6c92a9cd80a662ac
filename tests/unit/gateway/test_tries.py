"""The order of tries: each target once, then passing failures again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.catalog import Target
from passerelle.domain.errors import Fault, Told, UpstreamFailed
from passerelle.gateway.tries import Next, Tries

_A, _B, _C = (Target(name, "m") for name in "abc")


def _fail(fault: Fault, retry_after: float | None = None) -> UpstreamFailed:
    return UpstreamFailed(fault, "x", told=Told(retry_after=retry_after))


def _verdict(*failures: tuple[Fault, float | None], returns: int = 0) -> UpstreamFailed:
    """What is told when each target has failed in its own way."""
    targets = [Target(f"b{number}", "m") for number in range(len(failures))]
    tries = Tries(targets, most=1, draw=lambda: 0.5, returns=returns)
    for fault, retry_after in failures:
        turn = tries.next()
        assert turn is not None
        tries.failed(turn, _fail(fault, retry_after))
    return tries.verdict()


def _order(tries: Tries, faults: dict[str, Fault]) -> list[str]:
    order = []
    while (turn := tries.next()) is not None:
        order.append(turn.target.backend)
        tries.failed(turn, _fail(faults[turn.target.backend]))
    return order


def test_every_target_is_tried_before_any_is_tried_again() -> None:
    tries = Tries([_A, _B], most=5, draw=lambda: 0.5)

    assert _order(tries, {"a": Fault.OVERLOADED, "b": Fault.CONNECT}) == ["a", "b", "a", "b", "a"]


def test_a_target_that_failed_for_good_is_not_tried_again() -> None:
    tries = Tries([_A, _B], most=5, draw=lambda: 0.5)

    assert _order(tries, {"a": Fault.CREDENTIALS, "b": Fault.SERVER}) == ["a", "b", "b", "b", "b"]


def test_a_refused_request_is_not_taken_elsewhere() -> None:
    tries = Tries([_A, _B], most=5, draw=lambda: 0.5)

    assert _order(tries, {"a": Fault.REQUEST, "b": Fault.SERVER}) == ["a"]


def test_every_target_has_its_try_even_past_the_limit() -> None:
    tries = Tries([_A, _B, _C], most=1, draw=lambda: 0.5)

    assert _order(tries, dict.fromkeys("abc", Fault.SERVER)) == ["a", "b", "c"]


def test_the_first_try_of_a_target_never_waits() -> None:
    tries = Tries([_A, _B], most=4, draw=lambda: 0.5)
    pauses = []
    while (turn := tries.next()) is not None:
        pauses.append(turn.pause > 0)
        tries.failed(turn, _fail(Fault.SERVER))

    assert pauses == [False, False, True, True]


def test_an_engine_that_asks_for_a_long_wait_is_not_waited_for() -> None:
    tries = Tries([_A], most=3, draw=lambda: 0.5)
    turn = tries.next()
    assert turn is not None
    tries.failed(turn, _fail(Fault.RATE_LIMITED, retry_after=60))

    assert tries.next() is None


def test_an_engine_that_asks_for_a_short_wait_gets_it() -> None:
    tries = Tries([_A], most=3, draw=lambda: 0.0)
    turn = tries.next()
    assert turn is not None
    tries.failed(turn, _fail(Fault.RATE_LIMITED, retry_after=1.5))

    again = tries.next()
    assert again is not None
    assert again.pause >= 1.5


def test_one_that_is_waking_comes_last_and_is_not_a_try_of_its_own() -> None:
    tries = Tries([_A, _B], most=1, draw=lambda: 0.5)
    seen = []
    while (turn := tries.next()) is not None:
        seen.append((turn.target.backend, turn.waking))
        tries.failed(turn, _fail(Fault.WAKING if turn.target is _A else Fault.CREDENTIALS))

    assert seen == [("a", False), ("b", False), ("a", True)]


def test_one_that_is_to_be_waited_for_comes_next() -> None:
    tries = Tries([_A, _B], most=1, draw=lambda: 0.5)
    first = tries.next()
    assert first is not None
    tries.failed(first, _fail(Fault.WAKING), patient=True)

    second = tries.next()
    assert second is not None
    assert (second.target, second.waking) == (_A, True)


@given(st.permutations(list(Fault)))
def test_the_verdict_does_not_depend_on_the_order_of_failures(faults: list[Fault]) -> None:
    tries = Tries([], most=0, draw=lambda: 0.5)
    for fault in faults:
        tries.failed(Next(_A, 0.0), _fail(fault))

    assert tries.verdict().fault is Fault.REQUEST


def test_for_a_caller_that_comes_back_each_target_is_tried_once() -> None:
    tries = Tries([_A, _B], most=5, draw=lambda: 0.5, returns=1)

    assert _order(tries, {"a": Fault.OVERLOADED, "b": Fault.CONNECT}) == ["a", "b"]


def test_one_that_is_waking_is_waited_for_also_for_a_caller_that_comes_back() -> None:
    tries = Tries([_A], most=5, draw=lambda: 0.5, returns=1)
    first = tries.next()
    assert first is not None
    tries.failed(first, _fail(Fault.WAKING))

    again = tries.next()
    assert again is not None
    assert again.waking


def test_a_backend_over_its_budget_is_not_tried_again() -> None:
    asked = []

    def may_repeat(backend: str) -> bool:
        asked.append(backend)
        return backend == "b"

    tries = Tries([_A, _B], most=5, draw=lambda: 0.5, may_repeat=may_repeat)

    assert _order(tries, {"a": Fault.OVERLOADED, "b": Fault.SERVER}) == ["a", "b", "b", "b", "b"]
    assert asked == ["a", "b", "b", "b"]


def test_no_budget_is_asked_for_tries_that_are_not_needed() -> None:
    asked: list[str] = []
    tries = Tries([_A, _B], most=5, draw=lambda: 0.5, may_repeat=lambda name: not asked.append(name))
    first = tries.next()
    assert first is not None
    tries.failed(first, _fail(Fault.SERVER))
    tries.next()  # and this one answers

    assert asked == []


def test_when_every_target_rests_or_is_busy_the_soonest_is_told() -> None:
    verdict = _verdict((Fault.RESTING, 40), (Fault.BUSY, 7), (Fault.RESTING, 12))

    assert verdict.fault is Fault.BUSY
    assert verdict.told.retry_after == 7


@pytest.mark.parametrize("fault", [Fault.RATE_LIMITED, Fault.OVERLOADED, Fault.BUSY, Fault.RESTING])
def test_a_failure_that_time_mends_comes_with_the_soonest_positive_wait(fault: Fault) -> None:
    verdict = _verdict((fault, None), (fault, 9), (Fault.CONNECT, 1), (Fault.RESTING, 5), (fault, 0))

    assert (verdict.fault, verdict.told.retry_after) == (fault, 5)


def test_of_a_target_that_was_tried_again_its_newest_word_counts() -> None:
    tries = Tries([_A], most=2, draw=lambda: 0.5)
    for retry_after in (1.5, 30.0):
        turn = tries.next()
        assert turn is not None
        tries.failed(turn, _fail(Fault.OVERLOADED, retry_after))

    assert tries.verdict().told.retry_after == 30


def test_a_failure_that_time_does_not_mend_borrows_no_wait() -> None:
    assert _verdict((Fault.CONNECT, None), (Fault.PAUSED, 4)).told.retry_after is None


def test_a_caller_that_came_back_and_was_tried_for_twice_is_told_to_stop() -> None:
    assert _verdict((Fault.OVERLOADED, 3), (Fault.SERVER, None), returns=1).told.again is False
    assert _verdict((Fault.OVERLOADED, 3), (Fault.SERVER, None)).told.again is None
    assert _verdict((Fault.OVERLOADED, 3), returns=1).told.again is None
    assert _verdict((Fault.OVERLOADED, 3), (Fault.RESTING, 9), returns=1).told.again is None


def test_a_verdict_holds_no_frames_of_the_tries() -> None:
    tries = Tries([Target("a", "x")], most=1, draw=lambda: 0.0)
    turn = tries.next()
    assert turn is not None
    try:
        raise UpstreamFailed(Fault.SERVER, "It failed.") from ValueError("why")
    except UpstreamFailed as failure:
        tries.failed(turn, failure)

    verdict = tries.verdict()
    assert (verdict.fault, verdict.message) == (Fault.SERVER, "It failed.")
    assert verdict.__cause__ is verdict.__context__ is verdict.__traceback__ is None
    assert all(failure.__traceback__ is None for failure in tries.failures)
