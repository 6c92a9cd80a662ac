"""Whether an answer is one to give again: finished, no refusal, and about nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from passerelle.cache.words import REFUSALS
from passerelle.domain.cache import Reason
from passerelle.text.personal import personal
from passerelle.text.words import folded

OPENING = 300  # characters in which a refusal shows
FINISHED = "stop"


def unfit(message: Mapping[str, Any], finish_reason: str | None) -> Reason | None:
    """Why an answer must not be kept; None where it may be.

    `message` is the assistant's in OpenAI's words, or `{"content": text}` for a completion.
    """
    if message.get("tool_calls") or message.get("function_call"):
        return Reason.TOOLS
    if finish_reason != FINISHED:
        return Reason.UNFINISHED
    if message.get("audio"):
        return Reason.IMAGES
    if message.get("refusal"):
        return Reason.REFUSED
    content = message.get("content")
    if not isinstance(content, str) or not content.strip():
        return Reason.EMPTY
    if REFUSALS.match(folded(content[:OPENING])):
        return Reason.REFUSED
    return Reason.PERSONAL if personal(content) is not None else None
