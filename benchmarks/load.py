"""The load generator in Python, for machines without a C compiler: same settings, same report, a lower ceiling.

python -m benchmarks.load name=value... (the settings are described in native/load.c)
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httptools

from benchmarks.payloads import STAMP_DIGITS

_STAMP = re.compile(rb"@(\d{%d})@" % STAMP_DIGITS)
_TAIL = STAMP_DIGITS + 2
_TOP_US = 10_000_000
_MAX_ERRORS = 200
_GOLDEN = 0.6180339887498949
_PATH = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Settings:
    """What to send, how often and for how long (seconds)."""

    port: int
    body: Path
    mode: str = "closed"
    clients: int = 1
    seconds: float = 5.0
    events: int = 0
    timeout: float = 30.0
    key: str = ""
    expect: str = ""
    path: str = _PATH

    @classmethod
    def parse(cls, pairs: list[str]) -> Settings:
        """From `name=value` words; raises KeyError or ValueError for what is missing or malformed."""
        given = dict(pair.split("=", 1) for pair in pairs)
        return cls(
            port=int(given["port"]),
            body=Path(given["body"]),
            mode=given.get("mode", "closed"),
            clients=int(given.get("clients", "1")),
            seconds=float(given.get("seconds", "5")),
            events=int(given.get("events", "0")),
            timeout=float(given.get("timeout", "30")),
            key=given.get("key", ""),
            expect=given.get("expect", ""),
            path=given.get("path", _PATH),
        )

    @property
    def streaming(self) -> bool:
        return self.mode == "stream"

    def request(self) -> bytes:
        """The one request, head and body, as it goes on the wire."""
        body = self.body.read_bytes()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(slots=True)
class Tally:
    """What has been seen so far; histograms map microseconds to a count."""

    whole: int = 0
    in_window: int = 0
    events: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    first_error: str = ""
    first_us: Counter[int] = field(default_factory=Counter)
    chunk_us: Counter[int] = field(default_factory=Counter)

    def fault(self, kind: str, text: bytes) -> None:
        self.faults[kind] += 1
        self.first_error = self.first_error or f"{kind}: {text[:240].decode(errors='replace')}"


def _us(start_ns: int, end_ns: int) -> int:
    return min(max(end_ns - start_ns, 0) // 1000, _TOP_US)


class Asking(asyncio.Protocol):
    """One connection that carries one request at a time; `outcome` resolves when the answer is whole or lost."""

    def __init__(self, settings: Settings, tally: Tally) -> None:
        self._settings = settings
        self._tally = tally
        self._outcome: asyncio.Future[bool] | None = None
        self.closed = True
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.closed = transport, False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._resolve(fault="closed", text=str(exc or "connection closed").encode())

    def ask(self, request: bytes) -> asyncio.Future[bool]:
        """Sends; the future's value says whether the answer was whole and right."""
        self._parser = httptools.HttpResponseParser(self)
        self._body = bytearray()
        self._scanned = self._events = 0
        self._outcome = asyncio.get_running_loop().create_future()
        self.started = time.monotonic_ns()
        self.transport.write(request)
        return self._outcome

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._resolve(fault="body", text=str(error).encode())

    def on_body(self, data: bytes) -> None:
        self._body += data
        if not self._settings.streaming:
            return
        now = time.monotonic_ns()
        for found in _STAMP.finditer(self._body, self._scanned):
            if self._events == 0:
                self._tally.first_us[_us(self.started, now)] += 1
            self._events += 1
            self._tally.chunk_us[_us(int(found[1]), now)] += 1
            self._scanned = found.end()
        self._scanned = max(self._scanned, len(self._body) - _TAIL)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        self._tally.events += self._events
        if not self._parser.should_keep_alive():
            self.closed = True
            self.transport.close()
        if status != 200:
            self._resolve(fault="status", text=b"%d %b" % (status, bytes(self._body[:200])))
        elif self._settings.streaming:
            complete = self._events == self._settings.events and b"[DONE]" in self._body[-256:]
            self._resolve(fault="" if complete else "short", text=bytes(self._body[-200:]))
        else:
            right = self._settings.expect.encode() in self._body
            self._resolve(fault="" if right else "body", text=bytes(self._body[:200]))

    def _resolve(self, *, fault: str, text: bytes) -> None:
        if self._outcome is None or self._outcome.done():
            return
        if fault:
            self._tally.fault(fault, text)
        self._outcome.set_result(not fault)


async def _one_client(
    settings: Settings, tally: Tally, *, request: bytes, start_at: float, deadline: int
) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(start_at)
    connection: Asking | None = None
    while True:
        if connection is None or connection.closed:
            try:
                _, connection = await loop.create_connection(
                    lambda: Asking(settings, tally), "127.0.0.1", settings.port
                )
            except OSError as error:
                tally.fault("connect", str(error).encode())
                return
        try:
            async with asyncio.timeout(settings.timeout):
                right = await connection.ask(request)
        except TimeoutError:
            tally.fault("timeout", b"no whole answer in time")
            connection.transport.abort()
            right = False
        now = time.monotonic_ns()
        if right:
            tally.whole += 1
            tally.in_window += now <= deadline
            if not settings.streaming:
                tally.first_us[_us(connection.started, now)] += 1
        if settings.streaming or now >= deadline or tally.faults.total() >= _MAX_ERRORS:
            connection.transport.close()
            return


async def run(settings: Settings) -> dict[str, object]:
    """Carries the whole load out and returns the report that native/load.c prints."""
    tally, request, began = Tally(), settings.request(), time.monotonic_ns()
    deadline = began + int(settings.seconds * 1e9)
    async with asyncio.TaskGroup() as clients:
        for number in range(settings.clients):
            start_at = settings.seconds * (number * _GOLDEN % 1) if settings.streaming else 0.0
            clients.create_task(
                _one_client(settings, tally, request=request, start_at=start_at, deadline=deadline)
            )
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "whole": tally.whole,
        "in_window": tally.in_window,
        "window_s": settings.seconds,
        "elapsed_s": (time.monotonic_ns() - began) / 1e9,
        "events": tally.events,
        "cpu_s": used.ru_utime + used.ru_stime,
        "faults": dict(tally.faults),
        "first_error": tally.first_error,
        "first_us": {str(us): count for us, count in sorted(tally.first_us.items())},
        "chunk_us": {str(us): count for us, count in sorted(tally.chunk_us.items())},
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(Settings.parse(sys.argv[1:])))))
