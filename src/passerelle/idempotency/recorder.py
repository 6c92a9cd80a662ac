"""What of an answer is kept: pure bookkeeping over the messages of an ASGI response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from passerelle.idempotency.seal import Reply

LONGEST_ANSWER = 4 * 1_048_576  # bytes
# What says "not now" or "not you": the same request may well be answered later.
_PASSING = frozenset({401, 403, 408, 409, 413, 425, 429})
_DONE = b"data: [DONE]"
_HEADERS = frozenset({b"content-type", b"cache-control", b"x-accel-buffering", b"allow", b"location"})
_OURS = b"x-passerelle-"
_EVENTS = b"text/event-stream"


class Recorder:
    """Listens to one response. `hear` tells when it is whole."""

    def __init__(self, request_id: str, *, longest: int = LONGEST_ANSWER) -> None:
        self._request_id = request_id
        self._longest = longest
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._size = 0
        self._tail = b""
        self._stream = False

    def hear(self, message: Mapping[str, Any]) -> bool:
        """Is the response whole with this message?"""
        if message["type"] == "http.response.start":
            self._start(message)
            return False
        if message["type"] != "http.response.body":
            return False
        body = bytes(message.get("body", b""))
        self._size += len(body)
        if self._stream:
            self._tail = (self._tail + body)[-2 * len(_DONE) :]
        if self._size <= self._longest:
            self._parts.append(body)
        else:
            self._parts.clear()
        return not message.get("more_body", False)

    def good(self) -> bool:
        """Is it an answer that a repeat should get too? A stream is one only with its end mark."""
        if self._stream and not self._tail.rstrip().endswith(_DONE):
            return False
        return 200 <= self._status < 500 and self._status not in _PASSING

    def reply(self) -> Reply | None:
        """What is kept of a whole response; None: it is too long."""
        if self._size > self._longest:
            return None
        return Reply(self._status, self._headers, b"".join(self._parts), self._request_id)

    def _start(self, message: Mapping[str, Any]) -> None:
        self._status = message["status"]
        for name, value in message.get("headers", ()):
            if name in _HEADERS or name.startswith(_OURS):
                self._headers.append((name, value))
            elif name == b"x-request-id":
                self._request_id = value.decode("latin-1")
            if name == b"content-type":
                self._stream = value.startswith(_EVENTS)
