"""Anthropic's Messages API on the wire: named events, errors with a type, tokens read from and written to a cache.

After the reference of `POST /v1/messages` (version 2023-06-01). Fields it does not know are refused, as there.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from typing_extensions import override

from tests.fakes.engine import Answers, Engine, Stream, stream_reply
from tests.fakes.script import Answer, Fail, Plan, ToolCall
from tests.fakes.speech import Limits, Said, count, prompt_text, say
from tests.fakes.wire import Received, Reply, dump, json_reply

Json = dict[str, Any]

_FIELDS = frozenset(
    [
        "cache_control",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "output_config",
        "output_format",
        "service_tier",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    ]
)
# Status, type and message of each failure.
_PROBLEMS: Mapping[str, tuple[int, str, str]] = {
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "generation": (500, "api_error", "Internal server error"),
    "server": (500, "api_error", "Internal server error"),
    "incomplete": (500, "api_error", "Internal server error"),
    "timeout": (504, "timeout_error", "Request timed out"),
    "rate_limited": (
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit of 50,000 input tokens per minute.",
    ),
    "credits": (
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
    ),
    "validation": (400, "invalid_request_error", "messages: at least one message is required"),
    "model": (404, "not_found_error", "model: {model}"),
    "unauthorized": (401, "authentication_error", "invalid x-api-key"),
    "too_long": (400, "invalid_request_error", "prompt is too long: {tokens} tokens > {limit} maximum"),
}
_FINISH = {"end": "end_turn", "length": "max_tokens", "stop": "stop_sequence"}


class AnthropicFake(Engine):
    """api.anthropic.com with one model; `context` is how many tokens a prompt may have."""

    server = "cloudflare"
    routes: ClassVar[Mapping[tuple[str, str], str]] = {("POST", "/v1/messages"): "messages"}

    def __init__(
        self,
        answer: Answers = "Bonjour le monde.",
        *,
        model: str = "claude-sonnet-4-5",
        api_key: str | None = None,
        context: int = 200_000,
    ) -> None:
        super().__init__(answer)
        self.model, self.api_key, self.context = model, api_key, context
        self._numbers = itertools.count(1)

    def messages(self, request: Received, plan: Plan) -> Reply:
        """POST /v1/messages."""
        wrong = self._refuse(request)
        if wrong is not None:
            return wrong
        body = request.body
        stream = bool(body.get("stream"))
        if (fail := plan.get(Fail)) and not (stream and fail.after):
            return _failed(fail.kind, fail.message, model=self.model)
        said, written = self._said(request, plan)
        message = self._message(said, written=written)
        if not stream:
            return json_reply(message, headers=self._headers())
        return stream_reply(_stream(message, said), plan, self._headers())

    @override
    def no_route(self, request: Received) -> Reply:
        return _error(404, "not_found_error", "Not Found")

    def _refuse(self, request: Received) -> Reply | None:
        body = request.body
        if self.api_key is not None and request.headers.get("x-api-key") != self.api_key:
            return _failed("unauthorized")
        if "anthropic-version" not in request.headers:
            return _error(400, "invalid_request_error", "anthropic-version: header is required")
        if not isinstance(body, dict):
            return _error(400, "invalid_request_error", "The request body is not valid JSON")
        unknown = sorted(set(body) - _FIELDS)
        if unknown:
            return _error(400, "invalid_request_error", f"{unknown[0]}: Extra inputs are not permitted")
        for name in ("max_tokens", "messages", "model"):
            if name not in body:
                return _error(400, "invalid_request_error", f"{name}: Field required")
        if not body["messages"]:
            return _failed("validation")
        if body["model"] != self.model:
            return _failed("model", model=str(body["model"]))
        used = count(_prompt(body))
        return _failed("too_long", tokens=used, limit=self.context) if used > self.context else None

    def _said(self, request: Received, plan: Plan) -> tuple[Said, int]:
        """What is answered, and how many tokens of the prompt were written to the cache."""
        body, answer = request.body, self.said(request, plan)
        forced = body.get("tool_choice") or {}
        if forced.get("type") == "tool" and not answer.tools:  # how older models are made to fill a schema
            answer = Answer(tools=(ToolCall(forced["name"], '{"values":{}}'),))
        limits = Limits(
            body["max_tokens"], tuple(body.get("stop_sequences") or ()), tools=bool(body.get("tools"))
        )
        said = say(answer, limits, prompt_tokens=count(_prompt(body)))
        marked = sum(count(str(part.get("text") or "")) for part in _marked(body))
        return said, max(0, marked - said.cached_tokens)

    def _message(self, said: Said, *, written: int) -> Json:
        number = next(self._numbers)
        content: list[Json] = [
            {
                "type": "tool_use",
                "id": f"toolu_{number:02}{i}",
                "name": call.name,
                "input": json.loads(call.arguments),
            }
            for i, call in enumerate(said.tools)
        ]
        reason = "tool_use" if said.tools else _FINISH[said.finish]
        return {
            "id": f"msg_{number:024}",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content or [{"type": "text", "text": said.text}],
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": {
                "input_tokens": max(0, said.prompt_tokens - said.cached_tokens - written),
                "cache_creation_input_tokens": written,
                "cache_read_input_tokens": said.cached_tokens,
                "output_tokens": said.completion_tokens,
                "service_tier": "standard",
            },
        }

    def _headers(self) -> dict[str, str]:
        return {"request-id": f"req_{next(self._numbers):024}", "anthropic-organization-id": "org"}


def _prompt(body: Mapping[str, Any]) -> str:
    system = [{"content": body["system"]}] if body.get("system") else []
    return prompt_text([*system, *body["messages"]])


def _marked(body: Mapping[str, Any]) -> Iterator[Json]:
    """The parts that the caller wants cached."""
    system = body.get("system")
    contents = [system, *(message.get("content") for message in body["messages"])]
    for content in contents:
        for part in content if isinstance(content, list) else ():
            if part.get("cache_control"):
                yield part


def _event(value: Json) -> bytes:
    return b"event: " + value["type"].encode() + b"\ndata: " + dump(value) + b"\n\n"


def _stream(message: Json, said: Said) -> Stream:
    used = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "usage": {**used, "output_tokens": 1}}
    ended = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    start, *content = [_event(event) for event in _blocks(message, said)]
    return Stream(
        opening=(_event({"type": "message_start", "message": begun}), start),
        content=tuple(content),
        closing=(
            _event(
                {"type": "message_delta", "delta": ended, "usage": {"output_tokens": used["output_tokens"]}}
            ),
            _event({"type": "message_stop"}),
        ),
        role=_event({"type": "ping"}),
        empty=_event({"type": "ping"}),
        fail=_inside,
        done=b"",
    )


def _blocks(message: Json, said: Said) -> Iterator[Json]:
    """The events of the blocks of a message; a ping may come at any time."""
    for index, block in enumerate(message["content"]):
        text = block["type"] == "text"
        empty = {"text": ""} if text else {"input": {}}
        yield {"type": "content_block_start", "index": index, "content_block": {**block, **empty}}
        pieces = said.pieces if text else _cut(said.tools[index].arguments)
        for number, piece in enumerate(pieces):
            delta = (
                {"type": "text_delta", "text": piece}
                if text
                else {"type": "input_json_delta", "partial_json": piece}
            )
            yield {"type": "content_block_delta", "index": index, "delta": delta}
            if number == 0:
                yield {"type": "ping"}
        yield {"type": "content_block_stop", "index": index}


def _cut(arguments: str) -> list[str]:
    return [arguments[start : start + 7] for start in range(0, len(arguments), 7)]


def _inside(fail: Fail) -> tuple[bytes, ...]:
    _, kind, message = _PROBLEMS[fail.kind]
    return (_event({"type": "error", "error": {"type": kind, "message": fail.message or message}}),)


def _failed(kind: str, message: str = "", **known: Any) -> Reply:
    status, type_, usual = _PROBLEMS[kind]
    headers = {"retry-after": "7"} if status == 429 else {}
    return _error(status, type_, message or usual.format(**known), headers)


def _error(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    payload = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    return json_reply(payload, status, headers)
