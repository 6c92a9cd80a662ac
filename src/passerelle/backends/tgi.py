"""Kind `tgi`: a Text Generation Inference container, through its Messages API (TGI 3.3, docs/openapi.json).

It looks like OpenAI's API and is not quite: each difference is mended here, or refused where it cannot be. Text
completions that ask for more than its completions route reads go through its native API.
"""

from __future__ import annotations

from time import time
from typing import Any, Literal

import orjson
from pydantic import Field

from passerelle.backends import gauges, openai, probes
from passerelle.backends.base import Reply
from passerelle.backends.http_backend import Dialect, HttpBackend, Sent
from passerelle.backends.tgi_completion import needs_native
from passerelle.backends.tgi_native import Native
from passerelle.backends.tgi_words import FINISH, grammar_of, unsupported
from passerelle.config.fields import UrlOptions
from passerelle.domain.ask import Ask, Route
from passerelle.domain.catalog import BackendSpec, Target
from passerelle.wire.sse import data_of, event_of, events
from passerelle.wire.upstream import Rewrite


class TgiOptions(UrlOptions):
    """Options of kind `tgi`. `adapters` are the LoRA adapters the container was started with."""

    kind: Literal["tgi"]
    adapters: list[str] = Field(
        default_factory=list, description="LoRA adapters of the container; a target's model may name one."
    )


def open_backend(spec: BackendSpec) -> TgiBackend:
    """A backend of this kind, from its checked configuration."""
    return TgiBackend(spec, frozenset(spec.options.adapters))


class TgiBackend(HttpBackend):
    """One container: its OpenAI routes, and its native API for the completions those cannot give."""

    def __init__(self, spec: BackendSpec, adapters: frozenset[str]) -> None:
        def request_of(ask: Ask, target: Target) -> Sent:
            return request(ask, target, adapters=adapters)

        self._provider = openai.served_by(spec)
        self._adapters = adapters
        self._native = Native()
        super().__init__(
            Dialect(request_of, reply, rewrite, self._provider, probes.TGI, gauges.TGI),
            openai.open_upstream(spec),
        )

    async def start(self, ask: Ask, target: Target, wait: float = 0.0) -> Reply:
        """See `Backend.start`."""
        if not needs_native(ask):
            return await super().start(ask, target, wait)
        return await self._native.start(
            ask, target, upstream=self._upstream, provider=self._provider, adapters=self._adapters
        )

    async def aclose(self) -> None:
        """Close the pool, after what still runs in the background."""
        await self._native.aclose()
        await super().aclose()


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
        raise unsupported("n")
    if body.pop("logit_bias", None):
        raise unsupported("logit_bias")
    if isinstance(body.get("stop"), str):
        body["stop"] = [body["stop"]]
    response_format = body.pop("response_format", None)
    if response_format is not None:
        grammar = grammar_of(response_format)
        if grammar is not None:
            if body.get("tools"):
                raise unsupported("response_format", "together with tools")
            body["response_format"] = grammar
    return Sent(sent.path, body, ignored)


def _drop_presence_penalty(body: dict[str, Any]) -> tuple[str, ...]:
    """TGI reads p as a repetition penalty of p + 2.0, so that even 0 ruins the answer: it never goes there."""
    return ("presence_penalty",) if body.pop("presence_penalty", 0) else ()


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
        reason = FINISH.get(reason, reason)
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

    __slots__ = ("_ask", "_called", "_ended", "_given", "_used")

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._called = False
        self._ended = False
        self._used: dict[str, int] = {}
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
        if chunk.get("usage") and self._ask.route is Route.COMPLETIONS:
            # Each prompt of the stream ends with its own; the last one that is read counts for all.
            chunk["usage"] = {name: count + self._used.get(name, 0) for name, count in chunk["usage"].items()}
            self._used = chunk["usage"]
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
