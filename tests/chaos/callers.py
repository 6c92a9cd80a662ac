"""Callers that write their requests byte by byte and leave as no client library does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.chaos.scene import BODY, PATH
from tests.serving import KEY

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def request(*, stream: bool, request_id: str = "") -> bytes:
    """A call as bytes."""
    raw = json.dumps({**BODY, "stream": stream}).encode()
    head = f"POST {PATH} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {KEY}\r\n"
    head += f"x-request-id: {request_id}\r\n" if request_id else ""
    return f"{head}content-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n".encode() + raw


@asynccontextmanager
async def asking(port: int, *, stream: bool, buffer: int = 0, request_id: str = "") -> AsyncIterator[Pair]:
    """A caller on a connection of its own, whose call is sent; a small `buffer` makes it a slow one."""
    sock = socket.socket()
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
    writer.write(request(stream=stream, request_id=request_id))
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def leave(writer: asyncio.StreamWriter, how: str) -> float:
    """Hang up with FIN or with RST; when, on the loop's clock."""
    if how == "FIN":
        writer.write_eof()
    else:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    return asyncio.get_running_loop().time()
