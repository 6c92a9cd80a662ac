"""One loop keeps silent streams alive, cuts off callers who lost the right to read, and leaves those who do not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from passerelle.domain.caller import Caller, Role
from passerelle.http.front import Scope, Send
from passerelle.http.hangup import Hangup
from passerelle.http.intake import Receive
from passerelle.http.vigil import COMMENT, HANG_UP_SCOPE, Deed, Patience, Vigil, Watch
from passerelle.serving import make_server

_CALLER = Caller("key_test", "acme", Role.MEMBER)
_PATIENCE = Patience()
_BLOCK = b"data: un\n\n"
_END = b"data: [DONE]\n\n"
_CUT = b"data: cut\n\n"


class _World:
    """An application whose every answer is a stream that the test feeds, under a vigil whose rounds the test makes."""

    def __init__(self) -> None:
        self.revoked: set[Caller] = set()
        self.asked: list[Caller] = []
        self.deeds: list[Deed] = []
        self.callers = [_CALLER]
        self.headless = asyncio.Event()
        self.headless.set()
        self.blocks: list[asyncio.Queue[bytes]] = []
        self.watches: list[Watch] = []
        self.ended: list[str] = []
        self.vigil = Vigil(self._alive, told=self.deeds.append)
        self.now = 1000.0
        self.port = 0

    def _alive(self, caller: Caller) -> bool:
        self.asked.append(caller)
        if caller.name == "broken":
            raise RuntimeError
        return caller not in self.revoked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # the request, which has no body
        caller = self.callers[len(self.watches) % len(self.callers)]
        with Hangup(receive) as hangup, self.vigil.watch(send, caller, scope[HANG_UP_SCOPE]) as watch:
            blocks: asyncio.Queue[bytes] = asyncio.Queue()
            self.watches.append(watch)
            self.blocks.append(blocks)
            await self.headless.wait()
            await watch.send({"type": "http.response.start", "status": 200, "headers": []})
            watch.begins()
            try:
                while block := await blocks.get():
                    await watch.send({"type": "http.response.body", "body": block, "more_body": True})
            except asyncio.CancelledError:
                if not watch.caught():
                    self.ended.append("gone" if hangup.gone else "cancelled")
                    raise
                self.ended.append("cut")
            last = _CUT if watch.cut else _END
            hangup.stop()
            watch.ends()
            await watch.send({"type": "http.response.body", "body": last})

    def after(self, seconds: float) -> None:
        """A round of the vigil, so much later."""
        self.now += seconds
        self.vigil.look(self.now)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.002)

    @asynccontextmanager
    async def stream(self, *, buffer: int = 0) -> AsyncIterator[tuple[asyncio.StreamReader, socket.socket]]:
        """A caller whose stream has begun; a `buffer` that is small makes it a slow one."""
        sock = socket.socket()
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
        count = len(self.watches)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await self.until(lambda: len(self.watches) > count)
        try:
            if self.headless.is_set():
                await reader.readuntil(b"\r\n\r\n")
                self.after(0)  # the vigil sees it
            yield reader, sock
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@pytest.fixture
async def world() -> AsyncIterator[_World]:
    world = _World()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = make_server(world)
        await server.open(listener)
        world.port = listener.getsockname()[1]
        try:
            yield world
        finally:
            for accepting in server.servers:
                accepting.close()
            for connection in list(server.server_state.connections):
                connection.transport.abort()
            await world.until(lambda: not server.server_state.tasks)


async def _read(reader: asyncio.StreamReader, until: bytes) -> bytes:
    async with asyncio.timeout(5):
        return await reader.readuntil(until)


async def test_a_silent_stream_is_sent_a_comment_each_time_it_was_silent_for_long(world: _World) -> None:
    async with world.stream() as (reader, _):
        for _ in range(3):
            world.after(_PATIENCE.silence)
            await _read(reader, COMMENT)
            world.after(1)
        world.after(_PATIENCE.silence - 1)
        world.blocks[0].put_nowait(_BLOCK)

        assert COMMENT not in await _read(reader, _BLOCK)
    assert world.deeds == [Deed.KEPT_ALIVE] * 3


async def test_a_stream_that_says_something_now_and_then_is_sent_none(world: _World) -> None:
    async with world.stream() as (reader, _):
        for _ in range(5):
            world.after(_PATIENCE.silence - 1)
            world.blocks[0].put_nowait(_BLOCK)
            await _read(reader, _BLOCK)
            world.after(0.5)

    assert world.deeds == []


async def test_nothing_is_sent_before_the_head(world: _World) -> None:
    world.headless.clear()
    async with world.stream() as (reader, _):
        world.after(0)
        world.after(100)
        world.headless.set()

        assert COMMENT not in await _read(reader, b"\r\n\r\n")
    assert world.deeds == []


async def test_nothing_follows_the_last_byte(world: _World) -> None:
    async with world.stream() as (reader, _):
        world.after(_PATIENCE.silence)  # the comment is not sent yet when the end comes
        world.blocks[0].put_nowait(b"")

        assert (await _read(reader, b"0\r\n\r\n")).endswith(_END + b"\r\n0\r\n\r\n")
        assert world.vigil.live == 0
        world.after(_PATIENCE.silence)


async def test_a_caller_whose_key_ended_has_its_stream_ended_in_order(world: _World) -> None:
    async with world.stream() as (reader, _):
        world.revoked.add(_CALLER)
        world.after(_PATIENCE.trust - 1)
        assert world.deeds == []
        world.after(1)

        assert (await _read(reader, b"0\r\n\r\n")).endswith(_CUT + b"\r\n0\r\n\r\n")
    assert world.ended == ["cut"]
    assert world.deeds == [Deed.CUT]


async def test_nobody_is_cut_off_before_the_head_or_after_the_end(world: _World) -> None:
    world.headless.clear()
    world.revoked.add(_CALLER)
    async with world.stream() as (reader, _):
        world.after(100)
        assert world.deeds == []
        world.headless.set()
        world.blocks[0].put_nowait(b"")

        assert _END in await _read(reader, b"0\r\n\r\n")


async def test_a_caller_with_many_streams_is_asked_about_once_a_round(world: _World) -> None:
    async with world.stream(), world.stream(), world.stream():
        world.asked.clear()
        world.after(_PATIENCE.trust)

        assert world.asked == [_CALLER]


async def test_what_is_wrong_with_one_caller_leaves_the_others_watched(world: _World) -> None:
    world.callers = [Caller("k", "acme", Role.MEMBER, "broken"), _CALLER]
    world.revoked.add(_CALLER)
    async with world.stream(), world.stream() as (reader, _):
        world.after(_PATIENCE.trust)
        await _read(reader, _CUT)

    assert world.deeds == [Deed.CUT]


async def _fill(world: _World) -> None:
    """Send what the caller does not read until there is no more room for it."""
    while not world.watches[0].blocked:
        world.blocks[0].put_nowait(bytes(262_144))
        await asyncio.sleep(0.002)
    world.after(0)


async def test_a_caller_that_does_not_read_is_hung_up_on(world: _World) -> None:
    async with world.stream(buffer=4096):
        await _fill(world)
        world.after(_PATIENCE.reading - 1)
        assert world.deeds == []
        world.after(1)
        assert world.deeds == [Deed.STALLED]
        await world.until(lambda: world.ended)

    assert world.ended == ["gone"]
    assert world.vigil.live == 0


async def test_a_slow_caller_keeps_none_of_the_others_waiting(world: _World) -> None:
    async with world.stream(buffer=4096):
        await _fill(world)
        async with world.stream() as (reader, _):
            world.after(_PATIENCE.silence)
            await _read(reader, COMMENT)


async def test_a_caller_that_is_cut_off_and_does_not_read_is_hung_up_on_too(world: _World) -> None:
    async with world.stream(buffer=4096):
        await _fill(world)
        world.revoked.add(_CALLER)
        world.after(_PATIENCE.trust)
        await world.until(lambda: world.ended)
        world.after(0)
        world.after(_PATIENCE.reading)
        await world.until(lambda: world.vigil.live == 0)

    assert world.ended == ["cut"]
    assert world.deeds == [Deed.CUT, Deed.STALLED]


async def test_a_caller_that_left_as_it_was_cut_off_has_left(world: _World) -> None:
    async with world.stream():
        watch = world.watches[0]
        watch.cut_off()
        watch._hang_up()
        assert watch._task is not None
        watch._task.cancel()  # as the hang-up's news would, before the task runs
        await world.until(lambda: world.ended)

    assert world.ended == ["cancelled"]


async def test_it_makes_its_rounds_by_itself(world: _World) -> None:
    brisk = Patience(tick=0.001, silence=0.002)
    world.vigil = Vigil(lambda _: True, patience=brisk, told=world.deeds.append)
    rounds = asyncio.ensure_future(world.vigil.run())
    try:
        async with world.stream() as (reader, _):
            await _read(reader, COMMENT)
    finally:
        rounds.cancel()
        await asyncio.gather(rounds, return_exceptions=True)
