"""What is noted, and what may stand beside it: ids, pseudonyms, counts, hashes and words of ours. Nothing people wrote.

An action that is not here, and a member of its detail that is not named here, is a mistake of the program and is
refused where it is made: a log that nobody can delete from is no place to find out what went into it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

LONGEST = 200  # characters of an actor, an object or a text of the detail
_MOST = 50  # members of a detail, and of a list in it
_LARGEST = 2**53 - 1  # what every reader of JSON has exactly

# Actors that are no key's id.
OPERATOR = "operator"  # who may open the data folder
SYSTEM = "system"  # the service itself: the file it watches, a periodic job
CALLERS = "callers"  # of a tenant, all of them: what is counted is not told apart

KEY_CREATED = "key.created"
KEY_ROTATED = "key.rotated"
KEY_REVOKED = "key.revoked"
CONFIGURATION_APPLIED = "configuration.applied"
CONFIGURATION_REFUSED = "configuration.refused"
RELOAD_ASKED = "configuration.reload_asked"
POLICY_REFUSED = "policy.refused"
OPERATOR_READ = "operator.read"
OPERATOR_WROTE = "operator.wrote"
MONTH_CLOSED = "month.closed"
CREDIT_BOOKED = "credit.booked"
INVOICE_BOOKED = "invoice.booked"
RATES_INSTALLED = "rates.installed"
DOCUMENT_DELETED = "document.deleted"
COLLECTION_DELETED = "collection.deleted"
CONVERSATION_DELETED = "conversation.deleted"
SURVEY_DELETED = "survey.deleted"
RUN_DELETED = "survey.run_deleted"
CODEBOOK_DELETED = "survey.codebook_deleted"
CORRECTION_DELETED = "survey.correction_deleted"
CONTENT_JOB_DELETED = "content.job_deleted"
RECIPE_DELETED = "content.recipe_deleted"
JOB_DELETED = "job.deleted"
CACHE_ERASED = "cache.erased"
PROMPTS_READ = "prompts.read"
RIGHT_ASKED = "right.asked"
RIGHT_DONE = "right.done"
RIGHT_FAILED = "right.failed"
EXPORT_FETCHED = "right.export_fetched"
TENANT_WIPED = "tenant.wiped"
TENANT_KEY_MADE = "tenant_key.made"
TENANT_KEY_DESTROYED = "tenant_key.destroyed"
RETENTION_PURGED = "retention.purged"
AUDIT_READ = "audit.read"
ANNEX_SIGNED = "dpa.signed"
NOTICE_SENT = "dpa.notice_sent"
BREACH_NOTED = "dpa.breach_noted"
BACKUP_MADE = "backup.made"
BACKUP_RESTORED = "backup.restored"

_PERIODIC = frozenset({"hour", "count"})
_ROUTE = frozenset({"hour", "count", "route", "method"})
_RIGHT = frozenset({"deed", "request", "job", "due", "stores", "counts", "failed", "digest", "providers"})

# By action: which members its detail may have.
ACTIONS: Mapping[str, frozenset[str]] = {
    KEY_CREATED: frozenset({"role", "expires", "groups"}),
    KEY_ROTATED: frozenset({"to", "overlap_seconds"}),
    KEY_REVOKED: frozenset(),
    CONFIGURATION_APPLIED: frozenset({"before", "after"}),
    CONFIGURATION_REFUSED: frozenset({"kept", "rules", "errors"}),
    RELOAD_ASKED: frozenset({"applied", "after"}),
    POLICY_REFUSED: _PERIODIC,
    OPERATOR_READ: _ROUTE,
    OPERATOR_WROTE: _ROUTE,
    MONTH_CLOSED: frozenset({"digest", "forced", "passed_over"}),
    CREDIT_BOOKED: frozenset(),
    INVOICE_BOOKED: frozenset({"month", "reference", "alert"}),
    RATES_INSTALLED: frozenset(),
    DOCUMENT_DELETED: frozenset({"collection"}),
    COLLECTION_DELETED: frozenset(),
    CONVERSATION_DELETED: frozenset(),
    SURVEY_DELETED: frozenset(),
    RUN_DELETED: frozenset(),
    CODEBOOK_DELETED: frozenset(),
    CORRECTION_DELETED: frozenset(),
    CONTENT_JOB_DELETED: frozenset(),
    RECIPE_DELETED: frozenset(),
    JOB_DELETED: frozenset({"kind"}),
    CACHE_ERASED: frozenset({"by", "count", "namespace", "model"}),
    PROMPTS_READ: frozenset({"count", "request", "since", "until"}),
    RIGHT_ASKED: _RIGHT,
    RIGHT_DONE: _RIGHT,
    RIGHT_FAILED: _RIGHT,
    EXPORT_FETCHED: _RIGHT,
    TENANT_WIPED: _RIGHT,
    TENANT_KEY_MADE: frozenset({"version"}),
    TENANT_KEY_DESTROYED: frozenset({"version", "request"}),
    RETENTION_PURGED: frozenset({"store", "count", "before"}),
    AUDIT_READ: frozenset({"after", "count"}),
    ANNEX_SIGNED: frozenset({"manifest", "date"}),
    NOTICE_SENT: frozenset({"manifest", "date"}),
    BREACH_NOTED: frozenset({"date"}),
    BACKUP_MADE: frozenset({"digest", "bytes"}),
    BACKUP_RESTORED: frozenset({"digest"}),
}

# Ids, pseudonyms, hashes, versions, dates, routes. No spaces and no `@`: no sentence and no address is one of these.
_WORD = re.compile(r"[A-Za-z0-9_.:/{}*+=-]*")
_MEMBER = re.compile(r"[a-z][a-z0-9_-]*")


def check(actor: str, action: str, thing: str, detail: Mapping[str, Any]) -> None:
    """Raises ValueError for what does not belong in the log; the message quotes none of it."""
    allowed = ACTIONS.get(action)
    if allowed is None:
        raise ValueError("an action that is none of the audit log's")
    if not actor or not _is_word(actor):
        raise ValueError(f"{action}: its actor is no id")
    if not _is_word(thing):
        raise ValueError(f"{action}: its object is no id")
    if not detail.keys() <= allowed:
        raise ValueError(f"{action}: its detail has members that are not its own")
    if not all(_plain(value) for value in detail.values()):
        raise ValueError(f"{action}: its detail holds something else than ids, counts and hashes")


def named(text: str) -> str:
    """What stands for a name that people gave: it tells names apart, and says which one it is to who knows it."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def worded(text: str) -> str:
    """A text itself where it may stand in the log, else what stands for it."""
    return text if _is_word(text) else named(text)


def _is_word(text: object) -> bool:
    return isinstance(text, str) and len(text) <= LONGEST and _WORD.fullmatch(text) is not None


def _plain(value: Any, depth: int = 0) -> bool:
    """Values that JSON and PostgreSQL give back as they were: no fractions, no text that people wrote."""
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int):
        return abs(value) <= _LARGEST
    if isinstance(value, str):
        return _is_word(value)
    if depth == 2:
        return False
    if isinstance(value, list | tuple):
        return len(value) <= _MOST and all(_plain(each, depth + 1) for each in value)
    if isinstance(value, Mapping):
        return len(value) <= _MOST and all(
            isinstance(name, str) and _MEMBER.fullmatch(name) and _plain(each, depth + 1)
            for name, each in value.items()
        )
    return False
