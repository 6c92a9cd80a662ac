"""What is deleted is found no more at once, and is gone soon: also where an outage came between.

First a row says that it is being deleted, in one transaction; then passages, kept answers and what waits in jobs go,
and the row last. Whatever was left on the way is finished by the sweep.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.errors import PasserelleError
from passerelle.domain.jobs import ItemState
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Later
from passerelle.jobs.tables import locked
from passerelle.pipelines.rag import documents, shelves
from passerelle.pipelines.rag.desk import Groups
from passerelle.pipelines.rag.documents import SEEN, groups_of, unknown
from passerelle.pipelines.rag.ingesting_index import Index
from passerelle.pipelines.rag.taking import KIND, Taking
from passerelle.retrieval.store import Chunks
from passerelle.stores.database import Database, Outage

Purge = Callable[
    [str, str], Awaitable[None]
]  # a tenant's answers in the cache that were drawn from a collection
EraseAnswers = Callable[[str, str], Awaitable[object]]  # what is kept of a tenant's answers from a collection

_MOST_SWEPT = 200
_AT_ONCE = 500  # rows, so that no statement takes long

_log = structlog.get_logger(__name__)

# Its key is free for another document at once.
_HIDE = text(f"""
UPDATE rag_document SET state = 'deleting', key = id, duplicate_of = NULL, updated_at = clock_timestamp()
WHERE tenant = :tenant AND collection = :collection AND id = :id AND {SEEN} AND state <> 'deleting' RETURNING id
""")  # noqa: S608 - constants
_HIDDEN = text(f"""
SELECT id FROM rag_document WHERE tenant = :tenant AND collection = :collection AND id = :id AND {SEEN}
""")  # noqa: S608 - constants
_EMPTY = text(
    "DELETE FROM rag_content USING rag_document WHERE id = document AND tenant = :tenant AND id = :id"
)
_JOB_OF = text("SELECT job FROM rag_document WHERE tenant = :tenant AND id = :id")
_WITHDRAW = text("""
UPDATE job_item SET state = 'cancelled', finished_at = clock_timestamp()
WHERE job_id = :job AND key = :id AND state = 'queued'
""")
_GONE = text("DELETE FROM rag_document WHERE tenant = :tenant AND id = :id AND state = 'deleting'")
_HIDE_SHELF = text(
    "UPDATE rag_collection SET dropping = true WHERE tenant = :tenant AND name = :name RETURNING name"
)
_HIDE_ALL = text("""
UPDATE rag_document SET state = 'deleting', updated_at = clock_timestamp()
WHERE tenant = :tenant AND collection = :name AND state <> 'deleting'
""")
_JOBS = text("""
SELECT id FROM job WHERE tenant = :tenant AND kind = :kind AND params ->> 'collection' = :name LIMIT :most
""")
_SOME_GONE = text("""
DELETE FROM rag_document WHERE tenant = :tenant AND id IN (
    SELECT id FROM rag_document WHERE tenant = :tenant AND collection = :name LIMIT :most)
""")
_SHELF_GONE = text("DELETE FROM rag_collection WHERE tenant = :tenant AND name = :name AND dropping")
_NAMES = text("SELECT name FROM rag_collection WHERE tenant = :tenant ORDER BY name")
_COUNT = text("SELECT count(*) FROM rag_document WHERE tenant = :tenant AND state <> 'deleting'")
# The sweep's own: over all tenants, to find whose turn it is.
_LEFT_DOCUMENTS = text("""
SELECT rag_document.tenant, collection, id FROM rag_document JOIN rag_collection
    ON rag_collection.tenant = rag_document.tenant AND rag_collection.name = collection
WHERE state = 'deleting' AND NOT dropping ORDER BY rag_document.updated_at LIMIT :most
""")
_LEFT_SHELVES = text("SELECT tenant, name FROM rag_collection WHERE dropping ORDER BY updated_at LIMIT :most")
# A run that was cancelled, lost or timed out for good, or whose job was deleted, says nothing on its document's row.
_STRANDED = text("""
SELECT waits.tenant, waits.collection, waits.id, waits.given,
    coalesce(item.code, 'ingestion_cancelled') AS code,
    coalesce(item.message, 'Reading the document was cancelled. Try it again.') AS message
FROM rag_document AS waits
    LEFT JOIN job ON job.id = waits.job AND job.tenant = waits.tenant
    LEFT JOIN job_item AS item ON item.job_id = job.id AND item.key = waits.id
WHERE waits.state IN ('queued', 'reading') AND coalesce(item.state, 'cancelled') NOT IN ('queued', 'running')
LIMIT :most
""")
_FAIL = text("""
UPDATE rag_document SET state = 'failed', updated_at = clock_timestamp(), code = :code, message = :message
WHERE tenant = :tenant AND id = :id AND given = :given AND state IN ('queued', 'reading')
    AND NOT EXISTS (SELECT FROM job_item WHERE job_id = rag_document.job AND job_item.key = rag_document.id
        AND job_item.state IN ('queued', 'running'))
