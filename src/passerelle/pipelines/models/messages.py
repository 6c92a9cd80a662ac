"""LangChain's messages as OpenAI's, and OpenAI's answers as LangChain's messages. Pure.

Imported late: LangChain takes its time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    InvalidToolCall,
    convert_to_openai_messages,
)
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCall, ToolCallChunk
from langchain_core.output_parsers.openai_tools import make_invalid_tool_call, parse_tool_call

from passerelle.domain.errors import BadRequest
from passerelle.pipelines.models.asker import Told, broken

# What engines say beside the text and the calls of tools.
_BESIDE = ("reasoning_content", "reasoning", "refusal")


def messages_of(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Messages as a request holds them. Raises BadRequest for one that has no such form."""
    try:
        return convert_to_openai_messages(list(messages))
    except (ValueError, TypeError, KeyError) as error:
        raise BadRequest(
            "A message cannot be told in OpenAI's format.", code="invalid_value", param="messages"
        ) from error


def usage_of(usage: object) -> UsageMetadata | None:
    """What an engine says it used; None where it does not say."""
    if not isinstance(usage, Mapping):
        return None
    asked, said = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    found = UsageMetadata(
        input_tokens=asked, output_tokens=said, total_tokens=_count(usage.get("total_tokens")) or asked + said
    )
    kept = {
        "cache_read": _count(_inside(usage, "prompt_tokens_details", "cached_tokens")),
        "cache_creation": _count(usage.get("cache_creation_input_tokens")),
    }
    if any(kept.values()):
        found["input_token_details"] = cast("InputTokenDetails", {name: n for name, n in kept.items() if n})
    thought = _count(_inside(usage, "completion_tokens_details", "reasoning_tokens"))
    if thought:
        found["output_token_details"] = OutputTokenDetails(reasoning=thought)
    return found


def answer_of(document: Mapping[str, Any], told: Told) -> AIMessage:
    """A whole answer. Raises UpstreamFailed where it is none."""
    try:
        choice = document["choices"][0]
        message = choice["message"]
        content = message.get("content")
        calls, invalid = _calls(message.get("tool_calls") or ())
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise broken() from error
    return AIMessage(
        content=_text(content),
        tool_calls=calls,
        invalid_tool_calls=invalid,
        additional_kwargs=_beside(message),
        usage_metadata=usage_of(document.get("usage")),
        response_metadata={
            **_about(document),
            **told.metadata(),
            "finish_reason": choice.get("finish_reason"),
            **({"logprobs": choice["logprobs"]} if choice.get("logprobs") else {}),
        },
    )


def chunk_of(chunk: Mapping[str, Any]) -> AIMessageChunk | None:
    """A piece of an answer; None for one that says nothing. Raises UpstreamFailed where it is none."""
    usage = usage_of(chunk.get("usage"))
    try:
        choice = (chunk.get("choices") or [{}])[0]
        delta = choice.get("delta") or {}
        content = delta.get("content")
        calls = [_call_chunk(call) for call in delta.get("tool_calls") or ()]
        beside, finish = _beside(delta), choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise broken() from error
    if not (content or calls or beside or finish or usage):
        return None
    # Metadata of pieces are put together by writing them one after the other: each is told once, at its end.
    return AIMessageChunk(
        content=_text(content),
        tool_call_chunks=calls,
        additional_kwargs=beside,
        usage_metadata=usage,
        response_metadata={**_about(chunk), "finish_reason": finish} if finish else {},
    )


def last_chunk(told: Told) -> AIMessageChunk:
    """The end of a stream, with what the gateway says of it."""
    return AIMessageChunk(content="", response_metadata=told.metadata(), chunk_position="last")


def _text(content: object) -> str:
    """The text of a content; some engines give it in parts, beside their thoughts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "".join([text for text in parts if isinstance(text, str)])
    return content if isinstance(content, str) else ""


def _about(document: Mapping[str, Any]) -> dict[str, Any]:
    named = {"model_name": document.get("model"), "system_fingerprint": document.get("system_fingerprint")}
    return {"model_provider": "passerelle", **{name: value for name, value in named.items() if value}}


def _calls(calls: Sequence[Any]) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    """Calls of tools, and those whose arguments cannot be read."""
    good: list[ToolCall] = []
    bad: list[InvalidToolCall] = []
    for call in calls:
        try:
            if (parsed := parse_tool_call(call, return_id=True)) is not None:
                good.append(cast("ToolCall", {**parsed, "type": "tool_call"}))
        except Exception as error:  # noqa: BLE001 - whatever its parser finds wrong, the call is kept as it came
            bad.append(make_invalid_tool_call(call, type(error).__name__))
    return good, bad


def _call_chunk(call: Mapping[str, Any]) -> ToolCallChunk:
    function = call.get("function") or {}
    return ToolCallChunk(
        name=function.get("name"),
        args=function.get("arguments"),
        id=call.get("id"),
        index=call.get("index"),
        type="tool_call_chunk",
    )


def _beside(message: Mapping[str, Any]) -> dict[str, Any]:
    return {name: message[name] for name in _BESIDE if isinstance(message.get(name), str) and message[name]}


def _inside(usage: Mapping[str, Any], group: str, name: str) -> object:
    details = usage.get(group)
    return details.get(name) if isinstance(details, Mapping) else None


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
