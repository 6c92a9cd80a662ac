"""What must be seen in a stream of OpenAI chunks, and nothing more.

Most blocks are relayed as they came. A block is parsed only before the first content, or when it holds usage, a
finish reason, an error or the end mark. Searching the bytes for a quoted key is safe: inside a JSON string a
quote is always escaped, so text that a model wrote cannot look like a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from passerelle.backends.http_backend import usage_of
from passerelle.domain.ask import Ask, Route, Usage
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.errors import failure_inside
from passerelle.wire.sse import data_of, event_of, events

_NULL_USAGE = (b'"usage":null', b'"usage": null')
_NULL_FINISH = (b'"finish_reason":null', b'"finish_reason": null')


class Relay:
    """Watches one stream on its way to the caller.

    `content` is true from the first piece of the answer on; `done` once nothing more may be sent; `usage` is what
    the engine said it used.
    """

    __slots__ = (
        "_ask",
        "_bytes",
        "_ended",
        "_events",
        "_frame",
        "_last",
        "_said",
        "_text",
        "_usage",
        "content",
        "done",
    )

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._text = ask.route is Route.COMPLETIONS
        self._ended: set[Any] = set()  # indexes of the choices that gave a finish reason
        self._last: dict[
            str, Any
        ] = {}  # the newest chunk that was parsed, for the usage chunk's outer fields
        self._usage: dict[str, Any] | None = None
        self._said: list[
            dict[str, Any]
        ] = []  # every usage that was not smaller than the one before, and the last
        self._bytes = self._events = 0  # of the answer, that were relayed
        self._frame = 0  # bytes of an event that are not text
        self.content = False
        self.done = False

    @property
    def usage(self) -> Usage | None:
        """What the engine said it used, None when it has not said."""
        return usage_of({"usage": self._usage})

    @property
    def said(self) -> tuple[dict[str, Any], ...]:
        """Every usage that the engine sent, as it sent them; of many the largest and the last."""
        return tuple(self._said)

    @property
    def received(self) -> int:
        """Bytes of text that were relayed, as near as that can be told without reading every event.

        Not below four for each event: an engine that sends an event for every token is taken at its word.
        """
        return max(self._bytes - self._events * self._frame, 4 * self._events)

    def take(self, block: bytes) -> bytes:
        """The part of a block that goes to the caller. Raises UpstreamFailed for an error inside."""
        if self.done:
            return b""  # whatever follows the end mark is not part of the answer
        if self.content and self._is_plain(block):
            self._bytes += len(block)
            # In a line of its own: text that says so is no event.
            self._events += block.count(b"\ndata:") + block.startswith(b"data:")
            if b'"usage"' in block:
                block = block.replace(b',"usage":null', b"").replace(b', "usage": null', b"")
            return block
        out: list[bytes] = []
        for event in events(block):
            out.append(self._take_event(event))
            if self.done:
                break
        return b"".join(out)

    def end(self) -> None:
        """The engine closed the stream. Raises UpstreamFailed unless the answer was complete.

        Some engines forget the end mark; an answer whose choices have all ended is complete without it.
        """
        if not self.done and len(self._ended) < (self._ask.body.get("n") or 1):
            raise UpstreamFailed(Fault.BROKEN, "The engine's stream ended before the answer did.")
        self.done = True

    def closing(self) -> bytes:
        """The usage chunk, if the caller asked for one and the engine gave the figures."""
        if not self._usage or not self._ask.wants_usage:
            return b""
        return event_of(orjson.dumps({**self._last, "choices": [], "usage": self._usage}))

    def _is_plain(self, block: bytes) -> bool:
        """True when every event of the block is a chunk that neither ends, fails, counts nor needs a look."""
        if b"[DONE]" in block or b'"error"' in block or b"event:" in block:
            return False
        if b"\\ud" in block or b"\\uD" in block:
            return False  # half of a character, perhaps, which is no text: the reader of JSON tells
        if b'"usage"' in block and block.count(b'"usage"') != _count_any(block, _NULL_USAGE):
            return False
        return block.count(b'"finish_reason"') == _count_any(block, _NULL_FINISH)

    def _take_event(self, event: bytes) -> bytes:
        data = data_of(event)
        if data is None:
            return event if event.startswith(b":") else b""
        if data.strip() == b"[DONE]":
            self.done = True
            return b""
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise UpstreamFailed(Fault.BROKEN, "An event of the stream is not JSON.") from error
        if not isinstance(chunk, dict):
            raise UpstreamFailed(Fault.BROKEN, "An event of the stream is not a JSON object.")
        if chunk.get("error") or b"event: error" in event:
            raise failure_inside(chunk)
        return self._take_chunk(chunk, len(event))

    def _take_chunk(self, chunk: dict[str, Any], size: int) -> bytes:
        usage = chunk.pop("usage", None)
        if isinstance(usage, dict):
            self._usage = usage
            self._heard(usage)
        self._last = chunk
        given = chunk.get("choices") or []
        if not isinstance(given, list):
            raise UpstreamFailed(Fault.BROKEN, "An event of the stream holds no list of choices.")
        choices = [choice for choice in given if isinstance(choice, dict)]
        for choice in choices:
            if choice.get("finish_reason"):
                index = choice.get("index", 0)
                self._ended.add(index if isinstance(index, int) else None)
                self.content = True
            elif not self.content and self._has_content(choice):
                self.content = True
        if not choices:
            return b""
        self._measure(size, choices)
        return event_of(orjson.dumps(chunk))

    def _measure(self, size: int, choices: list[dict[str, Any]]) -> None:
        """How much of an event, as the engine wrote it, is text, so that of those relayed unread it can be told."""
        text = sum(map(self._text_of, choices))
        if text:
            self._events += 1
            self._bytes += size
            self._frame = size - text

    def _text_of(self, choice: dict[str, Any]) -> int:
        """Bytes of text in a choice, of tool calls the arguments too."""
        if self._text:
            return len(str(choice.get("text") or "").encode())
        return text_bytes([choice.get("delta")])

    def _heard(self, usage: dict[str, Any]) -> None:
        """Keep a usage; of a stream that tells with every event, not all of them."""
        if len(self._said) > 1 and _size(self._said[-2]) <= _size(self._said[-1]):
            del self._said[-2]
        self._said.append(usage)

    def _has_content(self, choice: dict[str, Any]) -> bool:
        """Does it hold anything of the answer? A role, an empty text and nulls are not content."""
        if self._text:
            return bool(choice.get("text"))
        delta = choice.get("delta")
        return isinstance(delta, dict) and any(value for name, value in delta.items() if name != "role")


def text_bytes(messages: Sequence[object]) -> int:
    """Bytes of text in messages of an answer or in pieces of them, of tool calls the arguments too."""
    size = 0
    for message in messages:
        if isinstance(message, dict):
            texts = [message.get(name) for name in ("content", "reasoning_content", "reasoning", "refusal")]
            size += sum([len(text.encode()) for text in texts if isinstance(text, str)])
            if calls := message.get("tool_calls"):
                size += len(orjson.dumps(calls))
    return size


def _size(usage: dict[str, Any]) -> int:
    total = usage.get("total_tokens")
    return total if isinstance(total, int) else 0


def _count_any(block: bytes, needles: tuple[bytes, ...]) -> int:
    return sum(block.count(needle) for needle in needles)
