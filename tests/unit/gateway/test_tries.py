"""The order of tries: each target once, then passing failures again."""

from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.catalog import Target
from passerelle.domain.errors import Fault, Told, UpstreamFailed
from passerelle.gateway.tries import Next, Tries

_A, _B, _C = (Target(name, "m") for name in "abc")


def _fail(fault: Fault, retry_after: float | None = None) -> UpstreamFailed:
    return UpstreamFailed(fault, "x", told=Told(retry_after=retry_after))


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
