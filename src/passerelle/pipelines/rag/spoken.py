"""A question to documents in OpenAI's words: a chat's body read as a `Question`, or refused with what is wrong in it.

What cannot be honoured is refused; what only fine-tunes an engine and means nothing here is left out, and said so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from passerelle.domain.ask import Ask
from passerelle.domain.caller import Caller, groups_of
from passerelle.domain.errors import BadRequest
from passerelle.domain.rag import MODEL_PREFIX, MOST_QUESTION, MOST_TURNS, Question, Turn
from passerelle.domain.retrieval import LONGEST_NAME, MOST_GROUPS, Condition, Mode

MOST_PASSAGES = 50  # that may be asked for
MOST_CONDITIONS = 16  # of a filter
_MOST_IGNORED = 16  # names of ignored fields that are told

_PASSED_ON = (
    "temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop", "user", "metadata",
    "presence_penalty", "frequency_penalty",
)  # fmt: skip
_READ = frozenset({"model", "messages", "stream", "stream_options", "n", "rag"})


def _says_more_than_text(value: Any) -> bool:
    return bool(value != ["text"])


def _is_no_text_format(value: Any) -> bool:
    return not isinstance(value, dict) or value.get("type") != "text"


def _wants_call(value: Any) -> bool:
    return value not in ("none", "auto")


# What an answer from documents cannot give, and when a body asks for it.
_CANNOT: dict[str, tuple[Callable[[Any], bool], str]] = {
    "tools": (bool, "calls no tools"),
    "tool_choice": (_wants_call, "calls no tools"),
    "functions": (bool, "calls no functions"),
    "function_call": (_wants_call, "calls no functions"),
    "n": (lambda value: value != 1, "is one"),
    "response_format": (_is_no_text_format, "is text with sources"),
    "logprobs": (bool, "has no log probabilities"),
    "top_logprobs": (bool, "has no log probabilities"),
    "modalities": (_says_more_than_text, "is text"),
    "audio": (bool, "is text"),
    "prediction": (bool, "is not predicted"),
    "logit_bias": (bool, "takes no bias"),
    "web_search_options": (bool, "is drawn from documents of this collection alone"),
}


def question_of(
    caller: Caller, ask: Ask, *, conditions_of: Callable[[Mapping[str, Any]], tuple[Condition, ...]]
) -> tuple[Question, tuple[str, ...]]:
    """The question that a chat's body asks, and the names of fields that mean nothing to it.

    `conditions_of` reads a filter. Raises BadRequest naming the first field that is wrong, and Forbidden for groups that are not the caller's.
    """
    body = ask.body
    for name, (asks, reason) in _CANNOT.items():
        value = body.get(name)
        if value is not None and asks(value):
            raise _unsupported(f"An answer from documents {reason}.", name)
    system, turns = _read(body["messages"])
    wanted = _wanted(body.get("rag"))
    if wanted.get("conversation") is not None and len(turns) > 1:
        raise _wrong(
            "With `rag.conversation`, send the new message alone: the earlier ones are kept.", "messages"
        )
    question = Question(
        collection=ask.model.removeprefix(MODEL_PREFIX),
        turns=turns[-MOST_TURNS:],
        groups=groups_of(caller, wanted.get("groups")),
        conditions=conditions_of(wanted.get("filter") or {}),
        k=wanted.get("k"),
        mode=Mode(wanted["mode"]) if wanted.get("mode") is not None else None,
        model=wanted.get("model"),
        system=system,
        conversation=wanted.get("conversation"),
        options=_options(body),
        wishes=ask.wishes,
        patience=ask.patience,
        request_id=ask.request_id,
    )
    known = _READ.union(_PASSED_ON, _CANNOT)
    ignored = [name for name, value in body.items() if name not in known and value is not None]
    return question, tuple(ignored[:_MOST_IGNORED])


def _options(body: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: body[name] for name in _PASSED_ON if body.get(name) is not None}
    for name, kind, wanted in (
        ("seed", int, "a whole number"),
        ("user", str, "a string"),
        ("metadata", dict, "an object"),
    ):
        if name in options and type(options[name]) is not kind:
            raise _wrong(f"`{name}` must be {wanted}.", name)
    if not all(isinstance(value, str) for value in options.get("metadata", {}).values()):
        raise _wrong("`metadata` must be an object of strings.", "metadata")
    return options


def _is_name(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= LONGEST_NAME


def _are_groups(value: Any) -> bool:
    return type(value) is list and len(value) <= MOST_GROUPS and all(map(_is_name, value))


_RAG: dict[str, tuple[Callable[[Any], bool], str]] = {
    "groups": (_are_groups, f"a list of at most {MOST_GROUPS} names"),
    "filter": (
        lambda value: type(value) is dict and len(value) <= MOST_CONDITIONS,
        f"an object of at most {MOST_CONDITIONS} names",
    ),
    "k": (
        lambda value: type(value) is int and 1 <= value <= MOST_PASSAGES,
        f"a whole number from 1 to {MOST_PASSAGES}",
    ),
    "mode": (
        lambda value: value in [mode.value for mode in Mode],
        " or ".join([mode.value for mode in Mode]),
    ),
    "model": (_is_name, "the name of a model"),
    "conversation": (_is_name, "the id of a conversation"),
}


def _wanted(given: Any) -> Mapping[str, Any]:
    """The body's field `rag`, checked."""
    if given is None:
        return {}
    if type(given) is not dict:
        raise _wrong("`rag` must be an object.", "rag")
    for name, value in given.items():
        rule = _RAG.get(name)
        if rule is None:
            raise _wrong(f"`rag` has no field {name[:100]!r}; it takes {', '.join(_RAG)}.", "rag")
        if value is not None and not rule[0](value):
            raise _wrong(f"`rag.{name}` must be {rule[1]}.", f"rag.{name}")
    return given


def _read(messages: Sequence[Mapping[str, Any]]) -> tuple[str, tuple[Turn, ...]]:
    """What an application says beside, and the conversation. Raises BadRequest."""
    system: list[str] = []
    turns: list[Turn] = []
    for place, message in enumerate(messages):
        role, param = message["role"], f"messages.{place}"
        if role in ("tool", "function") or message.get("tool_calls") or message.get("function_call"):
            raise _unsupported("An answer from documents calls no tools.", f"{param}.role")
        text = _text(message.get("content"), f"{param}.content")
        if role in ("system", "developer"):
            system.append(text)
        elif role in ("user", "assistant"):
            turns.append(Turn(role, text))
        else:
            raise _wrong(f"`{param}.role` must be system, developer, user or assistant.", f"{param}.role")
    if not turns or messages[-1]["role"] != "user" or not turns[-1].text.strip():
        raise _wrong("The last message must be a user's, with a question.", "messages")
    if len(turns[-1].text) > MOST_QUESTION:
        raise _wrong(f"A question has at most {MOST_QUESTION} characters.", "messages")
    return "\n\n".join(filter(None, system)), tuple(turns)


def _text(content: Any, param: str) -> str:
    if content is None or type(content) is str:
        return content or ""
    texts = []
    for part in content:
        kind = part.get("type") if type(part) is dict else None
        text = part.get(kind) if kind in ("text", "refusal") else None
        if type(text) is not str:
            raise _unsupported("A question to documents is text: no images, audio or files.", param)
        texts.append(text)
    return "\n".join(texts)


def _wrong(message: str, param: str) -> BadRequest:
    return BadRequest(message, code="invalid_value", param=param)


def _unsupported(message: str, param: str) -> BadRequest:
    return BadRequest(message, code="unsupported_parameter", param=param)
