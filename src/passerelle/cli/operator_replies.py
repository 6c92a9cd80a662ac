"""What is the same wherever the application is asked: a reply is read whole, as JSON or as events, or is an error in its words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import orjson

from passerelle.domain.errors import CannotRun
from passerelle.wire.sse import Framer, data_of, events

JSON = "application/json"


class Asking(ABC):
    """What is the same wherever the application is."""

    def fetch(self, method: str, path: str, body: Any = None, *, kind: str = JSON) -> bytes:
        """The reply as it came."""
        return b"".join(self.parts(method, path, body, kind=kind))

    def order(self, method: str, path: str, body: Any = None, *, kind: str = JSON) -> Any:
        """The JSON of the reply."""
        reply = self.fetch(method, path, body, kind=kind)
        return orjson.loads(reply) if reply else None

    def follow(self, method: str, path: str, body: Any = None) -> Iterator[tuple[str, Any]]:
        """The events of the reply."""
        framer = Framer()
        for read in self.parts(method, path, body):
            for event in events(framer.feed(read)):
                data = data_of(event)
                if data is None or data == b"[DONE]":
                    continue
                name, said = _name(event), orjson.loads(data)
                if name == "error":
                    raise CannotRun(_said(said, "the events broke off"))
                yield name, said

    def parts(self, method: str, path: str, body: Any = None, *, kind: str = JSON) -> Iterator[bytes]:
        """The reply as it comes."""
        raw = b"" if body is None else body if kind != JSON else orjson.dumps(body)
        reply = self._ask(method, path, raw, kind)
        status = next(reply)
        assert isinstance(status, int)  # the first is always that  # noqa: S101
        parts = (part for part in reply if isinstance(part, bytes))
        if status >= 400:
            raise CannotRun(_told(b"".join(parts), status))
        yield from parts

    @abstractmethod
    def _ask(self, method: str, path: str, body: bytes, kind: str) -> Iterator[int | bytes]:
        """The status, then the body as it comes."""


def _name(event: bytes) -> str:
    for line in event.split(b"\n"):
        if line.startswith(b"event:"):
            return line[6:].strip().decode()
    return "message"


def _told(reply: bytes, status: int) -> str:
    return _said(orjson.loads(reply) if reply else None, f"status {status}")


def _said(document: Any, otherwise: str) -> str:
    if isinstance(document, dict) and "error" in document:
        return str(document["error"]["message"])
    return otherwise
