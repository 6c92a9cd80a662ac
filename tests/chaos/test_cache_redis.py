"""Redis killed, silent, restarted or full: the cache misses within its bound, and what is deleted stays deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from passerelle.cache.secrets import Secrets
from passerelle.cache.shelf import Shelf
from passerelle.domain.errors import Unavailable
from passerelle.stores.redis import Redis
from tests.redis_server import RedisServer
from tests.unit.cache.entries import PEPPER, TENANT, Ears, kept, member, until

# A request waits as production does; the client's own time limit is far beyond, so that it cannot be what ends it.
_FAR = 60.0


@pytest.fixture
async def two(redis_server: RedisServer) -> AsyncIterator[tuple[Shelf, Shelf, Ears]]:
    """Two processes, and what the second one's index holds."""
    ears = Ears()
    async with AsyncExitStack() as stack:
        shelves = []
        for _ in range(2):
            redis = Redis(redis_server.url, timeout=_FAR)
            stack.push_async_callback(redis.aclose)
            shelf = Shelf(Secrets(PEPPER), redis)
            stack.push_async_callback(shelf.aclose)
            shelf.hear(ears)
            await shelf.start()
            shelves.append(shelf)
        await until(lambda: all(shelf.trusted for shelf in shelves))
        yield shelves[0], shelves[1], ears


async def _filled(one: Shelf, other: Shelf) -> None:
    one.keep(kept(1, subjects=("s",)))
    one.keep(kept(2))
    one.save(member(1, subjects=("s",)))
    await one.settled()

    async def found() -> bool:
        return await other.find(TENANT, kept(1).exact) is not None

    await until(found)


async def test_a_silent_redis_is_a_miss_within_the_bound(
    redis_server: RedisServer, two: tuple[Shelf, Shelf, Ears]
) -> None:
    one, other, _ = two
    await _filled(one, other)
    redis_server.stop()
    try:
        async with asyncio.timeout(_FAR / 4):
            found = await asyncio.gather(*(other.find(TENANT, kept(3).exact) for _ in range(200)))
            assert set(found) == {None}
            for _ in range(20):
                assert await other.by_id(TENANT, kept(4).id) is None
            await until(lambda: not one.trusted and not other.trusted)
            assert other.here(kept(1).exact) is None
            with pytest.raises(Unavailable):
                await other.load(TENANT, "a" * 64)
            other.keep(kept(5))  # nobody waits, nothing is raised
    finally:
        redis_server.go_on()
    await until(lambda: one.trusted and other.trusted)
    await _filled(one, other)


async def test_a_killed_redis_empties_every_process_and_a_new_one_is_joined(
    redis_server: RedisServer, two: tuple[Shelf, Shelf, Ears]
) -> None:
    one, other, ears = two
    await _filled(one, other)
    before = other.generation(TENANT, ("tenant",))
    redis_server.kill()
    await until(lambda: not one.trusted and not other.trusted)
    assert other.here(kept(1).exact) is None
    assert await other.find(TENANT, kept(1).exact) is None
    assert ears.members == {}
    redis_server.start()
    await until(lambda: one.trusted and other.trusted)
    assert await other.find(TENANT, kept(1).exact) is None
    assert other.generation(TENANT, ("tenant",)) != before
    assert other.generation(TENANT, ("tenant",)) == one.generation(TENANT, ("tenant",))
    await _filled(one, other)


async def test_a_deletion_reaches_the_process_that_was_cut_off(
    redis_server: RedisServer, two: tuple[Shelf, Shelf, Ears]
) -> None:
    one, other, ears = two
    await _filled(one, other)
    await until(lambda: member(1).id in ears.members)
    late = other.mark()
    with redis_server.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    async def deleted() -> bool:
        try:
            return await one.purge(TENANT, subject="s") > 0
        except Unavailable:
            return False

    await until(deleted)
    await until(lambda: other.trusted and other.mark() == one.mark())
    other.keep(kept(7, subjects=("s",)), late)
    other.save(member(7, subjects=("s",)), late)
    await other.settled()
    for shelf in (one, other):
        assert await shelf.find(TENANT, kept(1).exact) is None
        assert await shelf.find(TENANT, kept(7).exact) is None
        assert await shelf.load(TENANT, "a" * 64) == []
    assert member(1).id not in ears.members


async def test_writes_wait_for_a_silent_redis_and_are_not_lost(
    redis_server: RedisServer, two: tuple[Shelf, Shelf, Ears]
) -> None:
    one, other, _ = two
    redis_server.stop()
    one.keep(kept(8))
    await until(lambda: not one.trusted)
    redis_server.go_on()
    await until(lambda: one.trusted and other.trusted)

    async def found() -> bool:
        return await other.find(TENANT, kept(8).exact) is not None

    await until(found)


async def test_a_full_redis_keeps_nothing_and_disturbs_nobody(
    redis_server: RedisServer, two: tuple[Shelf, Shelf, Ears]
) -> None:
    one, other, _ = two
    await _filled(one, other)
    with redis_server.client() as client:
        client.config_set("maxmemory", 1)
    one.keep(kept(9))
    await until(lambda: one.unwritten == 1)
    assert one.here(kept(9).exact)
    assert one.trusted
    with redis_server.client() as client:
        client.config_set("maxmemory", 0)
    one.keep(kept(10))
    await one.settled()

    async def found() -> bool:
        return await other.find(TENANT, kept(10).exact) is not None

    await until(found)
