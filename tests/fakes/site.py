"""A site on loopback that says, byte for byte, what a test gives it, and keeps what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


def reply(
    body: bytes = b"", *, status: int = 200, kind: str | None = "text/html; charset=utf-8", **headers: str
) -> bytes:
    """One answer with its length; `etag_="x"` is the header `etag`, `content_encoding` is `content-encoding`."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    if kind is not None:
        lines.append(f"Content-Type: {kind}")
    lines += [f"{name.strip('_').replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def moved(location: str, *, status: int = 302) -> bytes:
    """A redirect."""
    return reply(status=status, kind=None, location=location)


@dataclass
class Site:
    """`answers` by path; every other path is a 404. `asked` holds the heads of all requests."""

    answers: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    pause: float = 0.0  # seconds between two bytes of an answer
    connections: int = 0
    serving: set[asyncio.Task[None]] = field(default_factory=set)
    port: int = 0

    @property
    def paths(self) -> list[str]:
        """The paths it was asked for, in order."""
        return [head.split(" ")[1] for head in self.asked]

    def header(self, name: str, request: int = -1) -> str | None:
        """A header of a request; None where it was not sent."""
        for line in self.asked[request].split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
                await self._answer(self.answers.get(self.paths[-1], reply(status=404)), writer)
        finally:
            self.serving.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, answer: bytes, writer: asyncio.StreamWriter) -> None:
        for piece in [answer[at : at + 1] for at in range(len(answer))] if self.pause else [answer]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(self.pause)


@asynccontextmanager
async def running(*, secured: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Site]:
    """A site that listens, on a port of its own."""
    site = Site()
    server = await asyncio.start_server(site.serve, host, 0, ssl=secured)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()
        unfinished = list(site.serving)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await server.wait_closed()
