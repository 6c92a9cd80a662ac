"""Who upstream has seen what a person sent: by day, and no word of it. The drain of the ledger writes it down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import text

from passerelle.domain.privacy import Sighting
from passerelle.stores.database import Database

KEPT_DAYS = 400  # a year that is reported on, and some weeks

_SEEN = text("""
SELECT day, backend, provider, country, calls FROM subject_sighting
WHERE tenant = :tenant AND subject = :subject ORDER BY day, backend, provider, country
""")
_SEEN_OF_ALL = text("""
SELECT day, backend, provider, country, sum(calls) AS calls FROM subject_sighting WHERE tenant = :tenant
GROUP BY day, backend, provider, country ORDER BY day, backend, provider, country
""")
_COUNT = text("SELECT count(*) FROM subject_sighting WHERE tenant = :tenant AND subject = :subject")
_HELD = text("SELECT count(*) FROM subject_sighting WHERE tenant = :tenant")
_FORGET = text("DELETE FROM subject_sighting WHERE tenant = :tenant AND subject = :subject")
_WIPE = text("DELETE FROM subject_sighting WHERE tenant = :tenant")
_OLD = text("DELETE FROM subject_sighting WHERE day < :day")
_OLDEST = text("SELECT min(day) FROM subject_sighting WHERE tenant = :tenant")


class Sightings:
    """Reads and deletes them; `subject` is a pseudonym."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def seen(self, tenant: str, subject: str) -> Sequence[Sighting]:
        """Who has seen what a person sent, the earliest day first."""
        async with self._database.begin() as connection:
            rows = await connection.execute(_SEEN, {"tenant": tenant, "subject": subject})
            return [
                Sighting(row.day, row.backend, row.provider, row.country or None, row.calls) for row in rows
            ]

    async def seen_of_all(self, tenant: str) -> Sequence[Sighting]:
        """Who has seen what anybody of a tenant sent, the earliest day first."""
        async with self._database.begin() as connection:
            rows = await connection.execute(_SEEN_OF_ALL, {"tenant": tenant})
            return [
                Sighting(row.day, row.backend, row.provider, row.country or None, int(row.calls))
                for row in rows
            ]

    async def count(self, tenant: str, subject: str) -> int:
        """How many rows there are of a person."""
        return int(await self._told(_COUNT, {"tenant": tenant, "subject": subject}) or 0)

    async def held(self, tenant: str) -> int:
        """How many rows there are of a tenant."""
        return int(await self._told(_HELD, {"tenant": tenant}) or 0)

    async def forget(self, tenant: str, subject: str) -> int:
        """Delete a person's: how many rows. What a receipt says of them is read before."""
        return await self._deleted(_FORGET, {"tenant": tenant, "subject": subject})

    async def wipe(self, tenant: str) -> int:
        """Delete a tenant's: how many rows."""
        return await self._deleted(_WIPE, {"tenant": tenant})

    async def purge(self, at: datetime) -> int:
        """Delete those of days that are too long ago at that time: how many rows."""
        return await self._deleted(_OLD, {"day": (at - timedelta(days=KEPT_DAYS)).date()})

    async def oldest(self, tenant: str) -> date | None:
        """The first day of which there is any."""
        found: date | None = await self._told(_OLDEST, {"tenant": tenant})
        return found

    async def _told(self, statement: Any, values: Mapping[str, Any]) -> Any:
        async with self._database.begin() as connection:
            return (await connection.execute(statement, values)).scalar()

    async def _deleted(self, statement: Any, values: Mapping[str, Any]) -> int:
        async with self._database.begin() as connection:
            return (await connection.execute(statement, values)).rowcount
