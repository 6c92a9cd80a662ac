"""`Shelves`: collections and documents of every tenant, for whoever may ask for them; the seam `Library`.

Also what workers need of it: the job that reads documents, and what is done at times.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import BadRequest, Conflict
from passerelle.domain.rag import Document, DocumentState, Given, Shelf, Taken, Urls
from passerelle.domain.retrieval import Chunk, Collection
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Later
from passerelle.pipelines.documents.parsed import Limits
from passerelle.pipelines.rag import documents, shelves
from passerelle.pipelines.rag.desk import Groups
from passerelle.pipelines.rag.ingesting import Ingesting
from passerelle.pipelines.rag.ingesting_index import Embedder, Index
from passerelle.pipelines.rag.ingesting_sources import Sources
from passerelle.pipelines.rag.refreshing import Refreshing
from passerelle.pipelines.rag.removing import Purge, Removing
from passerelle.pipelines.rag.taking import MOST_TAKEN, Taking
from passerelle.pipelines.rag.taking_checks import offer_of, rules_of_urls
from passerelle.retrieval.store import Chunks
from passerelle.stores.database import Database
from passerelle.wire.fetcher import Fetcher
from passerelle.wire.foreign_urls import Rules

_SET_UP = text("""
UPDATE rag_collection SET width = CASE WHEN embedder IS NOT DISTINCT FROM :embedder THEN width ELSE 0 END,
    embedder = :embedder, size = :size, overlap = :overlap, version = version + 1, updated_at = clock_timestamp()
WHERE tenant = :tenant AND name = :name
""")
_FIND_NOTHING = text("""
UPDATE rag_document SET indexed = NULL, indexed_at = NULL, chunks = 0
WHERE tenant = :tenant AND collection = :name AND state <> 'deleting'
""")
_NOTHING_INDEXED = text("""
SELECT NOT EXISTS (SELECT FROM rag_document
    WHERE tenant = :tenant AND collection = :name AND indexed IS NOT NULL AND state <> 'deleting')
