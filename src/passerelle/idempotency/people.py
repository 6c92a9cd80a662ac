"""What answers to repeated requests hold of people: the holding `idempotency`. They are sealed, and never exported."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from sqlalchemy import text

from passerelle.domain.privacy import Held, Subject, Values
from passerelle.idempotency.store import KEPT_SECONDS
from passerelle.stores.database import Database

_NOTE = (
    "Answers to requests with an Idempotency-Key are found by the `user` of their request, and are sealed with what only "
    "their caller sent, so that nobody else reads them; each ends 24 hours after its request."
)
_MINE = "tenant = :tenant AND :name = ANY(subjects)"
_COUNT = text(f"SELECT count(*) FROM idempotency_answers WHERE {_MINE}")  # noqa: S608 - constants
# One that runs is waited for: without its claim it might run twice, with it its answer would be kept afterwards.
_ERASE = text(f"DELETE FROM idempotency_answers WHERE {_MINE} AND state <> 'running'")  # noqa: S608 - constants
_HELD = text("SELECT count(*) FROM idempotency_answers WHERE tenant = :tenant")
_WIPE = text("DELETE FROM idempotency_answers WHERE tenant = :tenant")
_OLDEST = text("SELECT min(expires_at) FROM idempotency_answers WHERE tenant = :tenant AND state = 'kept'")


class Repeats:
    """Answers that are given again."""

    name = "idempotency"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, subject: Subject) -> Held:
        """As `Holding`."""
        async with self._database.begin() as connection:
            found = (await connection.execute(_COUNT, _of(subject))).scalar_one()
        return Held({"answers": int(found)}, _NOTE)

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """None: only who sent a request can open its answer."""
        nothing: tuple[Values, ...] = ()
        for row in nothing:
            yield row

    async def erase(self, subject: Subject) -> Held:
        """As `Holding`."""
        async with self._database.begin() as connection:
            return Held({"answers": (await connection.execute(_ERASE, _of(subject))).rowcount}, _NOTE)

    async def held(self, tenant: str) -> Held:
        """How much there is of a tenant."""
        async with self._database.begin() as connection:
            return Held({"answers": int((await connection.execute(_HELD, {"tenant": tenant})).scalar_one())})

    async def wipe(self, tenant: str) -> Held:
        """As `Holding`."""
        async with self._database.begin() as connection:
            return Held({"answers": (await connection.execute(_WIPE, {"tenant": tenant})).rowcount})

    async def oldest(self, tenant: str) -> datetime | None:
        """As `Holding`."""
        async with self._database.begin() as connection:
            ends: datetime | None = (await connection.execute(_OLDEST, {"tenant": tenant})).scalar()
        return None if ends is None else ends - timedelta(seconds=KEPT_SECONDS)


def _of(subject: Subject) -> dict[str, str]:
    return {"tenant": subject.tenant, "name": subject.pseudonym}
