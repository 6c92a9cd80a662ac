"""Everybody whom a tenant's data may reach, and what for: what documents list and what rules are asked of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from passerelle.domain.catalog import Party
from passerelle.policy.judge import Verdict


class Use(StrEnum):
    """What a party does with a tenant's data."""

    PRIMARY = "primary"  # answers first
    FALLBACK = "fallback"  # answers when another does not
    ROUTER = "router"  # hands on to a provider
    EMBEDDER = "embedder"
    RERANKER = "reranker"
    CLASSIFIER = "classifier"
    JUDGE = "judge"  # of the cache, or of a guardrail
    DATABASE = "database"
    CACHE = "cache"
    VECTORS = "vectors"
    LOGS = "logs"
    TELEMETRY = "telemetry"
    WEBHOOK = "webhook"
    BACKUPS = "backups"
    HOSTING = "hosting"


@dataclass(frozen=True, slots=True)
class Seen:
    """One party in one use. `verdict`: the rule that forbids it, so that it is never reached; None = it may be."""

    party: Party
    use: Use
    through: str  # the backend's, webhook's or system's name in the file
    models: tuple[str, ...] = ()  # names that are asked for, of those uses that answer
    verdict: Verdict | None = None
    off: bool = False  # only for want of a secret
