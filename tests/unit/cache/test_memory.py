"""Answers in process: bounded, for their time, never longer for being asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from passerelle.cache.memory import Memory
from tests.unit.cache.entries import kept


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_there_until_a_tenth_before_its_end_and_a_hit_does_not_prolong_it() -> None:
    for draw, last in ((0.0, 99.9), (1.0, 89.9)):
        clock = Clock()
        memory = Memory(clock, draw=lambda draw=draw: draw)  # type: ignore[misc]
        answer = kept(now=1000.0, expires=1100.0)
        memory.put(answer, 100)
        for step in (10.0, 50.0, last):
            clock.now = 1000.0 + step
            assert memory.get(answer.exact) == answer == memory.by_id(answer.id)
        clock.now += 0.2
        assert memory.get(answer.exact) is None
        assert (len(memory), memory.size) == (0, 0)


def test_the_one_not_used_for_longest_goes_first() -> None:
    memory = Memory(Clock(), entries=3)
    answers = [kept(number, now=1000.0) for number in range(4)]
    for answer in answers[:3]:
        memory.put(answer, 10)
    assert memory.get(answers[0].exact)
    memory.put(answers[3], 10)
    assert [memory.get(answer.exact) is not None for answer in answers] == [True, False, True, True]


def test_what_would_take_an_eighth_of_the_room_or_has_expired_is_not_kept() -> None:
    memory = Memory(Clock(), size=80_000)
    memory.put(kept(1, now=1000.0), 8_000)
    memory.put(kept(2, now=1000.0, expires=1000.0), 10)
    assert len(memory) == 0


def test_deletion_is_by_what_is_true_of_an_answer() -> None:
    memory = Memory(Clock())
    for number in range(10):
        memory.put(kept(number, now=1000.0, tags=("even",) if number % 2 == 0 else ()), 10)
    assert memory.drop_where(lambda answer: "even" in answer.tags) == 5
    assert len(memory) == 5
    assert memory.count("client-a") == 5
    assert memory.count("client-b") == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 4000), st.sampled_from("pgdt")),
        max_size=80,
    )
)
def test_neither_bound_is_ever_passed_and_both_ways_lead_to_the_same(
    steps: list[tuple[int, int, int, str]],
) -> None:
    clock = Clock()
    memory = Memory(clock, entries=4, size=20_000)
    for number, exact, size, what in steps:
        answer = kept(number, now=clock.now, exact=f"{exact:064x}", expires=clock.now + 5)
        if what == "p":
            memory.put(answer, size if size < 2500 else 10)
        elif what == "g":
            found = memory.get(answer.exact)
            assert found is None or (found.exact == answer.exact and memory.by_id(found.id) is found)
        elif what == "d":
            memory.drop(answer.id)
            assert memory.by_id(answer.id) is None
        else:
            clock.now += 1
        assert len(memory) <= 4
        assert 0 <= memory.size <= 20_000
    memory.clear()
    assert (len(memory), memory.size) == (0, 0)


def test_a_tenant_that_asks_much_drives_out_its_own_answers_only() -> None:
    memory = Memory(lambda: 1_000.0, entries=10)
    for number in range(4):
        memory.put(kept(number, tenant="small", now=1_000.0), 1_000)
    for number in range(100, 200):
        memory.put(kept(number, tenant="large", now=1_000.0), 1_000)

    assert memory.count("small") == 4
    assert memory.count("large") == 6
    for number in range(200, 210):  # what it has more than an equal part, others take
        memory.put(kept(number, tenant="new", now=1_000.0), 1_000)
    assert sorted(memory.count(name) for name in ("small", "large", "new")) == [3, 3, 4]
