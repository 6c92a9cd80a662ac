"""`Shelves`: collections and documents of every tenant, for whoever may ask for them; the seam `Library`.

Also what workers need of it: the job that reads documents, and what is done at times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import BadRequest, Conflict, NotFound
from passerelle.domain.rag import Document, DocumentState, Given, Rag, Setup, Shelf, Taken, Urls
from passerelle.domain.retrieval import Chunk, Collection
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Later
from passerelle.pipelines.documents.parsed import Limits
from passerelle.pipelines.rag import documents, shelves
from passerelle.pipelines.rag.desk import Groups
from passerelle.pipelines.rag.ingesting import Ingesting
from passerelle.pipelines.rag.ingesting_index import Index, Models
from passerelle.pipelines.rag.ingesting_sources import Sources
from passerelle.pipelines.rag.ingesting_vectors import Embedder
from passerelle.pipelines.rag.keeping import Keeping
from passerelle.pipelines.rag.refreshing import Refreshing
from passerelle.pipelines.rag.removing import EraseAnswers, Purge, Removing
from passerelle.pipelines.rag.taking import MOST_TAKEN, Taking
from passerelle.pipelines.rag.taking_checks import Offer, offer_of, rules_of_urls
from passerelle.retrieval.store import Chunks
from passerelle.sealing.values import Sealing, Unsealed
from passerelle.stores.database import Database
from passerelle.wire.fetcher import Fetcher
from passerelle.wire.foreign_urls import Rules

_SET_UP = text("""
UPDATE rag_collection SET width = CASE WHEN :anew THEN 0 ELSE width END,
    behind = CASE WHEN :anew THEN NULL ELSE behind END, embedder = :embedder, size = :size, overlap = :overlap, version = version + 1, updated_at = clock_timestamp()
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


def _offers(given: Sequence[Given], rag: Rag, rules: Rules) -> list[Offer]:
    """What is kept of them. Long ones take a while, so a thread does it."""
    return [offer_of(each, rag, rules) for each in given]


@dataclass(frozen=True, slots=True)
class Ground:
    """What a library stands on.

    `chunks` opens the store of passages, `embedders` gives an embedding model of a tenant by its name, `purge` deletes a
    tenant's answers in the cache that may have been drawn from a collection, `erase_answers` what is kept of answers
    (None: as `Keeping` does). `models`: those behind the name of an embedder (None: nobody can tell). `desk` has the
    jobs worked on that it makes.
    """

    database: Database
    desk: Desk
    chunks: Callable[[], Awaitable[Chunks]]
    fetcher: Fetcher
    embedders: Callable[[str, str], Embedder]
    tenant_of: Callable[[str], Tenant | None]
    purge: Purge
    erase_answers: EraseAnswers | None = None
    models: Models | None = None
    limits: Limits = field(default_factory=Limits)
    rules_of: Callable[[Urls], Rules] = rules_of_urls
    seals: Sealing = field(default_factory=Unsealed)


