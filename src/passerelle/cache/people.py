"""What the cache holds of people: the holdings `cache-exact` and `cache-semantic`. Both are by the `user` of requests.

Whatever keeps answers is behind this: the process, Redis, Qdrant. What one of the two erases, the other has no more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from passerelle.cache.desk import Purge
from passerelle.domain.privacy import Held, Subject, Values

_NOTE = (
    "Answers are found by the `user` of their request. They are told by their number only: nobody but who was given one "
    "has its words. Processes that share no Redis each keep their own, for no longer than `cache.ttl`; a restart empties "
    "them."
)


class Erasable(Protocol):
    """The cache, for looking and deleting. Raises Unavailable where not every process is sure to hear of it."""

    async def about(self, tenant: str, user: str | None) -> tuple[int, int]:
        """How many answers and how many questions there are of a `user`; None: of the tenant."""
        ...

    async def forget(self, tenant: str, user: str) -> int:
        """Delete every answer given to a `user` or about one: how many that were."""
        ...

    async def purge(self, tenant: str, what: Purge) -> int | None:
        """Delete."""
        ...


class Kept:
    """One of the two. `name` says which it counts."""

    def __init__(self, cache: Erasable, *, semantic: bool) -> None:
        self.name = "cache-semantic" if semantic else "cache-exact"
        self._semantic = semantic
        self._cache = cache

    async def find(self, subject: Subject) -> Held:
        """As `Holding`."""
        return self._counted(await self._cache.about(subject.tenant, subject.pseudonym))

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """No words of a question or an answer are told by the cache."""
        nothing: tuple[Values, ...] = ()
        for row in nothing:
            yield row

    async def erase(self, subject: Subject) -> Held:
        """As `Holding`."""
        found = await self.find(subject)
        await self._cache.forget(subject.tenant, subject.pseudonym)
        return found

    async def held(self, tenant: str) -> Held:
        """How much there is of a tenant."""
        return self._counted(await self._cache.about(tenant, None))

    async def wipe(self, tenant: str) -> Held:
        """As `Holding`."""
        found = await self.held(tenant)
        await self._cache.purge(tenant, Purge(everything=True))
        return found

    async def oldest(self, tenant: str) -> datetime | None:
        """Each ends by its own time, and nobody sweeps."""
        return None

    def _counted(self, counts: tuple[int, int]) -> Held:
        answers, questions = counts
        return Held({"questions": questions} if self._semantic else {"answers": answers}, _NOTE)
