"""Keeps answers and learns from them, after the caller has his: nobody waits for anything here.

Nothing that goes wrong here reaches a caller. When there is more to do than can be done, the rest is not learned.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from passerelle.cache.answers import unfit
from passerelle.cache.entry import Kept, Member, Spot
from passerelle.cache.flights import Flight
from passerelle.cache.keeping import Asked, Keeping, fresh_id, made
from passerelle.cache.learn import Lesson, learn, to_compare
from passerelle.cache.replay import Said
from passerelle.cache.seams import Clock, Index, Judge, Opinion, Told
from passerelle.cache.semantics import Semantics, Sight
from passerelle.cache.shelf import Shelf
from passerelle.cache.trust import Trust
from passerelle.domain.ask import Ask
from passerelle.domain.cache import Reason
from passerelle.domain.errors import Unavailable

_log = structlog.get_logger(__name__)

AT_ONCE = 8  # answers that are learned from at the same time
WAITING = 500  # that wait for their turn; more are forgotten
LARGEST = 262_144  # characters of an answer
_TRIES, _PAUSE = 3, 0.05  # of asking for an answer, and seconds between them
WHOLE = 1024 * 1024  # bytes of a body
ASIDE = 65_536  # bytes of a stream, some 3 ms; more are read in a thread, since all calls wait for what is read here


class Shadow(Protocol):
    """Asks a model again what the cache has answered."""

    async def ask(self, ask: Ask, *, spot: Spot) -> Kept | None:
        """What it answers now, to be compared and never to be given; None where it could not be asked."""
        ...


@dataclass(slots=True)
class Keeper:
    """Whoever makes it, closes it. `draw` gives numbers in [0, 1)."""

    shelf: Shelf
    index: Index
    semantics: Semantics
    trust: Trust
    judge: Judge
    shadow: Shadow
    told: Told
    clock: Clock
    draw: Callable[[], float]
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _closed: bool = False

    def keep(self, keeping: Keeping, flight: Flight | None) -> None:
        """Keep an answer, hand it to those who wait for it, and learn from it."""
        given, route = keeping.given, keeping.asked.ask.route
        if not given.streamed:
            # One parse, at about 1 ms for 1 MB.
            self._keep(keeping, flight, given.said(route) if given.size <= WHOLE else None)
        elif not self._later(functools.partial(self._keep_stream, keeping, flight)) and flight is not None:
            flight.fail(alone=True)

    async def _keep_stream(self, keeping: Keeping, flight: Flight | None) -> None:
        """A stream is read event by event, which takes longer than its caller need wait for its end."""
        given, route = keeping.given, keeping.asked.ask.route
        try:
            said = await asyncio.to_thread(given.said, route) if given.size > ASIDE else given.said(route)
            self._keep(keeping, flight, said)
        finally:
            if flight is not None:
                flight.fail(alone=True)  # unless it has landed

    def _keep(self, keeping: Keeping, flight: Flight | None, said: Said | None) -> None:
        kept = self._kept(keeping, said)
        if kept is None:
            if flight is not None:
                flight.fail(alone=True)
            return
        if not self.shelf.may(kept, keeping.asked.since):
            if flight is not None:
                flight.fail(
                    alone=True
                )  # whoever asked after the deletion is not given what was begun before it
            return
        if flight is not None:
            flight.land(kept)
        caching = keeping.asked.tenant.cache
        if caching is not None and caching.exact:
            self.shelf.keep(kept, keeping.asked.since)
        if keeping.vector is not None:
            self._later(functools.partial(self._met, keeping, kept))

    def served(self, asked: Asked, sight: Sight) -> None:
        """An answer was given to a question that only meant the same: some of those are asked again."""
        notch = sight.decision.notch
        assert notch is not None  # else it was not given  # noqa: S101
        controller = self.trust.of(asked.tenant)
        again = controller.again(notch, self.draw())
        controller.served(notch)
        if again:
            self._later(functools.partial(self._check, asked, sight))

    async def idle(self) -> None:
        """Wait until nothing is left to do."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def aclose(self) -> None:
        """Stop; what is not learned yet is not learned, and nothing is from here on."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _kept(self, keeping: Keeping, said: Said | None) -> Kept | None:
        """The answer, where it may be given again."""
        tenant = keeping.asked.spot.tenant
        if said is None:
            self.told.learned(tenant, "not-plain")
            return None
        reason = unfit(said.message, said.finish_reason)
        if reason is None and len(str(said.message.get("content"))) > LARGEST:
            self.told.learned(tenant, Reason.LARGE.value)
            return None
        if reason is not None:
            self.told.learned(tenant, reason.value)
            return None
        return made(keeping.asked, keeping.given, said, now=self.clock())

    def _later(self, work: Callable[[], Coroutine[None, None, None]]) -> bool:
        """Will it be done?"""
        if self._closed or len(self._tasks) >= WAITING:
            return False
        task = asyncio.ensure_future(self._done(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _done(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - nobody waits for what went wrong here
            self.told.failed(type(error).__name__)
            _log.info("cache_not_learned", error=type(error).__name__)

    async def _met(self, keeping: Keeping, kept: Kept) -> None:
        """Learn from a fresh answer, also where its question was not looked up in time."""
        assert keeping.vector is not None  # else there is nothing to learn  # noqa: S101
        asked, sight = keeping.asked, keeping.sight
        vector = await keeping.vector
        async with self._turns:
            if sight is None:
                sight = await self.semantics.beside(asked.tenant, asked.spot, vector)
            await self._learn(asked, kept, sight)

    async def _check(self, asked: Asked, sight: Sight) -> None:
        """Was the answer that was given right? What the model says now is learned from, and given to nobody."""
        fresh = await self.shadow.ask(
            asked.ask, spot=asked.spot
        )  # a slow engine keeps nobody else from learning
        if fresh is not None and unfit(fresh.message, fresh.finish_reason) is None:
            async with self._turns:
                await self._learn(asked, fresh, sight, shown=False)

    async def _learn(self, asked: Asked, fresh: Kept, sight: Sight, *, shown: bool = True) -> None:
        semantic = asked.tenant.cache.semantic if asked.tenant.cache is not None else None
        if semantic is None:
            return
        compared: list[tuple[str, Opinion]] = []
        wished = asked.ask.wishes.ttl
        until = self.clock() + (semantic.ttl if wished is None else min(semantic.ttl, wished))
        for cluster in to_compare(sight.near):
            anchor = await self._anchor(asked.spot.tenant, cluster)
            if anchor is None:
                # Its answer is gone: whoever had it founds another.
                await self.shelf.purge(asked.spot.tenant, cluster=cluster)
                continue
            judged = await self.judge.compare(anchor, fresh, semantic=semantic)
            compared.append((cluster, judged.opinion))
            self._count(asked, sight, cluster, judged.opinion)
            if judged.opinion is Opinion.SAME:
                until = min(until, anchor.expires)  # it lives no longer than the answer that it stands for
                break
        self._settle(asked, fresh, sight, lesson=learn(compared), until=until, shown=shown)

    async def _anchor(self, tenant: str, cluster: str) -> Kept | None:
        """A cluster's answer; None where it is gone for good. Raises Unavailable where that is not known."""
        for _ in range(_TRIES):
            anchor = await self.shelf.by_id(tenant, cluster)
            if anchor is not None or self.shelf.alone:
                return anchor
            await asyncio.sleep(_PAUSE)  # Redis may not have answered in time, and nobody waits here
        if not self.shelf.answering:
            raise Unavailable("Redis does not answer, so that nothing is learned.")
        return None

    def _count(self, asked: Asked, sight: Sight, cluster: str, opinion: Opinion) -> None:
        """Evidence for the notch that would have given, or has given, this cluster's answer."""
        decision = sight.decision
        if not decision.serve or cluster != decision.cluster or opinion is Opinion.UNSURE:
            return
        if sight.reason is Reason.DOUBTED:
            return  # what another check keeps back is no part of what is given
        assert decision.notch is not None  # it says which would serve  # noqa: S101
        wrong = opinion is Opinion.DIFFERENT
        self.trust.of(asked.tenant).checked(decision.notch, wrong=wrong)
        if sight.kept is not None:
            self.told.checked(asked.spot.tenant, wrong=wrong)

    def _settle(
        self, asked: Asked, fresh: Kept, sight: Sight, *, lesson: Lesson, until: float, shown: bool
    ) -> None:
        if not lesson.keep:
            self.told.learned(asked.spot.tenant, "unsure")
            return
        cluster = lesson.cluster or fresh_id()
        if lesson.cluster is None and shown:
            # The answer that founds a cluster stays its answer: one wrong "the same" must not speak for all of it.
            self.shelf.keep(replace(fresh, id=cluster, exact="", expires=until), asked.since)
        member = _member(
            asked.spot, cluster, sight, now=self.clock(), until=until, tags=asked.ask.wishes.tags
        )
        self.index.add(member)
        self.shelf.save(member, asked.since)
        self.told.learned(asked.spot.tenant, "joined" if lesson.cluster else "new")


def _member(
    spot: Spot, cluster: str, sight: Sight, *, now: float, until: float, tags: tuple[str, ...]
) -> Member:
    return Member(
        id=fresh_id("cq"),
        tenant=spot.tenant,
        partition=spot.partition,
        cluster=cluster,
        text=spot.text,
        vector=sight.vector,
        language=spot.language,
        created=now,
        expires=until,
        tags=tags,
        subjects=spot.subjects,
    )
