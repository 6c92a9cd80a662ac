"""A failing backend is not sent many times what callers ask of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from passerelle.limits.retries import RESERVE, SHARE, Retries
from passerelle.limits.window import SECONDS


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def _granted(retries: Retries, wanted: int, backend: str = "a") -> int:
    return sum(retries.may_repeat(backend) for _ in range(wanted))


def test_a_quiet_backend_may_be_tried_again() -> None:
    assert _granted(Retries(_Clock()), 100) == RESERVE * SECONDS


def test_a_busy_backend_is_sent_a_fifth_more() -> None:
    retries = Retries(_Clock())
    for _ in range(1000):
        retries.called("a")

    assert _granted(retries, 1000) == 1000 * SHARE + RESERVE * SECONDS


def test_every_backend_has_a_budget_of_its_own() -> None:
    retries = Retries(_Clock())
    _granted(retries, 100)

    assert retries.may_repeat("b")


def test_a_budget_comes_back_after_the_window() -> None:
    clock = _Clock()
    retries = Retries(clock)
    _granted(retries, 100)
    assert not retries.may_repeat("a")
    clock.now += SECONDS

    assert retries.may_repeat("a")


def test_what_is_configured_no_more_is_forgotten() -> None:
    retries = Retries(_Clock())
    _granted(retries, 100)
    retries.forget(["a", "b"])

    assert retries.may_repeat("a")


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 40), st.integers(0, 60)), max_size=40))
def test_over_any_course_repeats_stay_within_the_share(course: list[tuple[float, int, int]]) -> None:
    clock = _Clock()
    retries = Retries(clock)
    calls: list[int] = []
    repeats: list[int] = []
    for pause, called, wanted in course:
        clock.now += pause
        second = int(clock.now)
        for _ in range(called):
            retries.called("a")
        calls += [second] * called
        granted = _granted(retries, wanted)
        repeats += [second] * granted
        recent = sum(at > second - SECONDS for at in calls)
        again = sum(at > second - SECONDS for at in repeats)
        if granted:
            assert again <= recent * SHARE + RESERVE * SECONDS
        if granted < wanted:
            assert again + 1 > recent * SHARE + RESERVE * SECONDS
