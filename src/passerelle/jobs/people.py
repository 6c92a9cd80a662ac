"""What jobs hold of people: the holding `jobs`.

An item is a person's where its key is that person's name, or where what it holds names the pseudonym. Jobs that answer people's requests about their data (`privacy-…`) name nobody: they hold the id of their request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from passerelle.domain.errors import Unavailable
from passerelle.domain.jobs import ItemState
from passerelle.domain.naming import Naming, names_of
from passerelle.domain.privacy import Held, Subject, Values
from passerelle.jobs.tables import CHANNEL, locked
from passerelle.stores.database import Database

OWN = "privacy-"  # how the kinds of jobs begin that do this very work

_PAGE = 1_000
_NOTE = "Items are found by their key, and by the pseudonym in what they hold; other words of theirs name nobody by name."
_THEIRS = "job.tenant = :tenant AND job.kind NOT LIKE :own"
_KEYS = text(f"""
SELECT DISTINCT job_item.key FROM job_item JOIN job ON job.id = job_item.job_id WHERE {_THEIRS}
""")  # noqa: S608 - constants
_MINE = f"""FROM job_item JOIN job ON job.id = job_item.job_id
WHERE {_THEIRS} AND (job_item.key = ANY(CAST(:keys AS text[])) OR strpos(job_item.payload::text, :name) > 0
    OR strpos(coalesce(job_item.result::text, ''), :name) > 0 OR strpos(coalesce(job_item.message, ''), :name) > 0)"""
_COUNT = text(f"SELECT count(*) {_MINE}")
_ITEMS = text(f"""
SELECT job_id, number, job_item.key, job.kind, job_item.state, payload, result, job_item.finished_at {_MINE}
    AND (job_id, number) > (:job, :number)
ORDER BY job_id, number LIMIT :most
""")
_HEADS = f"{_THEIRS} AND (strpos(params::text, :name) > 0 OR coalesce(key, '') = ANY(CAST(:keys AS text[])))"
_JOBS = text(f"SELECT count(*) FROM job WHERE {_HEADS}")  # noqa: S608 - constants
_DROP = text(f"""
WITH gone AS (DELETE FROM job WHERE {_HEADS} RETURNING id)
SELECT id, pg_notify(:channel, id || ' cancel') FROM gone
""")  # noqa: S608 - constants
_STOP = text("""
UPDATE job_item SET state = 'cancelled', finished_at = clock_timestamp()
WHERE job_id = :job AND number = :number AND state = 'queued'
""")
_EMPTY = text("""
UPDATE job_item SET key = 'erased-' || number, payload = '{}', result = CASE WHEN result IS NULL THEN NULL ELSE '{}'::jsonb
    END, message = CASE WHEN message IS NULL THEN NULL ELSE '' END
WHERE job_id = :job AND number = :number AND state NOT IN ('queued', 'running') RETURNING key
""")
_SILENCE = text("""
UPDATE job_event SET data = '{}' WHERE job_id = :job AND (data ->> 'item' = :key OR strpos(data::text, :name) > 0)
""")
_HELD = text(f"""
SELECT count(*) AS jobs, (SELECT count(*) FROM job_item JOIN job ON job.id = job_item.job_id WHERE {_THEIRS}) AS items
FROM job WHERE {_THEIRS}
""")  # noqa: S608 - constants
_WIPE = text(f"""
WITH gone AS (DELETE FROM job WHERE {_THEIRS} RETURNING id)
SELECT id, pg_notify(:channel, id || ' cancel') FROM gone
""")  # noqa: S608 - constants
_OLDEST = text("SELECT min(finished_at) FROM job WHERE tenant = :tenant")


class Jobs:
    """Jobs, items, results and events."""

    name = "jobs"

    def __init__(self, database: Database, of: Naming) -> None:
        self._database = database
        self._of = of

    async def find(self, subject: Subject) -> Held:
        """As `Holding`."""
        values = await self._values(subject)
        async with self._database.begin() as connection:
            items = int((await connection.execute(_COUNT, values)).scalar_one())
            jobs = int((await connection.execute(_JOBS, values)).scalar_one())
        return Held({"jobs": jobs, "items": items}, _NOTE)

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """As `Holding`: a row for each item."""
        async for row in self._mine(await self._values(subject)):
            yield {
                "job": row.job_id,
                "kind": row.kind,
                "state": row.state,
                "payload": row.payload,
                "result": row.result,
                "finished_at": None if row.finished_at is None else row.finished_at.isoformat(),
            }

    async def erase(self, subject: Subject) -> Held:
        """As `Holding`: what waits is cancelled, what is over is emptied. Raises Unavailable while one of them runs."""
        values = await self._values(subject)
        async with self._database.begin() as connection:
            gone = len((await connection.execute(_DROP, {**values, "channel": CHANNEL})).all())
        count = running = 0
        async for row in self._mine(values):
            named = {"job": row.job_id, "number": row.number, "key": row.key, "name": subject.pseudonym}
            async with self._database.begin() as connection, locked(connection, row.job_id) as book:
                if book is None:
                    continue
                stopped = (await connection.execute(_STOP, named)).rowcount
                book.move(ItemState.QUEUED, ItemState.CANCELLED, stopped)
                emptied = (await connection.execute(_EMPTY, named)).rowcount
                await connection.execute(_SILENCE, named)
            count, running = count + emptied, running + (not emptied)
        if running:
            raise Unavailable("Items of jobs about this person are under way.", code="items_under_way")
        return Held({"jobs": gone, "items": count}, _NOTE)

    async def held(self, tenant: str) -> Held:
        """How much there is of a tenant."""
        async with self._database.begin() as connection:
            found = await connection.execute(_HELD, {"tenant": tenant, "own": f"{OWN}%"})
            return Held(dict(found.one()._mapping))

    async def wipe(self, tenant: str) -> Held:
        """As `Holding`: what runs is stopped; jobs that answer for people's data stay, which name nobody."""
        found = await self.held(tenant)
        values = {"tenant": tenant, "own": f"{OWN}%", "channel": CHANNEL}
        async with self._database.begin() as connection:
            await connection.execute(_WIPE, values)
        return found

    async def oldest(self, tenant: str) -> datetime | None:
        """As `Holding`."""
        async with self._database.begin() as connection:
            found: datetime | None = (await connection.execute(_OLDEST, {"tenant": tenant})).scalar()
        return found

    async def _values(self, subject: Subject) -> dict[str, Any]:
        values = {"tenant": subject.tenant, "own": f"{OWN}%", "name": subject.pseudonym}
        async with self._database.begin() as connection:
            keys = list((await connection.execute(_KEYS, values)).scalars())
        return {**values, "keys": names_of(subject, keys, self._of)}

    async def _mine(self, values: dict[str, Any]) -> AsyncIterator[Row[Any]]:
        after = {"job": "", "number": 0, "most": _PAGE}
        while True:
            async with self._database.begin() as connection:
                rows = (await connection.execute(_ITEMS, {**values, **after})).all()
            for row in rows:
                yield row
            if len(rows) < _PAGE:
                return
            after |= {"job": rows[-1].job_id, "number": rows[-1].number}
