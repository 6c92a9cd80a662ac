"""The side of a process that remembers answers: opened when the first tenant wants it, and not before."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from passerelle.backends.builtin.texts import Texts
from passerelle.bridges.evaluators import evaluator
from passerelle.domain.ask import Ask
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Catalog
from passerelle.gateway.edition import Editions
from passerelle.gateway.embedding import Embeddings
from passerelle.gateway.judging import Judging
from passerelle.gateway.recalled import Given
from passerelle.gateway.shadow import Shadow
from passerelle.sealing.seals import Seals
from passerelle.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from passerelle.cache.cache import Cache
    from passerelle.cache.opening import Opened
    from passerelle.stores.redis import Redis

_log = structlog.get_logger(__name__)

_WARM = [
    "Bonjour, hello."
]  # the packaged model is loaded by its first text, so that no caller waits for that


@dataclass(frozen=True, slots=True)
class Ground:
    """What remembering stands on."""

    pepper: bytes
    redis: Redis | None
    qdrant: tuple[str, str | None] | None  # address and key
    texts: Texts
    editions: Editions
    metrics: Metrics
    draw: Callable[[], float]
    processes: Callable[[], int]
    clock: Callable[[], float] = time.time  # Unix seconds
    keys: Seals | None = None  # tenants' own


class Remembering:
    """The cache of a process, which may not be open. Whoever makes it, closes it."""

    def __init__(self, ground: Ground, ask: Callable[[Caller, Ask], Awaitable[Given]]) -> None:
        self._ground = ground
        self._ask = ask
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._warming: set[asyncio.Task[object]] = set()
        self.opened: Opened | None = None

    def cache(self) -> Cache | None:
        """The cache, once it is open."""
        return self.opened.cache if self.opened is not None else None

    async def expect(self, catalog: Catalog) -> None:
        """Open it where a tenant of this configuration keeps answers."""
        caching = [tenant.cache for tenant in catalog.tenants.values() if tenant.cache is not None]
        if caching:
            await self.open()
        if any(each.semantic is not None and each.semantic.embedder is None for each in caching):
            self._later(self._warm())

    def expect_soon(self, catalog: Catalog) -> None:
        """The same for a configuration that has just come into force; calls before that are not kept."""
        self._later(self.expect(catalog))

    async def open(self) -> Opened:
        """Open it, once."""
        async with self._opening:
            if self.opened is None:
                from passerelle.cache.opening import Wiring, open_cache  # noqa: PLC0415 - see there

                ground = self._ground
                embeddings = Embeddings(self._ask, ground.editions, ground.texts)
                wiring = Wiring(
                    pepper=ground.pepper,
                    redis=ground.redis,
                    qdrant=ground.qdrant,
                    embeddings=embeddings,
                    embedders=embeddings,
                    telling=Judging(self._ask, lambda: ground.editions.catalog),
                    shadow=Shadow(self._ask, lambda: ground.editions.catalog),
                    told=ground.metrics.cache,
                    away=lambda away: ground.metrics.cache.away(away=away),
                    draw=ground.draw,
                    processes=ground.processes,
                    check=functools.cache(evaluator),
                    clock=ground.clock,
                    keys=ground.keys,
                )
                self.opened = await open_cache(self._stack, wiring)
                ground.metrics.before.append(self._show)
            return self.opened

    async def to_erase(self) -> Opened | None:
        """The cache, for deleting: opened where others may have kept something; None where there can be nothing."""
        shared = self._ground.redis is not None or self._ground.qdrant is not None
        return await self.open() if shared else self.opened

    async def aclose(self) -> None:
        """Close what is open."""
        for task in self._warming:
            task.cancel()
        await asyncio.gather(*self._warming, return_exceptions=True)
        await self._stack.aclose()

    def _later(self, work: Awaitable[object]) -> None:
        task = asyncio.ensure_future(work)
        self._warming.add(task)
        task.add_done_callback(self._warmed)

    def _warmed(self, task: asyncio.Task[object]) -> None:
        self._warming.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("cache_not_ready", error=type(error).__name__)

    async def _warm(self) -> None:
        await self._ground.texts.rows(_WARM, aside=True)

    def _show(self) -> None:
        """Set the gauges of what is only looked up."""
        if self.opened is None:
            return
        metrics = self._ground.metrics.cache
        metrics.holds(*self.opened.commons.shelf.held)
        for name, tenant in self._ground.editions.catalog.tenants.items():
            if tenant.cache is not None and tenant.cache.semantic is not None:
                standing = self.opened.trust.of(tenant).standing()
                metrics.stands(name, bound=standing.bound, promised=standing.promised, notch=standing.notch)
