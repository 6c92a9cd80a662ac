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


class EntryKind(StrEnum):
    """Why an entry was booked. Nothing is ever changed: what was wrong is corrected by another entry."""

    SETTLE = "settle"  # what a try used
    ADJUST = "adjust"  # a correction: of an estimate, or to what a provider invoiced
    ALLOCATE = "allocate"  # a share of an hour of capacity
    CREDIT = "credit"  # given back to a tenant
    VOID = "void"  # an entry taken back


class Unit(StrEnum):
    """What a quantity counts."""

    TOKENS = "tokens"
    IMAGES = "images"
    SECONDS = "seconds"
    REQUESTS = "requests"
    MILLISECONDS = "milliseconds"  # of capacity


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
    """One kind of thing used in one try. `amount` is in pico-units of `currency`, 0 where unpriced.

    `cost`, `billed` and `saved` are in pico-units of the operator's currency: the amount exchanged, what the payer is
    charged for it (the cost and the tenant's markup), and what an answer from the cache would have been charged.
    `saved` is never part of a sum.
    """

    meter: str  # a `TokenKind`, or `image`, `second`, `request`
    quantity: int
    unit: Unit
    currency: str
    amount: int
    certainty: Certainty
    price_id: str | None = None
    cost: int = 0
    billed: int = 0
    saved: int = 0


@dataclass(frozen=True, slots=True)
class Exchange:
    """How amounts of one currency became the operator's: `amount * rate`, of the day `on`."""

    currency: str  # the operator's
    rate: str  # a decimal, exactly as it was multiplied; "1" where nothing was exchanged
    on: str | None = None  # ISO 8601 date of the reference rate; None where nothing was exchanged


@dataclass(frozen=True, slots=True)
class Began:
    """A try, before its first byte went to an engine. Times are Unix milliseconds, UTC.

    `held` is the most that it can cost, as far as anybody knows: what is booked if its process dies before the end.
    """

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
    use: str = ""  # what it was for, where Passerelle itself asked: `rag`, `cache`, `job`, ...
    held: int | None = None  # pico-units of the price's currency; None = not known
    held_currency: str | None = None
    subject: str = (
        ""  # the pseudonym of the person it is for: kept beside the tables of the ledger, never in them
    )
    # Of a tenant that is bound: `policy` (its name and the hash of its rules), `operator` (the legal party that it went
    # to) and `left_out` (places that a rule has forbidden, with the rule's id). None = nothing binds the tenant.
    evidence: Mapping[str, object] | None = None


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
    usage: Mapping[str, object] | None  # as the provider sent it
    usage_source: UsageSource
    payer: str  # an account: `tenant:<name>` or `operator:retry`
    lines: tuple[Line, ...] = ()
    payee: str | None = None  # an account; None = `provider:<name>:payable`, of whoever served
    exchange: Exchange | None = None  # None = nothing is billed for it
    first_ms: int | None = None  # milliseconds from its start to the answer's head or first content
    revision: str | None = None  # of the model, where the engine says which it runs
