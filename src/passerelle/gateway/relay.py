"""What must be seen in a stream of OpenAI chunks, and nothing more.

Most blocks are relayed as they came. A block is parsed only before the first content, or when it holds usage, a
finish reason, an error or the end mark. Searching the bytes for a quoted key is safe: inside a JSON string a
quote is always escaped, so text that a model wrote cannot look like a key.
"""

from __future__ import annotations

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

    __slots__ = ("_ask", "_ended", "_last", "_text", "_usage", "content", "done")

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._text = ask.route is Route.COMPLETIONS
        self._ended: set[Any] = set()  # indexes of the choices that gave a finish reason
        self._last: dict[
            str, Any
        ] = {}  # the newest chunk that was parsed, for the usage chunk's outer fields
        self._usage: dict[str, Any] | None = None
        self.content = False
        self.done = False

    @property
    def usage(self) -> Usage | None:
        """What the engine said it used, None when it has not said."""
        return usage_of({"usage": self._usage})

    def take(self, block: bytes) -> bytes:
        """The part of a block that goes to the caller. Raises UpstreamFailed for an error inside."""
        if self.done:
            return b""  # whatever follows the end mark is not part of the answer
        if self.content and self._is_plain(block):
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
        return self._take_chunk(chunk)

    def _take_chunk(self, chunk: dict[str, Any]) -> bytes:
        usage = chunk.pop("usage", None)
        if isinstance(usage, dict):
            self._usage = usage
        self._last = chunk
        choices = [choice for choice in chunk.get("choices") or () if isinstance(choice, dict)]
        for choice in choices:
            if choice.get("finish_reason"):
                self._ended.add(choice.get("index", 0))
                self.content = True
            elif not self.content and self._has_content(choice):
                self.content = True
        return event_of(orjson.dumps(chunk)) if choices else b""

    def _has_content(self, choice: dict[str, Any]) -> bool:
        """Does it hold anything of the answer? A role, an empty text and nulls are not content."""
        if self._text:
            return bool(choice.get("text"))
        delta = choice.get("delta")
        return isinstance(delta, dict) and any(value for name, value in delta.items() if name != "role")


def _count_any(block: bytes, needles: tuple[bytes, ...]) -> int:
    return sum(block.count(needle) for needle in needles)
