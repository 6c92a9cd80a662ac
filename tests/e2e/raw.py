"""Requests written byte by byte, as no well-behaved client writes them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Told:
    """One reply: names of headers in lower case, the body with its framing removed."""

    status: int
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""


@asynccontextmanager
async def opened(port: int) -> AsyncIterator[Pair]:
    """A connection, cut when the block ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def request(method: bytes, target: bytes, *headers: tuple[bytes, bytes], body: bytes = b"") -> bytes:
    """One request with a Host, whatever else is said."""
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: gateway"]
    lines += [name + b": " + value for name, value in headers]
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


async def reply(reader: asyncio.StreamReader, *, head: bool = False) -> Told | None:
    """The next reply, None when the connection ended without one."""
    try:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).rstrip().split(b"\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    status = int(first.split()[1])
    body = b""
    if headers.get(b"transfer-encoding") == b"chunked":
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    elif not head and status not in (204, 304):
        body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
    return Told(status, headers, body)


async def replies(port: int, raw: bytes, *, within: float = 10.0) -> list[Told]:
    """Every reply to these bytes, until the gateway ends the connection or has nothing more to say."""
    told: list[Told] = []
    async with opened(port) as (reader, writer), asyncio.timeout(within):
        writer.write(raw)
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(0.15 if told else within):
                    found = await reply(reader, head=raw.startswith(b"HEAD "))
                if found is None:
                    break
                told.append(found)
    return told


async def first(port: int, raw: bytes, *, within: float = 10.0) -> Told | None:
    """The first reply to these bytes, None when the connection ends without one."""
    async with opened(port) as (reader, writer), asyncio.timeout(within):
        writer.write(raw)
        return await reply(reader, head=raw.startswith(b"HEAD "))
