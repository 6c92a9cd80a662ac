"""`rag.ingest`: the job that reads documents. One item is one document in one version.

A document says at every moment how it stands and why. That it is ready is written in the transaction that keeps the
item's result, after its passages survive a loss of power; a run that is repeated, overtaken by a newer version, or
whose document is deleted meanwhile leaves nothing that is found.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.errors import PasserelleError
from passerelle.domain.jobs import Item, Values
from passerelle.jobs.kinds import Context, ItemFailed, Later, judge
from passerelle.pipelines.documents.parsed import Limits
from passerelle.pipelines.rag import shelves
from passerelle.pipelines.rag.documents import BOUND
from passerelle.pipelines.rag.ingesting_index import Index, Place, Superseded
from passerelle.pipelines.rag.ingesting_passages import Passages, read
from passerelle.pipelines.rag.ingesting_sources import Claimed, Novelty, Sources
from passerelle.pipelines.rag.taking import KIND, Taking
from passerelle.retrieval.store import Unfit, Unreachable
from passerelle.stores.database import Database, Outage

_Telling = PasserelleError | ItemFailed | Later
_LONG = 100  # passages of which it is told how far they are; fewer are done before anybody looks

_log = structlog.get_logger(__name__)

_STANDS = text(
    "SELECT state, given, indexed FROM rag_document WHERE tenant = :tenant AND id = :id FOR UPDATE"
)
_READY = text("""
UPDATE rag_document SET indexed = :given, chunks = :chunks, indexed_at = clock_timestamp(),
    updated_at = clock_timestamp(), title = :title, language = :language, pages = :pages,
    characters = :characters, warnings = :warnings, duplicate_of = NULL,
    state = CASE WHEN given = :given THEN 'ready' ELSE state END,
    code = CASE WHEN given = :given THEN NULL ELSE code END,
    message = CASE WHEN given = :given THEN NULL ELSE message END
WHERE tenant = :tenant AND id = :id
""")
_UNCHANGED = text("""
UPDATE rag_document SET indexed = :given, state = 'ready', code = NULL, message = NULL
WHERE tenant = :tenant AND id = :id AND given = :given AND state <> 'deleting'
""")
_DUPLICATE = text("""
UPDATE rag_document SET indexed = NULL, indexed_at = NULL, chunks = 0, duplicate_of = :first, state = 'duplicate',
    code = NULL, message = NULL, updated_at = clock_timestamp()
WHERE tenant = :tenant AND id = :id AND given = :given AND state <> 'deleting'
""")
_FIRST_STANDS = text("""
SELECT id FROM rag_document WHERE tenant = :tenant AND id = :first AND state IN ('reading', 'ready', 'queued')
    AND digest = (SELECT digest FROM rag_document WHERE tenant = :tenant AND id = :id)
