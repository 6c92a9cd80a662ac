"""What the routes stand on, made by the composition root and handed over once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from passerelle.audit.desk import AuditDesk
from passerelle.audit.desk import Nowhere as NoAudit
from passerelle.audit.provenance import ProvenanceBook
from passerelle.cache.desk import Desk as CacheDesk
from passerelle.cache.desk import Nothing
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.gateway.scout import Scout
from passerelle.gateway.watch import Watch
from passerelle.http.ask import Asking
from passerelle.http.credentials import Keys
from passerelle.http.intake import Limits, Receive
from passerelle.http.vigil import Send, Vigil
from passerelle.jobs.owners import JobsDesk
from passerelle.ledger.budgets import Budgets
from passerelle.ledger.outbox import Undelivered
from passerelle.pipelines.enrichment.desk import Content
from passerelle.pipelines.enrichment.desk import Nowhere as NoContent
from passerelle.pipelines.rag.desk import Nowhere, Rag
from passerelle.pipelines.surveys.desk import Nowhere as NoSurveys
from passerelle.pipelines.surveys.desk import Surveys
from passerelle.reports.desk import Desk
from passerelle.reports.office import Office
from passerelle.rights.desk import Nowhere as NoRights
from passerelle.rights.desk import Rights
from passerelle.routing.live import Reloaded
from passerelle.subjects.prompts_store import PromptStore
from passerelle.tenancy.ring import KeyRing
from passerelle.tenancy.store import KeyStore

App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Money:
    """What is spent, and who may be asked about it."""

    budgets: Budgets
    desk: Desk
    office: Office
    undelivered: Callable[[], Awaitable[Sequence[Undelivered]]]


@dataclass(frozen=True, slots=True)
class Services:
    """The parts the routes use. `around` stands before all of them, None = nothing does."""

    gateway: Gateway
    editions: Editions
    keys: Keys
    key_ring: KeyRing
    key_store: KeyStore
    limits: Limits
    reload: Callable[[], Awaitable[Reloaded]]
    metrics: Callable[[], bytes]
    scout: Scout
    money: Money
    vigil: Vigil
    watch: Watch
    around: Callable[[App], App] | None
    ready: Callable[[], bool]
    degraded: Callable[[], list[str]]
    jobs: JobsDesk
    asking: Asking
    cache: CacheDesk = field(default_factory=Nothing)
    rag: Rag = field(default_factory=Nowhere)
    content: Content = field(default_factory=NoContent)
    surveys: Surveys = field(default_factory=NoSurveys)
    rights: Rights = field(default_factory=NoRights)
    prompts: PromptStore | None = None  # None: none are kept
    audit: AuditDesk = field(default_factory=NoAudit)
    provenance: ProvenanceBook | None = None  # None: where models come from is not kept


def services_of(request: Request) -> Services:
    """The services of the application that handles this request."""
    services: Services = request.app.state.services
    return services