""")


class Removing:
    """Deletes. `store` opens the passages."""

    def __init__(
        self,
        database: Database,
        desk: Desk,
        store: Callable[[], Awaitable[Chunks]],
        index: Index,
        taking: Taking,
        *,
        purge: Purge,
        erase_answers: EraseAnswers,
    ) -> None:
        self._database = database
        self._desk = desk
        self._store = store
        self._index = index
        self._taking = taking
        self._purge = purge
        self._erase_answers = erase_answers

    async def delete(
        self, tenant: str, collection: str, document: str, groups: frozenset[str] | None
    ) -> None:
        """A document is found no more. Raises NotFound."""
        values = {"tenant": tenant, "collection": collection, "id": document, "groups": groups_of(groups)}
        if "\0" in document:
            raise unknown(document)
        async with self._database.begin() as connection:
            await shelves.must_stand(connection, tenant, collection)
            await shelves.enter_documents(connection, tenant, collection)
            if (await connection.execute(_HIDE, values)).scalar() is None:
                if (await connection.execute(_HIDDEN, values)).scalar() is None:
                    raise unknown(document)
                return  # it is being deleted
            await connection.execute(_EMPTY, values)
            await self._taking.promote(connection, tenant, [document])
            await shelves.rise(connection, tenant, collection)
        await self._tried(self._finish(tenant, collection, document))

    async def drop(self, tenant: str, name: str, groups: Groups) -> None:
        """A collection and all that is in it are found no more. Raises NotFound and Forbidden."""
        async with self._database.begin() as connection:
            await shelves.must_stand(connection, tenant, name)
            await shelves.enter_documents(connection, tenant, name)
            await documents.must_see_all(connection, tenant, name, groups)
            await self._hide(connection, tenant, name)
        await self._tried(self._finish_shelf(tenant, name))

    async def erase(self, tenant: str) -> int:
        """Nothing of a tenant is found any more; how many documents there were."""
        async with self._database.begin() as connection:
            await shelves.enter(connection, tenant)
            count = int((await connection.execute(_COUNT, {"tenant": tenant})).scalar_one())
            names = list((await connection.execute(_NAMES, {"tenant": tenant})).scalars())
            for name in names:
                await self._hide(connection, tenant, name)
        ended = [await self._tried(self._finish_shelf(tenant, name)) for name in names]
        if all(ended):
            await self._tried(self._erase_store(tenant))
        return count

    async def sweep(self) -> None:
        """Finish what was begun and not ended; say of documents why nothing happens to them any more."""
        async with self._database.begin() as connection:
            left = (await connection.execute(_LEFT_DOCUMENTS, {"most": _MOST_SWEPT})).all()
            shelved = (await connection.execute(_LEFT_SHELVES, {"most": _MOST_SWEPT})).all()
        await self._rescue()
        for row in left:
            await self._tried(self._finish(row.tenant, row.collection, row.id))
        for row in shelved:
            await self._tried(self._finish_shelf(row.tenant, row.name))

    async def _rescue(self) -> None:
        async with self._database.begin() as connection:
            stranded = (await connection.execute(_STRANDED, {"most": _MOST_SWEPT})).all()
        for row in stranded:
            async with self._database.begin() as connection:
                await shelves.enter_documents(connection, row.tenant, row.collection)
                if (await connection.execute(_FAIL, row._asdict())).rowcount:
                    await self._taking.promote(connection, row.tenant, [row.id])

    async def _hide(self, connection: AsyncConnection, tenant: str, name: str) -> None:
        values = {"tenant": tenant, "name": name}
        await shelves.enter_documents(connection, tenant, name)
        await connection.execute(_HIDE_ALL, values)
        await connection.execute(_HIDE_SHELF, values)

    async def _finish(self, tenant: str, collection: str, document: str) -> None:
        """Whatever is left of a document that is being deleted."""
        values = {"tenant": tenant, "id": document}
        async with self._database.begin() as connection:
            setup = await shelves.setup_of(connection, tenant, collection)
            job = (await connection.execute(_JOB_OF, values)).scalar()
        if setup is None:
            return
        await self._index.forget(tenant, collection, document, setup)
        await self._purge(tenant, collection)
        if job is not None:
            await self._withdraw(job, document)
        async with self._database.begin() as connection:
            await connection.execute(_GONE, values)

    async def _finish_shelf(self, tenant: str, name: str) -> None:
        """Whatever is left of a collection that is being dropped."""
        store = await self._store()
        async with shelves.alone(self._database, tenant, name):
            await store.drop(tenant, name)
        await self._purge(tenant, name)
        await self._delete_jobs(tenant, name)
        await self._erase_answers(tenant, name)
        values = {"tenant": tenant, "name": name}
        gone = _AT_ONCE
        while gone == _AT_ONCE:
            async with self._database.begin() as connection:
                gone = (await connection.execute(_SOME_GONE, {**values, "most": _AT_ONCE})).rowcount
        async with self._database.begin() as connection:
            await connection.execute(_SHELF_GONE, values)

    async def _delete_jobs(self, tenant: str, name: str) -> None:
        values = {"tenant": tenant, "name": name, "kind": KIND, "most": _AT_ONCE}
        while True:
            async with self._database.begin() as connection:
                jobs = list((await connection.execute(_JOBS, values)).scalars())
            for job in jobs:
                await self._desk.delete(tenant, job)
            if len(jobs) < _AT_ONCE:
                return

    async def _withdraw(self, job: str, document: str) -> None:
        """What waits in a job for a document does not wait any more."""
        async with self._database.begin() as connection, locked(connection, job) as book:
            if book is not None:
                values = {"job": job, "id": document}
                stopped = (await connection.execute(_WITHDRAW, values)).rowcount
                book.move(ItemState.QUEUED, ItemState.CANCELLED, stopped)

    async def _erase_store(self, tenant: str) -> None:
        async with self._database.begin() as connection:
            await shelves.enter(connection, tenant)
            if (await connection.execute(_NAMES, {"tenant": tenant})).scalar() is None:
                await (await self._store()).erase(tenant)

    async def _tried(self, work: Awaitable[None]) -> bool:
        """Was it done? What could not be done now is done by the sweep: nothing of it is found already."""
        try:
            await work
        except (PasserelleError, Later, SQLAlchemyError, *Outage) as error:
            _log.warning("deletion_put_off", error=type(error).__name__)
            return False
        return True
