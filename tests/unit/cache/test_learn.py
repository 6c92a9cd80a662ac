"""What a judge's words make of a question: a member of a cluster, the first of its own, or nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from passerelle.cache.entry import Near, State
from passerelle.cache.learn import MOST_COMPARED, NOTHING, OWN_ANSWER, Lesson, learn, quarantined, to_compare
from passerelle.cache.seams import Opinion
from tests.unit.cache.neighbours import around, member

opinions = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(Opinion)), max_size=4)


def test_the_nearest_answers_are_compared_first_and_each_once() -> None:
    near = around(("a", 0.9), ("b", 0.8), ("a", 0.7), ("c", 0.65), ("d", 0.64))
    assert to_compare(near) == ("a", "b", "c")


def test_answers_of_questions_that_are_far_are_not_compared() -> None:
    assert to_compare(around(("a", 0.7), ("b", 0.59))) == ("a",)


def test_answers_in_quarantine_are_not_compared() -> None:
    assert to_compare([Near(0.9, member("a", state=State.QUARANTINED)), *around(("b", 0.8))]) == ("b",)


def test_a_question_without_neighbours_founds_its_own_answer() -> None:
    assert to_compare([]) == ()
    assert learn([]) == OWN_ANSWER


def test_the_same_answer_makes_a_member_of_that_cluster() -> None:
    lesson = learn([("a", Opinion.DIFFERENT), ("b", Opinion.SAME)])
    assert lesson == Lesson(keep=True, cluster="b")


def test_another_answer_founds_a_cluster() -> None:
    assert learn([("a", Opinion.DIFFERENT)]) == OWN_ANSWER


def test_nothing_is_learned_from_doubt() -> None:
    assert learn([("a", Opinion.UNSURE)]) == NOTHING
    assert learn([("a", Opinion.DIFFERENT), ("b", Opinion.UNSURE)]) == NOTHING


def test_quarantine_changes_nothing_but_the_state() -> None:
    one, other = member("a", name="1"), member("a", name="2", state=State.QUARANTINED)
    (changed,) = quarantined([one, other])
    assert (changed.id, changed.state, one.state) == (one.id, State.QUARANTINED, State.VERIFIED)


@given(opinions)
def test_a_question_joins_only_a_cluster_that_a_judge_called_the_same(
    given_opinions: list[tuple[str, Opinion]],
) -> None:
    lesson = learn(given_opinions)
    if lesson.cluster is not None:
        assert (lesson.cluster, Opinion.SAME) in given_opinions
    if lesson == OWN_ANSWER:
        assert all(opinion is Opinion.DIFFERENT for _, opinion in given_opinions)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0.0, 1.0)), max_size=8))
def test_never_more_than_a_few_are_compared(placed: list[tuple[str, float]]) -> None:
    found = to_compare(around(*placed))
    assert len(found) == len(set(found)) <= MOST_COMPARED
