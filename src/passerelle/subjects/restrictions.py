"""People whose data may be kept and not be used (GDPR, article 18): all of them in memory, so that asking costs nothing.

Restrictions made elsewhere are learned of by asking every few seconds; while the database is away, those that are
known hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from passerelle.domain.errors import Unavailable
from passerelle.stores.database import Database, within

_log = structlog.get_logger(__name__)

_SECONDS = 10.0
_UNREADABLE = (Unavailable, SQLAlchemyError, OSError)

_ALL = text("SELECT tenant, subject FROM subject_restriction")
_LISTED = text("""
SELECT subject, since, asked_by FROM subject_restriction WHERE tenant = :tenant ORDER BY since, subject
""")
_ONE = text("""
SELECT subject, since, asked_by FROM subject_restriction WHERE tenant = :tenant AND subject = :subject
""")
_RESTRICT = text("""
INSERT INTO subject_restriction (tenant, subject, asked_by) VALUES (:tenant, :subject, :asked_by)
ON CONFLICT (tenant, subject) DO NOTHING
""")
_LIFT = text("DELETE FROM subject_restriction WHERE tenant = :tenant AND subject = :subject")
_WIPE = text("DELETE FROM subject_restriction WHERE tenant = :tenant")


@dataclass(frozen=True, slots=True)
class Restricted:
    """A person, by its pseudonym, whose data may not be used. `asked_by` is a key's id, or `operator`."""

    subject: str
    since: datetime
    asked_by: str


class Restrictions:
    """Whose data may not be used. `subject` is a pseudonym."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: frozenset[tuple[str, str]] = frozenset()
        # A look at the table that began before a change must not undo it here.
        self._one = asyncio.Lock()
        self.reachable = True

    def holds(self, tenant: str, subject: str) -> bool:
        """May this person's data not be used?"""
        return (tenant, subject) in self._known

    async def refresh(self) -> None:
        """Learn them all. Raises what the database raises, and TimeoutError."""
        async with self._one:
            await within(_SECONDS, self._learn())

    async def run(self, seconds: float) -> None:
        """Refresh for ever."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.refresh()
            except _UNREADABLE as error:
                if self.reachable:
                    _log.warning("restrictions_not_refreshed", error=type(error).__name__)
                self.reachable = False
            else:
                self.reachable = True

    async def restrict(self, tenant: str, subject: str, *, asked_by: str = "") -> bool:
        """From here on no data of this person is used; False where that was so before."""
        async with self._one, self._database.begin() as connection:
            values = {"tenant": tenant, "subject": subject, "asked_by": asked_by}
            made = (await connection.execute(_RESTRICT, values)).rowcount
            # Held from now, also if the end of the transaction is never heard of: the next look at the table tells.
            self._known |= {(tenant, subject)}
        return bool(made)

    async def lift(self, tenant: str, subject: str) -> bool:
        """Its data may be used again; False where it always could."""
        async with self._one:
            async with self._database.begin() as connection:
                gone = (await connection.execute(_LIFT, {"tenant": tenant, "subject": subject})).rowcount
            self._known -= {(tenant, subject)}
        return bool(gone)

    async def listed(self, tenant: str) -> Sequence[Restricted]:
        """All of a tenant's, the earliest first."""
        async with self._database.begin() as connection:
            rows = await connection.execute(_LISTED, {"tenant": tenant})
            return [Restricted(row.subject, row.since, row.asked_by) for row in rows]

    async def find(self, tenant: str, subject: str) -> Restricted | None:
        """One of them, as the table has it."""
        async with self._database.begin() as connection:
            row = (await connection.execute(_ONE, {"tenant": tenant, "subject": subject})).one_or_none()
        return None if row is None else Restricted(row.subject, row.since, row.asked_by)

    async def wipe(self, tenant: str) -> int:
        """Delete all of a tenant's: how many."""
        async with self._one:
            async with self._database.begin() as connection:
                gone = (await connection.execute(_WIPE, {"tenant": tenant})).rowcount
            self._known = frozenset(each for each in self._known if each[0] != tenant)
        return gone

    async def _learn(self) -> None:
        async with self._database.begin() as connection:
            rows = await connection.execute(_ALL)
            self._known = frozenset((row.tenant, row.subject) for row in rows)
