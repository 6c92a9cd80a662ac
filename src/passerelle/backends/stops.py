"""Stop strings that a server leaves in its text, cut off: OpenAI's answers end before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from passerelle.domain.ask import Ask, Route
from passerelle.wire.sse import data_of, event_of, events
from passerelle.wire.upstream import Rewrite


def stops_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The stop strings of a request, one or many; an empty one stops nothing."""
    stop = body.get("stop") or ()
    return (stop,) if isinstance(stop, str) else tuple(text for text in stop if text)


def cut_reply(ask: Ask, payload: dict[str, Any]) -> bool:
    """Cut a whole answer in place; True when a stop string was in it."""
    stops, changed = stops_of(ask.body), False
    for choice in payload["choices"] if stops else ():
        part, name = _place(ask, choice)
        text = part.get(name) or ""
        at = _first(text, stops)
        if at is not None:
            part[name] = text[:at]
            choice["finish_reason"] = "stop"
            changed = True
    return changed


def cutter(ask: Ask) -> Rewrite:
    """Cuts one stream of one choice; changes nothing where the caller named no stop string."""
    stops = stops_of(ask.body)
    return _Cutter(ask, stops).mend if stops else _unchanged


def _unchanged(block: bytes) -> bytes:
    return block


def _place(ask: Ask, choice: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Where a choice holds its text: an object and a key."""
    if ask.route is Route.COMPLETIONS:
        return choice, "text"
    part = choice.get("message") or choice.get("delta")
    return (part if isinstance(part, dict) else {}), "content"


def _first(text: str, stops: tuple[str, ...]) -> int | None:
    """Where the first of the stop strings begins in the text."""
    return min((at for at in map(text.find, stops) if at >= 0), default=None)


class _Cutter:
    """Holds back what might be the beginning of a stop string until the next piece says whether it is."""

    __slots__ = ("_ask", "_cut", "_held", "_stops")

    def __init__(self, ask: Ask, stops: tuple[str, ...]) -> None:
        self._ask = ask
        self._stops = stops
        self._held = ""
        self._cut = False

    def mend(self, block: bytes) -> bytes:
        """A block of whole events, cut."""
        return b"".join(map(self._event, events(block)))

    def _event(self, event: bytes) -> bytes:
        data = data_of(event)
        if data is None or b'"choices"' not in data:
            return event
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            return event  # the relay says what is wrong with it
        choices = chunk.get("choices") if isinstance(chunk, dict) else None
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return event
        return self._chunk(chunk, choices[0])

    def _chunk(self, chunk: dict[str, Any], choice: dict[str, Any]) -> bytes:
        part, name = _place(self._ask, choice)
        piece = part.get(name)
        ended = bool(choice.get("finish_reason"))
        text = self._take(piece or "", last=ended or bool(part.get("tool_calls")))
        if piece and not text and not ended:
            return b""
        if piece or text:
            part[name] = text
            if part is not choice:
                choice["delta"] = part
        if ended and self._cut:
            choice["finish_reason"] = "stop"
        return event_of(orjson.dumps(chunk))

    def _take(self, piece: str, *, last: bool) -> str:
        """The text that may be given now; `last`: nothing follows that could complete a stop string."""
        if self._cut:
            return ""
        text = self._held + piece
        end = _first(text, self._stops)
        if end is None:
            end = len(text) if last else len(text) - self._begun(text)
            self._held = text[end:]
        else:
            self._cut = True
        return text[:end]

    def _begun(self, text: str) -> int:
        """How many characters at the end of the text could be the beginning of a stop string."""
        longest = min(max(map(len, self._stops)) - 1, len(text))
        return next(
            (
                size
                for size in range(longest, 0, -1)
                if any(stop.startswith(text[-size:]) for stop in self._stops)
            ),
            0,
        )
