"""The words of `providers.yaml` as frozen values: what routing, policy and tenancy agree on.

A `Catalog` is immutable. A reload builds another one and swaps the reference; calls in flight finish on the
catalog they started with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from passerelle.domain.ask import Capability, Task
from passerelle.domain.billing import Budget, Power, Sharing, Tax, Terms, Webhook
from passerelle.domain.cache import Caching
from passerelle.domain.content import ContentRules
from passerelle.domain.guardrails import Guardrail
from passerelle.domain.identity import Issuer
from passerelle.domain.limits import Concurrency, Limits
from passerelle.domain.prices import Stated
from passerelle.domain.privacy import Datum, Privacy
from passerelle.domain.rag import Rag
from passerelle.domain.survey_work import SurveyRules


@dataclass(frozen=True, slots=True)
class Location:
    """Two facts: where data is processed, and which legal party processes it."""

    country: str | None = None  # ISO 3166-1 alpha-2, None = unknown
    operator: str | None = None  # "self" or the party's name, None = unknown
    seat: str | None = None  # where that party is established, None = unknown


class Transfer(StrEnum):
    """What makes a transfer to somebody outside the EEA lawful (GDPR, chapter V)."""

    ADEQUACY = "adequacy"  # article 45: the country is one of those whose law suffices
    DPF = "dpf"  # decision 2023/1795, of the entity that is listed
    SCC = "scc"  # decision 2021/914
    BCR = "bcr"  # article 47


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who would see a tenant's data on its way: an engine's operator, a router, a provider."""

    name: str
    location: Location = Location()
    trains: bool | None = None  # does it train on what it is sent? None = unknown
    retention_days: int | None = None  # None = unknown
    pinned: bool | None = None  # is the place promised? None = unknown
    transfers: frozenset[Transfer] = frozenset()  # tools that are in force with it
    unnamed: bool = False  # somebody else chooses who it is, once the data is there


