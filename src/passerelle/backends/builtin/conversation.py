"""Reads the messages of a chat into turns of plain text, and refuses what this engine cannot look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from passerelle.backends.builtin.errors import BadInput, Unsupported

TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
REFUSAL = "refusal"  # a part of earlier assistant messages; nothing to quote


@dataclass(frozen=True, slots=True)
class Turn:
    """One message: its role and its text; several text parts are joined by a line break."""

    role: str
    text: str


def turns(messages: Any) -> tuple[Turn, ...]:
    """The turns of OpenAI's `messages`. Raises BadInput when malformed, Unsupported for images and sound."""
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise BadInput("messages", "must be a list of at least one message.")
    return tuple(_turn(message, index) for index, message in enumerate(messages))


def _turn(message: Any, index: int) -> Turn:
    if not isinstance(message, Mapping):
        raise BadInput(f"messages[{index}]", "must be an object with a role and a content.")
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str):
        raise BadInput(f"messages[{index}].role", "must be a string.")
    if content is None:  # an assistant turn that only called tools
        return Turn(role, "")
    if isinstance(content, str):
        return Turn(role, _encodable(content))
    if not isinstance(content, Sequence):
        raise BadInput(f"messages[{index}].content", "must be a string or a list of parts.")
    return Turn(
        role, "\n".join(_part(part, f"messages[{index}].content[{i}]") for i, part in enumerate(content))
    )


def _part(part: Any, where: str) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
        raise BadInput(where, "must be an object with a type.")
    kind = part["type"]
    if kind == REFUSAL:
        return ""
    if kind not in TEXT_PARTS:
        raise Unsupported(kind, "it reads text only")
    if not isinstance(part.get("text"), str):
        raise BadInput(f"{where}.text", "must be a string.")
    text: str = part["text"]
    return text


def _encodable(text: str) -> str:
    """The text with each lone surrogate, which no UTF-8 can carry, replaced by `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")
