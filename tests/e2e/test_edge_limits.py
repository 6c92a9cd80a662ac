"""What a connection may cost: heads and bodies that stall, floods, idle and too many connections."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest

from passerelle.http.protocol import Edge
from tests.e2e.raw import Pair, first, opened, replies, reply, request
from tests.fakes.vllm import VllmFake
from tests.serving import KEY, Served, one_backend, serving

_CHAT = b"/v1/chat/completions"
_BEARER = (b"Authorization", b"Bearer " + KEY.encode())
_JSON = (b"Content-Type", b"application/json")
_CHUNKED = (b"Transfer-Encoding", b"chunked")
_BODY = json.dumps({"model": "assistant", "messages": [{"role": "user", "content": "x"}]}).encode()
_QUICK = Edge(
    head_seconds=0.2, idle_seconds=0.2, body_window=0.1, body_floor=50, body_seconds=0.5, linger_seconds=0.1
)


@asynccontextmanager
async def _served(edge: Edge) -> AsyncIterator[Served]:
    async with (
        VllmFake(model="fake") as engine,
        serving(one_backend("vllm", engine.url), whole=True, edge=edge) as served,
    ):
        yield served


async def _trickle(pair: Pair, piece: bytes, pause: float) -> int:
    """Send pieces until the gateway ends the connection; how many there were. Its reply stays to be read."""
    reader, writer = pair
    sent = 0
    ended = asyncio.ensure_future(reader.read(1))
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            while not ended.done():
                writer.write(piece)
                await writer.drain()
                sent += 1
                await asyncio.sleep(pause)
    status = await ended + await reader.readuntil(b"\r\n")
    assert b" 408 " in status, status
    return sent


async def test_a_head_that_does_not_end_is_given_up() -> None:
    async with _served(_QUICK) as served, opened(served.port) as pair:
        pair[1].write(b"GET /health HTTP/1.1\r\nHost: a\r\n")
        await _trickle(pair, b"X: y\r\n", 0.02)


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize("path", [_CHAT, b"/admin/keys"])
async def test_a_body_that_stalls_is_given_up(path: bytes, key: str | None) -> None:
    headers = [_JSON, (b"Content-Length", b"1000"), *([_BEARER] if key else [])]
    async with _served(_QUICK) as served:
        told = await first(served.port, request(b"POST", path, *headers) + b"{")

    assert told is not None
    assert told.status == (408 if key else 401)


async def test_a_body_below_the_floor_is_given_up() -> None:
    async with _served(_QUICK) as served, opened(served.port) as pair:
        pair[1].write(request(b"POST", _CHAT, _BEARER, _JSON, _CHUNKED))
        await _trickle(pair, b"1\r\nx\r\n", 0.02)


async def test_a_body_that_keeps_to_the_floor_is_given_up_after_its_whole_time() -> None:
    async with _served(_QUICK) as served, opened(served.port) as pair:
        pair[1].write(request(b"POST", _CHAT, _BEARER, _JSON, _CHUNKED))

        assert await _trickle(pair, b"64\r\n" + b"x" * 100 + b"\r\n", 0.01) > 5


async def test_a_body_that_comes_slowly_but_steadily_is_answered() -> None:
    edge = Edge(body_window=0.2, body_floor=2, body_seconds=60)
    async with _served(edge) as served, opened(served.port) as (reader, writer):
        writer.write(request(b"POST", _CHAT, _BEARER, _JSON, (b"Content-Length", b"%d" % len(_BODY))))
        for place in range(0, len(_BODY), 8):
            writer.write(_BODY[place : place + 8])
            await asyncio.sleep(0.05)
        told = await reply(reader)

    assert told is not None
    assert told.status == 200


async def test_a_caller_that_is_asked_to_continue_is_not_timed_before_it_is() -> None:
    async with _served(_QUICK) as served, opened(served.port) as (reader, writer):
        length = (b"Content-Length", b"%d" % len(_BODY))
        writer.write(request(b"POST", _CHAT, _BEARER, _JSON, length, (b"Expect", b"100-continue")))

        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(_BODY)
        told = await reply(reader)

    assert told is not None
    assert told.status == 200


@pytest.mark.parametrize("extra", [b";x=" + b"y" * 4_000, b";x=y" * 1_000])
async def test_a_flood_of_chunk_extensions_is_refused(extra: bytes) -> None:
    async with _served(Edge(linger_seconds=0.1)) as served, opened(served.port) as (reader, writer):
        writer.write(request(b"POST", _CHAT, _BEARER, _JSON, _CHUNKED))
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                writer.write(b"1" + extra + b"\r\nx\r\n")
                await writer.drain()
        told = await reply(reader)

    assert told is None or told.status == 400


async def test_endless_trailers_are_refused() -> None:
    async with _served(Edge(linger_seconds=0.1)) as served, opened(served.port) as (reader, writer):
        writer.write(request(b"POST", _CHAT, _BEARER, _JSON, _CHUNKED) + b"0\r\nX: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                writer.write(b"y" * 4_000)
                await writer.drain()
        told = await reply(reader)

    assert told is None or told.status == 400


async def test_a_body_longer_than_its_length_is_a_bad_request_after_the_answer() -> None:
    raw = request(b"POST", _CHAT, _BEARER, _JSON, body=_BODY) + b"more of it"
    async with _served(Edge(linger_seconds=0.1)) as served:
        told = await replies(served.port, raw)

    assert told[0].status == 200
    assert [one.status for one in told[1:]] in ([], [400])


async def test_pipelined_requests_are_answered_in_order_and_their_number_is_bounded() -> None:
    async with _served(Edge()) as served:
        few = await replies(served.port, request(b"GET", b"/health") * 5 + request(b"GET", b"/nowhere"))
        many = await replies(served.port, request(b"GET", b"/health") * 500)

    assert [one.status for one in few] == [200] * 5 + [404]
    assert [one.status for one in many] == [200] * len(many)
    assert len(many) < 30


async def test_nothing_is_written_into_an_answer_that_is_under_way() -> None:
    stream = orjson.dumps({**orjson.loads(_BODY), "stream": True})
    raw = request(b"POST", _CHAT, _BEARER, _JSON, body=stream) + b"NOT HTTP\r\n\r\n"
    async with _served(Edge(linger_seconds=0.1)) as served:
        told = await replies(served.port, raw)

    assert [one.status for one in told] == [200]
    assert told[0].body.endswith(b"data: [DONE]\n\n")


async def test_a_caller_that_closes_its_half_is_gone_and_leaves_nothing() -> None:
    async with _served(Edge()) as served, opened(served.port) as (reader, writer):
        writer.write(request(b"POST", _CHAT, _BEARER, _JSON, (b"Content-Length", b"1000")))
        writer.write_eof()

        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_a_connection_that_says_nothing_is_closed() -> None:
    async with _served(_QUICK) as served, opened(served.port) as (reader, _):
        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_more_connections_than_there_is_room_for_are_told_and_closed() -> None:
    async with _served(Edge(connections=3)) as served, contextlib.AsyncExitStack() as stack:
        pairs = [await stack.enter_async_context(opened(served.port)) for _ in range(3)]
        for reader, writer in pairs:
            writer.write(request(b"GET", b"/health"))
            assert (await reply(reader) or pytest.fail("no reply")).status == 200
        told = await first(served.port, b"")
        pairs[0][1].transport.abort()

        assert told is not None
        assert (told.status, orjson.loads(told.body)["error"]["code"]) == (503, "overloaded")
        assert (told.headers[b"connection"], told.headers[b"retry-after"]) == (b"close", b"1")
        async with asyncio.timeout(5):
            while (again := await first(served.port, request(b"GET", b"/health"))) and again.status == 503:
                await asyncio.sleep(0.01)
        assert again is not None
        assert again.status == 200


async def test_a_caller_that_does_not_read_its_answer_is_hung_up_on() -> None:
    edge = Edge(write_seconds=0.2, body_seconds=60)
    loop = asyncio.get_running_loop()
    async with _served(edge) as served, asyncio.timeout(20):
        with socket.socket() as client:
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            await loop.sock_connect(client, ("127.0.0.1", served.port))
            await loop.sock_sendall(client, request(b"GET", b"/docs/files/redoc.standalone.js") * 16)
            with pytest.raises(ConnectionError):
                await _poke(client)


async def _poke(client: socket.socket) -> None:
    """Send until the other side has ended the connection. Raises ConnectionError then."""
    while True:
        with contextlib.suppress(BlockingIOError):
            client.send(b"x")
        await asyncio.sleep(0.01)
