"""A backend that is an HTTP server: a dialect of pure functions in front of `Upstream`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from passerelle.backends import gauges
from passerelle.backends.base import Reply
from passerelle.backends.gauges import Gauges
from passerelle.domain.ask import Ask, Usage
from passerelle.domain.catalog import Target
from passerelle.domain.errors import CannotRun, Fault, UpstreamFailed
from passerelle.domain.facts import Load, State, Survey
from passerelle.wire.errors import failure_inside
from passerelle.wire.upstream import HttpStream, Rewrite, Upstream, expect_events, not_a_stream, read_whole


@dataclass(frozen=True, slots=True)
class Sent:
    """What goes to the engine. `ignored` names parameters left out because the engine would misread them.

    `path` follows the backend's base, unless it is a whole URL; `headers` belong to this request alone.
    """

    path: str
    body: dict[str, Any]
    ignored: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probe:
    """What an engine is asked about itself: paths below its root, and what their JSON means.

    `read` gets the document of each path (None where there is none) and the model ids that are asked for.
    """

    paths: tuple[str, ...]
    read: Callable[[Mapping[str, Any], Collection[str]], Survey]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a kind differs from OpenAI's wire, as pure functions.

    `request` makes the engine's request, or raises UpstreamFailed(UNSUPPORTED) for what it cannot do.
    `reply` mends a parsed reply in place and tells whether it did. `rewrite` gives a stream's mender, or None
    when its events are OpenAI's already. `provider` names who served, from the reply's headers. `meant` says what a
    failure means whose status tells the wrong story.
    """

    request: Callable[[Ask, Target], Sent]
    reply: Callable[[Ask, dict[str, Any]], bool]
    rewrite: Callable[[Ask], Rewrite] | None
    provider: Callable[[Mapping[str, str]], str]
    probe: Probe | None = None
    gauges: Gauges | None = None
    meant: Callable[[UpstreamFailed], UpstreamFailed] = lambda failure: failure


class HttpBackend:
    """Speaks one dialect to one server."""

    def __init__(self, dialect: Dialect, upstream: Upstream) -> None:
        self._dialect = dialect
        self._upstream = upstream

    async def start(self, ask: Ask, target: Target, wait: float = 0.0) -> Reply:
        """See `Backend.start`."""
        dialect = self._dialect
        try:
            return await exchange(ask, dialect.request(ask, target), dialect, self._upstream)
        except UpstreamFailed as failure:
            meant = dialect.meant(failure)
            if meant is failure:
                raise
            raise meant from failure

    async def survey(self, models: Collection[str]) -> Survey:
        """See `Backend.survey`."""
        return await survey(self._dialect.probe, self._upstream, models)

    async def load(self) -> Load | None:
        """See `Backend.load`."""
        return await gauges.ask(self._dialect.gauges, self._upstream)

    async def resume(self) -> None:
        """There is nothing to resume."""
        raise CannotRun("This backend cannot be resumed.", "Only one of kind hf-endpoint can be paused.")

    async def aclose(self) -> None:
        """Close the pool."""
        await self._upstream.aclose()


async def exchange(ask: Ask, sent: Sent, dialect: Dialect, upstream: Upstream) -> Reply:
    """One request and the reply it began, by a dialect's rules. Raises UpstreamFailed."""
    response = await upstream.post(
        sent.path, orjson.dumps(sent.body), request_id=ask.request_id, headers=sent.headers
    )
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
    said = payload.get("usage")
    return Reply(
        provider,
        raw,
        usage=usage_of(payload),
        upstream_id=upstream_id,
        ignored=sent.ignored,
        said=said if isinstance(said, dict) else None,
    )


async def survey(probe: Probe | None, upstream: Upstream, models: Collection[str]) -> Survey:
    """What an engine says of itself: all paths at once, a few seconds at most."""
    if probe is None:
        return Survey(State.UNKNOWN)
    root = upstream.base.removesuffix("/v1")
    got = await asyncio.gather(*(_document(upstream, root + path) for path in probe.paths))
    failed = [outcome for outcome in got if isinstance(outcome, UpstreamFailed)]
    if len(failed) == len(got):
        return Survey(State.DOWN, problems=(failed[0].message,))
    return probe.read(
        {
            path: None if isinstance(outcome, UpstreamFailed) else outcome
            for path, outcome in zip(probe.paths, got, strict=True)
        },
        models,
    )


async def _document(upstream: Upstream, url: str) -> Any:
    """The JSON of a GET, {} for a body that is none; a failure as a value."""
    try:
        return orjson.loads(await upstream.get(url, limit=_PROBE_SECONDS))
    except orjson.JSONDecodeError:
        return {}
    except UpstreamFailed as failure:
        return failure


_PROBE_SECONDS = 5.0


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
        cached_tokens=_count(input_details, "cached_tokens") or _count(usage, "prompt_cache_hit_tokens"),
        cache_write_tokens=_count(usage, "cache_creation_input_tokens"),
        reasoning_tokens=_count(output_details, "reasoning_tokens"),
    )


def _count(fields: Any, name: str) -> int:
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
