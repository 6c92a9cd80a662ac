"""Many ask the same at once, and their answer fails, is cut, is too long, or is read slowly: nobody queues up for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Answer, Close, Fail, Pace
from tests.serving import Served, one_backend, serving

_PATH = "/v1/chat/completions"
_BODY: dict[str, Any] = {
    "model": "assistant",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
}


@pytest.fixture
async def engine() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer="The capital of France is Paris.") as engine:
        yield engine


@asynccontextmanager
async def _served(
    engine: OpenAiLike, *, target: dict[str, Any] | None = None, **backend: Any
) -> AsyncIterator[Served]:
    configuration: dict[str, Any] = one_backend("openai", engine.url, model=engine.model, **backend)
    configuration["models"]["assistant"]["targets"][0].update(target or {})
    configuration["tenants"] = {"acme": {"cache": True, "attempts": 1, "degraded": bool(target)}}
    async with serving(configuration) as served:
        yield served


async def _ask(http: aiohttp.ClientSession, **more: Any) -> tuple[int, str | None]:
    async with http.post(_PATH, json={**_BODY, **more}) as reply:
        await reply.read()
        return reply.status, reply.headers.get("x-passerelle-cache")


@pytest.mark.parametrize("stream", [False, True])
async def test_those_who_waited_for_an_answer_that_is_not_kept_ask_at_the_same_time(
    engine: OpenAiLike, stream: bool
) -> None:
    release, others = asyncio.Event(), asyncio.Event()
    engine.script(Pace(release))
    engine.always(Pace(others))
    engine.answer = Answer("The capital of", finish="length")
    async with _served(engine) as served, served.client() as http:
        calls = [asyncio.ensure_future(_ask(http, stream=stream)) for _ in range(20)]
        await served.until(lambda: served.editions.current.calls == 20)
        await engine.until(lambda: engine.live == 1)
        release.set()
        await engine.until(lambda: engine.live == 19)
        others.set()
        assert await asyncio.gather(*calls) == [(200, "miss")] * 20


async def test_those_who_waited_for_an_engine_that_failed_ask_at_the_same_time(engine: OpenAiLike) -> None:
    others = asyncio.Event()
    engine.always(Pace(others))
    async with _served(engine) as served, served.client() as http:
        release = asyncio.Event()
        engine.script(Pace(release), Fail("validation"))
        calls = [asyncio.ensure_future(_ask(http)) for _ in range(10)]
        await served.until(lambda: served.editions.current.calls == 10)
        release.set()
        await engine.until(lambda: len(engine.requests) == 10)
        others.set()
        statuses = [status for status, _ in await asyncio.gather(*calls)]
    assert statuses.count(200) == 9


@pytest.mark.parametrize(
    "touch", [Close(after=3), Fail("server", after=3)], ids=["closed", "failed"]
)  # fmt: skip
async def test_a_stream_that_breaks_is_not_kept(engine: OpenAiLike, touch: Any) -> None:
    engine.script(touch)
    async with _served(engine) as served, served.client() as http:
        await _ask(http, stream=True)
        assert await _ask(http, stream=True) == (200, "miss")
        assert served.remembering.opened is not None
        await served.remembering.opened.keeper.idle()
        assert await _ask(http) == (200, "hit")


async def test_a_stream_whose_caller_leaves_is_not_kept_and_the_next_need_not_wait_for_its_usage(
    engine: OpenAiLike,
) -> None:
    frames, others = asyncio.Event(), asyncio.Event()
    engine.script(Pace(frames))
    engine.always(Pace(others))
    async with _served(engine, timeouts={"after_hangup": 60}) as served, served.client() as http:
        frames.set()
        frames.clear()
        leaving = asyncio.ensure_future(_ask(http, stream=True))
        await engine.until(lambda: engine.live == 1)
        for _ in range(3):
            frames.set()
            frames.clear()
            await asyncio.sleep(0.01)
        staying = asyncio.ensure_future(_ask(http))
        await served.until(lambda: served.editions.current.calls == 2)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await engine.until(lambda: len(engine.requests) == 2)
        others.set()
        assert await staying == (200, "miss")
        frames.set()


async def test_a_stream_that_is_too_long_is_relayed_and_not_held(
    engine: OpenAiLike, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("passerelle.gateway.answer.LARGEST", 300)
    async with _served(engine) as served, served.client() as http:
        async with http.post(_PATH, json={**_BODY, "stream": True}) as reply:
            assert b"[DONE]" in await reply.read()
        assert await _ask(http) == (200, "miss")


async def test_what_a_makeshift_says_is_not_kept(engine: OpenAiLike) -> None:
    async with _served(engine, target={"degraded": True}) as served, served.client() as http:
        for stream in (False, True):
            assert await _ask(http, stream=stream) == (200, "miss")
            assert await _ask(http, stream=stream) == (200, "miss")


async def test_calls_under_way_outlive_a_cache_that_is_turned_off_and_leave_nothing(
    engine: OpenAiLike,
) -> None:
    release = asyncio.Event()
    engine.script(Pace(release))
    async with _served(engine) as served, served.client() as http:
        calls = [asyncio.ensure_future(_ask(http)) for _ in range(5)]
        await served.until(lambda: served.editions.current.calls == 5)
        configuration = one_backend("openai", engine.url, model=engine.model)
        served.publish(configuration)
        release.set()
        assert sorted([str(cache) for _, cache in await asyncio.gather(*calls)]) == ["hit"] * 4 + ["miss"]
        assert await _ask(http) == (200, "bypass")
        assert served.remembering.opened is not None
        assert len(served.remembering.opened.commons.flights) == 0


async def test_what_is_deleted_while_it_is_asked_is_given_to_nobody_else(engine: OpenAiLike) -> None:
    release = asyncio.Event()
    engine.script(Pace(release))
    async with _served(engine) as served, served.client() as http:
        first = asyncio.ensure_future(_ask(http, cache={"tags": ["t"]}))
        await engine.until(lambda: engine.live == 1)
        assert served.remembering.opened is not None
        await served.remembering.opened.commons.shelf.purge("acme", tag="t")
        second = asyncio.ensure_future(_ask(http))
        await served.until(lambda: served.editions.current.calls == 2)
        release.set()
        assert [await first, await second] == [(200, "miss")] * 2
    assert len(engine.requests) == 2
