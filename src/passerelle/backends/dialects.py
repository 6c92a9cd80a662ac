"""Servers that speak almost OpenAI: how each differs, as a row. What stands in no row is as at OpenAI.

SGLang: docs of 0.5. `transformers serve`: the source of transformers 5.23, and the server itself in `tests/engines`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from passerelle.backends import stops, transformers_serve
from passerelle.backends.http_backend import Probe, Sent
from passerelle.backends.probes import OPENAI
from passerelle.domain.ask import Ask, Capability
from passerelle.domain.catalog import Target
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.domain.facts import State, Survey
from passerelle.wire.sse import data_of, events
from passerelle.wire.upstream import Rewrite


def _as_is(_: Ask, sent: Sent, __: Target) -> Sent:
    return sent


def _leave(_: Ask, __: dict[str, Any]) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Server:
    """One server's way with OpenAI's API.

    `request` changes what would go to OpenAI; `reply` mends a whole answer in place and tells whether it did;
    `rewrite` gives a stream's mender. `lacks` is what no model can be asked for
    there, unless a target of the file says that it can. `meanings` says what an error is whose status tells the
    wrong story, by the beginning of its message.
    """

    request: Callable[[Ask, Sent, Target], Sent] = _as_is
    reply: Callable[[Ask, dict[str, Any]], bool] = _leave
    rewrite: Callable[[Ask], Rewrite] | None = None
    probe: Probe = OPENAI
    lacks: frozenset[Capability] = frozenset()
    meanings: Mapping[str, Fault] = field(default_factory=dict)

    def meant(self, failure: UpstreamFailed) -> UpstreamFailed:
        """The failure as this server means it."""
        said = failure.told.message
        for beginning, fault in self.meanings.items():
            if said.startswith(beginning):
                return UpstreamFailed(fault, failure.message, told=failure.told)
        return failure


def without_nulls(_: Ask, sent: Sent, __: Target) -> Sent:
    """The request without its nulls, which OpenAI reads as absent and others as wrong."""
    body = {name: value for name, value in sent.body.items() if value is not None}
    return Sent(sent.path, body, sent.ignored, sent.headers)


def refuse_aborted(_: Ask, payload: dict[str, Any]) -> bool:
    """A scheduler that gave up says so where a finish reason stands. Raises UpstreamFailed."""
    for choice in payload.get("choices") or ():
        if isinstance(choice, dict) and choice.get("finish_reason") == "abort":
            raise UpstreamFailed(Fault.SERVER, "The engine aborted its answer.")
    return False


def watch_for_abort(ask: Ask) -> Rewrite:
    """Raises UpstreamFailed in a stream that was aborted, and changes nothing."""

    def watch(block: bytes) -> bytes:
        if b'"abort"' in block:
            for event in events(block):
                refuse_aborted(ask, _object(data_of(event)))
        return block

    return watch


def _object(data: bytes | None) -> dict[str, Any]:
    try:
        chunk = orjson.loads(data or b"{}")
    except orjson.JSONDecodeError:
        return {}  # the relay says what is wrong with it
    return chunk if isinstance(chunk, dict) else {}


def _there(_: Mapping[str, Any], __: object) -> Survey:
    # Its list of models is that of the Hub's cache, not of what it serves.
    return Survey(State.READY)


SERVERS: Mapping[str, Server] = {
    "openai": Server(),
    "sglang": Server(request=without_nulls, reply=refuse_aborted, rewrite=watch_for_abort),
    "transformers": Server(
        request=transformers_serve.request,
        reply=stops.cut_reply,
        rewrite=stops.cutter,
        probe=Probe(("/health",), _there),
        # A model that sees is served like any other, but one that does not is not shown images, and nobody is told.
        lacks=frozenset({Capability.STRUCTURED_OUTPUT, Capability.VISION}),
        meanings={
            "Server is pinned to ": Fault.MODEL,  # 400: the configuration is at fault, not the caller
            "Unexpected fields in the request: ": Fault.UNSUPPORTED,  # 422: an older version knows fewer
        },
    ),
}
