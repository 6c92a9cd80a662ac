"""What a backend has said of itself: its state, and what its models can do and cost. Learned, never configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from passerelle.domain.ask import Capability
from passerelle.domain.catalog import Party


class State(StrEnum):
    """Whether a backend could answer now."""

    READY = "ready"
    WAKING = "waking"  # a replica is being started
    ASLEEP = "asleep"  # scaled to zero; a request wakes it
    PAUSED = "paused"  # only a person starts it again
    DOWN = "down"  # it cannot be reached, or says that it has failed
    UNKNOWN = "unknown"  # it cannot be asked without sending it a request


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs where it is asked. None = not said, which is not the same as free."""

    currency: str
    input_per_million: Decimal | None = None  # tokens
    output_per_million: Decimal | None = None  # tokens
    per_hour: Decimal | None = None  # of one replica


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one model at one backend. What is in neither `has` nor `lacks` is not known."""

    has: frozenset[Capability] = frozenset()
    lacks: frozenset[Capability] = frozenset()
    context: int | None = None  # tokens
    price: Price | None = None
    revision: str | None = None  # of the model's files


@dataclass(frozen=True, slots=True)
class Host:
    """One provider behind a router, and what it says of one model."""

    provider: str
    party: Party
    facts: Facts = Facts()
    throughput: float | None = None  # tokens a second, as last measured by the router
    latency: float | None = None  # seconds to the first token, as last measured by the router


@dataclass(frozen=True, slots=True)
class Known:
    """What one survey taught about one model of a backend."""

    facts: Facts = Facts()
    hosts: tuple[Host, ...] = ()  # of a router that lets one choose


@dataclass(frozen=True, slots=True)
class Survey:
    """What a backend said when it was asked about itself.

    `models` is by the id a target names. `about` are facts for people, as label and value; `problems` are
    sentences an operator should act on. No field holds a secret.
    """

    state: State
    models: Mapping[str, Known] = field(default_factory=dict)
    about: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()
    replicas: int | None = None  # that are paid for now, where that can be asked


@dataclass(frozen=True, slots=True)
class Load:
    """What an engine says of its own queue at one moment: requests of everybody who asks it."""

    running: int
    waiting: int
