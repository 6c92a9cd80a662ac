"""Where the cache keeps: in this process, and in Redis where there is one. What is deleted is found nowhere any more.

Nothing here raises on the path of a request, and nothing waits for Redis longer than a few milliseconds: what cannot be
read in time is not there. With a Redis, nothing is given from this process either unless it hears what other processes
delete: apart from them the shelf is empty. A deletion has a number; what was begun before it (a write in flight, a
question that is still being judged, an answer read a moment ago) is neither written, kept, nor believed after it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from passerelle.cache import codec
from passerelle.cache.entry import Kept, Member
from passerelle.cache.graves import Labels, Mark, sought
from passerelle.cache.holdings import Hearing, Holdings
from passerelle.cache.joined import Joined
from passerelle.cache.memory import BYTES, ENTRIES, Memory
from passerelle.cache.seams import Clock
from passerelle.cache.secrets import Secrets
from passerelle.cache.shared import Found, Shared
from passerelle.domain.errors import Unavailable
from passerelle.stores.redis import Garbled, Outage, Redis

__all__ = ["LARGEST", "PATIENCE", "Hearing", "Mark", "Shelf"]

PATIENCE = 0.010  # seconds that a request waits for Redis
LARGEST = 1024 * 1024  # bytes of an answer; a greater one is asked for again
_JOINING = 1.0  # seconds that a start waits for Redis

# Or it answers what no script of ours says.
_FAILED = (*Outage, ValueError, TypeError, KeyError, IndexError)

_log = structlog.get_logger(__name__)


class Shelf:
    """`Answers` and `Members`. Whoever makes it starts and closes it; the Redis it is given stays its owner's."""

    def __init__(
        self,
        secrets: Secrets,
        redis: Redis | None = None,
        *,
        clock: Clock = time.time,
        entries: int = ENTRIES,
        size: int = BYTES,
        patience: float = PATIENCE,
        told: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """At most so many answers in this process, of so many bytes; `told` hears each change of `trusted`."""
        labels = Labels(secrets)
        self._clock = clock
        self._patience = patience
        self._labels = labels
        self._memory = Memory(clock, entries=entries, size=size)
        self._holdings = Holdings(labels, self._memory, clock)
        self._joined: Joined | None = None
        if redis is not None:
            self._joined = Joined(redis, secrets, self._holdings, clock=clock, told=told)
        self._counts: dict[str, dict[str, float]] = {}  # only without Redis
        self._deleting: set[asyncio.Task[int]] = set()

    @property
    def trusted(self) -> bool:
        """May anything be given at all? Not while this process may have missed a deletion."""
        return self._joined is None or self._joined.trusted

    @property
    def alone(self) -> bool:
        """Is there no other place than this process?"""
        return self._joined is None

    @property
    def answering(self) -> bool:
        """Would what is there be found now? Not while Redis is away, or silent."""
        return self._joined is None or (self._joined.trusted and not self._joined.shared.resting)

    @property
    def unwritten(self) -> int:
        """Writes that Redis was to have and has not."""
        return 0 if self._joined is None else self._joined.unwritten

    @property
    def held(self) -> tuple[int, int]:
        """Answers in this process, and their bytes."""
        return len(self._memory), self._memory.size

    def hear(self, hearing: Hearing) -> None:
        """Who hears of questions that others delete, change and add; to be said before `start`."""
        self._holdings.hearing = hearing

    async def start(self) -> None:
        """Join the other processes. Where Redis does not answer, that is tried again for ever."""
        if self._joined is not None:
            await self._joined.news.start(within=_JOINING)

    async def aclose(self) -> None:
        """Write what waits, for a second at most, and hear no more."""
        if self._deleting:
            await asyncio.wait(self._deleting)
        if self._joined is not None:
            await self._joined.aclose()

    async def settled(self) -> None:
        """Wait until what was to be written is written, or Redis is away."""
        if self._joined is not None:
            await self._joined.shared.writing.quiet()

    def mark(self) -> Mark:
        """This moment among deletions: to be taken when a request begins, for what is kept of it in the end."""
        return self._holdings.mark()

    def here(self, exact: str) -> Kept | None:
        """As `Answers`."""
        return self._memory.get(exact) if self.trusted else None

    async def find(self, tenant: str, exact: str) -> Kept | None:
        """As `Answers`."""
        kept = self.here(exact)
        if kept is None:
            kept = await self._read(lambda shared: shared.find(tenant, exact, within=self._patience))
        return kept if kept is not None and kept.tenant == tenant else None

    async def by_id(self, tenant: str, answer: str) -> Kept | None:
        """As `Answers`."""
        kept = self._memory.by_id(answer) if self.trusted else None
        if kept is None:
            kept = await self._read(lambda shared: shared.by_id(tenant, answer, within=self._patience))
        return kept if kept is not None and kept.tenant == tenant else None

    def keep(self, kept: Kept, since: Mark | None = None) -> None:
        """As `Answers`; not where any of it has been deleted since then. What is too large is not kept."""
        mark = since or self.mark()
        if not self.trusted or not self._holdings.may(kept, mark):
            return
        content = codec.kept_bytes(kept)
        if content is None or len(content) > LARGEST:
            return
        self._memory.put(kept, len(content))
        if self._joined is not None:
            self._joined.shared.keep(kept, content, mark)

    def may(self, kept: Kept, since: Mark) -> bool:
        """Is it known that nothing of it has been deleted since then?"""
        return self._holdings.may(kept, since)

    async def load(self, tenant: str, partition: str) -> Sequence[Member]:
        """As `Members`. Raises Unavailable where Redis does not answer: to be asked again later."""
        if self._joined is None:
            return ()
        epoch = self._holdings.epoch
        try:
            found = await self._shared().load(tenant, partition)
            if epoch != self._holdings.epoch:
                raise Garbled("Redis has started anew.")
        except _FAILED as error:
            raise self._away(error) from error
        members = [member for member, mark in found if not self._holdings.gone(member, mark)]
        for member in members:
            self._holdings.enlist(member)
        return members

    def save(self, member: Member, since: Mark | None = None) -> None:
        """As `Members`. One that was deleted since then expires at once, also for who holds it already."""
        mark = since or self.mark()
        if not self.trusted or not self._holdings.may(member, mark):
            member.expires = 0.0
            return
        self._holdings.enlist(member)
        content = None if self._joined is None else codec.member_bytes(member)
        if content is not None and self._joined is not None:
            self._joined.shared.save(member, content, mark)

    def generation(self, tenant: str, labels: Sequence[str]) -> str:
        """Changes with each `bump` of one of the labels, and whenever what is known of them is lost."""
        known = self._holdings.generations
        return ".".join([self._holdings.epoch, *(str(known.get((tenant, label), 0)) for label in labels)])

    async def bump(self, tenant: str, label: str) -> None:
        """What was kept under this label is not found any more. Raises Unavailable where that is not sure."""
        seq = self._holdings.graves.seq + 1
        if self._joined is not None:
            try:
                seq = await self._shared().bump(tenant, label)
            except _FAILED as error:
                raise self._away(error) from error
        self._holdings.bump(tenant, label, seq)

    async def purge(
        self,
        tenant: str,
        *,
        answer: str | None = None,
        cluster: str | None = None,
        tag: str | None = None,
        subject: str | None = None,
        everything: bool = False,
        label: str | None = None,
    ) -> int:
        """Delete an entry (an answer goes with the questions that have it), or all of a tag, a subject, the tenant.

        How many entries were found and deleted; of a generation's `label` that is not known, and none. Goes on when its
        caller is cancelled. Raises Unavailable where not every process is sure to hear of it: call it again.
        """
        if label is not None:
            await self.bump(tenant, label)
        chosen = {"answer": answer, "cluster": cluster, "tag": tag, "subject": subject}
        total = 0
        for each in sought(self._labels, tenant, chosen, everything=everything):
            task = asyncio.get_running_loop().create_task(self._delete(tenant, each))
            self._deleting.add(task)
            task.add_done_callback(self._deleted)
            total += await asyncio.shield(task)
        return total

    def count(self, tenant: str, counts: Mapping[str, float]) -> None:
        """Add to the counters that processes share."""
        if self._joined is not None:
            self._joined.shared.count(tenant, counts)
            return
        sums = self._counts.setdefault(tenant, {})
        for name, number in counts.items():
            sums[name] = sums.get(name, 0.0) + number

    async def counts(self, tenant: str) -> Mapping[str, float]:
        """The counters of all processes. Raises Unavailable where they cannot be read."""
        if self._joined is None:
            return dict(self._counts.get(tenant, {}))
        try:
            return await self._shared().counts(tenant)
        except _FAILED as error:
            raise self._away(error) from error

    async def size(self, tenant: str) -> int:
        """Entries of the tenant, wherever they are. Raises Unavailable where that cannot be read."""
        if self._joined is None:
            return self._memory.count(tenant) + len({one.id for one in self._holdings.living(tenant)})
        try:
            return await self._shared().size(tenant)
        except _FAILED as error:
            raise self._away(error) from error

    async def about(self, tenant: str, subject: str | None) -> tuple[int, int]:
        """Answers and questions of a subject, or of the tenant, wherever they are. Raises Unavailable."""
        for label in sought(self._labels, tenant, {"subject": subject}, everything=subject is None):
            ids = self._holdings.having(tenant, label)
            if self._joined is not None:
                try:
                    ids |= set(await self._shared().having(tenant, label))
                except _FAILED as error:
                    raise self._away(error) from error
            questions = sum(each.startswith("cq_") for each in ids)
            return len(ids) - questions, questions
        return 0, 0

    async def _read(self, ask: Callable[[Shared], Awaitable[Found | None]]) -> Kept | None:
        """An answer from Redis, kept here too; None where it cannot be had in time."""
        if self._joined is None or not self.trusted or self._joined.shared.resting:
            return None
        epoch = self._holdings.epoch
        try:
            found = await ask(self._joined.shared)
        except _FAILED as error:
            self._joined.notice(error)
            return None
        if found is None or epoch != self._holdings.epoch or found.kept.expires <= self._clock():
            return None
        if self._holdings.gone(found.kept, found.mark):
            return None  # deleted while it was on its way
        self._memory.put(found.kept, found.size)
        return found.kept

    async def _delete(self, tenant: str, label: str) -> int:
        if self._joined is None:
            return self._holdings.bury(tenant, label, self._holdings.graves.seq + 1)
        self._holdings.forget(tenant, label)
        try:
            seq, count = await self._shared().purge(tenant, label)
        except _FAILED as error:
            raise self._away(error) from error
        self._holdings.bury(tenant, label, seq)
        return count

    def _deleted(self, task: asyncio.Task[int]) -> None:
        self._deleting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("cache_deletion_failed", error=type(error).__name__)

    def _shared(self) -> Shared:
        """Raises Garbled, one of `Outage`, where this process is apart."""
        if self._joined is None or not self._joined.trusted:
            raise Garbled("Redis is away.")
        return self._joined.shared

    def _away(self, error: BaseException) -> Unavailable:
        if self._joined is not None:
            self._joined.notice(error)
        return Unavailable("Redis does not answer, so that the cache's other processes cannot be reached.")
