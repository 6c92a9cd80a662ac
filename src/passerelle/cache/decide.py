"""Whether a question may have the answer of the questions nearest to it. Pure, and the same for the same neighbours.

Two ways lead to an answer. One neighbour alone suffices when it is very near, nothing near has another answer, and the
guard finds nothing that sets the two questions apart. Otherwise several neighbours that a judge has confirmed must
agree on one answer, and leave little weight to any other. No answer has more than three voices, so that many copies
of one question weigh no more than a few of another. Each notch of `NOTCHES` gives all that the ones before it give, and more.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from passerelle.cache.entry import Member, Near, State
from passerelle.cache.guard import Objection
from passerelle.domain.cache import Reason

# What the guard says of a member: what sets the question apart from it. True where it does not say what.
Objects = Callable[[Member], Objection | bool | None]

NEVER = 2.0  # no cosine reaches it
COUNTED = 8  # neighbours
VOICES = 3  # of one answer, the nearest: more of the same neither add weight nor outweigh others
SOFTNESS = 0.06  # of cosine: a neighbour that much farther than the nearest has a weight of 1/e


class Via(StrEnum):
    """Which way led to the answer."""

    ALONE = "alone"  # one neighbour
    VOTE = "vote"  # several that agree


@dataclass(frozen=True, slots=True)
class Rule:
    """How near, and how much agreement. Cosines; `share` is a part of the neighbours' weight."""

    name: str
    alone: float = NEVER  # one neighbour of this cosine suffices
    clear: float = 0.10  # by which it must be nearer than any of the 8 that has another answer
    nearest: float = NEVER  # a vote is held when the nearest has this cosine
    share: float = 1.0
    agreeing: int = 4  # voters for the answer


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to give a cluster's answer, and what it rests on."""

    serve: bool
    cluster: str | None  # the nearest one's, served or not; None without neighbours
    reason: Reason | None = None  # why not
    via: Via | None = None
    similarity: float = 0.0  # of the nearest
    confidence: float = 0.0  # the part of the weight that is for this cluster
    agreeing: int = 0  # voters for it
    notch: int | None = None  # the strictest notch that gives it, of those that were tried


NOTHING_NEAR = Decision(serve=False, cluster=None, reason=Reason.UNLIKE)

# Chosen on plateaus: a step of .05 to either side of any number moves hits and errors by a tenth or so.
NOTCHES = (
    Rule("exact"),
    Rule("strict", alone=0.97),
    Rule("close", alone=0.97, nearest=0.88, share=0.90),
    Rule("careful", alone=0.97, nearest=0.80, share=0.88),
    Rule("normal", alone=0.97, nearest=0.78, share=0.84),
    Rule("wide", alone=0.92, nearest=0.70, share=0.78),
    Rule("loose", alone=0.90, nearest=0.65, share=0.70, agreeing=3),
    # One entry, whatever else is known, and what little the cosine says: all rests on the guard. Below .70 more
    # questions with another answer are found than paraphrases.
    Rule("pair", alone=0.70, clear=0.03, nearest=0.60, share=0.60, agreeing=2),
)
NORMAL = 4  # the notch that is used where nothing steers
PAIR = len(NOTCHES) - 1  # the loosest, where one entry suffices


def decide(near: Sequence[Near], rule: Rule, objects: Objects, *, asker: Collection[str] = ()) -> Decision:
    """What `rule` says of a question with these neighbours, nearest first.

    `asker` names who asks (pseudonyms); other people's questions have one voice for each person and answer, so that
    nobody can outvote the others.
    """
    return first((rule,), near, objects, asker=asker)


def first(
    rules: Sequence[Rule], near: Sequence[Near], objects: Objects, *, asker: Collection[str] = ()
) -> Decision:
    """What the first of the rules that gives an answer says, with its place as `notch`; else the last one's no."""
    if not near:
        return NOTHING_NEAR
    poll = _poll(heard(near, asker), asker)
    guard = _Guard(poll.voices, objects)
    via: Via | None = None
    for notch, rule in enumerate(rules):
        if poll.similarity < rule.nearest and poll.similarity < rule.alone:
            continue
        via = _by(poll, rule, guard)
        if via is not None:
            return _decision(poll, via=via, notch=notch)
    rule = rules[-1]
    if _alone(poll, rule) or _voted(poll, rule):
        return _decision(poll, reason=Reason.DOUBTED)
    close = poll.similarity >= min(rule.nearest, rule.alone)
    return _decision(poll, reason=Reason.DISPUTED if close else Reason.UNLIKE)


