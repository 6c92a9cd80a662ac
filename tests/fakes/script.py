"""What a fake engine is told to say and how it is told to fail: values only, combined freely.

Positions count the frames a client is sent. A frame is one server-sent event with its blank line, or the
whole body of an answer that is not streamed. `before=k` is the moment before frame `k`, `after=k` the moment
when `k` frames are out: 0 means that only the head is out, `HEAD` that not even the head is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

HEAD = -1  # before the status line
END = 1 << 30  # after the last frame, `[DONE]` included

Until = float | asyncio.Event  # seconds, or an event that the test sets

FailKind = Literal[
    "overloaded",
    "generation",
    "validation",
    "incomplete",
    "credits",
    "rate_limited",
    "server",
    "timeout",
    "model",
]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool; `arguments` is JSON text."""

    name: str
    arguments: str = "{}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model has to say, before `max_tokens` and stop strings cut it.

    `pieces` is how a stream cuts the text; empty means one piece a word. When given, they are the text.
    `tools` are called instead of saying the text if the request offers tools. `finish` is why the model ends
    by itself; each engine has its own word for it. One word is one token.
    """

    text: str = "Bonjour le monde."
    pieces: tuple[str, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    finish: Literal["end", "length", "stop"] = "end"
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is sent at this point for some seconds, or until the event is set."""

    until: Until
    before: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """Every frame waits: so many seconds each, or for the event (`set` then `clear` lets one frame out)."""

    until: Until


@dataclass(frozen=True, slots=True)
class Silent:
    """The request is read and never answered."""


@dataclass(frozen=True, slots=True)
class Close:
    """The connection is closed in order (FIN), the body unfinished."""

    after: int = HEAD


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset (RST)."""

    after: int = HEAD


@dataclass(frozen=True, slots=True)
class Truncate:
    """The body ends properly after `after` frames: no `[DONE]`, no sign that anything is missing."""

    after: int


@dataclass(frozen=True, slots=True)
class HalfFrame:
    """Half of the next frame's bytes are sent, then the connection goes the way `then` says."""

    after: int
    then: Literal["end", "close", "reset"] = "close"


@dataclass(frozen=True, slots=True)
class Fail:
    """The engine says that it failed, in its own words and at its own place.

    Before the first frame it may be a status code or an error inside a 200, as the engine does it; after
    `after` frames of a stream it is always inside.
    """

    kind: FailKind = "overloaded"
    after: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """This status and body, whatever was asked. A body that is not text or bytes is sent as JSON."""

    status: int
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""  # empty: JSON or plain text, as the body is


@dataclass(frozen=True, slots=True)
class Insert:
    """These bytes are put on the wire as a frame of their own. Other positions count them."""

    raw: bytes
    before: int = 0


@dataclass(frozen=True, slots=True)
class RoleFirst:
    """A chunk that only carries the role comes first, also from engines that do not send one."""


@dataclass(frozen=True, slots=True)
class EmptyFirst:
    """So many chunks with an empty delta come before the first content."""

    count: int = 3


@dataclass(frozen=True, slots=True)
class NoDone:
    """A stream ends without `data: [DONE]`."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The body is cut every `size` bytes, in the middle of frames; a large size glues frames together."""

    size: int


@dataclass(frozen=True, slots=True)
class Crlf:
    """Lines of a stream end with CR LF."""


Cut = Close | Reset | Truncate | HalfFrame
Touch = (
    Answer
    | Wait
    | Pace
    | Silent
    | Cut
    | Fail
    | Status
    | Insert
    | RoleFirst
    | EmptyFirst
    | NoDone
    | Slice
    | Crlf
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """The touches that apply to one request."""

    touches: tuple[Touch, ...] = ()

    def get(self, kind: type[T]) -> T | None:
        """The first touch of this kind, or None."""
        return next((touch for touch in self.touches if isinstance(touch, kind)), None)

    def every(self, kind: type[T]) -> list[T]:
        """All touches of this kind, in the order given."""
        return [touch for touch in self.touches if isinstance(touch, kind)]

    @property
    def cut(self) -> Cut | None:
        """How the connection or the body is cut short, if it is."""
        return next((t for t in self.touches if isinstance(t, Close | Reset | Truncate | HalfFrame)), None)


def keep_alive(*, before: int = 0) -> Insert:
    """The comment that axum's event streams send when nothing was said for a while."""
    return Insert(b":\n\n", before)


def garbage_after_done() -> Insert:
    """Bytes that are no event at all, after the end of the stream."""
    return Insert(b'}}garbage\n\ndata: {"not": "read"}\n\n', END)


def invalid_utf8(*, before: int = 0) -> Insert:
    """A chunk whose content is not UTF-8."""
    return Insert(b'data: {"choices":[{"index":0,"delta":{"content":"\xff\xfe\x80"}}]}\n\n', before)


def oversized(size: int, *, before: int = 0) -> Insert:
    """One event whose line is longer than `size` bytes and is valid JSON."""
    chunk = {"choices": [{"index": 0, "delta": {"content": "x" * size}, "finish_reason": None}]}
    return Insert(b"data: " + json.dumps(chunk).encode() + b"\n\n", before)


def bad_gateway() -> Status:
    """The page that nginx answers with when the engine behind it is gone."""
    page = (
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
        "<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.27.2</center>\r\n</body>\r\n</html>\r\n"
    )
    return Status(502, page, {"server": "nginx/1.27.2"}, "text/html")
