"""What texts hold of people: the holding `enrichment`. A text is a person's where its key is that person's name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import text

from passerelle.domain.errors import NotFound
from passerelle.domain.naming import Naming, names_of
from passerelle.domain.privacy import Held, Subject, Values
from passerelle.pipelines.enrichment.desk import Office
from passerelle.stores.database import Database

_PAGE = 500
_NOTE = (
    "Texts are found where their key is the person's name; what a text itself says of people cannot be found by name. "
    "Delete its job, or set `content.keep`."
)

_KEYS = text("""
SELECT key FROM content_piece WHERE tenant = :tenant UNION SELECT key FROM content_version WHERE tenant = :tenant
""")
_MINE = "tenant = :tenant AND key = ANY(CAST(:keys AS text[]))"
_COUNT = text(f"""
SELECT (SELECT count(*) FROM content_piece WHERE {_MINE}) AS texts,
    (SELECT count(*) FROM content_version WHERE {_MINE}) AS versions
""")  # noqa: S608 - constants
_PIECES = text(f"""
SELECT job, number FROM content_piece WHERE {_MINE} AND (job, number) > (:job, :number)
ORDER BY job, number LIMIT :most
""")  # noqa: S608 - constants
# What was written of them is not found again either, unless another's text was the very same.
_ERASE = (
    text(f"""
DELETE FROM content_output AS kept WHERE kept.tenant = :tenant AND digest IN (
    SELECT digest FROM content_piece WHERE {_MINE})
    AND NOT EXISTS (SELECT FROM content_piece AS other WHERE other.tenant = :tenant AND other.digest = kept.digest
        AND other.key <> ALL(CAST(:keys AS text[])))
"""),  # noqa: S608 - constants
    text(f"DELETE FROM content_version WHERE {_MINE}"),  # noqa: S608 - constants
    text(f"DELETE FROM content_piece WHERE {_MINE}"),  # noqa: S608 - constants
)
_HELD = text("""
SELECT (SELECT count(*) FROM content_job WHERE tenant = :tenant) AS jobs,
    (SELECT count(*) FROM content_piece WHERE tenant = :tenant) AS texts,
    (SELECT count(*) FROM content_version WHERE tenant = :tenant) AS versions,
    (SELECT count(*) FROM content_output WHERE tenant = :tenant) AS outputs,
    (SELECT count(*) FROM content_recipe WHERE tenant = :tenant) AS recipes,
    (SELECT count(*) FROM content_brand WHERE tenant = :tenant) AS brands
""")
_OLDEST = text("SELECT min(finished_at) FROM content_job WHERE tenant = :tenant")


class Texts:
    """Pieces, what was written of them, and what people decided."""

    name = "enrichment"

    def __init__(self, database: Database, of: Naming, office: Office) -> None:
        self._database = database
        self._of = of
        self._office = office

    async def find(self, subject: Subject) -> Held:
        """As `Holding`."""
        return await self._counted(_COUNT, await self._values(subject))

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """As `Holding`: a row for each text with what was written of it, and one for each field's history."""
        values = {**await self._values(subject), "job": "", "number": 0, "most": _PAGE}
        while True:
            async with self._database.begin() as connection:
                rows = (await connection.execute(_PIECES, values)).all()
            for row in rows:
                try:
                    worked = await self._office.works.piece(subject.tenant, row.job, row.number)
                except NotFound:
                    continue
                yield {"job": row.job, "piece": asdict(worked.piece), "written": _plain(worked.written)}
            if len(rows) < _PAGE:
                break
            values |= {"job": rows[-1].job, "number": rows[-1].number}
        for key in values["keys"]:
            try:
                history = await self._office.deciding.history(subject.tenant, key)
            except NotFound:
                continue
            for version in history:
                yield {
                    "version": version.number,
                    "field": version.field,
                    "value": version.value,
                    "at": version.at,
                }

    async def erase(self, subject: Subject) -> Held:
        """As `Holding`."""
        values = await self._values(subject)
        found = await self._counted(_COUNT, values)
        async with self._database.begin() as connection:
            for statement in _ERASE:
                await connection.execute(statement, values)
        return found

    async def held(self, tenant: str) -> Held:
        """How much there is of a tenant."""
        return await self._counted(_HELD, {"tenant": tenant})

    async def wipe(self, tenant: str) -> Held:
        """As `Holding`: with recipes and brand."""
        found = await self.held(tenant)
        await self._office.deciding.erase(tenant)
        return found

    async def oldest(self, tenant: str) -> datetime | None:
        """As `Holding`."""
        async with self._database.begin() as connection:
            found: datetime | None = (await connection.execute(_OLDEST, {"tenant": tenant})).scalar()
        return found

    async def _values(self, subject: Subject) -> dict[str, Any]:
        async with self._database.begin() as connection:
            keys = list((await connection.execute(_KEYS, {"tenant": subject.tenant})).scalars())
        return {"tenant": subject.tenant, "keys": names_of(subject, keys, self._of)}

    async def _counted(self, statement: Any, values: Mapping[str, Any]) -> Held:
        async with self._database.begin() as connection:
            return Held(dict((await connection.execute(statement, values)).one()._mapping), _NOTE)


def _plain(written: Any) -> Any:
    return None if written is None else asdict(written)
