"""How loose a tenant's rule may be: no looser than what has been shown to keep its errors within the promise.

Every question belongs to the strictest notch that would answer it. Those that the notch in force does not answer go
to the model anyway: comparing its answer with the one that a looser notch would have given shows, without risk to
anybody, how often that notch would be wrong. Of the answers given, a random part is asked again.

A notch is in force when the bound (`bound.upper`) on what it and all notches before it give lies within the promise,
and the same holds for each notch before it. Questions of looser notches are checked more often than those of
stricter ones, so that the checked ones are no better than the answers given (Abel's summation over the notches); and
trying the notches in order, until one fails, needs no correction for trying several.

The strict notch is given on credit: as many right answers as would have shown it to be sound are taken as seen. One
wrong answer uses the credit up; then it must be shown like the others, and only the very same questions are answered.
A promise below `LEAST_CREDITED` gives none: it is stricter than what the strict notch is known to keep anywhere.

What the bound is about: the errors among the questions checked so far, whatever way they change. Errors that begin
when most of the evidence is in are seen late, by what is asked again; hence `again` asks much at first.
The judge's own mistakes count as errors of the cache, unless they are stated (`Mistakes`).

Where a tenant stands depends on nothing but counts: those of several processes are added, and lead to one result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from passerelle.cache import bound
from passerelle.cache.decide import NOTCHES, Rule

SERVED, CHECKED, WRONG = "served", "checked", "wrong"
FIRST_CHECKED = 50.0  # answers of a notch that are all asked again, before that becomes rarer
EXACT, STRICT = 0, 1
LEAST_CREDITED = 0.01  # the least promise for which the strict notch is taken on trust


class Footing(StrEnum):
    """What the notch in force rests on."""

    PROVEN = "proven"
    CREDIT = "credit"  # a new tenant's: nothing speaks against the strict notch
    EXACT_ONLY = "exact-only"  # too many were wrong, or too few were checked since one was, or without credit


@dataclass(frozen=True, slots=True)
class Mistakes:
    """A judge's own, as shares: of same answers that it calls different, and of different ones it calls the same."""

    false_alarm: float = 0.0
    overlooked: float = 0.0

    def seen(self, rate: float) -> float:
        """The share that such a judge calls wrong where `rate` are."""
        return rate * (1.0 - self.overlooked) + (1.0 - rate) * self.false_alarm

    def true(self, seen: float) -> float:
        """The share that is wrong where such a judge calls `seen` so."""
        told_apart = 1.0 - self.overlooked - self.false_alarm
        return min(1.0, max(0.0, (seen - self.false_alarm) / told_apart)) if told_apart > 0.0 else 1.0


NO_MISTAKES = Mistakes()


@dataclass(frozen=True, slots=True)
class Standing:
    """What a tenant's cache may do now, and why."""

    notch: int
    rule: Rule
    footing: Footing
    promised: float  # the share of answers that may be wrong
    bound: float  # the share that may be wrong at worst, by what was checked; 1 where too little is known
    served: int
    checked: int  # of the questions that the notch in force answers; of the strict one, where none is
    wrong: int
    next_bound: float | None  # of the next looser notch; None at the loosest


