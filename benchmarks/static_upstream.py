"""The static upstream in Python, for machines without a C compiler: same bytes, same pace, a lower ceiling.

python -m benchmarks.static_upstream <payload folder> <microseconds between events> [port]
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.payloads import STAMP_DIGITS

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_EVENTS = re.compile(rb'"max_tokens":\s*(\d+)')
_STREAM = re.compile(rb'"stream":\s*true')
_DEFAULT_EVENTS = 64
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def _framed(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


@dataclass(frozen=True, slots=True)
class Script:
    """Everything the upstream can say, framed for HTTP, and its pace in seconds between events."""

    answer: bytes
    models: bytes
    role: bytes
    before_stamp: bytes
    after_stamp: bytes
    finish: bytes
    usage: bytes
    interval: float

    @classmethod
    def read(cls, folder: Path, *, interval: float) -> Script:
        """From the files that `payloads.write_all` makes."""
        content = _chunk((folder / "content.sse").read_bytes())
        stamp = content.index(b"@") + 1
        return cls(
            answer=_framed((folder / "answer.json").read_bytes()),
            models=_framed((folder / "models.json").read_bytes()),
            role=_chunk((folder / "role.sse").read_bytes()),
            before_stamp=content[:stamp],
            after_stamp=content[stamp + STAMP_DIGITS :],
            finish=_chunk((folder / "finish.sse").read_bytes()),
            usage=_chunk((folder / "usage.sse").read_bytes()),
            interval=interval,
        )

    def content(self) -> bytes:
        """One content event carrying this moment."""
        return self.before_stamp + b"%0*d" % (STAMP_DIGITS, time.monotonic_ns()) + self.after_stamp


class Answering(asyncio.Protocol):
    """One connection: whole requests in, answers or one paced stream at a time out."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._received = bytearray()
        self._pace: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._pace is not None:
            self._pace.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._serve()

    def _serve(self) -> None:
        while self._pace is None and (end := self._received.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._received, 0, end + 2)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self._received) < whole:
                return
            head, body = bytes(self._received[:4]), bytes(self._received[end + 4 : whole])
            del self._received[:whole]
            if head == b"GET ":
                self._transport.write(self._script.models)
            elif _STREAM.search(body):
                self._stream(body)
            else:
                self._transport.write(self._script.answer)

    def _stream(self, body: bytes) -> None:
        script = self._script
        asked = _EVENTS.search(body)
        events = int(asked[1]) if asked else _DEFAULT_EVENTS
        ending = (
            script.finish + (script.usage if b"include_usage" in body else b"") + _chunk(b"data: [DONE]\n\n")
        )
        self._transport.write(_STREAM_HEAD + script.role + script.content())
        loop = asyncio.get_running_loop()
        due = loop.time()

        def next_event(left: int, due: float) -> None:
            if left == 0:
                self._pace = None
                self._transport.write(ending + b"0\r\n\r\n")
                self._serve()
                return
            self._transport.write(script.content())
            due += script.interval
            self._pace = loop.call_at(due, next_event, left - 1, due)

        due += script.interval
        self._pace = loop.call_at(due, next_event, events - 1, due)


async def serve(script: Script, *, port: int, announce: Callable[[int], object]) -> None:
    """Listens on 127.0.0.1 (port 0: a free one), tells `announce` the port, and serves until cancelled."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(script), "127.0.0.1", port, backlog=4096)
    async with server:
        announce(int(server.sockets[0].getsockname()[1]))
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(
        serve(
            Script.read(Path(sys.argv[1]), interval=int(sys.argv[2]) / 1e6),
            port=int(sys.argv[3]) if len(sys.argv) > 3 else 0,
            announce=lambda port: print(f"port {port}", flush=True),
        )
    )
