"""Each toxic does what its name says to a real connection, and nothing once it is off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest

from tests.chaos.proxy import Proxy

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Echo:
    """A server that sends back what it gets, and knows how many of its connections are open."""

    port: int = 0
    open: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(65_536):
                    writer.write(data)
                    await writer.drain()
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def _echo() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.answer, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    async with server:
        yield echo


@asynccontextmanager
async def _proxied() -> AsyncIterator[tuple[Proxy, Echo]]:
    async with _echo() as echo, Proxy(("127.0.0.1", echo.port)) as proxy:
        yield proxy, echo


@asynccontextmanager
async def _connected(proxy: Proxy) -> AsyncIterator[Pair]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _echoed(pair: Pair, data: bytes) -> bytes:
    reader, writer = pair
    writer.write(data)
    async with asyncio.timeout(10):
        return await reader.readexactly(len(data))


async def _until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


async def test_without_toxics_every_byte_passes_and_is_counted() -> None:
    data = bytes(range(256)) * 4_096
    async with _proxied() as (proxy, _):
        async with _connected(proxy) as pair:
            assert await _echoed(pair, data) == data
            assert (proxy.connections, proxy.open) == (1, 1)
        await _until(lambda: proxy.open == 0)

        assert proxy.up.bytes == proxy.down.bytes == len(data)


async def test_latency_and_bandwidth_slow_each_direction() -> None:
    async with _proxied() as (proxy, _), _connected(proxy) as pair:
        proxy.up.latency, proxy.down.jitter, proxy.down.bandwidth = 0.05, 0.01, 1_000
        started = monotonic()

        assert await _echoed(pair, b"x" * 100) == b"x" * 100
        assert monotonic() - started >= 0.15  # a floor: the sleeps themselves


async def test_a_black_hole_swallows_and_stays_open_until_it_heals() -> None:
    async with _proxied() as (proxy, _), _connected(proxy) as (reader, writer):
        proxy.up.blackhole = True
        writer.write(b"lost")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)
        await proxy.heal()

        assert await _echoed((reader, writer), b"found") == b"found"


async def test_refused_connections_are_accepted_again_on_the_same_port() -> None:
    async with _proxied() as (proxy, _):
        port = proxy.port
        async with _connected(proxy) as pair:
            assert await _echoed(pair, b"a") == b"a"
            await proxy.refuse()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            assert await _echoed(pair, b"b") == b"b"
        await proxy.accept()

        assert proxy.port == port
        async with _connected(proxy) as pair:
            assert await _echoed(pair, b"c") == b"c"


async def test_a_reset_is_a_reset() -> None:
    async with _proxied() as (proxy, _), _connected(proxy) as pair:
        assert await _echoed(pair, b"a") == b"a"
        proxy.reset = True
        pair[1].write(b"b")

        with pytest.raises(ConnectionResetError):
            await pair[0].read(1)


@pytest.mark.parametrize("reset", [True, False])
async def test_a_cut_ends_what_is_open(reset: bool) -> None:
    async with _proxied() as (proxy, echo), _connected(proxy) as pair:
        await _echoed(pair, b"a")
        proxy.cut(reset=reset)

        if reset:
            with pytest.raises(ConnectionResetError):
                await pair[0].read(1)
        else:
            assert await pair[0].read(1) == b""
        await _until(lambda: (proxy.open, echo.open) == (0, 0))


async def test_slices_arrive_whole_in_small_pieces() -> None:
    async with _proxied() as (proxy, _), _connected(proxy) as (reader, writer):
        proxy.down.slice, proxy.down.slice_delay = 3, 0.01
        writer.write(b"0123456789")

        assert len(await reader.read(100)) <= 3
        assert await reader.readexactly(7) == b"3456789"


async def test_a_truncated_answer_ends_after_its_bytes() -> None:
    async with _proxied() as (proxy, _), _connected(proxy) as (reader, writer):
        proxy.down.truncate = 4
        writer.write(b"0123456789")

        assert await reader.read() == b"0123"


async def test_half_open_keeps_the_targets_side() -> None:
    async with _proxied() as (proxy, echo):
        proxy.half_open = True
        async with _connected(proxy) as pair:
            await _echoed(pair, b"a")
        await asyncio.sleep(0.05)

        assert (proxy.open, echo.open) == (1, 1)
    await _until(lambda: echo.open == 0)


async def test_corruption_flips_some_bytes_and_is_the_same_for_a_seed() -> None:
    found = []
    for _ in range(2):
        async with _proxied() as (proxy, _), _connected(proxy) as pair:
            proxy.down.corrupt = 0.1
            found.append(await _echoed(pair, bytes(1_000)))

    assert found[0] == found[1]
    assert 0 < sum(byte != 0 for byte in found[0]) < 300


async def test_a_slow_close_comes_late() -> None:
    async with _proxied() as (proxy, _), _connected(proxy) as (reader, writer):
        proxy.up.slow_close = 0.1
        started = monotonic()
        writer.write_eof()

        assert await reader.read() == b""
        assert monotonic() - started >= 0.1


async def test_a_target_that_is_gone_resets_the_client() -> None:
    async with _echo() as echo:
        port = echo.port
    async with Proxy(("127.0.0.1", port)) as proxy, _connected(proxy) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await reader.read(1)


async def test_unix_sockets_on_both_sides(tmp_path: Path) -> None:
    echo = Echo()
    server = await asyncio.start_unix_server(echo.answer, tmp_path / "target")
    async with server, Proxy(tmp_path / "target", listen=tmp_path / "proxy") as proxy:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "proxy")
        assert await _echoed((reader, writer), b"a") == b"a"
        await proxy.refuse()
        with pytest.raises(FileNotFoundError):
            await asyncio.open_unix_connection(tmp_path / "proxy")
        await proxy.accept()
        proxy.cut()
        assert await reader.read(1) == b""
        writer.close()


async def test_closing_ends_every_connection_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    async with _echo() as echo:
        proxy = Proxy(("127.0.0.1", echo.port))
        await proxy.accept()
        proxy.half_open = True
        async with _connected(proxy) as pair:
            await _echoed(pair, b"a")
        proxy.down.latency = 60
        async with _connected(proxy) as pair:
            pair[1].write(b"b")
            await asyncio.sleep(0.01)
        await proxy.aclose()

        assert proxy.open == 0
        await _until(lambda: echo.open == 0)
    await _until(lambda: asyncio.all_tasks() == before)