""")


async def _nothing() -> None:
    """The desk that makes a job sees to it that somebody works."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a library stands on.

    `chunks` opens the store of passages, `embedders` gives an embedding model of a tenant by its name, `purge` deletes a
    tenant's kept answers that may have been drawn from a collection, `open_worker` is asked for whenever a job was made.
    """

    database: Database
    desk: Desk
    chunks: Callable[[], Awaitable[Chunks]]
    fetcher: Fetcher
    embedders: Callable[[str, str], Embedder]
    tenant_of: Callable[[str], Tenant | None]
    purge: Purge
    open_worker: Callable[[], Awaitable[None]] = _nothing
    limits: Limits = field(default_factory=Limits)
    rules_of: Callable[[Urls], Rules] = rules_of_urls


class Shelves:
    """The seam `Library`, with its job and its times. Holds nothing open."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._database = means.database
        self._taking = Taking(means.desk)
        self._index = Index(means.database, means.chunks, means.embedders)
        self._removing = Removing(
            means.database,
            means.desk,
            means.chunks,
            self._index,
            self._taking,
            purge=means.purge,
            opened=means.open_worker,
        )
        self._refreshing = Refreshing(means.database, means.desk, opened=means.open_worker)

    def ingesting(self) -> Ingesting:
        """The kind of job that reads documents. One for each process."""
        means = self._means
        sources = Sources(
            means.database,
            means.fetcher,
            self._taking,
            tenant_of=means.tenant_of,
            rules_of=means.rules_of,
        )
        return Ingesting(
            means.database, sources, self._index, self._taking, opened=means.open_worker, limits=means.limits
        )

    async def refresh_due(self, at: datetime) -> None:
        """Have pages looked at again whose time has come."""
        await self._refreshing.due(at)

    async def sweep(self, at: datetime) -> None:
        """Finish what an outage interrupted."""
        await self._removing.sweep(at)

    async def shelves(self, tenant: str) -> Sequence[Shelf]:
        """A tenant's collections by name."""
        async with self._database.begin() as connection:
            return await shelves.shelves(connection, tenant)

    async def shelf(self, tenant: str, name: str) -> Shelf:
        """One of them. Raises NotFound `collection_not_found`."""
        async with self._database.begin() as connection:
            return await shelves.shelf(connection, tenant, name)

    async def make(
        self,
        tenant: Tenant,
        name: str,
        *,
        description: str = "",
        embedder: str | None = None,
        words_only: bool = False,
    ) -> Shelf:
        """A new collection. Raises BadRequest, Conflict where it exists, Forbidden where there is no room."""
        rag = shelves.rules_of(tenant)
        if words_only and embedder is not None:
            message = "A collection is of words only, or has an embedder."
            raise BadRequest(message, code="collection_embedder", param="embedder")
        model = None if words_only else embedder or rag.embedder
        async with self._database.begin() as connection:
            await shelves.enter(connection, tenant.name)
            made = await shelves.make(connection, tenant, name, description=description, embedder=model)
        if made is None:
            raise Conflict(f"There is a collection {name!r} already.", code="collection_exists", param="name")
        return made

    async def describe(self, tenant: str, name: str, description: str) -> Shelf:
        """Another description. Raises NotFound, BadRequest."""
        async with self._database.begin() as connection:
            return await shelves.describe(connection, tenant, name, description)

    async def reindex(self, tenant: Tenant, name: str) -> str | None:
        """Read every document again by the tenant's rules of today; the job's id, None where there are none.

        Under another embedder nothing is found of a document until it was read again: vectors of two models do not
        compare.
        """
        rag = shelves.rules_of(tenant)
        values = {"tenant": tenant.name, "name": name}
        setup = {"embedder": rag.embedder, "size": rag.size, "overlap": rag.overlap}
        async with self._database.begin() as connection:
            before = await shelves.shelf(connection, tenant.name, name)
            anew = before.setup.embedder != rag.embedder
            job = await self._taking.everything(connection, tenant=tenant.name, collection=name)
            if anew:
                await connection.execute(_FIND_NOTHING, values)
            await connection.execute(_SET_UP, {**values, **setup})
        if anew:
            await self._clear(tenant.name, name)
        if job is not None:
            await self._means.open_worker()
        return job

    async def drop(self, tenant: str, name: str) -> None:
        """Delete a collection with all that is in it. Raises NotFound."""
        await self._removing.drop(tenant, name)

    async def take(self, tenant: Tenant, collection: str, given: Sequence[Given]) -> Taken:
        """Take documents in: all of them, or none. Makes the collection where there is none.

        Raises BadRequest, TooLarge, FetchRefused, Conflict, and Forbidden where there is no room.
        """
        rag = shelves.rules_of(tenant)
        rules = self._means.rules_of(rag.urls)
        if len(given) > MOST_TAKEN:
            message = f"One request hands in 1 to {MOST_TAKEN} documents."
            raise BadRequest(message, code="document_count", param="documents")
        offers = [offer_of(each, rag, rules) for each in given]
        async with self._database.begin() as connection:
            await shelves.enter(connection, tenant.name)
            await shelves.make(connection, tenant, collection, embedder=rag.embedder)
            shelf = await shelves.shelf(connection, tenant.name, collection)
            taken = await self._taking.take(
                connection, offers, tenant=tenant.name, collection=collection, setup=shelf.setup, rag=rag
            )
        if taken.job is not None:
            await self._means.open_worker()
        return taken

    async def documents(
        self,
        tenant: str,
        collection: str,
        *,
        groups: Groups = None,
        state: DocumentState | None = None,
        before: str | None = None,
        most: int = 100,
    ) -> Sequence[Document]:
        """Documents, the newest first; those before that one. Raises NotFound."""
        async with self._database.begin() as connection:
            await shelves.shelf(connection, tenant, collection)
            return await documents.listed(
                connection, tenant, collection, groups=groups, state=state, before=before, most=most
            )

    async def document(
        self, tenant: str, collection: str, document: str, *, groups: Groups = None
    ) -> Document:
        """One of them. Raises NotFound `document_not_found`."""
        async with self._database.begin() as connection:
            await shelves.shelf(connection, tenant, collection)
            return documents.document_of(
                await documents.find(connection, tenant, collection, document, groups)
            )

    async def passages(
        self, tenant: str, collection: str, document: str, *, groups: Groups = None
    ) -> Sequence[Chunk]:
        """What is indexed of a document, in its order. Raises NotFound, Unreachable."""
        async with self._database.begin() as connection:
            shelf = await shelves.shelf(connection, tenant, collection)
            row = await documents.find(connection, tenant, collection, document, groups)
        if row.indexed is None or row.state == DocumentState.DELETING:
            return []
        store = await self._means.chunks()
        return await store.listed(Collection(tenant, collection, shelf.setup.width), document, groups=groups)

    async def content(
        self, tenant: str, collection: str, document: str, *, groups: Groups = None
    ) -> tuple[bytes, str]:
        """A document as it came, and its media type. Raises NotFound where it is not kept."""
        async with self._database.begin() as connection:
            await shelves.shelf(connection, tenant, collection)
            return await documents.content(connection, tenant, collection, document, groups)

    async def delete(self, tenant: str, collection: str, document: str, *, groups: Groups = None) -> None:
        """Delete a document; nothing of it is found when this returns. Raises NotFound."""
        await self._removing.delete(tenant, collection, document, groups)

    async def retry(self, tenant: Tenant, collection: str, documents: Sequence[str] | None = None) -> Taken:
        """Read failed documents again, all or these; a page is fetched anew. Raises NotFound."""
        shelves.rules_of(tenant)
        async with self._database.begin() as connection:
            await shelves.shelf(connection, tenant.name, collection)
            taken = await self._taking.retry(
                connection, tenant=tenant.name, collection=collection, ids=documents
            )
        if taken.job is not None:
            await self._means.open_worker()
        return taken

    async def erase(self, tenant: str) -> int:
        """Delete everything of a tenant; how many documents there were."""
        return await self._removing.erase(tenant)

    async def _clear(self, tenant: str, name: str) -> None:
        """Delete vectors of another model than the collection's; the first new ones do, where this cannot."""
        try:
            async with shelves.alone(self._database, tenant, name) as connection:
                values = {"tenant": tenant, "name": name}
                if (await connection.execute(_NOTHING_INDEXED, values)).scalar():
                    await (await self._means.chunks()).drop(tenant, name)
        except Later:
            return
