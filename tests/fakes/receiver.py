"""A receiver of webhooks on a real socket: it answers, fails, hangs up, redirects, suspends, drips, as it is told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True)
class Posted:
    """One request, as it arrived."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def event_id(self) -> str:
        """The event's id."""
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """Answers each request with `status`, in one of several ways.

    `mood`: `answer`; `hang up` before an answer; `silent`, which never answers; `drip`, whose head comes and whose
    body never ends; `garbage`, which is no HTTP. Where `gate` is not set, requests wait for it before the answer.
    """

    status: int = 200
    mood: str = "answer"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"thank you"
    posted: list[Posted] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    most_at_once: int = 0
    url: str = ""
    _open: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self.gate.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook?token=in-the-address"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def arrived(self, count: int) -> None:
        """Wait until so many requests are here."""
        async with asyncio.timeout(20):
            while len(self.posted) < count:
                await asyncio.sleep(0.005)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side has gone
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in rest if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.posted.append(Posted(first.split(" ")[1], headers, body))
        self._open += 1
        self.most_at_once = max(self.most_at_once, self._open)
        try:
            await self.gate.wait()
            await self._reply(reader, writer)
        finally:
            self._open -= 1

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mood == "hang up":
            return
        if self.mood == "silent":
            await reader.read()  # until the other side gives up
            return
        if self.mood == "garbage":
            writer.write(b"\x00\x01 this is no HTTP\r\n\r\n")
            await writer.drain()
            return
        length = {} if self.mood == "drip" else {"Content-Length": str(len(self.body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in {**self.headers, **length}.items())
        writer.write(f"HTTP/1.1 {self.status} Said\r\n{head}\r\n".encode())
        writer.write(self.body)
        await writer.drain()
        while self.mood == "drip":
            await asyncio.sleep(0.05)
            writer.write(b".")
            await writer.drain()
