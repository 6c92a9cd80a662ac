"""HTTP/1.1 on one TCP connection, byte by byte: what a fake engine hears and what it puts on the wire."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import deque
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Protocol, cast
from urllib.parse import unquote, urlsplit

import httptools
from typing_extensions import override

SSE = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came. Header names are in lower case; repeated ones are joined by a comma."""

    method: str
    target: str  # as sent, query included
    headers: Mapping[str, str]
    raw: bytes
    at: float  # the event loop's clock when the last byte was in
    connection: int  # 1 for the first connection opened

    @property
    def path(self) -> str:
        """The path without the query."""
        return unquote(urlsplit(self.target).path)

    @property
    def body(self) -> Any:
        """The body parsed as JSON; None when it is empty or is not JSON."""
        try:
            return json.loads(self.raw)
        except ValueError:
            return None

    @property
    def bearer(self) -> str:
        """The token of the Authorization header, or an empty string."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an engine answers: the frames of a stream, or the whole body as one frame."""

    status: int = 200
    frames: tuple[bytes, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: bool = False


def dump(value: Any) -> bytes:
    """JSON as serde, pydantic and Starlette write it: no spaces, no ASCII escapes."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def event(value: Any) -> bytes:
    """One server-sent event that carries JSON."""
    return b"data: " + dump(value) + b"\n\n"


def json_reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """An answer in JSON."""
    return Reply(status, (dump(value),), {"content-type": "application/json", **(headers or {})})


def text_reply(text: str, status: int = 200, content_type: str = "text/plain; charset=utf-8") -> Reply:
    """An answer in plain text or HTML."""
    return Reply(status, (text.encode(),), {"content-type": content_type} if text else {})


class Host(Protocol):
    """The engine behind a connection."""

    server: str

    def opened(self, line: Line) -> int:
        """A client connected; answers the connection's number."""

    def exchange(self, line: Line, request: Received) -> Coroutine[Any, Any, None]:
        """Answer one request on its connection."""

    def lost(self, line: Line) -> None:
        """The connection is gone, whoever ended it."""

    def crashed(self, error: BaseException) -> None:
        """The fake itself failed."""


class Line(asyncio.Protocol):
    """One connection: requests are answered one after the other, bytes leave as they are given."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Received, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._chunked = False
        self._keep_alive = True
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()
        self.number = 0
        self.ours = False  # we ended it, so the client did not hang up

    # what comes in

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not of asyncio's class
        self.number = self._host.opened(self)

    @override
    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.write_head(text_reply("bad request", 400), length=11)
            self._transport.write(b"bad request")
            self.close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._writable.set()
        self._host.lost(self)
        if self._task:
            self._task.cancel()

    @override
    def pause_writing(self) -> None:
        self._writable.clear()

    @override
    def resume_writing(self) -> None:
        self._writable.set()

    def on_message_begin(self) -> None:
        self._target, self._headers, self._body = b"", [], bytearray()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        if ("expect", "100-continue") in self._headers:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        headers: dict[str, str] = {}
        for name, value in self._headers:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        request = Received(
            method=self._parser.get_method().decode(),
            target=self._target.decode("latin-1"),
            headers=headers,
            raw=bytes(self._body),
            at=asyncio.get_running_loop().time(),
            connection=self.number,
        )
        self._waiting.append((request, self._parser.should_keep_alive()))
        if self._task is None:
            self._next()

    def _next(self) -> None:
        request, self._keep_alive = self._waiting.popleft()
        self._task = asyncio.get_running_loop().create_task(self._host.exchange(self, request))
        self._task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._host.crashed(error)
            self.reset()
        elif self._waiting and not self._transport.is_closing():
            self._next()

    # what goes out

    def write_head(self, reply: Reply, *, length: int | None) -> None:
        """Status line and headers; a body of unknown length is sent in chunks."""
        self._chunked = length is None
        phrase = HTTPStatus(reply.status).phrase if reply.status in set(HTTPStatus) else ""
        headers = {**reply.headers, "date": formatdate(usegmt=True)}
        if self._host.server:
            headers.setdefault("server", self._host.server)
        headers |= {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}
        if not self._keep_alive:
            headers["connection"] = "close"
        lines = [
            f"HTTP/1.1 {reply.status} {phrase}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self._transport.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def write(self, data: bytes) -> None:
        """Put bytes of the body on the wire: one call is one chunk."""
        if data:
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        await self._writable.wait()
        await asyncio.sleep(0)

    def finish(self) -> None:
        """The body is complete; the connection stays open if the client wants it."""
        if self._chunked:
            self._transport.write(b"0\r\n\r\n")
        if not self._keep_alive:
            self.close()

    def close(self) -> None:
        """End the connection in order."""
        self.ours = True
        self._transport.close()

    def reset(self) -> None:
        """End the connection with RST."""
        self.ours = True
        raw: socket.socket | None = self._transport.get_extra_info("socket")
        if raw is not None and not self._transport.is_closing():
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
