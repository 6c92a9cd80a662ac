"""The words of a call as they are kept in a log of prompts: what was asked and what was answered, bounded. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from passerelle.domain.ask import Route
from passerelle.wire.sse import data_of, events

MOST = 256 * 1024  # characters of each side
LOGGED = frozenset({Route.CHAT, Route.COMPLETIONS, Route.EMBEDDINGS})


class _Room:
    """Takes text until there is no room."""

    def __init__(self) -> None:
        self.left = MOST
        self.cut = False

    def take(self, text: str) -> str:
        if len(text) > self.left:
            self.cut = True
            text = text[: self.left]
        self.left -= len(text)
        return text


def words(route: Route, body: dict[str, Any], blocks: Sequence[bytes], *, streamed: bool) -> dict[str, Any]:
    """What was asked and answered, by who said it; `cut` where either was longer than is kept.

    Pictures, sounds and vectors are named and not kept.
    """
    asked, answered = _Room(), _Room()
    said = {
        "route": route.value,
        "asked": _asked(route, body, asked),
        "answered": _answered(route, b"".join(blocks), answered, streamed=streamed),
    }
    return {**said, "cut": asked.cut or answered.cut}


def _asked(route: Route, body: dict[str, Any], room: _Room) -> list[dict[str, Any]]:
    if route is Route.CHAT:
        return [
            _message(message, room) for message in body.get("messages") or () if isinstance(message, dict)
        ]
    given = body.get("prompt" if route is Route.COMPLETIONS else "input")
    if isinstance(given, str):
        given = [given]
    texts = [each for each in given or () if isinstance(each, str)]
    if not texts and given:
        texts = [f"[{len(given)} token ids or lists of them]"]
    return [{"text": room.take(each)} for each in texts]


def _message(message: dict[str, Any], room: _Room) -> dict[str, Any]:
    said: dict[str, Any] = {
        "role": str(message.get("role"))[:50],
        "text": room.take(_text(message.get("content"))),
    }
    if calls := _calls(message.get("tool_calls"), room):
        said["tool_calls"] = calls
    return said


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return "\n".join(
        [
            part["text"] if isinstance(part.get("text"), str) else f"[{str(part.get('type'))[:50]}]"
            for part in parts
        ]
    )


def _calls(calls: Any, room: _Room) -> list[dict[str, str]]:
    functions = [
        call["function"]
        for call in (calls if isinstance(calls, list) else ())
        if isinstance(call, dict) and isinstance(call.get("function"), dict)
    ]
    return [
        {"name": str(each.get("name"))[:200], "arguments": room.take(str(each.get("arguments") or ""))}
        for each in functions
    ]


def _answered(route: Route, told: bytes, room: _Room, *, streamed: bool) -> list[dict[str, Any]]:
    if route is Route.EMBEDDINGS:
        return []
    if streamed:
        return _streamed(_documents(told), room)
    document = _parsed(told)
    return [
        {"text": room.take(choice["text"])}
        if isinstance(choice.get("text"), str)
        else _message(choice.get("message") or {"role": "assistant"}, room)
        for choice in _choices(document)
    ]


def _streamed(chunks: Iterable[Any], room: _Room) -> list[dict[str, Any]]:
    """Pieces put together, by the choice that they are of."""
    texts: dict[int, list[str]] = {}
    for chunk in chunks:
        for choice in _choices(chunk):
            index = choice.get("index")
            pieces = texts.setdefault(index if isinstance(index, int) else 0, [])
            delta = choice.get("delta")
            piece = (
                choice.get("text")
                if not isinstance(delta, dict)
                else "".join([_text(delta.get("content")), *_arguments(delta.get("tool_calls"))])
            )
            if isinstance(piece, str) and piece:
                pieces.append(room.take(piece))
    return [{"role": "assistant", "text": "".join(pieces)} for _, pieces in sorted(texts.items())]


def _arguments(calls: Any) -> list[str]:
    """What a piece of a stream says of calls of tools."""
    found: list[str] = []
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            found += [f"\n[{function['name']}] "] if function.get("name") else []
            found += [str(function.get("arguments") or "")]
    return found


def _documents(told: bytes) -> Iterable[Any]:
    for event in events(told):
        data = data_of(event)
        if data is not None and data.strip() != b"[DONE]":
            yield _parsed(data)


def _choices(document: Any) -> list[dict[str, Any]]:
    choices = document.get("choices") if isinstance(document, dict) else None
    return [each for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []


def _parsed(told: bytes) -> Any:
    try:
        return orjson.loads(told)
    except orjson.JSONDecodeError:
        return None
