"""uvicorn's HTTP protocol with limits on what comes before a body.

httptools itself takes a head of any size and any number of headers, and waits for ever for its end.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from passerelle.http.problems import Problem

MOST_HEAD = 32_768  # bytes of request line and headers
MOST_HEADERS = 100
LINGER_SECONDS = 2.0  # between a refusal and the end of the connection
HEAD_SECONDS = 20.0  # from the first byte of a head to its end


class BoundedProtocol(HttpToolsProtocol):
    """Refuses heads that are too long (431), too slow (408) or name two hosts (400)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = True
        self._refused = False
        self._head_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head before the parser sees it."""
        if self._refused:
            return
        if self._in_head:
            # A read may hold the end of a head and much of a body: the parser tells, so it is fed in parts.
            while data and self._in_head and not self._refused:
                room = MOST_HEAD - self._head_bytes
                part, data = data[: room + 1], data[room + 1 :]
                self._head_bytes += len(part)
                self._watch_head()
                super().data_received(part)
                if self._in_head and self._head_bytes > MOST_HEAD:
                    self._refuse(
                        431, f"The request's head is longer than {MOST_HEAD} bytes.", "headers_too_large"
                    )
            if not data:
                return
        if not self._refused and not self.transport.is_closing():
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._unwatch_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A new head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count headers as they come."""
        if len(self.headers) >= MOST_HEADERS:
            self._refuse(431, f"The request has more than {MOST_HEADERS} headers.", "headers_too_large")
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: hand it on, unless it was refused or is ambiguous."""
        self._in_head = False
        self._head_bytes = 0
        self._unwatch_head()
        if self._refused:
            return
        if sum(name == b"host" for name, _ in self.headers) > 1:
            self._refuse(400, "The request names two hosts.", "invalid_request")
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Bodies of refused requests are nobody's."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The next bytes are a new head."""
        if not self._refused:
            super().on_message_complete()
        self._in_head = True

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP gets an error in the shape of all others."""
        if not self._refused:
            self._refuse(400, "The request is not valid HTTP.", "invalid_request")

    def _watch_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _unwatch_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if self._in_head and self._head_bytes:
            self._refuse(408, f"The request's head took longer than {HEAD_SECONDS:.0f} s.", "request_timeout")

    def _refuse(self, status: int, message: str, code: str) -> None:
        """Answer without the application and hang up."""
        if self._refused:
            return
        self._refused = True
        self._unwatch_head()
        if self.transport.is_closing():
            return
        body = orjson.dumps(Problem(status, message, "invalid_request_error", code=code).payload())
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (status, _PHRASE[status], len(body), body)
        )
        # Closed at once, the connection would be reset while the client still writes, and the answer lost with it.
        # What comes in the meantime is dropped.
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


_PHRASE = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}
