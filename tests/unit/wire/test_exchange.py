"""The requests of a provider's library over a session of ours: what is sent, heard, kept and hung up on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import pytest

from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.exchange import Exchange, httpx_client
from passerelle.wire.session import open_session
from tests.fakes.engine import closed_port
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Close, Fail, Silent, Slice, Status, Truncate, Wait, invalid_utf8

_BODY = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


@pytest.fixture
async def fake() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, model="m", answer="un deux trois") as fake:
        yield fake


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    session = open_session(connect=3.0, only=None)
    yield session
    await session.close()


def _exchange(session: aiohttp.ClientSession, *, streams: bool = False, **more: Any) -> Exchange:
    return Exchange(session, request_id="req-1", streams=streams, **more)


async def _post(exchange: Exchange, url: str, **more: Any) -> httpx.Response:
    client = httpx_client(exchange)
    request = client.build_request("POST", f"{url}/v1/chat/completions", json={**_BODY, **more})
    return await client.send(request, stream=bool(more.get("stream")))


async def test_a_library_hears_the_reply_and_the_engine_only_what_it_should(
    fake: OpenAiLike, session: aiohttp.ClientSession
) -> None:
    exchange = _exchange(session)

    reply = await _post(exchange, fake.url)

    assert reply.json()["choices"][0]["message"]["content"] == "un deux trois"
    (request,) = fake.requests
    assert request.headers["user-agent"] == "passerelle"
    assert request.headers["x-request-id"] == "req-1"
    assert "accept-encoding" not in request.headers
    assert exchange.requests == 1


async def test_several_calls_share_the_connections_of_their_session(
    fake: OpenAiLike, session: aiohttp.ClientSession
) -> None:
    for _ in range(3):
        await _post(_exchange(session), fake.url)

    assert fake.connections == 1


async def test_a_failure_is_heard_by_the_library_and_kept_in_our_words(
    fake: OpenAiLike, session: aiohttp.ClientSession
) -> None:
    fake.always(Status(429, {"error": {"message": "slow down"}}, {"retry-after": "4"}))
    exchange = _exchange(session)

    reply = await _post(exchange, fake.url)

    assert reply.status_code == 429
    assert exchange.failure is not None
    assert (exchange.failure.fault, exchange.failure.told.retry_after) == (Fault.RATE_LIMITED, 4.0)


async def test_a_redirect_is_not_followed(fake: OpenAiLike, session: aiohttp.ClientSession) -> None:
    fake.always(Status(307, "", {"location": f"{fake.url}/elsewhere"}))
    exchange = _exchange(session)

    reply = await _post(exchange, fake.url)

    assert (reply.status_code, len(fake.requests)) == (307, 1)


async def test_a_refused_connection_is_ours_to_name(session: aiohttp.ClientSession) -> None:
    exchange = _exchange(session)
    with closed_port() as url, pytest.raises(UpstreamFailed) as caught:
        await _post(exchange, url)

    assert caught.value.fault is Fault.CONNECT
    assert exchange.failure is caught.value


async def _events(exchange: Exchange, url: str) -> bytes:
    reply = await _post(exchange, url, stream=True)
    parts = []
    try:
        async for part in reply.aiter_bytes():
            parts.append(part)
    except UpstreamFailed:
        parts.append(b"FAILED")
    exchange.close()
    return b"".join(parts)


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_events_arrive_whole_however_they_are_cut(
    fake: OpenAiLike, session: aiohttp.ClientSession, size: int
) -> None:
    fake.always(Slice(size))

    heard = await _events(_exchange(session, streams=True), fake.url)

    assert heard.endswith(b"data: [DONE]\n\n")
    assert heard.count(b"data: ") == 6


@pytest.mark.parametrize(
    "touch", [Fail("overloaded", after=3), invalid_utf8(before=3), Close(after=3)], ids=repr
)
@pytest.mark.parametrize("size", [1, 100_000])
async def test_events_before_a_failure_are_heard_even_when_both_come_at_once(
    fake: OpenAiLike, session: aiohttp.ClientSession, touch: Any, size: int
) -> None:
    fake.always(Slice(size), touch)
    exchange = _exchange(session, streams=True)

    heard = await _events(exchange, fake.url)

    assert b'"content":" deux"' in heard
    assert heard.endswith(b"FAILED")
    assert exchange.failure is not None


@pytest.mark.parametrize(("touches", "whole"), [([], True), ([Truncate(after=3)], False)])
async def test_a_stream_without_its_end_has_broken_off(
    fake: OpenAiLike, session: aiohttp.ClientSession, touches: list[Any], whole: bool
) -> None:
    fake.always(*touches)
    exchange = _exchange(session, streams=True, ends=(b"[DONE]",))

    heard = await _events(exchange, fake.url)

    assert heard.endswith(b"FAILED") is not whole
    assert (exchange.failure is None) is whole


async def test_closing_hangs_up_at_once(fake: OpenAiLike, session: aiohttp.ClientSession) -> None:
    exchange = _exchange(session, streams=True)
    fake.always(Wait(asyncio.Event(), before=2))
    await _post(exchange, fake.url, stream=True)

    exchange.close()
    exchange.close()

    await fake.until(lambda: fake.hung_up)


async def test_a_cancelled_request_has_hung_up(fake: OpenAiLike, session: aiohttp.ClientSession) -> None:
    fake.always(Silent())
    call = asyncio.ensure_future(_post(_exchange(session), fake.url))
    await fake.until(lambda: fake.live == 1)

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    await fake.until(lambda: fake.hung_up)
