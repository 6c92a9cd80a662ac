"""Says whether two answers say the same: by their facts, by their vectors, and by a model of the tenant's choice.

The cheapest comes first, and only what it leaves open goes on to the next. What nobody can decide is unsure, and
nothing is learned from it: a wrong "the same" would be served, a wrong "different" would only be counted.

A model errs. Its false alarms alone would make a cache look worse than most promises, and each "the same" that is none
puts a question among those that speak for the wrong answer. So its word is a verdict when it says so again with the
answers in the other order; two words that disagree are doubt. Facts and vectors say the same each time, and are not
asked twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING, Protocol

import structlog

from passerelle.cache.facts import Agreement, compared, facts_of
from passerelle.cache.seams import Judged, Opinion
from passerelle.domain.errors import PasserelleError
from passerelle.text.pieces import LONGEST, pieces
from passerelle.text.words import stems

if TYPE_CHECKING:
    from passerelle.cache.entry import Kept, Vector
    from passerelle.cache.seams import Telling
    from passerelle.domain.cache import Semantic

_log = structlog.get_logger(__name__)

ALIKE = 0.97  # cosine from which two answers, whose facts agree, say the same
APART = 0.6  # below which they do not
PIECE_ALIKE = 0.9  # every part of the one has to be found in the other
FEWEST = 4  # stems from which the vector of an answer says what it is about: `Yes.` is near to nothing
_LONGEST = 20_000  # characters of an answer that is compared at all
_IN_THREAD = 2_000  # characters from which it is compared beside the event loop
_MOST_PIECES = 12
_DAY = 86_400
_MOST_TENANTS = 10_000
_PATIENCE = 30.0  # seconds for vectors, and again for a model


class Vectors(Protocol):
    """Turns texts into vectors of length 1."""

    async def vectors(self, texts: Sequence[str], *, aside: bool = False) -> Sequence[Vector]:
        """A vector for each text; `aside`: nobody waits for them. Raises whatever went wrong."""
        ...


class Embedders(Protocol):
    """The embedder of each tenant."""

    def of(self, semantic: Semantic, tenant: str) -> Vectors | None:
        """None where it may not be used."""
        ...


class Budget:
    """How often each tenant's model may still be asked today, in UTC; every process has its part."""

    def __init__(self, clock: Callable[[], float], processes: Callable[[], int] = lambda: 1) -> None:
        self._clock = clock
        self._processes = processes
        self._day = 0
        self._spent: dict[str, int] = {}

    def take(self, tenant: str, calls_per_day: int) -> bool:
        """May it be asked once more? Then it counts as asked."""
        spent = self.spent(tenant)
        if spent >= calls_per_day // max(1, self._processes()):
            return False
        if tenant not in self._spent and len(self._spent) >= _MOST_TENANTS:
            return False  # more tenants than any configuration has: nothing is forgotten to make room
        self._spent[tenant] = spent + 1
        return True

    def spent(self, tenant: str) -> int:
        """How often this process has asked for it today."""
        day = int(self._clock() // _DAY)
        if day != self._day:
            self._day = day
            self._spent.clear()
        return self._spent.get(tenant, 0)


class AnswerJudge:
    """Compares answers: facts, then vectors, then a model within its budget."""

    def __init__(
        self, embedders: Embedders, telling: Telling, *, clock: Callable[[], float] = time,
        processes: Callable[[], int] = lambda: 1,
    ) -> None:  # fmt: skip
        """`processes` is how many share a day's calls."""
        self._embedders = embedders
        self._telling = telling
        self.budget = Budget(clock, processes)

    async def compare(self, kept: Kept, fresh: Kept, *, semantic: Semantic) -> Judged:
        """Do both say the same? The question is that of `fresh`. Never raises: who cannot be asked is unsure."""
        one, other = _text(kept), _text(fresh)
        if not one or not other or len(one) > _LONGEST or len(other) > _LONGEST:
            return _NOBODY
        if max(len(one), len(other)) > _IN_THREAD:
            facts = await asyncio.to_thread(_facts, one, other)
        else:
            facts = _facts(one, other)
        if facts is Agreement.IDENTICAL:
            return Judged(Opinion.SAME, "facts")
        if facts is Agreement.DIFFERENT:
            return Judged(Opinion.DIFFERENT, "facts")
        likeness = await self._likeness(one, other, tenant=kept.tenant, semantic=semantic)
        if likeness is not None:
            if likeness.whole < APART and likeness.telling:
                return Judged(Opinion.DIFFERENT, "embedding")
            alike = likeness.whole >= ALIKE and likeness.least >= PIECE_ALIKE
            if alike and facts is Agreement.AGREED:
                return Judged(Opinion.SAME, "embedding")
        said = await self._told(fresh.asked, (one, other), tenant=kept.tenant, semantic=semantic)
        if said is None:
            return _NOBODY
        return Judged(Opinion.SAME if said else Opinion.DIFFERENT, "model")

    async def _likeness(self, one: str, other: str, *, tenant: str, semantic: Semantic) -> Likeness | None:
        """How near their vectors are; None where they are too long to be read, or there are no vectors."""
        here, there = pieces(one), pieces(other)
        if not here or not there or len(here) > _MOST_PIECES or len(there) > _MOST_PIECES:
            return None
        try:
            embedder = self._embedders.of(semantic, tenant)
            if embedder is None:
                return None
            async with asyncio.timeout(_PATIENCE):
                found = await embedder.vectors([*here, *there], aside=True)
            return likeness_of(
                found[: len(here)], found[len(here) :], telling=min(_weight(one), _weight(other)) >= FEWEST
            )
        except Exception as error:  # noqa: BLE001 - a judge that fails is unsure, whatever it was
            _log.info("answers_not_embedded", tenant=tenant, error=type(error).__name__)
            return None

    async def _told(
        self, question: str, answers: tuple[str, str], *, tenant: str, semantic: Semantic
    ) -> bool | None:
        """Its verdict; None where it gave none, or not the same one twice."""
        said = await self._asked(question, answers, tenant=tenant, semantic=semantic)
        if said is None:
            return None
        again = await self._asked(question, (answers[1], answers[0]), tenant=tenant, semantic=semantic)
        return said if again is said else None

    async def _asked(
        self, question: str, answers: tuple[str, str], *, tenant: str, semantic: Semantic
    ) -> bool | None:
        judging = semantic.judge
        if judging is None or not self.budget.take(tenant, judging.calls_per_day):
            return None
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._telling.same(judging.model, question, answers, tenant=tenant)
        except (PasserelleError, TimeoutError) as error:
            _log.info("judge_not_asked", tenant=tenant, model=judging.model, error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a judge that fails is unsure, whatever it was
            _log.error("judge_failed", tenant=tenant, model=judging.model, error=type(error).__name__)
        return None


def _facts(one: str, other: str) -> Agreement:
    return compared(facts_of(one), facts_of(other))


_NOBODY = Judged(Opinion.UNSURE, "none")


@dataclass(frozen=True, slots=True)
class Likeness:
    """Cosines of two answers: of both as a whole, and of the part of either that the other has least of."""

    whole: float
    least: float
    telling: bool  # are both long enough for a low cosine to mean something?


def likeness_of(one: Sequence[Vector], other: Sequence[Vector], *, telling: bool) -> Likeness:
    """Of the vectors of their pieces, each of length 1."""
    cosines = [[float(here @ there) for there in other] for here in one]
    across = [max(row) for row in cosines] + [max(column) for column in zip(*cosines, strict=True)]
    total = sum(map(sum, cosines))
    # The mean of some vectors of length 1 is as long as the root of the mean of their cosines.
    length = _within(one) ** 0.5 * _within(other) ** 0.5
    return Likeness(total / length if length > 0 else 0.0, min(across), telling)


def _within(vectors: Sequence[Vector]) -> float:
    return sum([float(here @ there) for here in vectors for there in vectors])


def _text(kept: Kept) -> str:
    """The words of an answer; nothing where it says what has none, or did not come to its end."""
    message = kept.message
    content = message.get("content")
    if not isinstance(content, str) or message.get("tool_calls") or kept.finish_reason != "stop":
        return ""
    return content.strip()


def _weight(text: str) -> int:
    return len(stems(text[:LONGEST]))
