"""What nobody may write late: of a person, or a tenant, whose erasure was asked for after a piece of work began.

Work that was under way then ends after the stores were emptied, and would put back what was erased.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_APART = 5.0  # seconds by which the clocks of a process and of the database may differ

# A condition, on `:tenant`, `:subject` (a pseudonym), and `:since` of `since`.
ERASED = """EXISTS (SELECT FROM privacy_request AS erased WHERE erased.tenant = :tenant
    AND erased.asked_at >= CAST(:since AS timestamptz)
    AND (erased.deed = 'wipe' OR (erased.deed = 'erase' AND erased.subject = :subject)))"""


def since(seconds: float, *, now: datetime | None = None) -> datetime:
    """When work that took so long began, and no later."""
    return (now or datetime.now(UTC)) - timedelta(seconds=max(0.0, seconds) + _APART)
