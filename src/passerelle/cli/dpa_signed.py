"""From which month on what was served has to stand in an annex that somebody signed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from passerelle.compliance.signed import last, signatures


def since(dpa: Path, tenants: Iterable[str]) -> str | None:
    """The month of the oldest signature that is in force; None: nothing is signed."""
    today = datetime.now(UTC).date()
    in_force = [last(signatures(dpa, name), today=today) for name in tenants]
    days = [each.on for each in in_force if each is not None]
    return f"{min(days):%Y-%m}" if days else None
