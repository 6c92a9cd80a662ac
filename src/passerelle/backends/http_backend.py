"""A backend that is an HTTP server: a dialect of pure functions in front of `Upstream`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from passerelle.backends.base import Reply
from passerelle.domain.ask import Ask, Usage
from passerelle.domain.catalog import Target
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.errors import failure_inside
from passerelle.wire.upstream import HttpStream, Rewrite, Upstream, expect_events, not_a_stream, read_whole


@dataclass(frozen=True, slots=True)
class Sent:
    """What goes to the engine. `ignored` names parameters left out because the engine would misread them."""

    path: str
    body: dict[str, Any]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a kind differs from OpenAI's wire, as pure functions.

    `request` makes the engine's request, or raises UpstreamFailed(UNSUPPORTED) for what it cannot do.
    `reply` mends a parsed reply in place and tells whether it did. `rewrite` gives a stream's mender, or None
    when its events are OpenAI's already. `provider` names who served, from the reply's headers.
    """

    request: Callable[[Ask, Target], Sent]
    reply: Callable[[Ask, dict[str, Any]], bool]
    rewrite: Callable[[Ask], Rewrite] | None
    provider: Callable[[Mapping[str, str]], str]


class HttpBackend:
    """Speaks one dialect to one server."""

    def __init__(self, dialect: Dialect, upstream: Upstream) -> None:
        self._dialect = dialect
        self._upstream = upstream

    async def start(self, ask: Ask, target: Target) -> Reply:
        """See `Backend.start`."""
        dialect = self._dialect
        sent = dialect.request(ask, target)
        response = await self._upstream.post(sent.path, orjson.dumps(sent.body), request_id=ask.request_id)
        try:
            provider = dialect.provider(response.headers)
            upstream_id = response.headers.get("x-request-id")
            if ask.stream and expect_events(response):
                rewrite = dialect.rewrite(ask) if dialect.rewrite else None
                stream = HttpStream(response, rewrite)
                return Reply(provider, stream=stream, upstream_id=upstream_id, ignored=sent.ignored)
        except BaseException:
            response.close()
            raise
        raw = await read_whole(response)
        if ask.stream:
            raise not_a_stream(raw)
        payload = parse_reply(raw)
        if dialect.reply(ask, payload):
            raw = orjson.dumps(payload)
        return Reply(provider, raw, usage=usage_of(payload), upstream_id=upstream_id, ignored=sent.ignored)

    async def aclose(self) -> None:
        """Close the pool."""
        await self._upstream.aclose()


def parse_reply(raw: bytes) -> dict[str, Any]:
    """A whole reply as a JSON object that holds an answer. Raises UpstreamFailed."""
    try:
        payload = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise UpstreamFailed(Fault.BROKEN, "The engine's answer is not JSON.") from error
    if not isinstance(payload, dict):
        raise UpstreamFailed(Fault.BROKEN, "The engine's answer is not a JSON object.")
    if payload.get("error"):
        raise failure_inside(payload)
    if not isinstance(payload.get("choices", payload.get("data")), list):
        raise UpstreamFailed(Fault.BROKEN, "The engine's answer holds neither choices nor data.")
    return payload


def usage_of(payload: Mapping[str, Any]) -> Usage | None:
    """The usage of a reply or of a stream's chunk, None when it says none."""
    usage = payload.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    input_details, output_details = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=_count(input_details, "cached_tokens"),
        reasoning_tokens=_count(output_details, "reasoning_tokens"),
    )


def _count(fields: Any, name: str) -> int:
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
