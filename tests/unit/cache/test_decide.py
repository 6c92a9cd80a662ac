"""Which neighbours lead to an answer, which do not, and that nobody can outvote the others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.cache.decide import NORMAL, NOTCHES, Decision, Rule, Via, decide, first
from passerelle.cache.entry import Member, Near, State
from passerelle.cache.guard import Objection
from passerelle.domain.cache import Reason
from tests.unit.cache.neighbours import around, member

RULE = NOTCHES[NORMAL]
UNPROVEN = NORMAL + 1  # the notches up to here are those in force where nothing has been shown
PAIR = NOTCHES[-1]


FOUR = (("a", 0.82), ("a", 0.80), ("a", 0.78), ("a", 0.76))


def fine(_: Member) -> bool:
    return False


def doubtful(_: Member) -> bool:
    return True


nears = st.lists(
    st.tuples(
        st.floats(0.3, 1.0),
        st.sampled_from("abc"),
        st.sampled_from(State),
        st.sampled_from(["", "u", "v", "w"]),
    ),
    max_size=8,
).map(
    lambda drawn: [
        Near(cosine, member(cluster, name=str(place), state=state, subjects=(who,) if who else ()))
        for place, (cosine, cluster, state, who) in enumerate(sorted(drawn, key=lambda one: -one[0]))
    ]
)


def test_without_neighbours_there_is_no_answer() -> None:
    decision = decide([], RULE, fine)
    assert not decision.serve
    assert decision.reason is Reason.UNLIKE


def test_four_that_agree_win_a_vote() -> None:
    decision = decide(around(*FOUR), RULE, fine)
    assert (decision.serve, decision.cluster, decision.via, decision.agreeing) == (True, "a", Via.VOTE, 4)
    assert decision.confidence == pytest.approx(1.0)


def test_three_are_no_vote() -> None:
    decision = decide(around(("a", 0.90), ("a", 0.89), ("a", 0.89)), RULE, fine)
    assert decision.reason is Reason.DISPUTED


def test_a_rival_that_is_as_near_stops_the_vote() -> None:
    assert not decide(around(*FOUR, ("b", 0.80)), RULE, fine).serve


def test_neighbours_that_are_far_say_nothing() -> None:
    decision = decide(around(*[("a", 0.6)] * 4), RULE, fine)
    assert decision.reason is Reason.UNLIKE


def test_one_very_near_neighbour_suffices() -> None:
    assert decide(around(("a", 0.98)), RULE, fine).via is Via.ALONE


def test_one_very_near_neighbour_does_not_suffice_beside_a_rival() -> None:
    assert not decide(around(("a", 0.98), ("b", 0.90)), RULE, fine).serve


def test_the_guard_has_the_last_word() -> None:
    for near in (around(("a", 0.99)), around(*[("a", 0.9)] * 4)):
        decision = decide(near, RULE, doubtful)
        assert (decision.serve, decision.reason, decision.via) == (False, Reason.DOUBTED, None)


def test_a_nearest_member_in_quarantine_is_never_answered_from() -> None:
    near = [
        Near(0.99, member("a", state=State.QUARANTINED)),
        *around(("a", 0.98), ("a", 0.98), ("a", 0.98), ("a", 0.98)),
    ]
    assert not any(decide(near, rule, fine).serve for rule in NOTCHES)


def test_members_in_quarantine_speak_against_their_cluster() -> None:
    near = around(("a", 0.85), ("a", 0.84), ("a", 0.83), ("a", 0.82), ("a", 0.81))
    assert decide(near, RULE, fine).serve
    near[1] = Near(0.84, member("a", state=State.QUARANTINED))
    assert not decide(near, RULE, fine).serve


def test_one_person_has_one_voice_among_others() -> None:
    planted = [
        Near(0.9 - step / 100, member("planted", name=str(step), subjects=("eve",))) for step in range(8)
    ]
    for rule in NOTCHES[:UNPROVEN]:
        assert not decide(planted, rule, fine, asker=("bob",)).serve


def test_ones_own_questions_all_count() -> None:
    own = [Near(0.9 - step / 100, member("a", name=str(step), subjects=("bob",))) for step in range(4)]
    assert decide(own, RULE, fine, asker=("bob",)).serve


@pytest.mark.parametrize("planted", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("named", [True, False])
def test_planted_questions_win_no_vote_against_a_verified_member(planted: int, named: bool) -> None:
    """Even nearer than the true one, and whether or not it is known that they are of one person."""
    who = ("eve",) if named else ()
    near = [
        Near(0.93 - step / 1000, member("planted", name=str(step), subjects=who)) for step in range(planted)
    ]
    near.append(Near(0.90, member("true", subjects=("ann",))))
    decisions = [decide(near, rule, fine, asker=("bob",)) for rule in NOTCHES[:UNPROVEN]]
    assert not any(decision.serve and decision.cluster == "planted" for decision in decisions)


def test_the_loosest_notch_answers_from_one_pair() -> None:
    assert decide(around(("a", 0.70)), PAIR, fine).serve
    assert not decide(around(("a", 0.69)), PAIR, fine).serve


def test_the_first_notch_gives_nothing() -> None:
    assert not decide(around(*[("a", 1.0)] * 8), NOTCHES[0], fine).serve


def test_the_guard_is_asked_once_and_only_when_needed() -> None:
    asked: list[Member] = []

    def objects(known: Member) -> bool:
        asked.append(known)
        return False

    first(NOTCHES, around(("a", 0.5)), objects)
    assert asked == []
    first(NOTCHES, around(*[("a", 0.85)] * 8), objects)
    assert len(asked) == 1


def test_unfamiliar_words_stop_one_neighbour_but_not_a_vote() -> None:
    def unfamiliar(_: Member) -> Objection:
        return Objection.WORD

    assert not decide(around(("a", 0.99)), RULE, unfamiliar).serve
    assert decide(around(*FOUR), RULE, unfamiliar).serve


def test_another_number_stops_a_vote_unless_one_voice_has_it_too() -> None:
    def other_number(known: Member) -> Objection | None:
        return None if known.text == "2" else Objection.NUMBER

    assert decide(around(*FOUR), RULE, other_number).serve
    assert not decide(around(*FOUR), RULE, lambda _: Objection.NUMBER).serve


@given(nears)
def test_a_looser_notch_gives_whatever_a_stricter_one_gives(near: list[Near]) -> None:
    given_by = [decide(near, rule, fine).serve for rule in NOTCHES]
    assert given_by == sorted(given_by)


@given(nears)
def test_first_is_the_strictest_notch_that_gives(near: list[Near]) -> None:
    decision = first(NOTCHES, near, fine)
    giving = [notch for notch, rule in enumerate(NOTCHES) if decide(near, rule, fine).serve]
    assert decision.notch == (giving[0] if giving else None)
    assert decision.serve == bool(giving)


@given(nears, st.sampled_from(NOTCHES))
def test_an_answer_is_always_that_of_the_nearest_and_verified(near: list[Near], rule: Rule) -> None:
    decision = decide(near, rule, fine)
    if decision.serve:
        assert decision.cluster == near[0].member.cluster
        assert near[0].member.state is State.VERIFIED
        assert decision.reason is None
    else:
        assert decision.reason is not None
        assert decision.via is None
    assert 0.0 <= decision.confidence <= 1.0 + 1e-9


@given(nears, st.sampled_from(NOTCHES), st.integers(0, 7))
def test_quarantine_never_brings_an_answer_about(near: list[Near], rule: Rule, place: int) -> None:
    before = decide(near, rule, fine)
    if place >= len(near):
        return
    worse = list(near)
    worse[place] = Near(near[place].similarity, replace(near[place].member, state=State.QUARANTINED))
    after: Decision = decide(worse, rule, fine)
    if after.serve and near[place].member.cluster == after.cluster:
        assert before.serve
