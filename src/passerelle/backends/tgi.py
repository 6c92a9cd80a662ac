"""Kind `tgi`: a Text Generation Inference container, through its Messages API (TGI 3.3, docs/openapi.json).

It looks like OpenAI's API and is not quite: each difference is mended here, or refused where it cannot be.
"""

from __future__ import annotations

from time import time
from typing import Any, Literal

import orjson
from pydantic import Field

from passerelle.backends import openai
from passerelle.backends.http_backend import Dialect, HttpBackend, Sent
from passerelle.config.fields import UrlOptions
from passerelle.domain.ask import Ask, Route
from passerelle.domain.catalog import BackendSpec, Target
from passerelle.domain.errors import Fault, Told, UpstreamFailed
from passerelle.wire.sse import data_of, event_of, events
from passerelle.wire.upstream import Rewrite

# An empty reason stands in the chunks of a completions stream that go on.
_FINISH = {"stop_sequence": "stop", "eos_token": "stop", "": None}


class TgiOptions(UrlOptions):
    """Options of kind `tgi`. `adapters` are the LoRA adapters the container was started with."""

    kind: Literal["tgi"]
    adapters: list[str] = Field(
        default_factory=list, description="LoRA adapters of the container; a target's model may name one."
    )


def open_backend(spec: BackendSpec) -> HttpBackend:
    """A backend of this kind, from its checked configuration."""
    adapters = frozenset(spec.options.adapters)

    def request_of(ask: Ask, target: Target) -> Sent:
        return request(ask, target, adapters=adapters)

    return HttpBackend(
        Dialect(request_of, reply, rewrite, openai.served_by(spec)), openai.open_upstream(spec)
    )


def request(ask: Ask, target: Target, *, adapters: frozenset[str] = frozenset()) -> Sent:
    """OpenAI's request in TGI's words. Raises UpstreamFailed(UNSUPPORTED) for what TGI would ignore or garble."""
    sent = openai.request(ask, target)
    body = {name: value for name, value in sent.body.items() if value is not None}
    # Any other name is taken for a LoRA adapter and silently falls back to the base model.
    body["model"] = target.model if target.model in adapters else "tgi"
    if "max_completion_tokens" in body:
        body.pop("max_tokens", None)  # two names of one field, which its parser takes for a doubled one
    ignored = _drop_presence_penalty(body)
    if body.get("top_p") == 1:
        del body["top_p"]  # it must lie below 1 there, and leaving it out means the same
    if body.get("n", 1) != 1:
        raise _unsupported("n")
    if body.pop("logit_bias", None):
        raise _unsupported("logit_bias")
    if isinstance(body.get("stop"), str):
        body["stop"] = [body["stop"]]
    response_format = body.pop("response_format", None)
    if response_format is not None:
        grammar = _grammar(response_format)
        if grammar is not None:
            if body.get("tools"):
                raise _unsupported("response_format", "together with tools")
            body["response_format"] = grammar
    return Sent(sent.path, body, ignored)


def _drop_presence_penalty(body: dict[str, Any]) -> tuple[str, ...]:
    """TGI reads p as a repetition penalty of p + 2.0, so that even 0 ruins the answer: it never goes there."""
    return ("presence_penalty",) if body.pop("presence_penalty", 0) else ()


def _grammar(response_format: Any) -> dict[str, Any] | None:
    """TGI's grammar for OpenAI's `response_format`; None for plain text."""
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind == "text":
        return None
    if kind == "json_schema":
        named = response_format.get("json_schema")
        schema = named.get("schema") if isinstance(named, dict) else None
        if schema is None and "value" in response_format:  # already in TGI's words
            return dict(response_format)
        # Its grammar compiler wants properties, be there none.
        return {"type": "json_object", "value": {"type": "object", "properties": {}, **(schema or {})}}
    if kind == "json_object" and "value" not in response_format:
        return {"type": "json_object", "value": {"type": "object", "properties": {}}}
    if isinstance(response_format, dict):
        return dict(response_format)
    raise _unsupported("response_format")


def _unsupported(param: str, how: str = "") -> UpstreamFailed:
    message = f"TGI does not support {param} {how}".strip() + "."
    return UpstreamFailed(Fault.UNSUPPORTED, message, told=Told(param=param))


def reply(ask: Ask, payload: dict[str, Any]) -> bool:
    """Give the answer an id and OpenAI's finish reasons."""
    _mend(ask, payload, called=False)
    return True


def _mend(ask: Ask, payload: dict[str, Any], *, called: bool) -> bool:
    """Mend a reply or a chunk in place; True when a tool was called in it or, by `called`, before it."""
    if not payload.get("id"):
        prefix = "cmpl" if ask.route is Route.COMPLETIONS else "chatcmpl"
        payload["id"] = f"{prefix}-{ask.request_id}"
    for choice in payload.get("choices") or ():
        part = choice.get("message") or choice.get("delta") or {}
        for index, call in enumerate(part.get("tool_calls") or ()):
            called = True
            _mend_call(ask, call, index)
        reason = choice.get("finish_reason")
        reason = _FINISH.get(reason, reason)
        choice["finish_reason"] = "tool_calls" if called and reason == "stop" else reason
    return called


def _mend_call(ask: Ask, call: dict[str, Any], index: int) -> None:
    """Give a tool call an id that is its own: TGI calls each one "0", in every delta of a stream.

    In a stream only the delta with the name keeps the id, so that clients which join deltas get it once.
    """
    named = bool((call.get("function") or {}).get("name"))
    if named:
        call["id"] = f"call_{ask.request_id}_{call.get('index', index)}"
    else:
        call.pop("id", None)


def rewrite(ask: Ask) -> Rewrite:
    """A mender for one stream."""
    return _Mender(ask).mend


class _Mender:
    """Gives every chunk an id and the last one a finish reason of OpenAI's; drops keep-alive comments."""

    __slots__ = ("_ask", "_called", "_ended", "_given")

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._called = False
        self._ended = False
        prefix = b"cmpl" if ask.route is Route.COMPLETIONS else b"chatcmpl"
        self._given = b'"id":"%b-%b"' % (prefix, ask.request_id.encode())

    def mend(self, block: bytes) -> bytes:
        """A block of whole events, mended."""
        out: list[bytes] = []
        for event in events(block):
            data = data_of(event)
            if data == b"[DONE]":
                out += [self._end(), event]
            elif data is not None:
                out.append(self._chunk(event, data))
        return b"".join(out)

    def _chunk(self, event: bytes, data: bytes) -> bytes:
        # Most chunks are text and lack only their id, which stands before anything a model wrote.
        if b'"tool_calls":[' not in data and b'"finish_reason":"' not in data:
            return event.replace(b'"id":""', self._given, 1)
        chunk = orjson.loads(data)
        self._called = _mend(self._ask, chunk, called=self._called)
        self._ended = self._ended or any(choice.get("finish_reason") for choice in chunk.get("choices") or ())
        return event_of(orjson.dumps(chunk))

    def _end(self) -> bytes:
        """The finish reason of a stream of tool calls, which TGI's tool parser swallows."""
        if not self._called or self._ended:
            return b""
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "tool_calls"}
        chunk = {
            "id": f"chatcmpl-{self._ask.request_id}",
            "object": "chat.completion.chunk",
            "created": int(time()),
            "model": self._ask.model,
            "choices": [choice],
        }
        return event_of(orjson.dumps(chunk))
