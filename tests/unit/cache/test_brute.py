"""One partition in memory: exact, bounded, and rid of what was dropped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.cache.brute import Brute, cosine, filled, unit
from tests.unit.cache.members import NOW, WIDTH, member, vector


def test_the_nearest_come_first_with_their_cosines() -> None:
    brute = Brute(bound=100)
    for number in range(50):
        brute.add(member(number))
    asked = vector(7) + 0.2 * vector(8)
    found = brute.near(asked, most=8, now=NOW)
    everything = sorted(
        ((float(vector(n) @ asked / np.linalg.norm(asked)), n) for n in range(50)), reverse=True
    )
    assert [near.member.id for near in found] == [member(n).id for _, n in everything[:8]]
    assert [near.similarity for near in found] == pytest.approx(
        [score for score, _ in everything[:8]], abs=1e-6
    )


def test_at_the_bound_the_oldest_leaves_and_one_that_is_written_over_does_not() -> None:
    brute = Brute(bound=3)
    for number in (1, 2, 3):
        brute.add(member(number))
    brute.add(member(1, text="again"))
    assert len(brute) == 3
    brute.add(member(4))
    assert [one.id for one in brute.first(9)] == [member(n).id for n in (2, 3, 4)]


def test_the_expired_are_not_found_and_can_be_let_go() -> None:
    brute = Brute(bound=10)
    brute.add(member(1, expires=NOW + 1))
    brute.add(member(2, expires=NOW + 9))
    assert [near.member.id for near in brute.near(vector(1), most=8, now=NOW + 1)] == [member(2).id]
    assert brute.expire(NOW + 1) == 1
    assert len(brute) == 1


def test_one_that_is_written_over_counts_as_it_is_now() -> None:
    brute = Brute(bound=10)
    brute.add(member(1))
    brute.add(member(1, vector=vector(2)))
    (near,) = brute.near(vector(2), most=8, now=NOW)
    assert near.similarity == pytest.approx(1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(WIDTH),
        np.full(WIDTH, np.nan),
        np.full(WIDTH, np.inf),
        vector(1, WIDTH + 1),
        np.ones((2, WIDTH)),
    ],
)
def test_what_cannot_be_compared_is_neither_kept_nor_found(wrong: object) -> None:
    brute = Brute(bound=10)
    brute.add(member(1))
    brute.add(replace(member(2), vector=wrong))  # type: ignore[arg-type]
    assert len(brute) == 1
    assert brute.near(wrong, most=8, now=NOW) == ()  # type: ignore[arg-type]
    assert cosine(vector(1), wrong) is None  # type: ignore[arg-type]


def test_a_vector_of_any_length_is_compared_by_its_direction() -> None:
    long = unit(5 * vector(1))
    assert long is not None
    assert long == pytest.approx(vector(1), abs=1e-6)
    assert cosine(5 * vector(1), vector(1)) == pytest.approx(1.0)


def test_the_newest_are_taken_where_there_are_too_many_and_none_that_have_expired() -> None:
    brute = filled([member(n) for n in (4, 1, 3, 2)] + [member(9, expires=NOW)], bound=2, now=NOW)
    assert [one.id for one in brute.first(9)] == [member(3).id, member(4).id]


def test_nothing_is_left_of_a_vector_that_was_dropped() -> None:
    brute = Brute(bound=100)
    for number in range(20):
        brute.add(member(number))
    for number in range(0, 20, 2):
        assert brute.drop(member(number).id)
    assert not brute.drop(member(0).id)
    assert not brute._matrix[len(brute) :].any()
    for number in range(1, 20, 2):
        brute.drop(member(number).id)
    assert brute._matrix.size == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["add", "drop"]), st.integers(0, 12)), max_size=60), st.integers(1, 6)
)
def test_whatever_comes_and_goes_it_finds_what_a_plain_list_would(
    steps: list[tuple[str, int]], bound: int
) -> None:
    brute, plain = Brute(bound=bound), dict[str, int]()
    for what, number in steps:
        name = member(number).id
        if what == "drop":
            brute.drop(name)
            plain.pop(name, None)
            continue
        brute.add(member(number))
        if name not in plain and len(plain) == bound:
            plain.pop(next(iter(plain)))
        plain.setdefault(name, number)
    found = brute.near(vector(99), most=4, now=NOW)
    expected = sorted(plain, key=lambda name: -float(vector(plain[name]) @ vector(99)))[:4]
    assert [near.member.id for near in found] == expected
    assert [one.id for one in brute.first(99)] == list(plain)
