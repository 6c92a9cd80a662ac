"""Shared limits while Redis is away, silent, full, forgetful, or back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import CannotRun, OverLimit
from passerelle.domain.limits import Limits, Meter, Rates
from passerelle.limits.guarded import GuardedStore
from passerelle.limits.limiter import Limiter
from passerelle.limits.memory import MemoryStore
from passerelle.limits.shared import SharedStore
from passerelle.limits.store import Claim, refused
from passerelle.stores.redis import Redis
from tests.redis_server import RedisServer, running


def rpm(limit: int) -> Claim:
    return Claim("client-a", "requests", Meter.REQUESTS, limit)


def tpm(limit: int, cost: int) -> Claim:
    return Claim("client-a", "tokens", Meter.TOKENS, limit, cost)


def calls(limit: int) -> Claim:
    return Claim("client-a", "calls", Meter.CALLS, limit)


@dataclass
class Scene:
    store: GuardedStore
    told: list[bool]
    number: int = 0

    async def admitted(self, *claims: Claim, tries: int = 1) -> int:
        """How many of so many calls, one after another, are admitted."""
        count = 0
        for _ in range(tries):
            self.number += 1
            count += (await self.store.acquire(f"c{self.number}", claims)).admitted
        return count


@asynccontextmanager
async def scene(url: str, *, replicas: int = 4) -> AsyncIterator[Scene]:
    redis, told = Redis(url), []  # type: ignore[var-annotated]
    store = GuardedStore(
        SharedStore(redis), MemoryStore(), replicas=lambda: replicas, told=told.append, draw=lambda: 0.0
    )
    try:
        yield Scene(store, told)
    finally:
        await store.aclose()
        await redis.aclose()


async def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def test_redis_that_is_gone_leaves_a_share_and_its_return_is_noticed(redis_server: RedisServer) -> None:
    async with scene(redis_server.url) as at:
        assert await at.admitted(rpm(40), tries=12) == 12
        redis_server.kill()
        assert await at.admitted(rpm(40), tries=60) == 10
        assert at.store.degraded

        redis_server.start()
        await until(lambda: not at.store.degraded)
        assert await at.admitted(rpm(40), tries=60) in (40, 41, 42)  # it has forgotten all, and time goes on
        assert at.told == [True, False]


async def test_a_silent_redis_costs_one_wait_and_then_nothing(redis_server: RedisServer) -> None:
    async with scene(redis_server.url, replicas=1) as at:
        await at.admitted(rpm(1000))
        redis_server.stop()
        try:
            grants = await asyncio.gather(*(at.store.acquire(f"x{n}", [rpm(1000)]) for n in range(20)))
            assert all(grant.admitted for grant in grants)
            assert at.store.degraded
            # All of them have waited for one and the same batch; nobody who comes after them waits at all.
            assert at.told == [True]
            for _ in range(200):
                task = asyncio.ensure_future(at.admitted(rpm(1000)))
                await asyncio.sleep(0)
                assert task.done()
        finally:
            redis_server.go_on()
        await until(lambda: not at.store.degraded)


async def test_what_is_settled_while_redis_is_silent_is_settled_when_it_is_back(
    one_redis: RedisServer,
) -> None:
    async with scene(one_redis.url) as at:
        assert (await at.store.acquire("a", [calls(1), tpm(100, 60)])).admitted
        one_redis.stop()
        await at.admitted(rpm(10))
        assert at.store.degraded
        at.store.settle("a", {"tokens": 5})
        one_redis.go_on()
        await until(lambda: not at.store.degraded)
        await until_free(at)
        [places, tokens] = (await at.store.look([calls(1), tpm(100, 0)])).readings
        assert places.used == 0
        assert tokens.used <= 5


async def until_free(at: Scene) -> None:
    end = time.monotonic() + 30
    while (await at.store.look([calls(1)])).readings[0].used:
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def test_redis_without_memory_leaves_a_share(one_redis: RedisServer) -> None:
    async with scene(one_redis.url) as at:
        with one_redis.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1")
            assert await at.admitted(rpm(40), tries=60) == 10
            assert at.store.degraded
            client.config_set("maxmemory", "0")
        await until(lambda: not at.store.degraded)
        assert at.told == [
            True,
            False,
        ]  # a server that answers and cannot write is not taken for one that is back


async def test_what_redis_forgets_begins_anew_and_nothing_fails(redis_server: RedisServer) -> None:
    async with scene(redis_server.url) as at:
        assert (await at.store.acquire("long", [calls(2)])).admitted
        with redis_server.client() as client:
            client.script_flush()
            assert await at.admitted(rpm(3), tries=5) == 3
            client.flushall()
            assert await at.admitted(rpm(3), tries=5) == 3
        await at.store.renew(["long"])  # a call that goes on is counted again
        assert (await at.store.look([calls(2)])).readings[0].used == 1
        at.store.settle("long", {})
        await until_free(at)
        assert at.told == []


async def test_a_share_is_at_least_one_and_a_great_call_is_late_but_not_refused_for_good(
    one_redis: RedisServer,
) -> None:
    async with scene(one_redis.url, replicas=50) as at:
        one_redis.kill()
        assert await at.admitted(rpm(5), tries=10) == 1
        assert (await at.store.acquire("great", [tpm(1000, 900)])).admitted
        at.store.settle("great", {"tokens": 900})
        index, seconds = refused(await at.store.acquire("next", [tpm(1000, 900)]))
        assert index == 0
        assert seconds is not None
        assert 2600 < seconds < 2701
        assert refused(await at.store.acquire("greatest", [tpm(1000, 1001)])) == (0, None)


async def test_every_key_ends_by_itself(redis_server: RedisServer) -> None:
    async with scene(redis_server.url) as at:
        await at.store.acquire("a", [rpm(5), calls(3), tpm(100, 7)])
        await at.store.renew(["a"])
        await at.store.acquire("b", [rpm(5), calls(3), tpm(100, 7)])
        at.store.settle("b", {"tokens": 3})
        await at.store.look([rpm(5), calls(3)])
        with redis_server.client() as client:
            keys = list(client.scan_iter())
            assert len(keys) >= 4
            assert all(client.ttl(key) > 0 for key in keys)
            assert all(key.startswith("passerelle:{client-a}:") for key in keys)


async def test_a_caller_that_leaves_leaves_no_answer_for_another(one_redis: RedisServer) -> None:
    async with scene(one_redis.url) as at:
        for number in range(50):
            leaving = asyncio.ensure_future(at.store.acquire(f"l{number}", [calls(100)]))
            for _ in range(number % 7):
                await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.wait({leaving})
            at.store.settle(f"l{number}", {})
            assert (await at.store.acquire(f"s{number}", [rpm(1000)])).readings[0].used == pytest.approx(
                number + 1, abs=number
            )
        await until_free(at)
        assert at.told == []


async def test_a_password_is_used_and_a_wrong_one_is_told_without_it() -> None:
    with running("valkey", password="s3cret-word") as server:
        async with scene(server.url) as at:
            assert await at.admitted(rpm(3), tries=5) == 3
        redis = Redis(server.url.replace("s3cret", "t3cret"))
        with pytest.raises(CannotRun) as caught:
            await redis.check()
        assert "word" not in str(caught.value).replace("password", "")
        await redis.aclose()


async def test_what_a_silent_redis_took_for_a_call_that_was_then_refused_is_given_back(
    one_redis: RedisServer,
) -> None:
    async with scene(one_redis.url) as at:
        limiter = Limiter(at.store)
        tenant = Tenant("client-a", ("assistant",), limits=Limits(tenant=Rates(concurrency=4)))
        member = Caller("k", "client-a", Role.MEMBER)
        one_redis.stop()
        # It asks Redis, which will find the question when it wakes, and then its share, which is one place.
        first = await limiter.admit(tenant, member, None, "first")
        with pytest.raises(OverLimit):
            await limiter.admit(tenant, member, None, "second")
        first.settle(0)
        one_redis.go_on()
        await until(lambda: not at.store.degraded)
        permits = [await limiter.admit(tenant, member, None, f"c{number}") for number in range(4)]
        assert len(permits) == 4