@dataclass(frozen=True, slots=True)
class System:
    """What Passerelle itself stands on, or tells, where that is somebody else's."""

    name: str
    kind: str  # database, cache, vectors, logs, telemetry, backups, hosting or webhook
    party: Party
    tenants: frozenset[str] | None = None  # whose data reaches it; None = everybody's
    off: bool = False  # only for want of a secret: the next start may have it


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The four time limits of a try, in seconds."""

    connect: float = 3.0
    first_content: float = 60.0  # streams: until the first content; other calls are bound by `total`
    between_chunks: float = 60.0
    total: float = 600.0
    after_hangup: float = 0.0  # how long an engine goes on when nobody reads, for what it says it has used

    @property
    def longest(self) -> float:
        """Seconds from the first try of a request to the last that is heard of its answer."""
        return self.total + self.after_hangup


@dataclass(frozen=True, slots=True)
class BackendSpec:
    """A configured instance of a kind.

    `options` is the kind's own validated options model; only the kind's file knows its fields.
    `off` is the reason why the backend is switched off (an unset secret), or None.
    """

    name: str
    kind: str
    options: Any
    location: Location = Location()
    limits: TimeLimits = TimeLimits()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # field name to value
    off: str | None = None
    parties: tuple[Party, ...] = ()  # every party that sees what is sent; all must be permitted
    choice: str | None = (
        None  # "cheapest" or "fastest": which of a router's providers is taken, for each tenant
    )
    hosts: tuple[Party, ...] = ()  # of such a backend: every provider it might choose, last of the parties
    payer: str | None = None  # the organisation that pays, where one is named
    billable: bool = False  # a tenant's own organisation may pay instead
    wake: float = 0.0  # seconds an engine that sleeps may take to wake; 0: it never sleeps
    patient: bool = False  # waited for while it wakes, even where another target is left
    cost: Stated | None = None  # what its targets cost that have no cost of their own; None = not said
    sharing: Sharing = field(default_factory=Sharing)  # of its hours, where those are paid
    power: Power | None = None  # what its machine draws, where that was measured
    concurrency: Concurrency = field(default_factory=Concurrency)

    def parties_of(self, target: Target) -> tuple[Party, ...]:
        """Every party that sees what is sent to this target.

        Where a provider is to be chosen and none is yet, the last of them is somebody of whom nothing is known,
        whatever is stated of the backend.
        """
        if target.host is not None:
            return (*self.parties[:-1], target.host)
        if self.choice is not None and self.parties:
            return (*self.parties[:-1], Party(self.parties[-1].name))
        return self.parties

    def place_of(self, target: Target) -> Location:
        """Where the last of them processes it."""
        if target.host is not None:
            return target.host.location
        return self.location if self.choice is None else Location()

    def account_of(self, target: Target) -> tuple[object, ...]:
        """Who pays for this target: equal for targets whose credits run out together."""
        if not self.secrets:
            return (self.name,)
        return (self.kind, *sorted(self.secrets.items()), target.bill_to or self.payer)


@dataclass(frozen=True, slots=True)
class Target:
    """A backend plus its model id: one place where a model can be asked."""

    backend: str
    model: str  # the id the backend knows
    rank: int = 1  # lower is tried first
    weight: int = 1  # share of the load among equal ranks
    degraded: bool = False
    lacks: frozenset[Capability] = frozenset()
    offers: frozenset[Capability] = frozenset()  # stated by the operator, whatever the engine says
    context: int | None = None  # tokens, None = unknown
    host: Party | None = None  # the provider of a router that is asked for by name
    bill_to: str | None = None  # who pays, where the tenant has an account of its own
    cost: Stated | None = None  # stated of it alone, before what is stated of its backend

    @property
    def name(self) -> str:
        """How people and headers name it."""
        return f"{self.backend}/{self.model}"


@dataclass(frozen=True, slots=True)
class Model:
    """A name that clients ask for."""

    name: str
    task: Task
    targets: tuple[Target, ...]
    created: int = 0  # Unix seconds, for GET /v1/models


@dataclass(frozen=True, slots=True)
class Policy:
    """What a tenant allows. `None` means the rule is not set."""

    name: str
    countries: frozenset[str] | None = None  # ISO codes, already expanded from names such as EEA
    operators: frozenset[str] | None = None
    training: bool = True  # False: the party must be known not to train
    max_retention_days: int | None = None
    seats: frozenset[str] | None = None  # where the legal party must be established: countries
    transfers: frozenset[Transfer] | None = None  # one of these must be in force with a party outside the EEA
    pinned: bool = False  # True: the place must be promised
    degraded: bool = True  # False: no degraded answers, whatever the tenant says
    redact: frozenset[Datum] = frozenset()  # what the tenant must have replaced before anybody but us sees it


@dataclass(frozen=True, slots=True)
class Tenant:
    """A client company."""

    name: str
    models: tuple[str, ...]  # names it may use, in the file's order
    default_model: str | None = None  # what the name `default` means
    policy: Policy | None = None
    prefer: tuple[str, ...] = ()
    deny: frozenset[str] = frozenset()
    degraded: bool = False  # may answers come from a target marked degraded?
    attempts: int = 3  # most tries one request may make over all its targets
    bill_to: str | None = None  # its own organisation on the Hub, which pays for its Inference Providers
    budget: Budget | None = None
    terms: Terms | None = None  # None: it is charged what its calls cost
    tax: Tax | None = None
    tags: tuple[str, ...] = ()  # keys of a request's `metadata` that reports are divided by
    limits: Limits = field(default_factory=Limits)
    guardrails: tuple[Guardrail, ...] = ()  # asked in this order
    issuers: tuple[Issuer, ...] = ()  # whose tokens are taken for this tenant
    cache: Caching | None = None  # None: nothing is kept
    rag: Rag | None = field(default_factory=Rag)  # None: it has no documents here
    content: ContentRules | None = field(default_factory=ContentRules)  # None: no texts are worked on
    surveys: SurveyRules | None = field(default_factory=SurveyRules)  # None: it has no surveys here
    privacy: Privacy = field(default_factory=Privacy)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything `providers.yaml` says, checked."""

    version: str  # short hash of the file: shown by health, records and explain
    backends: Mapping[str, BackendSpec]
    models: Mapping[str, Model]
    tenants: Mapping[str, Tenant]
    operator: str = ""
    currency: str = "EUR"  # of the operator's reports, ISO 4217
    time_zone: str = "UTC"  # of the operator's months, an IANA name
    webhooks: tuple[Webhook, ...] = ()
    systems: tuple[System, ...] = ()  # what it stands on and whom it tells, as far as said
    cors_origins: frozenset[str] = frozenset()  # origins whose pages may call from a browser
    source: str = "providers.yaml"
    warnings: tuple[str, ...] = field(default=())
