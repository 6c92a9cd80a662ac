"""A TCP or unix-socket proxy that does to a connection what networks and dying servers do.

Every toxic is an attribute that may be set while connections are open; each piece of data meets the toxics that
are set when it arrives. `up` is the way from the client to the target, `down` the way back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Self

Address = tuple[str, int] | Path  # host and port, or the path of a unix socket

_PIECE = 65_536


@dataclass(slots=True)
class Toxics:
    """What is done to one direction; all off at first."""

    latency: float = 0.0  # seconds before each piece is passed on
    jitter: float = 0.0  # seconds, drawn evenly, that are added to the latency
    bandwidth: float = 0.0  # bytes per second, 0 = unlimited
    blackhole: bool = False  # swallow everything, close nothing
    slice: int = 0  # pass on in pieces of this many bytes, 0 = as they come
    slice_delay: float = 0.0  # seconds between two such pieces
    truncate: int | None = None  # end the connection after this many bytes of this direction
    corrupt: float = 0.0  # the share of bytes that are flipped
    slow_close: float = 0.0  # seconds by which the end of the direction is passed on late
    bytes: int = 0  # passed on so far, over all connections

    def clear(self) -> None:
        """All off; the count stays."""
        for toxic in fields(self):
            if toxic.name != "bytes":
                setattr(self, toxic.name, toxic.default)


@dataclass(eq=False, slots=True)
class _Link:
    """One client's connection and the one to the target that belongs to it."""

    client: asyncio.StreamWriter
    target: asyncio.StreamWriter | None = None
    passed: dict[str, int] = field(default_factory=lambda: {"up": 0, "down": 0})

    def writers(self) -> list[asyncio.StreamWriter]:
        return [self.client, *([self.target] if self.target else [])]


class Proxy:
    """Listens on a free port of 127.0.0.1, or on a unix socket, for a target. An async context manager.

    `reset`: every new connection, and every one that passes data, ends with RST. `half_open`: a client that closes
    is not told to the target, whose side stays open. `connections` counts what was accepted, `open` what still is.
    """

    def __init__(self, target: Address, *, listen: Path | None = None, seed: int = 0) -> None:
        self.target = target
        self.up = Toxics()
        self.down = Toxics()
        self.reset = False
        self.half_open = False
        self.connections = 0
        self.address: Address = listen or ("127.0.0.1", 0)
        self._draw = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert isinstance(self.address, tuple)
        return self.address[1]

    @property
    def open(self) -> int:
        """Connections that have not ended on both sides."""
        return len(self._links)

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def accept(self) -> None:
        """Listen, on the same address as before a `refuse`."""
        if self._server is not None:
            return
        if isinstance(self.address, Path):
            self._server = await asyncio.start_unix_server(self._accepted, self.address)
            return
        self._server = await asyncio.start_server(self._accepted, *self.address, reuse_address=True)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = (host, port)

    async def refuse(self) -> None:
        """Refuse new connections; those that are open go on."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            if isinstance(self.address, Path):
                self.address.unlink(missing_ok=True)
            await asyncio.sleep(0)  # the loop forgets the listening socket

    def cut(self, *, reset: bool = True) -> None:
        """End every open connection now, with RST or with FIN."""
        for link in self._links:
            for writer in link.writers():
                _end(writer, reset=reset)

    async def heal(self) -> None:
        """Every toxic off, listening again; connections that are open stay."""
        self.up.clear()
        self.down.clear()
        self.reset = self.half_open = False
        await self.accept()

    async def aclose(self) -> None:
        """End everything."""
        await self.refuse()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        link = _Link(writer)
        self._links.add(link)
        # A cancelled handler would be reported by asyncio's streams: only `aclose` cancels, and it knows.
        with contextlib.suppress(asyncio.CancelledError):
            try:
                await self._join(reader, link)
            finally:
                self._links.discard(link)
                for side in link.writers():
                    side.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, link: _Link) -> None:
        """Both directions of one connection, until both have ended."""
        if self.reset:
            _end(link.client, reset=True)
            return
        try:
            if isinstance(self.target, Path):
                back, link.target = await asyncio.open_unix_connection(self.target)
            else:
                back, link.target = await asyncio.open_connection(*self.target)
        except OSError:
            _end(link.client, reset=True)
            return
        await asyncio.gather(
            self._pump("up", reader, link.target, link), self._pump("down", back, link.client, link)
        )

    async def _pump(
        self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: _Link
    ) -> None:
        """One direction of one connection, until its end."""
        toxics = self.up if way == "up" else self.down
        try:
            while data := await reader.read(_PIECE):
                if self.reset:
                    raise ConnectionResetError
                if not toxics.blackhole:
                    await self._pass_on(data, toxics, writer, link, way)
            await asyncio.sleep(toxics.slow_close)
            if way == "up" and self.half_open:
                await asyncio.Event().wait()
            if writer.can_write_eof() and not writer.is_closing():
                writer.write_eof()
        except _Truncated:
            for side in link.writers():
                _end(side, reset=False)
        except OSError:
            if way == "up" and self.half_open and not self.reset:
                await asyncio.Event().wait()
            for side in link.writers():
                _end(side, reset=True)

    async def _pass_on(
        self, data: bytes, toxics: Toxics, writer: asyncio.StreamWriter, link: _Link, way: str
    ) -> None:
        if toxics.latency or toxics.jitter:
            await asyncio.sleep(toxics.latency + self._draw.uniform(0, toxics.jitter))
        if toxics.corrupt:
            data = self._corrupted(data, toxics.corrupt)
        step = toxics.slice or len(data)
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            if toxics.truncate is not None:
                piece = piece[: max(toxics.truncate - link.passed[way], 0)]
            if toxics.bandwidth:
                await asyncio.sleep(len(piece) / toxics.bandwidth)
            writer.write(piece)
            await writer.drain()
            link.passed[way] += len(piece)
            toxics.bytes += len(piece)
            if toxics.truncate is not None and link.passed[way] >= toxics.truncate:
                raise _Truncated
            if toxics.slice:
                await asyncio.sleep(toxics.slice_delay)

    def _corrupted(self, data: bytes, share: float) -> bytes:
        flipped = bytearray(data)
        for place in range(len(flipped)):
            if self._draw.random() < share:
                flipped[place] ^= self._draw.randrange(1, 256)
        return bytes(flipped)


class _Truncated(Exception):
    """The direction has passed on all it may."""


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    """End one side: with RST, which a unix socket does not know, or with FIN after what was written."""
    if not reset:
        writer.close()
        return
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX and sock.fileno() >= 0:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
