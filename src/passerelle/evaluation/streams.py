"""One run over a stream: questions come one by one, and the cache's own functions decide, learn and steer.

The judge's word on a question is there before the next question comes, and no answer expires: what differs from
service is stated in docs/cache-eval.md.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from passerelle.cache.controller import NO_MISTAKES, Controller, Mistakes
from passerelle.cache.decide import NORMAL, NOTCHES, Decision, Rule, first
from passerelle.cache.entry import Member, Near
from passerelle.cache.guard import Objection
from passerelle.cache.learn import learn, to_compare
from passerelle.cache.seams import Opinion
from passerelle.domain.cache import Reason
from passerelle.evaluation.nearest import Known
from passerelle.evaluation.outcome import Noisy, Outcome
from passerelle.evaluation.questions import Prepared

NEIGHBOURS = 8
NEVER = 4e9  # Unix seconds


@dataclass(frozen=True, slots=True)
class Noise:
    """How often a judge is mistaken, and how it is dealt with."""

    name: str
    false_yes: float = 0.0
    false_no: float = 0.0
    twice: bool = False  # what it says counts when it says so twice: as models are asked in service
    stated: bool = False  # the controller is told of its mistakes

    @property
    def mistakes(self) -> Mistakes:
        """What the controller is told: of the comparisons that count, those in which it errs."""
        if not self.stated:
            return NO_MISTAKES
        if not self.twice:
            return Mistakes(self.false_no, self.false_yes)
        return Mistakes(_twice(self.false_no), _twice(self.false_yes))

    def judge(self, rng: random.Random) -> Noisy:
        """Such a judge."""
        return Noisy(rng, false_yes=self.false_yes, false_no=self.false_no, twice=self.twice)


def _twice(rate: float) -> float:
    """How often both words are mistaken, of those that agree."""
    return rate**2 / (rate**2 + (1 - rate) ** 2)


ORACLE = Noise("oracle")
NOISY = Noise("noisy", false_yes=0.05, false_no=0.05, twice=True)
ONCE = Noise("noisy-once", false_yes=0.05, false_no=0.05)
STATED = Noise("noisy-stated", false_yes=0.05, false_no=0.05, twice=True, stated=True)


def shuffled(count: int, seed: int, most: int | None = None) -> list[int]:
    """The numbers below `count` in the order that this seed gives; the first `most` of them."""
    order = list(range(count))
    random.Random(f"order-{seed}").shuffle(order)  # noqa: S311 - a named seed is the point
    return order if most is None else order[:most]


def ruled(prepared: Prepared, order: Sequence[int], *, noise: Noise, seed: int) -> Outcome:
    """The rule that is used where nothing steers, and nothing is asked again."""
    rules = (NOTCHES[NORMAL],)
    return _Run(prepared, rules, noise, seed, gives=lambda notch: notch is not None).over(order)


def steered(
    prepared: Prepared, order: Sequence[int], *, noise: Noise, seed: int, max_error_rate: float, shadow: float
) -> Outcome:
    """As in service: a new tenant's controller chooses the rule, and some of the hits are asked again."""
    controller = Controller(max_error_rate=max_error_rate, shadow=shadow, mistakes=noise.mistakes)
    run = _Run(prepared, controller.rules, noise, seed, gives=controller.gives, controller=controller)
    return run.over(order)


@dataclass(slots=True)
class _Run:
    """What one run knows."""

    prepared: Prepared
    rules: Sequence[Rule]
    noise: Noise
    seed: int
    gives: Callable[[int | None], bool]
    controller: Controller | None = None
    outcome: Outcome = field(default_factory=Outcome)
    members: dict[int, Member] = field(default_factory=dict)
    known: Known = field(init=False)

    def __post_init__(self) -> None:
        self.known = Known(self.prepared.ground)

    def over(self, order: Sequence[int]) -> Outcome:
        """Ask these questions, by number, one after the other."""
        rng = random.Random(f"{self.noise.name}-{self.seed}")  # noqa: S311 - a named seed is the point
        judge = self.noise.judge(rng)
        for number in order:
            self._ask(number, judge, rng)
        self.outcome.judged = judge.asked
        if self.controller is not None:
            self.outcome.notch = self.controller.standing().rule.name
        return self.outcome

    def _ask(self, number: int, judge: Noisy, rng: random.Random) -> None:
        outcome = self.outcome
        outcome.asked += 1
        barred = self.prepared.questions[number].barred
        if barred is not None:
            outcome.barred[barred.value] = outcome.barred.get(barred.value, 0) + 1
            return
        near = [Near(cosine, self.members[other]) for other, cosine in self.known.near(number, NEIGHBOURS)]
        decision = first(self.rules, near, partial(self._objects, number))
        if self.gives(decision.notch):
            if self._give(number, decision, rng):
                self._learn(number, near, decision, judge)
            return
        reason = (decision.reason or Reason.UNPROVEN).value
        outcome.refused[reason] = outcome.refused.get(reason, 0) + 1
        self._learn(number, near, decision, judge)

    def _objects(self, asked: int, member: Member) -> Objection | None:
        return self.prepared.objects(asked, int(member.id))

    def _right(self, number: int, cluster: str) -> bool:
        """Whether a cluster's answer, the one of the question that founded it, is right for another question."""
        answers = self.prepared.answers
        return answers[int(cluster)] == answers[number]

    def _give(self, number: int, decision: Decision, rng: random.Random) -> bool:
        """The cluster's answer is given; whether the model is asked as well, to see if it was right."""
        assert decision.cluster is not None  # what is given has an answer  # noqa: S101
        self.outcome.hits += 1
        self.outcome.wrong += not self._right(number, decision.cluster)
        if self.controller is None or decision.notch is None:
            return False
        again = self.controller.again(decision.notch, rng.random())
        self.controller.served(decision.notch)
        self.outcome.shadowed += again
        return again

    def _learn(self, number: int, near: Sequence[Near], decision: Decision, judge: Noisy) -> None:
        """The model has answered: the judge compares, the controller counts, the question may become a member."""
        compared: list[tuple[str, Opinion]] = []
        for cluster in to_compare(near):
            opinion = judge.opinion(same=self._right(number, cluster))
            compared.append((cluster, opinion))
            if cluster == decision.cluster:
                self._count(decision.notch, opinion)
            if opinion is Opinion.SAME:
                break
        lesson = learn(compared)
        if lesson.keep:
            cluster = lesson.cluster or str(number)
            self.members[number] = self._member(number, cluster)
            self.known.add(number)

    def _count(self, notch: int | None, opinion: Opinion) -> None:
        """Evidence for the notch that has given, or would have given, the nearest answer."""
        if self.controller is not None and notch is not None and opinion is not Opinion.UNSURE:
            self.controller.checked(notch, wrong=opinion is Opinion.DIFFERENT)

    def _member(self, number: int, cluster: str) -> Member:
        question = self.prepared.questions[number]
        return Member(
            id=str(number),
            tenant="",
            partition="",
            cluster=cluster,
            text=question.text,
            vector=self.prepared.ground.vectors[number],
            language=question.language,
            created=0.0,
            expires=NEVER,
            features=question.features,
        )
