"""How much of the service a tenant may use at once and a minute, and how a limit stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Meter(StrEnum):
    """What a limit counts."""

    REQUESTS = "requests"  # a minute
    TOKENS = "tokens"  # a minute, of both sides
    CALLS = "calls"  # under way at once


@dataclass(frozen=True, slots=True)
class Rates:
    """Limits of one subject; None = unlimited."""

    rpm: int | None = None  # requests a minute; as many may come at once
    tpm: int | None = None  # tokens a minute, input and output
    concurrency: int | None = None  # calls under way


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything that limits a tenant. A call must pass every limit that covers it."""

    tenant: Rates = Rates()
    each_key: Rates = Rates()  # holds for every key that `keys` does not name
    keys: Mapping[str, Rates] = field(default_factory=dict, hash=False)  # by a key's id or name
    models: Mapping[str, Rates] = field(default_factory=dict, hash=False)  # by the model's name
    share: int = 1  # of a backend that is full, beside other tenants' shares
    tokens_per_second: int | None = None  # that one stream is sent at most


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many calls a backend is sent at once, and how long others wait for a place."""

    most: int | None = (
        None  # None: as many as the engine takes without queueing, where it tells; else any number
    )
    least: int = 4  # an engine that queues is never sent fewer
    adaptive: bool = True  # follow what the engine says of its own queue
    waiting: int = 1_000  # calls that may wait, of all tenants together
    wait: float = 10.0  # seconds one waits at most


@dataclass(frozen=True, slots=True)
class Standing:
    """How a limit stands, after the call it is told with."""

    meter: Meter
    limit: int
    remaining: int
    reset: float  # seconds until nothing of it is used any more, if nothing else comes
