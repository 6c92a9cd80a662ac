"""Pairs of questions against one verified entry: which answers would be given again, and which should not.

`reused`: what a cache that knows this one question gives at the loosest notch, `pair`, where one entry suffices and
all rests on the guard; eligibility and language included. `served`: the same by the rule that is used where nothing
steers. `content`: the guard alone, whatever the cosine, so that nobody takes a trap that lies below the notch's
cosine for one that the guard has seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from passerelle.cache.decide import NORMAL, NOTCHES, PAIR, decide
from passerelle.cache.entry import Member, Near
from passerelle.cache.guard import objection
from passerelle.domain.shares import Share, wilson
from passerelle.evaluation.data import Pair, Pairs
from passerelle.evaluation.questions import Question, question
from passerelle.evaluation.vectors import Embedded

if TYPE_CHECKING:
    from passerelle.cache.entry import Vector

COSINE = NOTCHES[PAIR].alone
# Kinds whose difference is in plain sight of a rule: none of them may pass.
SURE = re.compile(
    r"(?:^|[^a-z])(?:number|numeric|amount|date|id|ident\w*|negation|negated|swap|direction|order)"
)


@dataclass(frozen=True, slots=True)
class Tried:
    """One pair, compared."""

    kind: str
    same: bool
    cosine: float
    objection: str | None
    reused: bool
    served: bool
    kept: str
    asked: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Pairs of one kind."""

    kind: str
    same: bool
    pairs: int
    near: int  # at `COSINE` or above, whatever the guard says
    reused: int
    content: int  # to which the guard has no objection, whatever the cosine
    served: int

    @property
    def share(self) -> Share:
        """Reused ones in all: recall of paraphrases, false reuse of others."""
        return wilson(self.reused, self.pairs)

    @property
    def share_near(self) -> Share:
        """Reused ones in those that are near enough to be looked at."""
        return wilson(self.reused, self.near)


@dataclass(frozen=True, slots=True)
class Traps:
    """The pairs of one file."""

    name: str
    language: str
    tried: tuple[Tried, ...]

    @property
    def kinds(self) -> tuple[Counted, ...]:
        """By kind, paraphrases first."""
        kinds = sorted({(not one.same, one.kind) for one in self.tried})
        return tuple(
            counted(kind, (one for one in self.tried if one.kind == kind and one.same is not differs))
            for differs, kind in kinds
        )

    @property
    def paraphrases(self) -> Counted:
        """All pairs that have one answer."""
        return counted("paraphrases", (one for one in self.tried if one.same), same=True)

    @property
    def differing(self) -> Counted:
        """All pairs that have not."""
        return counted("all traps", (one for one in self.tried if not one.same))

    @property
    def sure(self) -> Counted:
        """Those of them that differ in a number, an identifier, a negation or an order."""
        chosen = (one for one in self.tried if not one.same and SURE.search(one.kind.lower()))
        return counted("numbers, ids, negation, swaps", chosen)


def counted(kind: str, tried: Iterable[Tried], *, same: bool | None = None) -> Counted:
    """Their counts."""
    pairs = list(tried)
    return Counted(
        kind=kind,
        same=all(one.same for one in pairs) if same is None else same,
        pairs=len(pairs),
        near=sum(one.cosine >= COSINE for one in pairs),
        reused=sum(one.reused for one in pairs),
        content=sum(one.objection is None for one in pairs),
        served=sum(one.served for one in pairs),
    )


def try_pairs(pairs: Pairs, embedded: Embedded) -> Traps:
    """Each pair: its first question is kept and verified, its second one is asked."""
    return Traps(pairs.name, pairs.language, tuple(_try(pair, embedded) for pair in pairs.pairs))


def _try(pair: Pair, embedded: Embedded) -> Tried:
    kept, asked = question(pair.kept), question(pair.asked)
    first, second = embedded.of([pair.kept, pair.asked])
    near = Near(float(first @ second), _entry(kept, first))
    found = objection(asked.features, kept.features)
    compared = not asked.barred and not kept.barred and asked.language == kept.language
    return Tried(
        kind=pair.kind,
        same=pair.same,
        cosine=near.similarity,
        objection=found,
        reused=compared and decide((near,), NOTCHES[PAIR], lambda _: found).serve,
        served=compared and decide((near,), NOTCHES[NORMAL], lambda _: found).serve,
        kept=pair.kept,
        asked=pair.asked,
    )


def _entry(kept: Question, vector: Vector) -> Member:
    return Member(
        id="kept",
        tenant="",
        partition="",
        cluster="kept",
        text=kept.text,
        vector=vector,
        language=kept.language,
        created=0.0,
        expires=4e9,
        features=kept.features,
    )
