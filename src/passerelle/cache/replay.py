"""An answer that came whole or as a stream, as one value; and that value given again in either form.

The text given again is the text that came, character for character. What cannot be folded into one plain answer
and unfolded again without loss (several choices, tool calls, an answer that broke off, fields we do not know how
to join) is not kept at all.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from passerelle.cache.entry import Kept
from passerelle.domain.ask import Ask, Route
from passerelle.domain.errors import UpstreamFailed
from passerelle.wire.sse import Framer, data_of, event_of
from passerelle.wire.sse import events as events_in

PIECE = 96  # characters: about 24 tokens of French or English
LONGEST_PIECE = 2 * PIECE  # where no space comes, as in Chinese or in base64

_BREAK = re.compile(r"\s(?=\S)")  # the last of the white space between two words
_TEXTS = ("reasoning_content", "reasoning", "content", "refusal")  # in the order in which engines write them
_CALLS = ("tool_calls", "function_call", "audio")


@dataclass(frozen=True, slots=True)
class Said:
    """What an engine answered: of `Kept` the part that the engine wrote."""

    message: dict[str, Any]
    finish_reason: str
    usage: dict[str, Any] | None
    model: str


def said_whole(body: bytes, route: Route) -> Said | None:
    """What a whole answer says; None where it is not one plain choice that has ended."""
    parsed = _object(body)
    if parsed is None or parsed.get("error"):
        return None
    choices = parsed.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        return None
    choice = choices[0]
    reason = choice.get("finish_reason")
    message = _message_of(choice, route)
    if message is None or not isinstance(reason, str) or not reason or choice.get("logprobs"):
        return None
    usage, model = parsed.get("usage"), parsed.get("model")
    return Said(
        message, reason, usage if isinstance(usage, dict) else None, model if isinstance(model, str) else ""
    )


def said_streamed(
    blocks: Iterable[bytes], route: Route, *, usage: dict[str, Any] | None = None
) -> Said | None:
    """What a stream says, from its blocks of events in any split, with or without the end mark.

    `usage` is what the engine said elsewhere, for a stream whose usage was not relayed. None where the stream did not
    end with a finish reason, or is not one plain choice.
    """
    framer = Framer()
    fold = _Fold(route)
    try:
        for block in blocks:
            if not fold.take(framer.feed(block)):
                return None
        if not fold.take(framer.flush()):
            return None
    except UpstreamFailed:
        return None  # an event that is no text, or longer than any that a model wrote
    return fold.said(usage)


def whole(kept: Kept, ask: Ask, *, now: float) -> bytes:
    """The body of an answer to a caller that asked for no stream. `now` is in Unix seconds."""
    choice: dict[str, Any] = {"index": 0}
    if ask.route is Route.COMPLETIONS:
        choice["text"] = kept.message.get("content") or ""
    else:
        choice["message"] = {"role": "assistant", "content": None, **kept.message}
    body = {
        **_outer(kept, ask, now=now, streamed=False),
        "choices": [{**choice, "logprobs": None, "finish_reason": kept.finish_reason}],
    }
    if kept.usage is not None:
        body["usage"] = kept.usage
    return orjson.dumps(body)


def events(kept: Kept, ask: Ask, *, now: float) -> Iterator[bytes]:
    """The events of the stream: role, text in pieces of whole words, finish, usage if asked; no end mark."""
    outer = orjson.dumps(_outer(kept, ask, now=now, streamed=True))[:-1]  # the object stays open
    if ask.route is Route.COMPLETIONS:
        yield from _texts(outer, b'"text":', kept.message.get("content"), b',"logprobs":null,')
        yield _event(outer, b'"text":"","logprobs":null,', orjson.dumps(kept.finish_reason))
    else:
        yield _event(outer, b'"delta":{"role":"assistant","content":""},')
        for name in _TEXTS:
            yield from _texts(outer, b'"delta":{"%s":' % name.encode(), kept.message.get(name), b"},")
        rest = {k: v for k, v in kept.message.items() if k not in _TEXTS and k != "role" and v}
        yield _event(outer, b'"delta":%s,' % orjson.dumps(rest), orjson.dumps(kept.finish_reason))
    if ask.wants_usage and kept.usage is not None:
        yield event_of(outer + b',"choices":[],"usage":' + orjson.dumps(kept.usage) + b"}")


def pieces(text: str) -> Iterator[str]:
    """The text in pieces that end after a word wherever there are words; joined, they are the text."""
    start, length = 0, len(text)
    while start < length:
        longest = min(start + LONGEST_PIECE, length)
        # A word past the piece's own length is still finished; white space stays with the word before it.
        found = _BREAK.search(text, start + PIECE - 1, longest) if length - start > PIECE else None
        end = found.end() if found else longest
        yield text[start:end]
        start = end


@dataclass(slots=True)
class _Fold:
    """The chunks of one stream, joined."""

    route: Route
    texts: dict[str, list[str]] = field(default_factory=dict)
    reason: str = ""
    model: str = ""
    usage: dict[str, Any] | None = None
    done: bool = False

    def take(self, block: bytes) -> bool:
        """Join the events of a block; False for what cannot be joined."""
        for event in events_in(block):
            data = None if self.done else data_of(event)
            if data is None:
                continue  # a comment, or whatever follows the end mark
            if data.strip() == b"[DONE]":
                self.done = True
                continue
            chunk = _object(data)
            if chunk is None or chunk.get("error") or not self._take_chunk(chunk):
                return False
        return True

    def said(self, usage: dict[str, Any] | None) -> Said | None:
        if not self.reason:
            return None
        texts = {name: "".join(parts) for name, parts in self.texts.items()}
        message = {"content": texts.pop("text", "")} if self.route is Route.COMPLETIONS else _message(texts)
        return Said(message, self.reason, usage or self.usage, self.model)

    def _take_chunk(self, chunk: dict[str, Any]) -> bool:
        if isinstance(usage := chunk.get("usage"), dict):
            self.usage = usage
        if isinstance(model := chunk.get("model"), str) and model:
            self.model = model
        choices = chunk.get("choices") or []
        if not isinstance(choices, list) or len(choices) > 1:
            return False
        return not choices or (isinstance(choices[0], dict) and self._take_choice(choices[0]))

    def _take_choice(self, choice: dict[str, Any]) -> bool:
        if choice.get("index") or choice.get("logprobs"):
            return False
        if isinstance(reason := choice.get("finish_reason"), str):
            self.reason = reason
        if self.route is Route.COMPLETIONS:
            return self._take_texts({"text": choice.get("text")}, ("text",))
        delta = choice.get("delta")
        return delta is None or (isinstance(delta, dict) and self._take_texts(delta, _TEXTS))

    def _take_texts(self, delta: dict[str, Any], names: tuple[str, ...]) -> bool:
        for name, value in delta.items():
            if name == "role" or not value:
                continue
            if name not in names or not isinstance(value, str):
                return False  # how pieces of it are joined is not known
            self.texts.setdefault(name, []).append(value)
        return True


def _message_of(choice: dict[str, Any], route: Route) -> dict[str, Any] | None:
    """The message of a whole answer's choice; None for one that is not plain text."""
    if route is Route.COMPLETIONS:
        text = choice.get("text")
        return {"content": text} if isinstance(text, str) else None
    message = choice.get("message")
    if not isinstance(message, dict) or any(message.get(name) for name in _CALLS):
        return None
    if not all(isinstance(message.get(name), str | None) for name in _TEXTS):
        return None  # content in parts has no one form as a stream
    return _message({name: value for name, value in message.items() if value})


