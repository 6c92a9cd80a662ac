"""Which texts of a request and of an answer are looked at. Pure.

Images, sounds and files are never looked at. Nor are numbers: a prompt of token ids holds no text that can be read
here, and `ids` says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from passerelle.domain.ask import Ask, Route

_BINARY = frozenset({"image_url", "input_image", "input_audio", "audio", "file", "input_file", "video_url"})
# Of a request: what says how, and to whom, and is no text that a model reads.
_SETTINGS = frozenset(
    {"model", "user", "metadata", "service_tier", "reasoning_effort", "verbosity", "tool_choice", "function_call",
     "modalities", "audio", "stop", "stream_options", "encoding_format", "prompt_cache_key", "prompt_cache_retention",
     "safety_identifier", "reasoning", "provider", "priority", "request_id", "cache_salt", "truncation_direction"}
)  # fmt: skip
_FORMS = ("tools", "functions", "response_format")
# Of a message or a piece of one: what is no text.
_NAMES = frozenset({"role", "id", "type", "index", "tool_call_id", "encrypted_content", "signature"})
# Whoever runs the application wrote these; others only passed through it.
_OWN = frozenset({"system", "developer", "assistant"})
_RESULTS = frozenset({"tool", "function"})

Path = tuple[Any, ...]  # where a text stands in an answer: the number of its choice, then keys and numbers


@dataclass(frozen=True, slots=True)
class Asked:
    """The texts of a request, each in the narrowest group that holds it."""

    users: tuple[str, ...]  # what users say
    results: tuple[str, ...] = ()  # what tools gave back, and what fields hold that only some engines know
    about: tuple[
        str, ...
    ] = ()  # what is said of tools and of the answer's form, which others may have written
    own: tuple[str, ...] = ()  # what the application says itself: system messages, and answers of before
    ids: bool = False  # token ids stand in the place of a text


def asked(ask: Ask) -> Asked:
    """The texts of a request; those of one message are one text."""
    body = ask.body
    if ask.route is Route.CHAT:
        return _chat(body)
    ids = False
    own: tuple[str, ...] = ("input",)
    if ask.route is Route.COMPLETIONS:
        texts, ids = _texts(body.get("prompt"))
        suffix = body.get("suffix")
        texts = (*texts, suffix) if isinstance(suffix, str) else texts
        own = ("prompt", "suffix")
    elif ask.route is Route.RERANK:
        texts = (body.get("query") or "", *strings(body.get("documents")))
        own = ("query", "documents")
    else:
        texts, ids = _texts(body.get("input"))
    return Asked(texts, _others(body, (*own, *_FORMS)), _forms(body), ids=ids)


def _others(body: Mapping[str, Any], read: Collection[str]) -> tuple[str, ...]:
    """Text in fields that nothing here knows: some engine may read it, and templates and tools pass through it."""
    found = [body[name] for name in body if name not in _SETTINGS and name not in read]
    other = "\n".join(strings(found))
    return (other,) if other else ()


def _forms(body: Mapping[str, Any]) -> tuple[str, ...]:
    about = "\n".join(strings([body.get(name) for name in _FORMS]))
    return (about,) if about else ()


def _chat(body: Mapping[str, Any]) -> Asked:
    users: list[str] = []
    results: list[str] = []
    own: list[str] = []
    for message in body["messages"]:
        text = "\n".join(strings(message))
        role = message.get("role")
        group = own if role in _OWN else results if role in _RESULTS else users
        if text:
            group.append(text)
    # A prediction is a text that the answer may repeat.
    users += strings(body.get("prediction"))
    results += _others(body, ("messages", "prediction", *_FORMS))
    return Asked(tuple(users), tuple(results), _forms(body), tuple(own))


def _texts(value: Any) -> tuple[tuple[str, ...], bool]:
    if isinstance(value, str):
        return (value,), False
    texts = tuple([part for part in value or () if isinstance(part, str)])
    return texts, len(texts) != len(value or ())


def strings(node: Any) -> Iterator[str]:
    """The strings inside a document of JSON that are text. It is not nested deeply: a request is bounded."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for part in node:
            yield from strings(part)
    elif isinstance(node, dict):
        kind = node.get("type")
        if not (isinstance(kind, str) and kind in _BINARY):
            for name, value in node.items():
                if name not in _NAMES and name not in _BINARY:
                    yield from strings(value)


def answered(choice: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The texts of a choice, or of a piece of one, with where each stands: pieces of one text have one place."""
    number = choice.get("index", 0)
    text = choice.get("text")
    if isinstance(text, str):
        yield (number, "text"), text
    for name in ("delta", "message"):
        inside = choice.get(name)
        if isinstance(inside, dict):
            content = inside.get("content")
            if len(inside) == 1 and isinstance(content, str):  # nearly every piece of a stream
                yield (number, "content"), content
            else:
                yield from _placed(inside, (number,), 0)


def _placed(node: Any, path: Path, depth: int) -> Iterator[tuple[Path, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict):
        for name, value in node.items():
            if name not in _NAMES and value:
                yield from _placed(value, (*path, name), depth + 1)
    elif isinstance(node, list):
        for number, part in enumerate(node):
            index = part.get("index", number) if isinstance(part, dict) else number
            yield from _placed(part, (*path, index if isinstance(index, int) else number), depth + 1)
