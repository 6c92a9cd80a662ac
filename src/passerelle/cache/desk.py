"""What may be asked of the cache from outside, by the people it works for: figures, single answers, deletion.

No words of a question or an answer are ever told: whoever was given one has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from passerelle.domain.ask import Ask
from passerelle.domain.cache import Reason


@dataclass(frozen=True, slots=True)
class Promise:
    """How far the semantic side has proven itself, by the counts of all processes."""

    promised: float  # the share of its answers that may be wrong
    bound: float  # the share that may be wrong at worst, by what was checked; 1 where nothing is known
    rule: str  # the name of the notch in force; `exact` gives no semantic answer
    notch: int  # its place among them, 0 the strictest
    served: int  # answers given
    checked: int  # answers compared with the model's own
    wrong: int  # of those
    next_bound: float | None = None  # of the next looser notch; None at the loosest

    @property
    def proven(self) -> bool:
        """Whether the bound lies within the promise."""
        return self.bound <= self.promised


@dataclass(frozen=True, slots=True)
class Stats:
    """What a tenant's cache did. Looks and what is held are this process's since it started."""

    tenant: str
    since: float  # Unix seconds
    exact: bool  # may the very same question be answered again?
    semantic: bool  # may one that means the same?
    looks: Mapping[str, int] = field(default_factory=dict)  # `exact`, `semantic`, `miss`
    bypassed: Mapping[str, int] = field(default_factory=dict)  # by reason
    answers: int = 0  # held by this process
    bytes: int = 0  # of them
    promise: Promise | None = None  # None without a semantic side


@dataclass(frozen=True, slots=True)
class Purge:
    """What to delete: exactly one of these."""

    tag: str | None = None
    model: str | None = None
    collection: str | None = None  # answers that were drawn from its documents
    prompt: str | None = None  # a digest, as `explain` tells it
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer that is kept. Times are Unix seconds."""

    id: str
    model: str  # by the name that was asked for
    route: str
    created: float
    expires: float
    backend: str
    target: str
    provider: str
    country: str | None
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A question that is known to have an answer, beside the one that is explained."""

    id: str
    answer: str  # the id of the entry it shares with others
    similarity: float  # cosine
    state: str  # `verified` or `quarantined`
    objection: str | None = None  # what the guard finds that sets the two apart


@dataclass(frozen=True, slots=True)
class Explained:
    """What would become of a question if it were asked now."""

    result: str  # `exact`, `semantic`, `miss` or `bypass`
    reason: Reason | None  # why not from the cache, or not from its semantic side
    language: str | None = None
    answer: str | None = None  # the id of the entry that would be given
    prompt: str | None = None  # a digest of what the application says before its user does
    rule: str | None = None  # the notch in force
    needs: str | None = None  # the strictest notch that would give an answer
    confidence: float | None = None  # the part of the neighbours' weight that is for the nearest one's answer
    agreeing: int = 0  # neighbours for it
    near: Sequence[Neighbour] = ()  # nearest first


class Desk(Protocol):
    """Answers for one tenant at a time. It need have no cache now: what it had may still be there.

    Deletion reaches every tier and every process, or raises Unavailable: it is then to be asked for again.
    """

    async def stats(self, tenant: str) -> Stats:
        """What its cache did."""
        ...

    async def purge(self, tenant: str, what: Purge) -> int | None:
        """Delete. How many answers that were; None where they are made unreachable at once, without being counted."""
        ...

    async def entry(self, tenant: str, answer: str) -> Entry | None:
        """The entry of that id; None where the tenant has none of it."""
        ...

    async def drop(self, tenant: str, answer: str) -> bool:
        """Delete an entry, and all questions that share it. False where the tenant has none of that id."""
        ...

    async def feedback(self, tenant: str, answer: str, *, wrong: bool) -> bool:
        """Somebody says whether an entry was right for them: `wrong` takes it out of use at once.

        False where the tenant has none of that id.
        """
        ...

    async def explain(self, tenant: str, ask: Ask, *, key_id: str) -> Explained:
        """What would become of a question of that key; nothing is served, counted or learned.

        Raises NotFound for a model that the tenant may not ask for.
        """
        ...

    async def forget(self, tenant: str, user: str) -> int:
        """Delete every answer given to a `user` or about one: how many that were."""
        ...


class Nothing:
    """The desk of a Passerelle that keeps nothing."""

    async def stats(self, tenant: str) -> Stats:
        """Nothing was done."""
        return Stats(tenant, since=0.0, exact=False, semantic=False)

    async def purge(self, tenant: str, what: Purge) -> int | None:
        """There is nothing to delete."""
        return 0

    async def entry(self, tenant: str, answer: str) -> Entry | None:
        """There is none."""
        return None

    async def drop(self, tenant: str, answer: str) -> bool:
        """There is none."""
        return False

    async def feedback(self, tenant: str, answer: str, *, wrong: bool) -> bool:
        """There is none."""
        return False

    async def explain(self, tenant: str, ask: Ask, *, key_id: str) -> Explained:
        """Nothing comes from the cache."""
        return Explained("bypass", Reason.OFF)

    async def forget(self, tenant: str, user: str) -> int:
        """There is nothing to delete."""
        return 0
