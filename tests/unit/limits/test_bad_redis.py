"""A Redis that answers what no server says, or later and later: every call is decided all the same, and soon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from passerelle.domain.limits import Meter
from passerelle.limits.guarded import GuardedStore
from passerelle.limits.memory import MemoryStore
from passerelle.limits.shared import SharedStore
from passerelle.limits.store import Claim
from passerelle.stores.redis import Redis

_ONE = Claim("client-a", "requests", Meter.REQUESTS, 4_000)


@asynccontextmanager
async def answering(answer: Callable[[bytes], bytes], *, late: float = 0.0) -> AsyncIterator[GuardedStore]:
    """A store over a server that answers every read so, `late` by so many seconds."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while asked := await reader.read(1_048_576):
                await asyncio.sleep(late)
                writer.write(answer(asked))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    redis = Redis(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
    store = GuardedStore(SharedStore(redis), MemoryStore(), replicas=lambda: 1)
    try:
        yield store
    finally:
        await store.aclose()
        await redis.aclose()
        server.close()


@pytest.mark.parametrize(
    "nonsense",
    [
        b":1\r\n",
        b"$abc\r\n",
        b"*x\r\n",
        b"*1\r\n" * 3000,
        b"$-1\r\n",
        b"$3\r\n1 x\r\n",
        b"$7\r\n1 nan 0\r\n",
        b"$7\r\n1 inf 0\r\n",
        b"$0\r\n\r\n",
        b"+\xff\xff\r\n",
        b"garbage\r\n",
    ],
)
async def test_nonsense_is_an_outage_and_not_the_callers_error(nonsense: bytes) -> None:
    async with answering(lambda _: nonsense) as store, asyncio.timeout(5):
        for number in range(4):
            assert (await store.acquire(f"c{number}", [_ONE])).admitted
            await store.renew([f"c{number}"])
            store.settle(f"c{number}", {})
        assert store.degraded
        assert not (await store.acquire("more", [replace(_ONE, cost=3_999)])).admitted  # it counts here


async def test_a_crowd_does_not_wait_in_line_for_a_redis_that_answers_each_batch_in_time() -> None:
    seen = 0

    def granted(asked: bytes) -> bytes:
        nonlocal seen
        seen += asked.count(b"EVALSHA")
        return b"$5\r\n1 1 0\r\n" * asked.count(b"EVALSHA")

    async with answering(granted, late=0.1) as store:
        grants = await asyncio.gather(*(store.acquire(f"c{number}", [_ONE]) for number in range(2_000)))
        assert all(grant.admitted for grant in grants)
        assert store.degraded
        assert seen < 1_000
