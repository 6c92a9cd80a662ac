"""What a limit costs, and what a silent Redis adds: `python -m benchmarks.limits`, with redis-server on the path or in
the environment.

A call is admitted, sets tokens aside and settles them. Times are of this process's CPU; what is added by a Redis that
does not answer is what a clock on the wall says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import uvloop

from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import Tenant
from passerelle.domain.limits import Limits, Meter, Rates
from passerelle.http.ratelimits import ratelimit_headers
from passerelle.limits.guarded import GuardedStore
from passerelle.limits.limiter import Limiter
from passerelle.limits.memory import MemoryStore
from passerelle.limits.shared import SharedStore
from passerelle.limits.store import Claim, LimitStore
from passerelle.stores.redis import Redis
from tests.redis_server import running

_WIDE = Rates(10**9, 10**10, 10_000)
_TENANTS = {
    "without limits": Tenant("client-b", ("assistant",)),
    "of the tenant": Tenant("client-a", ("assistant",), limits=Limits(tenant=_WIDE)),
    "of tenant, key and model": Tenant(
        "client-a", ("assistant",), limits=Limits(tenant=_WIDE, each_key=_WIDE, models={"assistant": _WIDE})
    ),
}
_CALLER = Caller("key", "client-a", Role.MEMBER, "name")
_ONE = [Claim("client-a", "tenant:requests", Meter.REQUESTS, 1000)]


async def _call(limiter: Limiter, tenant: Tenant, name: str) -> None:
    permit = await limiter.admit(tenant, _CALLER, "assistant", name)
    await permit.reserve(500)
    ratelimit_headers(permit.standings)
    permit.settle(400)


async def _cpu(calls: int, call: Callable[[int], Awaitable[None]], *, clients: int = 1) -> float:
    """Microseconds of CPU a call."""

    async def client(number: int) -> None:
        for index in range(calls // clients):
            await call(number * calls + index)

    began = time.process_time()
    await asyncio.gather(*(client(number) for number in range(clients)))
    return (time.process_time() - began) / calls * 1e6


async def _cost(name: str, store: LimitStore, *, calls: int, clients: tuple[int, ...]) -> None:
    limiter = Limiter(store)
    for words, tenant in _TENANTS.items():
        for many in clients:

            async def call(index: int, tenant: Tenant = tenant, many: int = many) -> None:
                await _call(limiter, tenant, f"{tenant.name}-{many}-{index}")

            await _cpu(calls // 10, call)
            figure = await _cpu(calls, call, clients=many)
            print(f"{name:8}{words:28}{many:3} clients {figure:8.1f} us CPU a call")
    await limiter.aclose()


async def _added(name: str, store: GuardedStore) -> None:
    """Milliseconds that each of some calls in a row has waited."""
    waited = []
    for index in range(5):
        began = time.perf_counter()
        await store.acquire(f"{name}-{index}", _ONE)
        waited.append(f"{(time.perf_counter() - began) * 1000:.2f}")
    print(f"{name:28}{' '.join(waited)} ms")


async def _main() -> None:
    await _cost("memory", MemoryStore(), calls=20_000, clients=(1,))
    with running("redis") as server:
        redis = Redis(server.url)
        shared = GuardedStore(SharedStore(redis), MemoryStore(), replicas=lambda: 1)
        await _cost("redis", shared, calls=4_000, clients=(1, 32))
        if shared.degraded:
            print("The machine was too busy: Redis did not answer in time, and some calls were counted here.")
        await redis.aclose()
    with running("redis") as server:
        redis = Redis(server.url)
        store = GuardedStore(SharedStore(redis), MemoryStore(), replicas=lambda: 2)
        await _added("five calls, Redis answers", store)
        server.stop()
        await _added("five calls, Redis is silent", store)
        server.go_on()
        began = time.perf_counter()
        while store.degraded:  # noqa: ASYNC110 - nothing tells when it ends but the store
            await asyncio.sleep(0.01)
        print(f"shared again after {time.perf_counter() - began:.2f} s")
        server.kill()
        await _added("five calls, Redis is gone", store)
        await store.aclose()
        await redis.aclose()


if __name__ == "__main__":
    uvloop.run(_main())
