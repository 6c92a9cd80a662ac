"""What is written down of every try, before and after, and what it costs whom: the values of the ledger.

A try that begins is a promise that an end follows: its `Began` is on disk before the first byte goes to an engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class TokenKind(StrEnum):
    """Kinds of tokens that have prices of their own; no token is of two kinds."""

    INPUT = "input"  # of the prompt, neither read from nor written to the engine's cache
    CACHED_INPUT = "cached_input"
    CACHE_WRITE = "cache_write"
    OUTPUT = "output"  # of the answer, without what is below
    REASONING = "reasoning"
    AUDIO_INPUT = "audio_input"
    AUDIO_OUTPUT = "audio_output"


class Unit(StrEnum):
    """What a quantity counts."""

    TOKENS = "tokens"
    IMAGES = "images"
    SECONDS = "seconds"
    REQUESTS = "requests"


class Certainty(StrEnum):
    """How sure an amount is."""

    EXACT = "exact"  # the provider's own figures, at a known price
    ESTIMATED = "estimated"  # the quantity is counted by us: cut off, or never told
    UNPRICED = "unpriced"  # nobody knows the price; the amount is 0 and means nothing
    RECONCILED = "reconciled"  # corrected to what the provider invoiced


class UsageSource(StrEnum):
    """Who counted."""

    PROVIDER = "provider"
    ESTIMATE = "estimate"  # by us, from bytes
    NONE = "none"  # nothing was used, or nobody knows


@dataclass(frozen=True, slots=True)
class Priced:
    """What one unit of something costs, at one backend for one model, from one moment on."""

    price_id: str  # `sku@valid-from`: an old month can be worked out again
    currency: str
    per_unit: int  # pico-units of the currency for one token, image, second or request
    unit: Unit = Unit.TOKENS


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of thing used in one try. `amount` is in pico-units of `currency`, 0 where unpriced."""

    meter: str  # a `TokenKind`, or `image`, `second`, `request`
    quantity: int
    unit: Unit
    currency: str
    amount: int
    certainty: Certainty
    price_id: str | None = None


@dataclass(frozen=True, slots=True)
class Began:
    """A try, before its first byte went to an engine. Times are Unix milliseconds, UTC."""

    attempt_id: str  # unique for ever
    request_id: str
    tenant: str
    key_id: str
    route: str
    model: str  # the name asked for
    sequence: int  # 1 for the first try of a request
    backend: str
    target: str  # the model's id there
    country: str | None
    at: int
    catalog: str  # version of the configuration
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a try ended, and what it cost. `served`: it is the one whose answer the caller got."""

    attempt_id: str
    at: int
    outcome: str
    fault: str | None
    served: bool
    provider: str | None
    upstream_id: str | None
    usage: Mapping[str, int] | None  # as the provider sent it
    usage_source: UsageSource
    payer: str  # an account: `tenant:<name>` or `operator:retry`
    lines: tuple[Line, ...] = ()
    payee: str | None = None  # an account; None = `provider:<name>:payable`, of whoever served