class Controller:
    """Counts for one tenant, and the notch that follows from them. Not safe from several threads."""

    def __init__(
        self,
        *,
        max_error_rate: float,
        shadow: float,
        risk: float = bound.RISK,
        mistakes: Mistakes = NO_MISTAKES,
        notches: Sequence[Rule] = NOTCHES,
        counts: Mapping[str, int] | None = None,
    ) -> None:
        self._promised = max_error_rate
        self._limit = min(1.0, mistakes.seen(max_error_rate))
        self._shadow = shadow
        self._risk = risk
        self._mistakes = mistakes
        self._notches = notches
        self._credit = bound.faultless(self._limit, risk=risk) if max_error_rate >= LEAST_CREDITED else 0
        self._shared: Counter[str] = Counter(counts or {})
        self._fresh: Counter[str] = Counter()  # counted here, and not yet shared
        self._notch = EXACT
        self._settle()

    @property
    def notch(self) -> int:
        """The place of the rule in force among the notches."""
        return self._notch

    @property
    def rules(self) -> Sequence[Rule]:
        """Every notch, strictest first."""
        return self._notches

    def gives(self, notch: int | None) -> bool:
        """Whether an answer that needs this notch may be given now."""
        return notch is not None and EXACT < notch <= self._notch

    def again(self, notch: int, draw: float) -> bool:
        """Whether an answer of this notch, about to be given, is also asked again. `draw` is uniform in [0, 1)."""
        return draw < max(self._shadow, min(1.0, FIRST_CHECKED / (self._count(notch, SERVED) + 1)))

    def served(self, notch: int) -> None:
        """An answer of this notch was given."""
        self._fresh[_key(notch, SERVED)] += 1

    def checked(self, notch: int, *, wrong: bool) -> None:
        """A judge compared what this notch gave, or would have given, with the model's own answer."""
        self._fresh[_key(notch, CHECKED)] += 1
        if wrong:
            self._fresh[_key(notch, WRONG)] += 1
        self._settle()

    def to_share(self) -> dict[str, int]:
        """What was counted here since the last call: to be added to the counts that processes share."""
        fresh = dict(self._fresh)
        self._shared.update(fresh)
        self._fresh.clear()
        return fresh

    def not_shared(self, counts: Mapping[str, int]) -> None:
        """What `to_share` gave could not be added, and is given out again with the next."""
        self._shared.subtract(counts)
        self._fresh.update(counts)

    def shared(self, counts: Mapping[str, int]) -> None:
        """The counts of all processes, as they stand now, with all that `to_share` gave."""
        self._shared = Counter(counts)
        self._settle()

    def counts(self) -> dict[str, int]:
        """Every count, shared or not."""
        return dict(self._shared + self._fresh)

    def standing(self) -> Standing:
        """What holds now."""
        checked, wrong = self._upto(max(self._notch, STRICT))
        if self._notch == EXACT:
            footing = Footing.EXACT_ONLY
        else:
            footing = Footing.PROVEN if self._shown(checked, wrong) else Footing.CREDIT
        looser = self._notch + 1
        return Standing(
            notch=self._notch,
            rule=self._notches[self._notch],
            footing=footing,
            promised=self._promised,
            bound=self._bound(checked, wrong),
            served=sum(self._count(notch, SERVED) for notch in range(len(self._notches))),
            checked=checked,
            wrong=wrong,
            next_bound=self._bound(*self._upto(looser)) if looser < len(self._notches) else None,
        )

    def _settle(self) -> None:
        self._notch = EXACT
        checked = wrong = 0
        for notch in range(STRICT, len(self._notches)):
            checked += self._count(notch, CHECKED)
            wrong += self._count(notch, WRONG)
            if notch == STRICT:
                self._notch = STRICT if self._shown(checked + self._credit, wrong) else EXACT
            elif self._shown(checked, wrong):
                self._notch = notch
            else:
                break

    def _shown(self, checked: int, wrong: int) -> bool:
        return bound.shown(checked, wrong, self._limit, risk=self._risk)

    def _bound(self, checked: int, wrong: int) -> float:
        return self._mistakes.true(bound.upper(checked, wrong, risk=self._risk))

    def _upto(self, notch: int) -> tuple[int, int]:
        several = range(STRICT, notch + 1)
        return (
            sum(self._count(one, CHECKED) for one in several),
            sum(self._count(one, WRONG) for one in several),
        )

    def _count(self, notch: int, what: str) -> int:
        key = _key(notch, what)
        return self._shared[key] + self._fresh[key]


@cache
def _key(notch: int, what: str) -> str:
    return f"{notch}:{what}"
