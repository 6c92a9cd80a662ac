"""The cache in the running gateway while what it stands on is killed, silent or slow: misses, and nothing else."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from passerelle.cache.index import Tiers
from passerelle.stores.redis import Redis
from passerelle.subjects.pseudonyms import Pseudonyms
from tests.chaos.proxy import Proxy
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.qdrant import QdrantFake
from tests.fakes.script import Fail, Pace, Silent
from tests.models import shared_models
from tests.redis_server import RedisServer
from tests.serving import KEY, PEPPER, Served, one_backend, serving

_PATH = "/v1/chat/completions"
_ANSWER = "Open the settings, choose Security, and follow the link to set a new password."
# A request waits as production does; the clients' own time limits are far beyond, so that they cannot be what ends it.
_FAR = 60.0
_WORDS = ("password", "username", "invoice", "address", "contract", "delivery", "language", "picture")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_models(tmp_path_factory)


@pytest.fixture
async def engine() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer=_ANSWER) as engine:
        yield engine


@asynccontextmanager
async def _served(
    engine: OpenAiLike, models: Path = Path("unused"), *, semantic: bool = False, **more: Any
) -> AsyncIterator[tuple[Served, aiohttp.ClientSession]]:
    configuration = one_backend("openai", engine.url, model=engine.model)
    cache = {"semantic": {"max_error_rate": 0.05}} if semantic else True
    configuration["tenants"] = {"acme": {"cache": cache, "attempts": 1}}
    async with serving(configuration, models=models, **more) as served:
        opened = await served.remembering.open()
        if semantic:
            embedding = opened.commons.semantics.embedding(served.editions.catalog.tenants["acme"])
            assert embedding is not None
            await embedding.vector("warm")
        headers = {"Authorization": f"Bearer {KEY}"}
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(served.url, headers=headers, connector=connector) as http:
            yield served, http


async def _ask(http: aiohttp.ClientSession, question: str, **more: Any) -> tuple[int, str, bytes]:
    """The status, how the cache took it, and what was told."""
    body = {"model": "assistant", "messages": [{"role": "user", "content": question}], **more}
    async with http.post(_PATH, json=body) as reply:
        return reply.status, reply.headers.get("x-passerelle-cache", ""), await reply.read()


async def _until(condition: Any, within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def _over_redis(
    engine: OpenAiLike, server: RedisServer, models: Path, *, semantic: bool = True
) -> AsyncIterator[tuple[Served, aiohttp.ClientSession]]:
    redis = Redis(server.url, timeout=_FAR)
    try:
        async with _served(engine, models, semantic=semantic, redis=redis) as (served, http):
            assert served.remembering.opened is not None
            shelf = served.remembering.opened.commons.shelf
            await _until(lambda: shelf.trusted)
            yield served, http
    finally:
        await redis.aclose()


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_requests_go_on_without_redis_as_misses_and_are_hits_again_with_it(
    engine: OpenAiLike, models: Path, one_redis: RedisServer, how: str
) -> None:
    async with _over_redis(engine, one_redis, models) as (served, http):
        assert served.remembering.opened is not None
        shelf = served.remembering.opened.commons.shelf
        assert [(await _ask(http, "How do I reset my password?"))[1] for _ in "ab"] == ["miss", "hit"]
        getattr(one_redis, how)()
        try:
            # Two dozen waits of the client's own limit would take far longer.
            async with asyncio.timeout(_FAR / 2):
                for word in _WORDS:
                    for stream in (False, True):
                        told = await _ask(http, f"How do I change my {word}?", stream=stream)
                        assert told[0] == 200
                        assert told[1] in ({"miss"} if not stream else {"miss", "hit"})
                told = await asyncio.gather(*(_ask(http, f"Where is my {word}?") for word in _WORDS))
                assert {status for status, *_ in told} == {200}
                await _until(lambda: not shelf.trusted)
                # What this process holds may have been deleted by another one meanwhile.
                assert (await _ask(http, "How do I reset my password?"))[:2] == (200, "miss")
        finally:
            one_redis.go_on() if how == "stop" else one_redis.start()
        await _until(lambda: shelf.trusted)
        await _ask(http, "How do I reset my invoice?")
        await shelf.settled()
        assert (await _ask(http, "How do I reset my invoice?"))[1] == "hit"


async def test_what_one_process_deletes_or_cannot_verify_is_found_by_meaning_in_none(
    engine: OpenAiLike, models: Path, one_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Learned in one, given in the other, erased in one, gone in both; what was changed in Redis is not believed."""
    monkeypatch.setattr("passerelle.cache.visit.DEADLINE", 5.0)  # so that a busy machine finds as much
    asked = ("How do I reset my password?", "How do I reset my password !")
    async with (
        _over_redis(engine, one_redis, models) as (one, http),
        _over_redis(engine, one_redis, models) as (other, beside),
    ):
        first, second = one.remembering.opened, other.remembering.opened
        assert first is not None
        assert second is not None

        async def learned() -> None:
            await _ask(http, asked[0], user="jean")
            await first.keeper.idle()
            await first.commons.shelf.settled()
            async with asyncio.timeout(20):
                while await _kept(beside, asked[1], user="jean") != 200:
                    await asyncio.sleep(0.05)
            await second.keeper.idle()
            await second.commons.shelf.settled()

        await learned()
        subject = first.commons.secrets.hmac(
            "acme", "subject", Pseudonyms(PEPPER).of("acme", "jean").encode()
        )
        assert await first.commons.shelf.purge("acme", subject=subject) >= 2
        for client in (beside, http):
            for question in asked:
                assert await _kept(client, question, user="jean") == 504

        await learned()
    with one_redis.client() as client:
        for name in client.scan_iter("*c[aq]_*"):
            if client.type(name) == "string":
                client.setrange(name, client.strlen(name) - 1, "~")
    async with _over_redis(engine, one_redis, models) as (third, http):
        assert third.remembering.opened is not None
        index = third.remembering.opened.index
        for _ in range(2):
            for question in asked:
                assert await _kept(http, question, user="jean") == 504
            await _until(lambda: all(place.here is not None for place in index._places.values()))
        assert (await _ask(http, asked[1], user="jean"))[:2] == (200, "miss")


