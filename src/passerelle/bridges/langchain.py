"""Our cache behind LangChain's `BaseCache`, for its chat models and its plain ones.

LangChain tells a cache two strings: the prompt, and all else that makes the call what it is. Only the text of a
last message from a user may differ from a kept one; the messages before it, and every letter of the second string,
are the space that is searched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from langchain_core.caches import RETURN_VAL_TYPE, BaseCache
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from passerelle.cache.library import Library

# How LangChain writes a call's parameters: as JSON for what a model was made with, as Python's own for the rest.
_TEMPERATURE = re.compile(r"""["']temperature["'](?:,|:) ?([-+0-9.eE]+)""")
_ANEW = re.compile(
    r"""["'](?:tools|functions|logprobs|top_logprobs)["'](?:,|:) ?(?!None|null|False|false|\[\]|0\b)"""
)
_ENDED = frozenset(
    {"stop", "end_turn", "stop_sequence", "eos", "eos_token"}
)  # how engines say that all was said


class PasserelleCache(BaseCache):
    """A library as LangChain's cache. `space` parts what must not be shared, such as tenants.

    LangChain does not tell a cache with which key a model is called: a process that serves several tenants needs a
    cache, with a space, for each.
    """

    def __init__(self, library: Library, *, space: str = "") -> None:
        self._library = library
        self._space = space

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """The answer to give, None to ask the model."""
        if self._anew(llm_string):
            return None
        spot = _spot(self._space, prompt, llm_string)
        hit = self._library.find(spot.space, spot.text, alike=spot.alike)
        given = None if hit is None else _generation(hit.kept.message)
        return None if given is None else [given]

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Keep the answer, where it is one text that was said to its end."""
        if self._anew(llm_string) or (message := _message(return_val)) is None:
            return
        spot = _spot(self._space, prompt, llm_string)
        self._library.save(
            spot.space, spot.text, message, finish_reason=_reason(return_val[0]), alike=spot.alike
        )

    def clear(self, **kwargs: Any) -> None:
        """Forget every answer of the library, other caches' over it too."""
        self._library.clear()

    def _anew(self, llm_string: str) -> bool:
        """Whether such a call wants another answer each time, or one that is more than a text."""
        warmest = self._library.caching.temperature
        found = [_number(match) for match in _TEMPERATURE.findall(llm_string)]
        return any(each > warmest for each in found) or _ANEW.search(llm_string) is not None


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a prompt stands."""

    space: str
    text: str
    alike: bool  # may an answer to another text do?


def _spot(outer: str, prompt: str, llm_string: str) -> _Spot:
    messages = _messages(prompt)
    if messages is None:
        # What begins as a list may be messages that cannot be read: no part of them is known to be the question.
        return _Spot(_digest(["text", outer, llm_string]), prompt, alike=not prompt.startswith("["))
    *before, last = messages
    content = last["kwargs"].get("content")
    if _kind(last) != "human" or not isinstance(content, str):
        return _Spot(_digest(["prompt", outer, llm_string]), prompt, alike=False)
    bare = {**last, "kwargs": {**last["kwargs"], "content": None}}
    # What earlier turns say decides too whether the answer may be kept.
    turns = [message["kwargs"].get("content") for message in before if _kind(message) != "system"]
    text = "\n".join([*map(str, turns), content])
    return _Spot(_digest(["chat", outer, llm_string, before, bare]), text, alike=not turns)


def _messages(prompt: str) -> list[dict[str, Any]] | None:
    """The messages of a chat model's prompt; None for what is a plain model's."""
    if not prompt.startswith("["):
        return None
    try:
        parsed = orjson.loads(prompt)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(parsed, list) or not parsed:
        return None
    written = all(
        isinstance(each, dict) and isinstance(each.get("kwargs"), dict) and "lc" in each for each in parsed
    )
    return parsed if written else None


def _kind(message: dict[str, Any]) -> object:
    return message["kwargs"].get("type")


def _digest(said: list[Any]) -> str:
    return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _number(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        return float("inf")  # not to be read: no answer is kept for it


def _message(given: Sequence[Generation]) -> dict[str, Any] | None:
    """An answer as it is kept; None for one that is not a plain text."""
    if len(given) != 1 or not isinstance(given[0].text, str):
        return None
    only = given[0]
    kept: dict[str, Any] = {"content": only.text, "info": only.generation_info}
    if isinstance(only, ChatGeneration):
        message = only.message
        if type(message) is not AIMessage or message.tool_calls or message.invalid_tool_calls:
            return None
        if message.content != only.text:
            return None  # content in parts
        try:
            kept["said"] = message.model_dump(mode="json", exclude={"id"})
        except (PydanticSerializationError, ValueError):
            return None
    try:
        orjson.dumps(kept)
    except TypeError:  # orjson's word for what JSON has no form for
        return None
    return kept


def _reason(given: Generation) -> str:
    """Why the answer ended, in OpenAI's word; models that do not say are taken to have ended."""
    found = (given.generation_info or {}).get("finish_reason")
    if found is None and isinstance(given, ChatGeneration):
        said = given.message.response_metadata
        found = said.get("finish_reason") or said.get("stop_reason") or said.get("done_reason")
    return "stop" if found is None or str(found).lower() in _ENDED else str(found)


def _generation(message: dict[str, Any]) -> Generation | None:
    """The answer, new each time: LangChain changes what it is given."""
    info = None if message["info"] is None else dict(message["info"])
    if "said" not in message:
        return Generation(text=message["content"], generation_info=info)
    try:
        said = AIMessage.model_validate(orjson.loads(orjson.dumps(message["said"])))
    except ValidationError:
        return None
    return ChatGeneration(message=said, generation_info=info)
