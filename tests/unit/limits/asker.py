"""One process of several that share a limit: asks for many calls at once, and prints how many are admitted."""

from __future__ import annotations

import asyncio
import sys

from passerelle.domain.limits import Meter
from passerelle.limits.shared import SharedStore
from passerelle.limits.store import Claim
from passerelle.stores.redis import Redis


async def ask(url: str, name: str, meter: str, moment: str, calls: int) -> int:
    """How many of so many calls are admitted, on a limit of 100. Without a moment the server's clock counts."""
    redis = Redis(url, timeout=30)
    store = SharedStore(redis, clock=(lambda: int(moment)) if moment else None, patience=60)
    claim = Claim("client-a", meter, Meter(meter), 100)
    try:
        grants = await asyncio.gather(*(store.acquire(f"{name}-{n}", [claim]) for n in range(calls)))
        return sum(grant.admitted for grant in grants)
    finally:
        await redis.aclose()


if __name__ == "__main__":
    *words, number = sys.argv[1:]
    print(asyncio.run(ask(*words, int(number))))
