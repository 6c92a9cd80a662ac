"""How many gateway processes there are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from passerelle.limits.roll import Roll
from passerelle.stores.redis import Redis
from tests.redis_server import RedisServer


async def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def test_processes_see_one_another_come_and_go_and_die(one_redis: RedisServer) -> None:
    redis = Redis(one_redis.url, timeout=5)
    first, second, third = (Roll(redis, beat=0.05, gone=1.0) for _ in range(3))
    await first.start()
    assert first.replicas() == 1
    await second.start()
    await third.start()
    await until(lambda: first.replicas() == 3)

    await second.aclose()
    await until(lambda: first.replicas() == 2)
    assert third._beating is not None
    third._beating.cancel()  # as if it had been killed
    await until(lambda: first.replicas() == 1)
    await first.aclose()
    with one_redis.client() as client:
        assert list(client.scan_iter()) == []
    await redis.aclose()


async def test_while_redis_is_away_the_last_count_holds_and_never_less_than_is_certain(
    one_redis: RedisServer,
) -> None:
    redis = Redis(one_redis.url, timeout=5)
    alone, pair = Roll(redis, least=4, beat=0.05), Roll(redis, beat=0.05)
    await alone.start()
    await pair.start()
    assert (alone.replicas(), pair.replicas()) == (4, 2)

    one_redis.kill()
    assert pair.replicas() == 2
    unseen = Roll(redis)
    await unseen.start()
    assert unseen.replicas() == 1
    for roll in (alone, pair, unseen):
        await roll.aclose()
    await redis.aclose()
