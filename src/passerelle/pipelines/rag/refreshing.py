"""Pages are looked at again when it is time: what has not changed costs one request, and nothing else.

A page is found as it was until it is indexed as it is now.
"""

from __future__ import annotations

from datetime import datetime
from itertools import groupby

from sqlalchemy import text

from passerelle.jobs.desk import Desk
from passerelle.pipelines.rag.taking import CARED_FOR, IF_CHANGED, KIND, item_for
from passerelle.stores.database import Database

_MOST = 500  # pages at a time

# Over all tenants; a page that is being looked at, or waits for that, is left alone.
_DUE = text(f"""
SELECT rag_document.tenant, collection, id, state, digest FROM rag_document JOIN rag_collection
    ON rag_collection.tenant = rag_document.tenant AND rag_collection.name = collection
WHERE refresh IS NOT NULL AND origin = 'url' AND state IN ('ready', 'failed', 'duplicate') AND NOT dropping
    AND coalesce(checked_at, rag_document.created_at) + make_interval(secs => refresh) <= :at AND NOT {CARED_FOR}
ORDER BY rag_document.tenant, collection, id LIMIT :most
FOR UPDATE OF rag_document SKIP LOCKED
""")  # noqa: S608 - constants
# It stays as it is, and as it says it is, until there is something new.
_CHECK = text("""
UPDATE rag_document SET given = given + 1, checked_at = :at, job = :job
WHERE tenant = :tenant AND id = :id RETURNING given, size
""")
_NAME = text("UPDATE rag_document SET job = :job WHERE tenant = :tenant AND id = ANY(CAST(:ids AS text[]))")


class Refreshing:
    """Makes the jobs that look."""

    def __init__(self, database: Database, desk: Desk) -> None:
        self._database = database
        self._desk = desk

    async def due(self, at: datetime) -> int:
        """Have every page looked at whose time has come by then; how many there are."""
        count = 0
        while True:
            async with self._database.begin() as connection:
                rows = (await connection.execute(_DUE, {"at": at, "most": _MOST})).all()
                for (tenant, collection), pages in groupby(
                    rows, key=lambda row: (row.tenant, row.collection)
                ):
                    items = []
                    for page in pages:
                        values = {"tenant": tenant, "id": page.id, "at": at, "job": None}
                        now = (await connection.execute(_CHECK, values)).one()
                        was = page.digest if page.state == "ready" else None
                        items.append(item_for(page.id, now.given, now.size, fetch=IF_CHANGED, was=was))
                    job = await self._desk.create(
                        connection, tenant=tenant, kind=KIND, items=items, params={"collection": collection}
                    )
                    ids = [item.key for item in items]
                    await connection.execute(_NAME, {"tenant": tenant, "ids": ids, "job": job})
            count += len(rows)
            if len(rows) < _MOST:
                return count