async def _kept(http: aiohttp.ClientSession, question: str, **more: Any) -> int:
    """The status of a request that wants a kept answer or none."""
    body = {"model": "assistant", "messages": [{"role": "user", "content": question}], **more}
    async with http.post(_PATH, json=body, headers={"cache-control": "only-if-cached"}) as reply:
        await reply.read()
        return reply.status


async def _fill(served: Served, http: aiohttp.ClientSession) -> None:
    """More members of one partition than one process compares; the rest moves to the server."""
    assert served.remembering.opened is not None
    opened = served.remembering.opened
    for word in _WORDS:
        assert (await _ask(http, f"How do I change my {word}?"))[0] == 200
        await opened.keeper.idle()


@pytest.mark.parametrize("how", ["silent", "failing", "down", "slow"])
async def test_a_large_partition_whose_server_is_ill_is_a_miss(
    engine: OpenAiLike, models: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("passerelle.cache.opening.Tiers", functools.partial(Tiers, bound=2))
    async with QdrantFake() as qdrant, Proxy(("127.0.0.1", qdrant.port)) as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        async with _served(engine, models, semantic=True, qdrant=(address, None)) as (served, http):
            await _fill(served, http)
            await _until(lambda: any(qdrant.points(name) for name in list(qdrant.shards)))
            if how == "silent":
                proxy.down.blackhole = True
            elif how == "slow":
                proxy.down.latency = 1.0
            elif how == "failing":
                qdrant.always(Fail("server"))
            else:
                await proxy.refuse()
                proxy.cut()
            async with asyncio.timeout(_FAR / 2):
                told = [await _ask(http, f"How do I change my {word} !") for word in _WORDS]
                told += await asyncio.gather(*(_ask(http, f"Where is my {word}?") for word in _WORDS))
            assert {status for status, *_ in told} == {200}
            assert {seen for _, seen, _ in told} == {"miss"}
            # The very same question needs no neighbours.
            assert (await _ask(http, "How do I change my password?"))[1] == "hit"
            qdrant.always()
            await proxy.heal()


async def test_a_thousand_at_once_streams_and_whole_are_one_call(engine: OpenAiLike) -> None:
    release = asyncio.Event()
    engine.always(Pace(release))
    async with _served(engine) as (served, http):
        calls = [
            asyncio.ensure_future(_ask(http, "What is this?", stream=index % 2 == 1)) for index in range(1000)
        ]
        await served.until(lambda: served.editions.current.calls == 1000, within=60)
        release.set()
        told = await asyncio.gather(*calls)

    assert len(engine.requests) == 1
    assert {status for status, *_ in told} == {200}
    assert [seen for _, seen, _ in told].count("miss") == 1
    assert all(raw.endswith(b"data: [DONE]\n\n") for _, _, raw in told[1::2])


@pytest.mark.parametrize("how", ["fails once", "fails for all", "dies"])
async def test_when_the_engine_fails_the_first_of_many_nobody_hangs(engine: OpenAiLike, how: str) -> None:
    """Each of the others is answered, or told of the same failure."""
    gate = asyncio.Event()
    many = 60
    async with _served(engine) as (served, http):
        engine.script(*([Silent()] if how == "dies" else [Pace(gate), Fail("server")]))
        calls = [
            asyncio.ensure_future(_ask(http, "What is this?", stream=index % 2 == 1)) for index in range(many)
        ]
        await served.until(lambda: served.editions.current.calls == many and engine.live == 1)
        if how == "dies":
            await engine.down()
            await engine.up()
        elif how == "fails for all":
            engine.always(Fail("server"))
        gate.set()
        async with asyncio.timeout(_FAR):
            told = await asyncio.gather(*calls)
        assert served.remembering.opened is not None
        under_way = len(served.remembering.opened.commons.flights)

    statuses = {status for status, *_ in told}
    assert under_way == 0
    if how == "fails for all":
        assert 200 not in statuses
        assert len(statuses) == 1
    else:
        assert sum(status == 200 for status, *_ in told) == many - 1
        assert sum(seen == "miss" for _, seen, _ in told) >= 1