class Shelves:
    """The seam `Library`, with its job and its times. Holds nothing open."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._database = ground.database
        self._taking = Taking(ground.desk, ground.seals)
        self._index = Index(ground.database, ground.chunks, ground.embedders, models=ground.models)
        self._removing = Removing(
            ground.database,
            ground.desk,
            ground.chunks,
            self._index,
            self._taking,
            purge=ground.purge,
            erase_answers=ground.erase_answers or Keeping(ground.database).erase,
        )
        self._refreshing = Refreshing(ground.database, ground.desk)

    def ingesting(self) -> Ingesting:
        """The kind of job that reads documents. One for each process."""
        ground = self._ground
        sources = Sources(
            ground.database,
            ground.fetcher,
            self._taking,
            tenant_of=ground.tenant_of,
            rules_of=ground.rules_of,
            seals=ground.seals,
        )
        return Ingesting(ground.database, sources, self._index, self._taking, limits=ground.limits)

    async def refresh_due(self, at: datetime) -> None:
        """Have pages looked at again whose time has come."""
        await self._refreshing.due(at)

    async def sweep(self, _: datetime) -> None:
        """Finish what an outage interrupted."""
        await self._removing.sweep()

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
        # What the file names was warned of when the file was read.
        if embedder not in (None, rag.embedder) and self._is_mixed(str(embedder)):
            message = f"The targets of {embedder!r} are different models, whose vectors do not compare. Name another."
            raise BadRequest(message, code="embedder_mixed", param="embedder")
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

    async def reindex(self, tenant: Tenant, name: str, *, groups: Groups = None) -> str | None:
        """Read every document again by the tenant's rules of today; the job's id, None where there are none.

        Under another embedder, or another model of its name, nothing is found of a document until it was read again:
        vectors of two models do not compare. Raises NotFound, and Forbidden where the asker does not see every document.
        """
        rag = shelves.rules_of(tenant)
        values = {"tenant": tenant.name, "name": name}
        setup = {"embedder": rag.embedder, "size": rag.size, "overlap": rag.overlap}
        async with self._database.begin() as connection:
            before = await shelves.shelf(connection, tenant.name, name)
            anew = before.setup.embedder != rag.embedder or self._is_other(before.setup)
            await shelves.enter_documents(connection, tenant.name, name)
            await documents.must_see_all(connection, tenant.name, name, groups)
            job = await self._taking.everything(connection, tenant=tenant.name, collection=name)
            if anew:
                await connection.execute(_FIND_NOTHING, values)
            await connection.execute(_SET_UP, {**values, **setup, "anew": anew})
        if anew:
            await self._clear(tenant.name, name)
        return job

    async def drop(self, tenant: str, name: str, *, groups: Groups = None) -> None:
        """Delete a collection with all that is in it. Raises NotFound, and Forbidden as `reindex`."""
        await self._removing.drop(tenant, name, groups)

    async def take(
        self, tenant: Tenant, collection: str, given: Sequence[Given], *, groups: Groups = None
    ) -> Taken:
        """Take documents in: all of them, or none. Makes the collection where there is none.

        Raises BadRequest, TooLarge, FetchRefused, Conflict, and Forbidden where there is no room or a key is others'.
        """
        rag = shelves.rules_of(tenant)
        rules = self._ground.rules_of(rag.urls)
        if len(given) > MOST_TAKEN:
            message = f"One request hands in 1 to {MOST_TAKEN} documents."
            raise BadRequest(message, code="document_count", param="documents")
        offers = await asyncio.to_thread(_offers, given, rag, rules)
        await self._ground.chunks()  # where there can be no store, nothing is taken that would wait for ever
        async with self._database.begin() as connection:
            await shelves.enter(connection, tenant.name)
            await shelves.make(connection, tenant, collection, embedder=rag.embedder)
            setup = await shelves.setup_of(connection, tenant.name, collection)
            if setup is None:
                raise NotFound(f"There is no collection {collection!r}.", code="collection_not_found")
            return await self._taking.take(
                connection,
                offers,
                tenant=tenant.name,
                collection=collection,
                setup=setup,
                rag=rag,
                groups=groups,
            )

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
        opener = await self._ground.seals.opener(tenant)
        async with self._database.begin() as connection:
            await shelves.must_stand(connection, tenant, collection)
            return await documents.listed(
                connection,
                tenant,
                collection,
                groups=groups,
                state=state,
                before=before,
                most=most,
                opener=opener,
            )

    async def document(
        self, tenant: str, collection: str, document: str, *, groups: Groups = None
    ) -> Document:
        """One of them. Raises NotFound `document_not_found`."""
        opener = await self._ground.seals.opener(tenant)
        async with self._database.begin() as connection:
            await shelves.must_stand(connection, tenant, collection)
            row = await documents.find(connection, tenant, collection, document, groups)
        return documents.document_of(row, opener)

    async def passages(
        self, tenant: str, collection: str, document: str, *, groups: Groups = None
    ) -> Sequence[Chunk]:
        """What is indexed of a document, in its order. Raises NotFound, Unreachable."""
        async with self._database.begin() as connection:
            await shelves.must_stand(connection, tenant, collection)
            row = await documents.find(connection, tenant, collection, document, groups)
            setup = await shelves.setup_of(connection, tenant, collection)
        if setup is None or row.indexed is None or row.state == DocumentState.DELETING:
            return []
        store = await self._ground.chunks()
        return await store.listed(Collection(tenant, collection, setup.width), document, groups=groups)

    async def content(
        self, tenant: str, collection: str, document: str, *, groups: Groups = None
    ) -> tuple[bytes, str]:
        """A document as it came, and its media type. Raises NotFound where it is not kept."""
        async with self._database.begin() as connection:
            await shelves.must_stand(connection, tenant, collection)
            stored, media_type = await documents.content(connection, tenant, collection, document, groups)
        opener = await self._ground.seals.opener(tenant)
        return await asyncio.to_thread(opener.open_bytes, stored, documents.BOUND), media_type

    async def delete(self, tenant: str, collection: str, document: str, *, groups: Groups = None) -> None:
        """Delete a document; nothing of it is found when this returns. Raises NotFound."""
        await self._removing.delete(tenant, collection, document, groups)

    async def retry(self, tenant: Tenant, collection: str, documents: Sequence[str] | None = None) -> Taken:
        """Read failed documents again, all or these; a page is fetched anew. Raises NotFound."""
        shelves.rules_of(tenant)
        async with self._database.begin() as connection:
            await shelves.must_stand(connection, tenant.name, collection)
            return await self._taking.retry(
                connection, tenant=tenant.name, collection=collection, ids=documents
            )

    async def erase(self, tenant: str) -> int:
        """Delete everything of a tenant; how many documents there were."""
        return await self._removing.erase(tenant)

    def _is_mixed(self, embedder: str) -> bool:
        """Are several models behind one name?"""
        return self._ground.models is not None and len(set(self._ground.models(embedder))) > 1

    def _is_other(self, setup: Setup) -> bool:
        """Has another model its embedder's name now?"""
        models = self._ground.models
        if setup.behind is None or setup.embedder is None or models is None:
            return False
        return setup.behind != shelves.told_behind(models(setup.embedder))

    async def _clear(self, tenant: str, name: str) -> None:
        """Delete vectors of another model than the collection's; the first new ones do, where this cannot."""
        try:
            async with shelves.alone(self._database, tenant, name) as connection:
                values = {"tenant": tenant, "name": name}
                if (await connection.execute(_NOTHING_INDEXED, values)).scalar():
                    await (await self._ground.chunks()).drop(tenant, name)
        except Later:
            return