@dataclass(slots=True)
class _Poll:
    """The neighbours' votes, whatever the rule."""

    cluster: str
    similarity: float
    sound: bool  # the nearest is verified
    rival: float  # cosine of the nearest member that has another answer, or is in quarantine
    confidence: float
    agreeing: int
    voices: Sequence[Member]  # that speak for the cluster, nearest first
    vouched: bool  # not by a single other person


class _Guard:
    """What the guard says, asked only where it matters, and once."""

    def __init__(self, voices: Sequence[Member], objects: Objects) -> None:
        self._voices = voices
        self._objects = objects
        self._said: dict[int, Objection | bool | None] = {}

    def passes_alone(self) -> bool:
        """Nothing at all sets the question apart from the nearest."""
        return not self._say(0)

    def passes_vote(self) -> bool:
        """There is a voice from which more than unfamiliar words would be needed to set the question apart.

        That such words do not matter here is what the others have been judged on.
        """
        said = map(self._say, range(len(self._voices)))
        return any(not one or (isinstance(one, Objection) and one.soft) for one in said)

    def _say(self, voice: int) -> Objection | bool | None:
        if voice not in self._said:
            self._said[voice] = self._objects(self._voices[voice])
        return self._said[voice]


def heard(near: Sequence[Near], asker: Collection[str], *, most: int = COUNTED) -> Sequence[Near]:
    """The neighbours that are counted, nearest first: of another person's questions one for each answer.

    So nobody can crowd the others out of the count. More than `most` are to be given, for that.
    """
    counted: list[Near] = []
    spoken: set[tuple[str, str]] = set()
    for one in near:
        member = one.member
        if member.subjects and not any(subject in asker for subject in member.subjects):
            said = {(subject, member.cluster) for subject in member.subjects}
            if said & spoken:
                continue
            spoken |= said
        counted.append(one)
        if len(counted) == most:
            break
    return counted


def _poll(near: Sequence[Near], asker: Collection[str]) -> _Poll:
    nearest, top = near[0], near[0].similarity
    cluster = nearest.member.cluster
    heard: set[str] = set()  # who has spoken for this answer
    against: Counter[tuple[str, bool]] = Counter()
    voices: list[Member] = []
    others_weight = for_it = 0.0
    agreeing = 0
    rival = -1.0
    for one in near:
        member = one.member
        verified = member.state is State.VERIFIED
        if not verified or member.cluster != cluster:
            rival = max(rival, one.similarity)
            against[member.cluster, verified] += 1
            if against[member.cluster, verified] <= VOICES:
                others_weight += math.exp((one.similarity - top) / SOFTNESS)
            continue
        if member.subjects:
            others = {subject for subject in member.subjects if subject not in asker}
            if others & heard:
                continue  # by a nearer question
            heard |= others
        agreeing += 1
        if agreeing <= VOICES:
            for_it += math.exp((one.similarity - top) / SOFTNESS)
            voices.append(member)
    return _Poll(
        cluster=cluster,
        similarity=top,
        sound=nearest.member.state is State.VERIFIED,
        rival=rival,
        confidence=for_it / (for_it + others_weight),
        agreeing=agreeing,
        voices=voices,
        vouched=len(voices) > 1 or any(_known(member, asker) for member in voices),
    )


def _known(member: Member, asker: Collection[str]) -> bool:
    """Is it a question of whoever asks, or of nobody in particular?"""
    return not member.subjects or any(subject in asker for subject in member.subjects)


def _alone(poll: _Poll, rule: Rule) -> bool:
    # What one other person has asked is not given to anybody else: it may have been planted.
    return (
        poll.vouched
        and poll.sound
        and poll.similarity >= rule.alone
        and poll.similarity - poll.rival > rule.clear
    )


def _voted(poll: _Poll, rule: Rule) -> bool:
    enough = poll.confidence >= rule.share and poll.agreeing >= rule.agreeing
    return poll.sound and enough and poll.similarity >= rule.nearest


def _by(poll: _Poll, rule: Rule, guard: _Guard) -> Via | None:
    if _voted(poll, rule) and guard.passes_vote():
        return Via.VOTE
    return Via.ALONE if _alone(poll, rule) and guard.passes_alone() else None


def _decision(
    poll: _Poll, *, via: Via | None = None, reason: Reason | None = None, notch: int | None = None
) -> Decision:
    return Decision(
        serve=via is not None,
        cluster=poll.cluster,
        reason=reason,
        via=via,
        similarity=poll.similarity,
        confidence=poll.confidence,
        agreeing=poll.agreeing,
        notch=notch,
    )