def _message(fields: dict[str, Any]) -> dict[str, Any]:
    """A message in one form, whichever way it came: the role, the content if only empty, and what else there is."""
    content = fields.get("content", None if fields.get("refusal") else "")
    return {
        "role": "assistant",
        "content": content,
        **{k: v for k, v in fields.items() if k not in {"role", "content"}},
    }


def _outer(kept: Kept, ask: Ask, *, now: float, streamed: bool) -> dict[str, Any]:
    """What surrounds the choices: an id and a time of its own, the model as the engine called itself."""
    if ask.route is Route.COMPLETIONS:
        prefix, kind = "cmpl", "text_completion"
    else:
        prefix, kind = "chatcmpl", "chat.completion.chunk" if streamed else "chat.completion"
    return {
        "id": f"{prefix}-{secrets.token_hex(12)}",
        "object": kind,
        "created": int(now),
        "model": kept.model or ask.model,
    }


def _texts(outer: bytes, key: bytes, text: str | None, close: bytes) -> Iterator[bytes]:
    """The events of one text; only the text itself is written anew for each of them."""
    for piece in pieces(text or ""):
        yield _event(outer, key + orjson.dumps(piece) + close)


def _event(outer: bytes, said: bytes, reason: bytes = b"null") -> bytes:
    return event_of(outer + b',"choices":[{"index":0,' + said + b'"finish_reason":' + reason + b"}]}")


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None
