"""Tokens, cuts and vectors of a model that does not exist, the same on every run. One word is one token."""

from __future__ import annotations

import hashlib
import math
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.fakes.script import Answer, ToolCall

_WORD = re.compile(r"\s*\S+(?:\s+$)?")  # a word with the space before it, as tokenizers cut
_VOCABULARY = 32_000


@dataclass(frozen=True, slots=True)
class Said:
    """What is left of an answer after the request's limits, and what it cost."""

    pieces: tuple[str, ...]
    tools: tuple[ToolCall, ...]
    finish: str  # "end" | "length" | "stop"
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def text(self) -> str:
        """The whole text; a stream's pieces add up to it."""
        return "".join(self.pieces)

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request allows: None and empty mean that it does not say."""

    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    keep_stop: bool = False  # does the engine leave the stop string in the text?
    tools: bool = False  # does the request offer tools?


def words(text: str) -> list[str]:
    """The text cut into tokens; joined they are the text again."""
    return _WORD.findall(text) or ([text] if text else [])


def count(text: str) -> int:
    """Tokens of a text: its words."""
    return len(text.split())


def say(answer: Answer, limits: Limits, *, prompt_tokens: int) -> Said:
    """Cut an answer as the request asks.

    Tool calls are never cut: their tokens are their words. The text is cut by the first stop string, then by
    `max_tokens`.
    """
    if answer.tools and limits.tools:
        used = sum(count(call.name) + max(1, count(call.arguments)) for call in answer.tools)
        return Said((), answer.tools, "end", prompt_tokens, used, answer.cached_tokens)
    pieces, finish = list(answer.pieces or words(answer.text)), str(answer.finish)
    end = _stop_at("".join(pieces), limits)
    if end is not None:
        pieces, finish = _shorten(pieces, end), "stop"
    if limits.max_tokens is not None and count("".join(pieces)) > limits.max_tokens:
        pieces, finish = _first_words(pieces, limits.max_tokens), "length"
    used = count("".join(pieces))
    return Said(
        tuple(pieces),
        (),
        finish,
        prompt_tokens,
        used,
        answer.cached_tokens,
        min(answer.reasoning_tokens, used),
    )


def _stop_at(text: str, limits: Limits) -> int | None:
    """Where the first stop string ends the text, or None."""
    found = [(text.find(stop), stop) for stop in limits.stop if stop and stop in text]
    if not found:
        return None
    start, stop = min(found)
    return start + len(stop) if limits.keep_stop else start


def _shorten(pieces: Sequence[str], length: int) -> list[str]:
    """The first `length` characters, cut where the pieces were cut."""
    kept: list[str] = []
    for piece in pieces:
        if length <= 0:
            break
        kept.append(piece[:length])
        length -= len(piece)
    return kept


def _first_words(pieces: Sequence[str], most: int) -> list[str]:
    """The first `most` words, cut where the pieces were cut."""
    text = "".join(pieces)
    return _shorten(pieces, len("".join(words(text)[:most])))


def prompt_text(messages: Iterable[Any]) -> str:
    """The text of chat messages, as a simple chat template would lay it out."""
    lines = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else ""
        parts = content if isinstance(content, list) else [{"text": content}]
        lines.append(" ".join(str(part.get("text") or "") for part in parts if isinstance(part, dict)))
    return "\n".join(lines)


def token_id(word: str) -> int:
    """A stable id of one token, never one of the special ones below 10."""
    return 10 + int.from_bytes(hashlib.sha256(word.strip().encode()).digest()[:4], "big") % (_VOCABULARY - 10)


def tokens_of(item: str | Sequence[int]) -> int:
    """Tokens of one input of an embeddings or completions request: text, or token ids."""
    return count(item) if isinstance(item, str) else len(item)


def vector(item: str | Sequence[int], dimensions: int) -> list[float]:
    """A unit vector that depends on the input alone, its numbers exact in 32 bits."""
    seed = item if isinstance(item, str) else ",".join(map(str, item))
    raw = hashlib.shake_256(seed.encode()).digest(dimensions * 2)
    numbers = [int.from_bytes(raw[i * 2 : i * 2 + 2], "big") - 32768 or 1 for i in range(dimensions)]
    length = math.sqrt(sum(number * number for number in numbers))
    return list(
        struct.unpack(f"<{dimensions}f", struct.pack(f"<{dimensions}f", *(n / length for n in numbers)))
    )


def packed(numbers: Sequence[float]) -> bytes:
    """Little-endian 32-bit floats, as `encoding_format: base64` carries them before the base64."""
    return struct.pack(f"<{len(numbers)}f", *numbers)
