"""How long each class of a tenant's data is kept: the one list, made of the same settings that purge it. Pure.

What runs a purge reads the same fields of the tenant, or the same constant that stands in its own room; a test holds
the two together. Holdings' names are those of receipts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from passerelle.domain.catalog import Tenant
from passerelle.domain.privacy import Retention

DAY: Final = 86_400.0
JOBS_SECONDS: Final = 30 * DAY  # after a job's end, as `working` forgets it
ANSWERS_SECONDS: Final = DAY  # of repeated requests, as `idempotency.store` keeps them
EXPORTS_SECONDS: Final = 7 * DAY  # of what was exported for a person
FIGURES_SECONDS: Final = (
    400 * DAY
)  # of answers from documents without their words, as `pipelines.rag.keeping`
SIGHTINGS_SECONDS: Final = 400 * DAY  # as `subjects.sightings` purges them
OUTBOX_SECONDS: Final = 3 * DAY  # until an event's last try, as `ledger.outbox` gives up


@dataclass(frozen=True, slots=True)
class Slack:
    """How late each purge may be: its period, and a little for a worker that was away."""

    store: str
    seconds: float


# A purge that runs every hour is late after that hour; twice its period says that nobody runs it.
SLACKS: Final = (
    Slack("conversations", 2 * 3600.0),
    Slack("surveys", 900.0),
    Slack("enrichment", 900.0),
    Slack("jobs", 2 * DAY),
    Slack("idempotency", 900.0),
    Slack("exports", 2 * 3600.0),
    Slack("prompts", 2 * 3600.0),
    Slack("sightings", 2 * DAY),
)
_USUAL_SLACK: Final = 3600.0

CONVERSATIONS: Final = "conversations"
DOCUMENTS: Final = "documents"
CACHE_EXACT: Final = "cache-exact"
CACHE_SEMANTIC: Final = "cache-semantic"
SURVEYS: Final = "surveys"
CORRECTIONS: Final = "corrections"
ENRICHMENT: Final = "enrichment"
JOBS: Final = "jobs"
WEBHOOKS: Final = "webhooks"
IDEMPOTENCY: Final = "idempotency"
EXPORTS: Final = "exports"
FILES: Final = "files"
LEDGER: Final = "ledger"
KEYS: Final = "keys"
AUDIT: Final = "audit"
SIGHTINGS: Final = "sightings"
PROMPTS: Final = "prompts"
RESTRICTIONS: Final = "restrictions"
REQUESTS: Final = "requests"


def retention_of(tenant: Tenant) -> tuple[Retention, ...]:
    """How long each class of a tenant's data is kept, and by which job it is purged; None = until it is deleted.

    Every holding is in it, in the order of receipts; 0 seconds: such a thing is not kept.
    """
    return (*_pipelines(tenant), *_cache(tenant), *_engine(tenant))


def slack_of(store: str) -> float:
    """Seconds by which a record may be older than its retention before that is told as a fault."""
    return next((each.seconds for each in SLACKS if each.store == store), _USUAL_SLACK)


def _pipelines(tenant: Tenant) -> tuple[Retention, ...]:
    rag, surveys, content = tenant.rag, tenant.surveys, tenant.content
    # Of a tenant whose documents are switched off, each conversation ends when it was said that it would.
    kept = None if rag is None else rag.keep or 0.0
    return (
        Retention(
            CONVERSATIONS, "conversations about documents", kept, "rag.conversations.keep", "rag-forget"
        ),
        Retention(CONVERSATIONS, "figures of answers, without words", FIGURES_SECONDS, "", "rag-forget"),
        Retention(DOCUMENTS, "documents, their passages and vectors", None, "", ""),
        Retention(
            SURVEYS,
            "surveys: answers, comments, readings, themes",
            None if surveys is None else surveys.keep,
            "surveys.keep",
            "surveys-sweep",
        ),
        Retention(CORRECTIONS, "corrections of comments, which teach the next runs", None, "", ""),
        Retention(
            ENRICHMENT,
            "texts and what was written of them, after their job's end",
            None if content is None else content.keep,
            "content.keep",
            "content-sweep",
        ),
    )


def _cache(tenant: Tenant) -> tuple[Retention, ...]:
    caching = tenant.cache
    exact = caching.ttl if caching is not None else 0.0
    semantic = caching.semantic.ttl if caching is not None and caching.semantic is not None else 0.0
    return (
        Retention(
            CACHE_EXACT, "answers kept for the very same question", exact, "cache.ttl", "the time of each"
        ),
        Retention(
            CACHE_SEMANTIC,
            "answers kept for questions that mean the same, with their vectors",
            semantic,
            "cache.semantic.ttl",
            "the time of each",
        ),
    )


def _engine(tenant: Tenant) -> tuple[Retention, ...]:
    log = tenant.privacy.prompt_log
    prompts = 0.0 if log is None else log.keep
    return (
        Retention(JOBS, "jobs, their items and events, after their end", JOBS_SECONDS, "", "forget-jobs"),
        Retention(WEBHOOKS, "events on their way to webhooks, without content", OUTBOX_SECONDS, "", "outbox"),
        Retention(
            IDEMPOTENCY, "answers kept for repeated requests", ANSWERS_SECONDS, "", "idempotency-sweep"
        ),
        Retention(EXPORTS, "exports made for a person", EXPORTS_SECONDS, "", "privacy-forget"),
        Retention(
            PROMPTS,
            "prompts and answers, where they are logged",
            prompts,
            "privacy.log_prompts.keep",
            "prompts-forget",
        ),
        Retention(
            SIGHTINGS,
            "which providers saw what a pseudonym sent, by day, without content",
            SIGHTINGS_SECONDS,
            "",
            "sightings-forget",
        ),
        Retention(
            RESTRICTIONS, "pseudonyms whose processing is restricted, until that is lifted", None, "", ""
        ),
        Retention(REQUESTS, "requests about people's data and their signed receipts", None, "", ""),
        Retention(FILES, "the spool of usage, until it is in the ledger", None, "", ""),
        Retention(LEDGER, "amounts of usage, without content and without a person", None, "", ""),
        Retention(AUDIT, "what was done, by ids and pseudonyms", None, "", ""),
        Retention(KEYS, "digests of keys, until they are revoked and after", None, "", ""),
    )


def first_of(retentions: Iterable[Retention]) -> dict[str, Retention]:
    """By store, the class that its oldest record is compared with."""
    found: dict[str, Retention] = {}
    for each in retentions:
        found.setdefault(each.store, each)
    return found
