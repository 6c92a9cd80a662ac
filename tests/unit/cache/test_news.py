"""Messages are heard in their order, or it is known that some may be missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.cache.news import Item, News, read
from passerelle.stores.redis import Garbled, Outage, Redis
from tests.redis_server import RedisServer
from tests.unit.cache.entries import until

_LINE = '{"kind":"gone","epoch":"e","origin":"o","tenant":"é","seq":%d,"label":"x"}\n'


class Heard:
    """What the callbacks were told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.items: list[Item] = []
        self.beats = 0
        self.fails = 0

    async def opened(self) -> None:
        if self.fails:
            self.fails -= 1
            raise KeyError("nonsense")
        self.events.append("opened")

    def lost(self) -> None:
        self.events.append("lost")

    async def quiet(self) -> None:
        self.beats += 1


@asynccontextmanager
async def news_of(server: RedisServer, heard: Heard) -> AsyncIterator[News]:
    redis = Redis(server.url, timeout=20)
    news = News(
        redis,
        "news",
        opened=heard.opened,
        heard=heard.items.append,
        quiet=heard.quiet,
        lost=heard.lost,
        beat=0.1,
    )
    try:
        await news.start(within=20)
        yield news
    finally:
        await news.aclose()
        await redis.aclose()


async def test_every_message_is_heard_in_its_order(one_redis: RedisServer) -> None:
    heard = Heard()
    async with news_of(one_redis, heard):
        with one_redis.client() as client:
            for seq in range(500):
                client.publish("news", _LINE % seq)
        await until(lambda: len(heard.items) == 500)
        await until(lambda: heard.beats > 2)
    assert [item.seq for item in heard.items] == list(range(500))
    assert heard.items[0].tenant == "é"
    assert heard.events == ["opened", "lost"]


async def test_a_server_that_falls_silent_ends_or_cuts_us_off_is_a_loss(one_redis: RedisServer) -> None:
    heard = Heard()
    async with news_of(one_redis, heard):
        one_redis.stop()
        await until(lambda: heard.events == ["opened", "lost"])
        one_redis.go_on()
        await until(lambda: heard.events[2:] == ["opened"])
        one_redis.restart()
        await until(lambda: heard.events[2:] == ["opened", "lost", "opened"])
        with one_redis.client() as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await until(lambda: heard.events[5:] == ["lost", "opened"])
        with one_redis.client() as client:
            client.publish("news", "nonsense")
        await until(lambda: heard.events[7:] == ["lost", "opened"])


async def test_whatever_goes_wrong_at_first_is_tried_again(one_redis: RedisServer) -> None:
    heard = Heard()
    heard.fails = 3
    async with news_of(one_redis, heard) as news:
        assert heard.events == ["opened"]
        news.restart()
        await until(lambda: heard.events == ["opened", "lost", "opened"])


async def test_a_start_does_not_wait_for_a_server_that_is_not_there(one_redis: RedisServer) -> None:
    one_redis.kill()
    heard = Heard()
    redis = Redis(one_redis.url)
    news = News(
        redis, "news", opened=heard.opened, heard=heard.items.append, quiet=heard.quiet, lost=heard.lost
    )
    async with asyncio.timeout(20):
        await news.start(within=0.05)
    assert heard.events == []
    one_redis.start()
    await until(lambda: heard.events == ["opened"])
    await news.aclose()
    await redis.aclose()


@given(
    st.binary(max_size=60) | st.sampled_from([b"{}", b"[]\n", b"null", b'{"kind":1,"epoch":2,"origin":3}'])
)
def test_what_is_no_message_is_one_of_outage(message: bytes) -> None:
    with pytest.raises(Outage):
        read(message)
    with pytest.raises(Garbled):
        read(message)
