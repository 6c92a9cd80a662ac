"""What the processes around one Redis share: limits, money set aside for calls, and how many they are.

Imported only where there is a Redis: its library costs ten megabytes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from passerelle.ledger.shared_holds import SharedHolds
from passerelle.limits.guarded import GuardedStore
from passerelle.limits.memory import MemoryStore
from passerelle.limits.roll import Roll
from passerelle.limits.shared import SharedStore
from passerelle.stores.redis import Redis

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sharing:
    """The open parts. Whoever is given the stores closes them."""

    limits: GuardedStore
    holds: SharedHolds
    replicas: Callable[[], int]  # gateway processes, this one included
    redis: Redis

    @property
    def degraded(self) -> bool:
        """Is Redis away, so that this process has its part of everything?"""
        return self.limits.degraded or self.holds.degraded


async def open_sharing(
    stack: AsyncExitStack, address: str, *, workers: int, currency: str, told: Callable[[bool], None]
) -> Sharing:
    """Join the processes at this Redis. `told` hears when it goes (True) and comes back.

    Raises CannotRun where the address is none, or Redis refuses us. One that does not answer is waited for meanwhile.
    """
    redis = Redis(address)
    stack.push_async_callback(redis.aclose)
    await redis.check()
    roll = Roll(redis, least=workers)
    await roll.start()
    stack.push_async_callback(roll.aclose)

    def money(gone: bool) -> None:  # noqa: FBT001 - as the store tells it
        if gone:
            _log.warning("budgets_apart", cure="Each process spends its part until Redis answers.")
        else:
            _log.info("budgets_shared")

    holds = SharedHolds(redis, currency=currency, replicas=roll.replicas, told=money)

    def away(gone: bool) -> None:  # noqa: FBT001 - as the store tells it
        if gone:
            _log.warning("redis_away", cure="Limits are this process's own share until Redis answers.")
            holds.lose()  # one call waits for a silent Redis, not one for limits and one for money
        else:
            _log.info("redis_back")
        told(gone)

    limits = GuardedStore(SharedStore(redis), MemoryStore(), replicas=roll.replicas, told=away)
    return Sharing(limits, holds, roll.replicas, redis)
