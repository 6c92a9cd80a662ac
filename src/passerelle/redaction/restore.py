"""An answer with what was taken out of its request: a whole body, or a stream in which placeholders are cut anywhere.

Of a stream, what may yet become a placeholder is held back, in each text of each choice by itself, and never more than
one placeholder is long. Events that hold none of that leave byte for byte as they came.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from passerelle.domain.ask import Ask
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.redaction.mending import Mender
from passerelle.redaction.vault import Vault
from passerelle.wire.sse import data_of, event_of, events

MOST_TEXTS = 1_024  # in one stream
_LONGEST_KEY = 256  # characters of a field's name that is remembered
_NAMES = frozenset(
    {"role", "id", "type", "index", "tool_call_id", "finish_reason", "encrypted_content", "signature"}
)
_ANSWER = (("content",), ("text",))  # where the text of a choice stands

_Path = tuple[Any, ...]  # the number of a choice, then keys and numbers


class Restoration:
    """Puts back what a vault holds."""

    def __init__(self, vault: Vault, ask: Ask) -> None:
        form = ask.body.get("response_format")
        self.json = isinstance(form, dict) and form.get("type") not in (None, "text")
        self.mender = Mender(vault.values, vault.labels, vault.form)

    def whole(self, body: bytes) -> bytes:
        """A whole answer. One that is no JSON is left as it is."""
        if _is_plain(body):
            return body
        try:
            document = orjson.loads(body)
            mended = self._mended(document, ())
            return body if mended == document else orjson.dumps(mended)
        except (
            orjson.JSONDecodeError,
            orjson.JSONEncodeError,
            RecursionError,
        ):  # or deeper than can be written
            return body

    def stream(self) -> Restoring:
        """For one stream."""
        return Restoring(self)

    def is_json(self, path: _Path) -> bool:
        """Is the text at this place JSON?"""
        return path[-1:] == ("arguments",) or (self.json and path[-1:] in _ANSWER)

    def _mended(self, node: Any, path: _Path) -> Any:
        if isinstance(node, str):
            return self.mender.mended(node, escaped=self.is_json(path))
        if isinstance(node, list):
            return [self._mended(part, path) for part in node]
        if isinstance(node, dict):
            return {name: self._mended(value, (*path, name)) for name, value in node.items()}
        return node


class _Text:
    """One text as it grows: `held` is its end, which may be the beginning of a placeholder."""

    __slots__ = ("held", "path")

    def __init__(self, path: _Path) -> None:
        self.held = ""
        self.path = path


class Restoring:
    """One stream on its way to the caller."""

    def __init__(self, restoration: Restoration) -> None:
        self._restoration = restoration
        self._texts: dict[_Path, _Text] = {}
        self._held = 0  # texts of which something is held back
        self._outer: dict[str, Any] = {}  # what the last event said beside its choices

    def take(self, block: bytes) -> bytes:
        """Whole events come, and as many leave. Raises UpstreamFailed for what cannot be read."""
        if not self._held and _is_plain(block):
            return block
        return b"".join([self._event(event) for event in events(block)])

    def finish(self) -> bytes:
        """The stream has ended: what was held back is no placeholder."""
        return b"".join([self._rest(text) for text in list(self._texts.values())])

    def _event(self, event: bytes) -> bytes:
        payload = data_of(event)
        if payload is None or payload.strip() == b"[DONE]" or (not self._held and _is_plain(event)):
            return event
        try:
            return self._mended(payload, event)
        except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError) as error:
            raise UpstreamFailed(Fault.BROKEN, "An event of the stream is not JSON, or too deep.") from error

    def _mended(self, payload: bytes, event: bytes) -> bytes:
        chunk = orjson.loads(payload)
        choices = chunk.get("choices") if isinstance(chunk, dict) else None
        if not isinstance(choices, list):
            return event
        self._outer = {name: value for name, value in chunk.items() if name not in ("choices", "usage")}
        changed, ended = False, set()
        for choice in choices:
            if not isinstance(choice, dict):
                continue
            index, last = choice.get("index"), bool(choice.get("finish_reason"))
            number = index if isinstance(index, int) else 0
            for holder, key, path in list(_placed(choice, number)):
                given = holder[key]
                holder[key] = self._grown(self._text(path), given, last=last)
                changed = changed or holder[key] != given
            if last:
                ended.add(number)
        before = [self._rest(text) for path, text in self._texts.items() if path[0] in ended] if ended else []
        return b"".join(before) + (event_of(orjson.dumps(chunk)) if changed else event)

    def _text(self, path: _Path) -> _Text:
        text = self._texts.get(path)
        if text is None:
            if len(self._texts) >= MOST_TEXTS or any(len(str(key)) > _LONGEST_KEY for key in path):
                raise UpstreamFailed(Fault.BROKEN, "The engine's stream holds too many texts at once.")
            text = self._texts[path] = _Text(path)
        return text

    def _grown(self, text: _Text, piece: str, *, last: bool) -> str:
        """What leaves of a text when a piece comes; all of it, where that is the last."""
        mender = self._restoration.mender
        whole = text.held + piece
        cut = len(whole) if last else mender.begun(whole)
        self._hold(text, whole[cut:])
        return mender.mended(whole[:cut], escaped=self._restoration.is_json(text.path))

    def _hold(self, text: _Text, held: str) -> None:
        self._held += bool(held) - bool(text.held)
        text.held = held

    def _rest(self, text: _Text) -> bytes:
        """An event of its own for what is still held back of a text that has ended."""
        held = text.held
        if not held:
            return b""
        self._hold(text, "")
        choice = {"index": text.path[0], **_nested(text.path[1:], held), "finish_reason": None}
        return event_of(orjson.dumps({**self._outer, "choices": [choice]}))


def _is_plain(block: bytes) -> bool:
    """True when no text of the block holds a bracket or a backslash.

    A quote inside a text is escaped, so what follows one that is not is no text.
    """
    if b"\\\\" in block or b"\\u005" in block or b'\\":' in block:
        return False
    return block.count(b"[") == block.count(b'":[') + block.count(b'": [')


def _placed(choice: dict[str, Any], number: Any) -> Iterator[tuple[Any, Any, _Path]]:
    """The texts of a piece of a choice: what holds each, under which key, and the place that its pieces have in common."""
    if isinstance(choice.get("text"), str):
        yield choice, "text", (number, "text")
    for name in ("delta", "message"):
        if isinstance(choice.get(name), dict):
            yield from _inside(choice[name], (number, name))


def _inside(node: Any, path: _Path) -> Iterator[tuple[Any, Any, _Path]]:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key in _NAMES:
            continue
        place = key
        if isinstance(node, list) and isinstance(value, dict) and isinstance(value.get("index"), int):
            place = value["index"]
        if isinstance(value, str):
            yield node, key, (*path, place)
        elif isinstance(value, dict | list):
            yield from _inside(value, (*path, place))


def _nested(path: _Path, value: Any) -> dict[str, Any]:
    """An object in which a value stands at a path."""
    for key in reversed(path):
        if isinstance(key, int):
            inner = value if isinstance(value, dict) else {"text": value}
            value = [{"index": key, **({"type": "text"} if "text" in inner else {}), **inner}]
        else:
            value = {key: value}
    assert isinstance(value, dict)  # the first key is a word  # noqa: S101
    return value
