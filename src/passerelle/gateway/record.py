"""What is known about a request once it is over: one frozen record, handed to every sink.

No field holds what was asked or answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from passerelle.domain.ask import Route, Usage
from passerelle.domain.errors import Fault
from passerelle.domain.guardrails import Verdict

HANGUP = "the caller hung up"  # the message of a cancellation that a caller is the reason of; others are ours


class Outcome(StrEnum):
    """How a request ended, from the caller's side."""

    ANSWERED = "answered"
    CACHED = "cached"  # from the cache: no target was tried
    REFUSED = "refused"  # before any target was tried
    FAILED = "failed"  # no target gave content
    BROKEN = "broken"  # an engine failed after its first content
    BLOCKED = "blocked"  # a guardrail kept the answer, or the rest of it, back
    CUT = "cut"  # its caller lost the right to it
    HUNG_UP = "hung_up"  # the caller left


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try on one target. Times are seconds."""

    backend: str
    model: str  # the id the backend knows
    country: str | None
    seconds: float  # until the answer's head or first content, or until the failure
    fault: Fault | None = None
    provider: str | None = None
    upstream_id: str | None = None
    waited: float = 0.0  # for a place on the backend, before it was sent


@dataclass(frozen=True, slots=True)
class Record:
    """A settled request."""

    request_id: str
    tenant: str
    key_id: str
    route: Route
    model: str  # the name asked for
    outcome: Outcome
    attempts: tuple[Attempt, ...]
    usage: Usage | None
    stream: bool
    seconds: float
    catalog: str  # version of the configuration it ran on
    code: str | None = None  # of the error, when there was one
    charged: int = 0  # to the tenant, in pico-units of the operator's currency
    verdicts: tuple[Verdict, ...] = ()  # of guardrails that found something
    redacted: tuple[
        tuple[str, int], ...
    ] = ()  # kinds of personal data that were taken out, and how often each


Sink = Callable[[Record], None]
