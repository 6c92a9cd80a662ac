"""What keys hold of people: the holding `keys`. A key's name may be that of whoever has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from sqlalchemy import text

from passerelle.domain.naming import Naming, names_of
from passerelle.domain.privacy import Held, Subject, Values
from passerelle.stores.database import Database

_NOTE = (
    "Keys are found where their name is the person's; the name goes, the key goes on working until it is revoked. Amounts "
    "in the ledger are by a key's id."
)
_OTHERS = "Keys that the environment gives (`API_KEYS`) are taken out there."
_NAMED = text("SELECT id, name, created_at FROM api_key WHERE tenant = :tenant AND name <> '' ORDER BY id")
_UNNAME = text("""
UPDATE api_key SET name = '', changed_at = clock_timestamp()
WHERE tenant = :tenant AND id = ANY(CAST(:ids AS text[]))
""")
# Both at once, so that no process goes on with what it knows.
_LIVE = "tenant = :tenant AND (revoked_at IS NULL OR name <> '')"
_HELD = text(f"SELECT count(*) FROM api_key WHERE {_LIVE}")  # noqa: S608 - constants
_WIPE = text(f"""
UPDATE api_key SET name = '', revoked_at = coalesce(revoked_at, clock_timestamp()), changed_at = clock_timestamp()
WHERE {_LIVE}
""")  # noqa: S608 - constants


class KeyNames:
    """Names of keys, and of a tenant, the keys."""

    name = "keys"

    def __init__(self, database: Database, of: Naming) -> None:
        self._database = database
        self._of = of

    async def find(self, subject: Subject) -> Held:
        """As `Holding`."""
        return Held({"names": len(await self._mine(subject))}, _NOTE)

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """As `Holding`."""
        for row in await self._mine(subject):
            yield {"key": row.id, "name": row.name, "created_at": row.created_at.isoformat()}

    async def erase(self, subject: Subject) -> Held:
        """As `Holding`."""
        ids = [row.id for row in await self._mine(subject)]
        async with self._database.begin() as connection:
            await connection.execute(_UNNAME, {"tenant": subject.tenant, "ids": ids})
        return Held({"names": len(ids)}, _NOTE)

    async def held(self, tenant: str) -> Held:
        """Keys of a tenant that may be used, or have a name."""
        async with self._database.begin() as connection:
            return Held({"keys": int((await connection.execute(_HELD, {"tenant": tenant})).scalar_one())})

    async def wipe(self, tenant: str) -> Held:
        """As `Holding`: they are revoked, and lose their names. Their ids stay, for what the ledger has of them."""
        async with self._database.begin() as connection:
            return Held({"keys": (await connection.execute(_WIPE, {"tenant": tenant})).rowcount}, _OTHERS)

    async def oldest(self, tenant: str) -> datetime | None:
        """Nothing here is kept for a limited time."""
        return None

    async def _mine(self, subject: Subject) -> list[Any]:
        async with self._database.begin() as connection:
            rows = (await connection.execute(_NAMED, {"tenant": subject.tenant})).all()
        return [row for row in rows if names_of(subject, [row.name], self._of)]
