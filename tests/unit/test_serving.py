"""A server's drain on a real socket, in this loop: who is waited for, who is told, who is cut."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from passerelle.http.front import App
from passerelle.http.inference import Scope, Send
from passerelle.http.intake import Receive
from passerelle.serving import Budget, Inherited, Server, drain, make_server


@asynccontextmanager
async def opened(app: App) -> AsyncIterator[tuple[Server, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = make_server(app)
    await server.open(listener)
    try:
        yield server, listener.getsockname()[1]
    finally:
        server.close_listener()
        server.abort()
        listener.close()


async def ask(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    return reader, writer


async def until_busy(server: Server) -> None:
    async with asyncio.timeout(5):
        while not server.busy:
            await asyncio.sleep(0.002)


async def never(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.Event().wait()


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends what nobody reads, and does not hear that it is to stop."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        try:
            await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
        except asyncio.CancelledError:
            continue
        if (await asyncio.wait_for(receive(), 0.01))["type"] == "http.disconnect":
            return


async def at_once(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@pytest.mark.parametrize(("seconds", "reserve"), [(0, 0), (5, 1), (15, 3), (30, 3), (600, 3)])
def test_a_fifth_is_kept_for_the_end_and_never_more_than_three_seconds(seconds: int, reserve: float) -> None:
    assert Budget(seconds, 1).reserve == reserve


async def test_a_route_without_words_of_its_own_answers_that_the_service_stops() -> None:
    async with opened(never) as (server, port):
        reader, writer = await ask(port)
        await until_busy(server)
        await drain([server], Budget(0.1, 0), hurry=asyncio.Event())
        said = await reader.read()
        assert server.empty
        writer.close()
    assert said.startswith(b"HTTP/1.1 503 ")
    assert said.lower().count(b"connection: close") == 1
    assert b'"stopping"' in said


async def test_hurry_ends_the_waiting() -> None:
    hurry = asyncio.Event()
    async with opened(never) as (server, port):
        reader, writer = await ask(port)
        await until_busy(server)
        draining = asyncio.create_task(drain([server], Budget(3600, 3600), hurry=hurry))
        hurry.set()
        async with asyncio.timeout(10):
            await draining
        assert b"503" in await reader.readline()
        writer.close()


async def test_who_does_not_read_is_cut() -> None:
    async with opened(endless) as (server, port):
        _, writer = await ask(port)
        await until_busy(server)
        async with asyncio.timeout(10):
            await drain([server], Budget(0.1, 0), hurry=asyncio.Event())
        assert not server.server_state.connections
        writer.close()


async def test_an_orphan_frees_the_port_while_calls_end() -> None:
    async with opened(never) as (server, port):
        _, writer = await ask(port)
        await until_busy(server)
        hurry = asyncio.Event()
        draining = asyncio.create_task(drain([server], Budget(3600, 3600, listens=False), hurry=hurry))
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionRefusedError):
            await ask(port)
        assert server.busy
        hurry.set()
        await draining
        writer.close()


async def test_a_kept_connection_without_a_call_is_closed_and_holds_nothing_up() -> None:
    async with opened(at_once) as (server, port):
        reader, writer = await ask(port)
        assert b"204" in await reader.readline()
        async with asyncio.timeout(10):
            await drain([server], Budget(3600, 0), hurry=asyncio.Event())
        await reader.read()
        assert server.empty
        writer.close()


def test_handles_that_are_no_sockets_are_refused() -> None:
    from passerelle.domain.errors import CannotRun

    for wrong in ("", "1,2", "a,b,c"):
        with pytest.raises(CannotRun, match="no sockets of a parent"):
            Inherited.of(wrong)
