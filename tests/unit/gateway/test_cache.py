"""The cache on the path: what is given again, to whom, as what, and what it is charged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import openai
import pytest

from passerelle.gateway.record import Outcome
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Pace
from tests.serving import KEY, Served, one_backend, serving

_PATH = "/v1/chat/completions"
_BODY: dict[str, Any] = {
    "model": "assistant",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
}
_COST = {"input_per_million": 1_000_000, "output_per_million": 1_000_000, "currency": "EUR"}


@asynccontextmanager
async def _served(engine: OpenAiLike, *, cache: object = True, **more: Any) -> AsyncIterator[Served]:
    configuration = one_backend("openai", engine.url, model=engine.model, cost=_COST)
    configuration["tenants"] = {"acme": {"cache": cache, **more.pop("tenant", {})}}
    async with serving(configuration, **more) as served:
        yield served


@pytest.fixture
async def engine() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer="The capital of France is Paris.") as engine:
        yield engine


async def _post(
    http: aiohttp.ClientSession, *, headers: dict[str, str] | None = None, **more: Any
) -> tuple[Any, Any]:
    async with http.post(_PATH, json={**_BODY, **more}, headers=headers) as reply:
        return await reply.json(), reply.headers


async def test_the_same_question_is_answered_once_and_given_again_for_nothing(engine: OpenAiLike) -> None:
    async with _served(engine) as served, served.client() as http:
        first, asked = await _post(http)
        second, again = await _post(http)

    assert asked["x-passerelle-cache"] == "miss"
    assert again["x-passerelle-cache"] == "hit"
    assert again["x-passerelle-cost"] == "0 EUR"
    assert again["x-passerelle-attempts"] == "0"
    assert again["x-passerelle-backend"] == asked["x-passerelle-backend"]
    assert int(again["age"]) >= 0
    assert second["choices"][0]["message"]["content"] == first["choices"][0]["message"]["content"]
    assert second["choices"][0]["finish_reason"] == "stop"
    assert second["usage"] == first["usage"]
    assert second["id"] != first["id"]
    assert len(engine.requests) == 1
    assert [record.outcome for record in served.records] == [Outcome.ANSWERED, Outcome.CACHED]
    assert served.records[1].charged == 0


async def test_streams_and_whole_answers_share_one_entry(engine: OpenAiLike) -> None:
    async with _served(engine) as served:
        client = openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=KEY, max_retries=0)
        async with client:
            stream = await client.chat.completions.create(**_BODY, stream=True)
            streamed = "".join(
                [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
            )
            whole = await client.chat.completions.create(**_BODY)
            again = await client.chat.completions.create(
                **_BODY, stream=True, stream_options={"include_usage": True}
            )
            chunks = [chunk async for chunk in again]

    assert streamed == whole.choices[0].message.content == "The capital of France is Paris."
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == streamed
    assert chunks[-1].usage is not None
    assert len(engine.requests) == 1


async def test_a_thousand_identical_questions_at_once_are_one_call_to_the_engine(engine: OpenAiLike) -> None:
    release = asyncio.Event()
    engine.always(Pace(release))
    async with _served(engine) as served:
        connector = aiohttp.TCPConnector(limit=0)
        headers = {"Authorization": f"Bearer {KEY}"}
        async with aiohttp.ClientSession(served.url, headers=headers, connector=connector) as http:
            calls = [asyncio.ensure_future(_post(http)) for _ in range(1000)]
            await served.until(lambda: served.editions.current.calls == 1000, within=60)
            release.set()
            replies = await asyncio.gather(*calls)

    assert len(engine.requests) == 1
    assert {reply["choices"][0]["message"]["content"] for reply, _ in replies} == {
        "The capital of France is Paris."
    }
    assert sorted({headers["x-passerelle-cache"] for _, headers in replies}) == ["hit", "miss"]


async def test_when_the_first_hangs_up_another_asks(engine: OpenAiLike) -> None:
    release = asyncio.Event()
    engine.always(Pace(release))
    async with _served(engine) as served, served.client() as http:
        leaving = asyncio.ensure_future(_post(http))
        await engine.until(lambda: engine.live == 1)
        staying = asyncio.ensure_future(_post(http))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await engine.until(lambda: len(engine.requests) == 2)
        release.set()
        reply, headers = await staying

    assert reply["choices"][0]["message"]["content"] == "The capital of France is Paris."
    assert headers["x-passerelle-cache"] == "miss"


@pytest.mark.parametrize(
    ("headers", "more", "status", "cached"),
    [
        ({"cache-control": "no-cache"}, {}, 200, "bypass"),
        ({"cache-control": "no-store"}, {}, 200, "bypass"),
        ({}, {"cache": {"no-cache": True}}, 200, "bypass"),
        ({"cache-control": "max-age=60"}, {}, 200, "hit"),
        ({"cache-control": "only-if-cached"}, {}, 200, "hit"),
        ({}, {"cache": {"namespace": "other"}}, 200, "miss"),
        ({}, {"temperature": 0.9}, 200, "bypass"),
        ({}, {"n": 1}, 200, "hit"),
        ({}, {"user": "somebody"}, 200, "miss"),
    ],
    ids=str,
)  # fmt: skip
async def test_what_a_caller_wishes(
    engine: OpenAiLike, headers: dict[str, str], more: dict[str, Any], status: int, cached: str
) -> None:
    async with _served(engine) as served, served.client() as http:
        await _post(http)
        async with http.post(_PATH, json={**_BODY, **more}, headers=headers) as reply:
            assert (reply.status, reply.headers["x-passerelle-cache"]) == (status, cached)
            assert ("x-passerelle-cache-reason" in reply.headers) == (cached != "hit")
    assert all("cache" not in each.body for each in engine.requests)


async def test_only_if_cached_asks_no_engine(engine: OpenAiLike) -> None:
    async with _served(engine) as served, served.client() as http:
        async with http.post(_PATH, json=_BODY, headers={"cache-control": "only-if-cached"}) as reply:
            assert (reply.status, (await reply.json())["error"]["code"]) == (504, "not_cached")
    assert engine.requests == []


async def test_a_tenant_without_a_cache_is_never_answered_from_one(engine: OpenAiLike) -> None:
    async with _served(engine, cache=False) as served, served.client() as http:
        await _post(http)
        _, headers = await _post(http)
        opened = served.remembering.opened
        async with http.post(_PATH, json=_BODY, headers={"cache-control": "only-if-cached"}) as reply:
            assert reply.status == 504

    assert headers["x-passerelle-cache"] == "bypass"
    assert "x-passerelle-cache-reason" not in headers
    assert opened is None
    assert len(engine.requests) == 2


async def test_what_is_old_is_asked_again(engine: OpenAiLike) -> None:
    at = 1_000_000.0
    async with _served(engine, cache={"ttl": "10m"}, now=lambda: at) as served, served.client() as http:
        await _post(http)
        at += 300.0
        _, kept = await _post(http)
        _, wished = await _post(http, headers={"cache-control": "max-age=60"})
        at += 1000.0
        _, late = await _post(http)

    assert kept["x-passerelle-cache"] == "hit"
    assert kept["age"] == "300"
    assert wished["x-passerelle-cache"] == "miss"
    assert late["x-passerelle-cache"] == "miss"


async def test_a_hit_counts_as_a_request_and_uses_no_tokens(engine: OpenAiLike) -> None:
    limits = {"limits": {"rpm": 2}}
    async with _served(engine, tenant=limits) as served, served.client() as http:
        await _post(http)
        await _post(http)
        async with http.post(_PATH, json=_BODY) as reply:
            assert reply.status == 429
    assert served.records[1].usage is None