FOR SHARE
""")
_FAILED = text("""
UPDATE rag_document SET state = :state, code = :code, message = :message, updated_at = clock_timestamp()
WHERE tenant = :tenant AND id = :id AND given = :given AND state <> 'deleting' RETURNING groups
""")


class Ingesting:
    """The kind of job."""

    name = KIND
    attempts = 6
    seconds = 3_600.0

    def __init__(
        self,
        database: Database,
        sources: Sources,
        index: Index,
        taking: Taking,
        *,
        limits: Limits,
        at_once: int = 2,
    ) -> None:
        self._database = database
        self._sources = sources
        self._index = index
        self._taking = taking
        self._limits = limits
        self._gate = asyncio.Semaphore(at_once)  # a child of the parser takes up to a gigabyte

    async def run(self, item: Item, context: Context) -> Values:
        """Read one document. What is wrong with one that is for some groups only, its own card alone tells in full."""
        try:
            return await self._run(item, context)
        except Superseded:
            return {"skipped": "superseded"}
        except (Unreachable, *Outage) as error:
            # Nobody's fault, and over some day: no document fails for it.
            code = error.code if isinstance(error, Unreachable) else "database_unavailable"
            later = Later("A store of this installation cannot be reached now.", code=code)
            await self._say(item, context, later)
            raise later from error
        except Unfit as error:
            failed = ItemFailed("document_unfit", str(error))
            await self._discreetly(item, context, failed)
            raise failed from None
        except (PasserelleError, ItemFailed, Later) as error:
            await self._discreetly(item, context, error)
            raise
        except Exception as error:  # a defect: told by its type, as its words may quote the document
            await self._say(item, context, error)
            raise

    async def _run(self, item: Item, context: Context) -> Values:
        tenant, collection = context.tenant, str(context.params["collection"])
        row = await self._sources.row(item, tenant=tenant, collection=collection)
        if row is None:
            await self._forget(item, tenant, collection)
            return {"skipped": "deleted"}
        claimed = await self._sources.claim(item, row)
        if claimed.novelty is Novelty.UNCHANGED:
            context.along(lambda connection: _write(connection, _UNCHANGED, claimed.place))
            return {"unchanged": True}
        if claimed.novelty is Novelty.DUPLICATE:
            if row.indexed is not None:
                await self._index.clear(claimed.place)
            context.along(lambda connection: _write_duplicate(connection, claimed))
            return {"duplicate_of": claimed.first}
        return await self._read(claimed, context)

    async def _read(self, claimed: Claimed, context: Context) -> Values:
        place = self._index.settled(claimed.place)
        passages = await read(claimed.source, place.setup, limits=self._limits, gate=self._gate)
        facts = {"pages": passages.pages, "characters": passages.characters, "chunks": len(passages.chunks)}
        long = len(passages.chunks) >= _LONG

        async def tell(done: int, total: int) -> None:
            if long:
                told = {"step": "embedding", "done": done, "of": total}
                await context.note({"document": place.document, **told})

        if long:
            await context.note({"document": place.document, "step": "read", **facts})

        embedded = await self._index.write(place, passages.chunks, tell)
        title = (await self._sources.seals.of(place.tenant)).seal_text(passages.title, BOUND)
        context.along(lambda connection: _write_ready(connection, place, passages, title))
        return {**facts, "embedded": embedded}

    async def _forget(self, item: Item, tenant: str, collection: str) -> None:
        """Whatever a run left of a document that was deleted under it."""
        async with self._database.begin() as connection:
            found = await shelves.setup_of(connection, tenant, collection)
        if found is not None:
            await self._index.forget(tenant, collection, str(item.payload["document"]), found)

    async def _discreetly(self, item: Item, context: Context, error: _Telling) -> None:
        """Have the row say all of it, and the error no more than any key of the tenant may see of a job."""
        if await self._say(item, context, error):
            shown = "The document was not read; its card says why."
            if isinstance(error, PasserelleError):
                error.message = shown
            else:
                error.trouble = replace(error.trouble, message=shown)

    async def _say(self, item: Item, context: Context, error: BaseException) -> bool:
        """What became of the document, on its row: that it failed, or why it waits. Is it for some groups only?"""
        verdict = judge(error, attempts=item.attempts, most=self.attempts)
        final = verdict.again is None
        values = {
            "tenant": context.tenant,
            "id": item.payload["document"],
            "given": item.payload["given"],
            "state": "failed" if final else "queued",
            "code": verdict.trouble.code,
            "message": verdict.trouble.message,
        }
        closed = True  # where nobody can tell, nothing is told
        try:
            async with self._database.begin() as connection:
                await shelves.enter_documents(connection, context.tenant, str(context.params["collection"]))
                said = (await connection.execute(_FAILED, values)).one_or_none()
                closed = said is None or bool(said.groups)
                if final and said is not None:
                    await self._taking.promote(connection, context.tenant, [values["id"]])
        except Outage as outage:
            _log.warning("document_state_not_written", error=type(outage).__name__)  # the sweep will
        return closed


async def _write(connection: AsyncConnection, statement: Any, place: Place) -> None:
    await connection.execute(statement, {"tenant": place.tenant, "id": place.document, "given": place.given})


async def _write_ready(connection: AsyncConnection, place: Place, passages: Passages, title: str) -> None:
    """It is found now, in this version; where a newer one waits, only that. Raises Later where it was deleted."""
    named = {"tenant": place.tenant, "id": place.document}
    now = (await connection.execute(_STANDS, named)).one_or_none()
    if now is None:  # what this run wrote is to be deleted by another try
        raise Later("The document was deleted meanwhile.", code="document_deleted", seconds=0.1)
    if now.state == "deleting" or (now.indexed is not None and now.indexed > place.given):
        return
    values = {
        **named,
        "given": place.given,
        "chunks": len(passages.chunks),
        "title": title,
        "language": passages.language,
        "pages": passages.pages,
        "characters": passages.characters,
        "warnings": list(passages.warnings),
    }
    await connection.execute(_READY, values)
    await shelves.rise(connection, place.tenant, place.collection)


async def _write_duplicate(connection: AsyncConnection, claimed: Claimed) -> None:
    """It is another one, as long as that one stands. Raises Later where it does not any more."""
    place = claimed.place
    values = {"tenant": place.tenant, "id": place.document, "given": place.given, "first": claimed.first}
    # The other one's deletion promotes its duplicates: it comes before this, and is seen, or after it, and sees this.
    if (await connection.execute(_FIRST_STANDS, values)).scalar() is None:
        raise Later("The document that it repeats is gone.", code="document_deleted", seconds=0.1)
    await connection.execute(_DUPLICATE, values)
    await shelves.rise(connection, place.tenant, place.collection)
