"""What is learned when a question was answered afresh: pure, from what the judge says of the two answers.

A question becomes a member only with a judge's word, or where nothing it could be compared with is near. So an
unjudged question never speaks for an answer, and one that was mistaken for another founds its own answer beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from passerelle.cache.entry import Member, Near, State
from passerelle.cache.seams import Opinion

ALIKE = 0.60  # cosine from which a neighbour's answer may be the same
MOST_COMPARED = 3  # answers that a fresh one is compared with; fewer leave one answer in several clusters


@dataclass(frozen=True, slots=True)
class Lesson:
    """Whether the question becomes a member, and of which cluster; None = of a new one, with its own answer."""

    keep: bool
    cluster: str | None = None


NOTHING = Lesson(keep=False)
OWN_ANSWER = Lesson(keep=True)


def to_compare(near: Sequence[Near], *, most: int = MOST_COMPARED) -> tuple[str, ...]:
    """The clusters whose answers the fresh one is to be compared with, one after the other, nearest first.

    Comparing ends with the first that says the same.
    """
    found: list[str] = []
    for one in near:
        if one.similarity < ALIKE or len(found) == most:
            break
        if one.member.state is State.VERIFIED and one.member.cluster not in found:
            found.append(one.member.cluster)
    return tuple(found)


def learn(compared: Iterable[tuple[str, Opinion]]) -> Lesson:
    """What follows from the opinions on each of the clusters compared, in that order.

    The same answer: the question joins that cluster. Different from all: it founds one. Any doubt: nothing.
    """
    sure = True
    for cluster, opinion in compared:
        if opinion is Opinion.SAME:
            return Lesson(keep=True, cluster=cluster)
        sure = sure and opinion is Opinion.DIFFERENT
    return OWN_ANSWER if sure else NOTHING


def quarantined(members: Iterable[Member]) -> tuple[Member, ...]:
    """The same members, no longer trusted: somebody says that their answer is wrong. They still speak against it."""
    return tuple(
        replace(member, state=State.QUARANTINED) for member in members if member.state is State.VERIFIED
    )
