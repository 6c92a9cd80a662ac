"""What is on its way to webhooks of people: the holding `webhooks`. Events of budgets name tenants, keys and amounts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text

from passerelle.domain.privacy import Held, Subject, Values
from passerelle.stores.database import Database

_NOTE = "Events tell of budgets, by tenant, key and amount; one that names the pseudonym is found by it."
_MINE = "tenant = :tenant AND strpos(payload::text, :name) > 0"
_COUNT = text(f"SELECT count(*) AS events FROM ledger_outbox WHERE {_MINE}")  # noqa: S608 - constants
_LIST = text(f"SELECT event, payload, created_at FROM ledger_outbox WHERE {_MINE} ORDER BY created_at")  # noqa: S608 - constants
_ERASE = text(f"DELETE FROM ledger_outbox WHERE {_MINE}")  # noqa: S608 - constants
_HELD = text("SELECT count(*) AS events FROM ledger_outbox WHERE tenant = :tenant")
_WIPE = text("DELETE FROM ledger_outbox WHERE tenant = :tenant")
_OLDEST = text("""
SELECT min(created_at) FROM ledger_outbox
WHERE tenant = :tenant AND delivered_at IS NULL AND given_up_at IS NULL
""")


class Outbound:
    """Events that wait, were delivered, or were given up."""

    name = "webhooks"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, subject: Subject) -> Held:
        """As `Holding`."""
        return await self._counted(_COUNT, _of(subject))

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """As `Holding`."""
        async with self._database.begin() as connection:
            rows = (await connection.execute(_LIST, _of(subject))).all()
        for row in rows:
            yield {"event": row.event, "payload": row.payload, "created_at": row.created_at.isoformat()}

    async def erase(self, subject: Subject) -> Held:
        """As `Holding`: those that wait are not sent any more."""
        return await self._deleted(_ERASE, _of(subject))

    async def held(self, tenant: str) -> Held:
        """How much there is of a tenant."""
        return await self._counted(_HELD, {"tenant": tenant})

    async def wipe(self, tenant: str) -> Held:
        """As `Holding`."""
        return await self._deleted(_WIPE, {"tenant": tenant})

    async def oldest(self, tenant: str) -> datetime | None:
        """Of those that wait."""
        async with self._database.begin() as connection:
            found: datetime | None = (await connection.execute(_OLDEST, {"tenant": tenant})).scalar()
        return found

    async def _counted(self, statement: Any, values: Mapping[str, str]) -> Held:
        async with self._database.begin() as connection:
            return Held({"events": int((await connection.execute(statement, values)).scalar_one())}, _NOTE)

    async def _deleted(self, statement: Any, values: Mapping[str, str]) -> Held:
        async with self._database.begin() as connection:
            return Held({"events": (await connection.execute(statement, values)).rowcount}, _NOTE)


def _of(subject: Subject) -> dict[str, str]:
    return {"tenant": subject.tenant, "name": subject.pseudonym}
