"""ECB's file comes whole, in bounded time and size, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.ecb import ADDRESS, fetch_rates
from tests.fakes.engine import closed_port

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def _server(handler: _Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/rates.zip", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/rates.zip"
    finally:
        await runner.cleanup()


async def test_the_file_comes_as_it_was_sent() -> None:
    body = bytes(range(256)) * 1000
    heads: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        heads.extend(request.headers)
        return web.Response(body=body)

    async with _server(answer) as url:
        assert await fetch_rates(url) == body
    assert "User-Agent" in heads
    assert not {"Cookie", "Authorization"} & set(heads)


@pytest.mark.parametrize("status", [301, 404, 503])
async def test_an_answer_that_is_not_the_file_is_refused(status: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "/rates.zip"}, text="no")

    async with _server(answer) as url:
        with pytest.raises(
            UpstreamFailed, match=f"European Central Bank's server answered {status}"
        ) as caught:
            await fetch_rates(url)
    assert (caught.value.fault, caught.value.told.status) == (Fault.SERVER, status)


@pytest.mark.parametrize("head_first", [True, False])
async def test_a_slow_server_is_not_waited_for(head_first: bool) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if head_first:
            await response.prepare(request)
            await response.write(b"PK")
        await asyncio.Event().wait()
        return response

    async with _server(answer) as url:
        with pytest.raises(UpstreamFailed, match=r"longer than 0\.3 seconds") as caught:
            await fetch_rates(url, seconds=0.3)
    assert caught.value.fault is Fault.TIMEOUT_TOTAL


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_huge_file_is_cut_off(chunked: bool) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = 10**9
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    async with _server(answer) as url:
        with pytest.raises(UpstreamFailed, match="more than 100000 bytes") as caught:
            await fetch_rates(url, longest=100_000)
    assert caught.value.fault is Fault.BROKEN


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_file_that_breaks_off_is_no_file(chunked: bool) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = 1000
        await response.prepare(request)
        await response.write(b"PK half")
        assert request.transport is not None
        request.transport.close()
        return response

    async with _server(answer) as url:
        with pytest.raises(UpstreamFailed, match="broke off") as caught:
            await fetch_rates(url)
    assert caught.value.fault is Fault.BROKEN


async def test_where_nobody_listens_it_says_so() -> None:
    with closed_port() as url, pytest.raises(UpstreamFailed, match="cannot be reached") as caught:
        await fetch_rates(f"{url}/rates.zip")
    assert caught.value.fault is Fault.CONNECT


def test_the_address_is_the_banks_own_and_is_encrypted() -> None:
    assert ADDRESS.startswith("https://www.ecb.europa.eu/")
