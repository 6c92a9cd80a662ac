"""uvicorn's HTTP protocol with limits on what one connection may cost before anybody knows whose it is.

httptools itself takes a head of any size, any number of headers, any framing between the pieces of a body, and waits
for ever for the end of each.
"""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from passerelle.http.credentials import read_head
from passerelle.http.problems import Problem
from passerelle.http.vigil import HANG_UP_SCOPE

_MOST_CONNECTIONS = 10_000
_HOST_BYTES = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]"


def _connections() -> int:
    """As many as the process has descriptors for, when each may need another one to an engine."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if soft < 0 else max(16, min(_MOST_CONNECTIONS, (soft - 64) * 9 // 20))


@dataclass(frozen=True, slots=True)
class Edge:
    """What a connection may be. A caller who is slower, larger or idler is answered 408 or 431, or hung up on."""

    head_bytes: int = 32_768  # request line and headers
    headers: int = 100
    head_seconds: float = 20.0  # from the first byte of a head to its end
    idle_seconds: float = 65.0  # a new connection's wait for its first byte
    body_window: float = 10.0  # seconds; in each of them a body must bring so many bytes
    body_floor: int = 5_000
    body_seconds: float = 300.0  # for a whole body
    framing: int = 65_536  # bytes of a chunked body that are neither content nor a share of it
    framing_share: int = 8  # such bytes per byte of content, beyond that
    dropped: int = 64 * 1_048_576  # bytes of a body that are read after its answer
    pipelined: int = 16  # requests that wait behind one another on a connection
    write_seconds: float = 60.0  # how long a caller may leave what it asked for unread
    linger_seconds: float = 2.0  # between a refusal and the end of the connection
    connections: int = 0  # open at once; 0 = what the process has descriptors for


class BoundedProtocol(HttpToolsProtocol):
    """Refuses requests that are too long (431), too slow (408), ambiguous (400) or too many (503)."""

    edge: ClassVar[Edge] = Edge()
    most: ClassVar[int] = _connections()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = True
        self._refused = False
        self._timer: asyncio.TimerHandle | None = None  # of the head or of the body, whichever is being read
        self._unread: asyncio.TimerHandle | None = None
        self._window_bytes = self._body_bytes = self._framing = self._dropped = 0
        self._body_spent = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """One more connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            # What refuses for want of room does not stay to explain.
            self._write(503, "The gateway has as many connections as it can keep.", "overloaded")
            self._refused = True
            transport.close()
            return
        self.timeout_keep_alive_task = self.loop.call_later(
            self.edge.idle_seconds, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._stop_timer()
        self._stop_unread()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what is head and what is framing, and let the parser see it."""
        if self._refused:
            return
        if self._in_head:
            data = self._feed_head(data)
            if not data:
                if not self._in_head:
                    self._watch_body()
                return
        if self._refused or self.transport.is_closing():
            return
        self._framing += len(data)
        super().data_received(data)
        edge = self.edge
        if self._in_head:
            return
        if self._framing > edge.framing + edge.framing_share * self._body_bytes:
            self._refuse(400, "The body is more framing than content.", "invalid_request")
        else:
            self._watch_body()

    def _feed_head(self, data: bytes) -> bytes:
        """Feed a head in parts, as a read may hold its end and much of a body; what is left belongs to a body."""
        most = self.edge.head_bytes
        while data and self._in_head and not self._refused:
            room = most - self._head_bytes
            part, data = data[: room + 1], data[room + 1 :]
            self._head_bytes += len(part)
            super().data_received(part)
            if not self._in_head or not self._head_bytes or self._refused:
                continue  # it came whole, as most do, and is never waited for
            if self._head_bytes > most:
                self._refuse(431, f"The request's head is longer than {most} bytes.", "headers_too_large")
            elif self._timer is None:
                self._timer = self.loop.call_later(self.edge.head_seconds, self._head_too_slow)
        return data

    def on_message_begin(self) -> None:
        """A new head begins."""
        self._in_head = True
        super().on_message_begin()
        # Closed, a connection waits for its caller to read what is left; for one that does not read, that is never.
        self.scope[HANG_UP_SCOPE] = self.transport.abort  # type: ignore[literal-required]

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count headers as they come; what follows a body is no header of the request."""
        if not self._in_head or self._refused:
            return
        if len(self.headers) >= self.edge.headers:
            self._refuse(431, f"The request has more than {self.edge.headers} headers.", "headers_too_large")
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: hand it on, unless it was refused or is ambiguous."""
        if not self._refused:
            self._check_head()
        if self._refused:
            self._in_head = False
            return
        super().on_headers_complete()
        self._in_head = False
        self._head_bytes = 0
        self._window_bytes = self._body_bytes = self._framing = self._dropped = 0
        self._body_spent = 0.0
        self._stop_timer()

    def _check_head(self) -> None:
        hosts = [value for name, value in self.headers if name == b"host"]
        version = self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self._refuse(400, "The request is of no version of HTTP that is spoken here.", "invalid_request")
        elif len(hosts) > 1:
            self._refuse(400, "The request names two hosts.", "invalid_request")
        elif not hosts and version != "1.0":
            self._refuse(400, "The request names no host.", "invalid_request")
        elif hosts and hosts[0].translate(None, _HOST_BYTES):
            self._refuse(400, "The request's host is not one.", "invalid_request")
        elif len(self.pipeline) >= self.edge.pipelined:
            self._refuse(400, "Too many requests wait on one connection.", "invalid_request")

    def on_body(self, body: bytes) -> None:
        """Bodies of refused requests are nobody's."""
        if self._refused:
            return
        size = len(body)
        self._body_bytes += size
        self._window_bytes += size
        self._framing -= size
        if self.cycle.response_complete:
            self._dropped += size
            if self._dropped > self.edge.dropped:
                self._refused = True
                self.transport.close()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The next bytes are a new head."""
        if not self._refused:
            super().on_message_complete()
            self._stop_timer()
        self._in_head = True

    def pause_writing(self) -> None:
        """The caller does not read: what it asked for is not kept for it for ever."""
        super().pause_writing()
        self._stop_unread()
        self._unread = self.loop.call_later(self.edge.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The caller reads again."""
        self._stop_unread()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP gets an error in the shape of all others."""
        self._refuse(400, "The request is not valid HTTP.", "invalid_request")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _head_too_slow(self) -> None:
        self._timer = None
        if self._in_head:
            seconds = self.edge.head_seconds
            self._refuse(408, f"The request's head took longer than {seconds:.0f} s.", "request_timeout")

    def _watch_body(self) -> None:
        """Look after a while whether the body still comes; a body that came with its head is never waited for."""
        if self._timer is None and not self._refused:
            self._window_bytes = 0
            self._timer = self.loop.call_later(self.edge.body_window, self._look_at_body)

    def _look_at_body(self) -> None:
        self._timer = None
        edge = self.edge
        if self.flow.read_paused or self.cycle.waiting_for_100_continue:
            self._watch_body()  # the caller waits for us
            return
        self._body_spent += edge.body_window
        if self._window_bytes < edge.body_floor:
            message = f"The body came slower than {edge.body_floor} bytes in {edge.body_window:.0f} s."
            self._refuse(408, message, "request_timeout")
        elif self._body_spent >= edge.body_seconds:
            self._refuse(408, f"The body took longer than {edge.body_seconds:.0f} s.", "request_timeout")
        else:
            self._watch_body()

    def _refuse(self, status: int, message: str, code: str) -> None:
        """Answer without the application and hang up."""
        if self._refused:
            return
        self._refused = True
        self._stop_timer()
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if self._in_head and cycle is not None and not cycle.response_complete:
            # An earlier answer is on its way, and nothing may be written into it: it is the last one.
            cycle.keep_alive = False
            return
        if not self._in_head:
            answered = cycle.response_started or bool(self.pipeline)
            cycle.disconnected = True
            cycle.message_event.set()
            if answered:
                self.transport.close()
                return
        self._unset_keepalive_if_required()
        self._write(status, message, code)
        # Closed at once, the connection would be reset while the client still writes, and the answer lost with it.
        # What comes in the meantime is dropped.
        self.loop.call_later(self.edge.linger_seconds, self.transport.close)

    def _write(self, status: int, message: str, code: str) -> None:
        kind = "service_unavailable_error" if status == 503 else "invalid_request_error"
        problem = Problem(status, message, kind, code=code, retry_after=1.0 if status == 503 else None)
        body = orjson.dumps(problem.payload())
        request_id = read_head(getattr(self, "headers", None) or ()).request_id
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id.encode("ascii")),
            (b"connection", b"close"),
            *problem.headers(),
        ]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, _PHRASE[status], lines, body))


def bounded(edge: Edge) -> type[BoundedProtocol]:
    """The protocol with limits of your own."""
    most = edge.connections or BoundedProtocol.most
    return type("BoundedProtocol", (BoundedProtocol,), {"edge": edge, "most": most})


_PHRASE = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}
