"""Shared limits that outlive Redis: while it is away or silent, this process takes its share of each limit.

A caller waits for a silent Redis once; from then on nobody does, until it has answered a probe of our own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from passerelle.limits.memory import MemoryStore
from passerelle.limits.shared import SharedStore
from passerelle.limits.store import Claim, Grant
from passerelle.stores.redis import Outage, Silence

_FAILURES = 3  # in a row; one time-out is enough
_PAUSE = 1.0  # seconds between probes, on average


class GuardedStore:
    """A limit store over Redis that always answers. `degraded`: it answers from this process alone."""

    def __init__(
        self,
        shared: SharedStore,
        local: MemoryStore,
        *,
        replicas: Callable[[], int],
        told: Callable[[bool], None] = lambda _: None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`told` hears each change of `degraded`; `draw` gives numbers from 0 to 1."""
        self.degraded = False
        self._shared = shared
        self._local = local
        self._replicas = replicas
        self._told = told
        self._draw = draw
        self._failures = 0
        self._watch: asyncio.Task[None] | None = None

    async def acquire(self, call_id: str, claims: Sequence[Claim]) -> Grant:
        """See `LimitStore`. Never raises for Redis's sake."""
        if not self.degraded:
            try:
                grant = await self._shared.acquire(call_id, claims)
            except Outage as error:
                self._failed(error)
            else:
                self._failures = 0
                return grant
        return self._local.take(call_id, self._shares(claims))

    def settle(self, call_id: str, used: Mapping[str, int]) -> None:
        """See `LimitStore`. A call that began on one side may have gone on on the other."""
        self._local.settle(call_id, used)
        self._shared.settle(call_id, used)

    async def renew(self, call_ids: Iterable[str]) -> None:
        """See `LimitStore`."""
        going = tuple(call_ids)
        await self._local.renew(going)
        if not self.degraded:
            try:
                await self._shared.renew(going)
            except Outage as error:
                self._failed(error)

    async def look(self, claims: Sequence[Claim]) -> Grant:
        """See `LimitStore`."""
        if not self.degraded:
            try:
                return await self._shared.look(claims)
            except Outage as error:
                self._failed(error)
        return await self._local.look(self._shares(claims))

    async def aclose(self) -> None:
        """See `LimitStore`."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
            self._watch = None
        await self._shared.aclose()

    def _shares(self, claims: Sequence[Claim]) -> list[Claim]:
        """What this process may give. A call greater than the share waits for all of it, and leaves a debt."""
        replicas = max(1, self._replicas())
        shares = []
        for claim in claims:
            share = max(1, claim.limit // replicas)
            cost = claim.cost if claim.cost > claim.limit else min(claim.cost, share)
            shares.append(replace(claim, limit=share, cost=cost))
        return shares

    def _failed(self, error: BaseException) -> None:
        self._failures += 1
        if self.degraded or not (isinstance(error, Silence) or self._failures >= _FAILURES):
            return
        self.degraded = True
        self._shared.pause()
        self._told(self.degraded)
        self._watch = asyncio.get_running_loop().create_task(self._until_back())

    async def _until_back(self) -> None:
        while self.degraded:
            await asyncio.sleep(_PAUSE * (0.75 + self._draw() / 2))
            try:
                await self._shared.probe()
            except Outage:
                continue
            self._failures = 0
            self.degraded = False
            self._watch = None
            self._shared.resume()
            self._told(self.degraded)
