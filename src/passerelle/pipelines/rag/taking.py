"""Documents taken in: their rows, what came as them, and the job that reads them, all in one transaction or none.

What came already as it came now costs nothing. Whatever comes under a key replaces what came under it before, which is
found until the new one is indexed: `given` counts what came, `indexed` says which of it is found.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.errors import BadRequest, Forbidden
from passerelle.domain.jobs import NewItem
from passerelle.domain.rag import Document, DocumentState, Rag, Setup, Taken
from passerelle.jobs.desk import Desk
from passerelle.pipelines.rag import shelves
from passerelle.pipelines.rag.desk import Groups
from passerelle.pipelines.rag.documents import (
    BOUND,
    DOCUMENT,
    documents_of,
    metadata_of,
    unknown,
)
from passerelle.pipelines.rag.taking_checks import Offer, digest_of, said_of
from passerelle.sealing.values import Opener, Seal, Sealing, Unsealed
from passerelle.stores.database import carried

KIND = "rag.ingest"
MOST_TAKEN = 1_000  # documents of one call
ANEW, IF_CHANGED, KEPT = "anew", "if-changed", "kept"  # how a page is come by
_COST_BYTES = 262_144  # of content, for one unit of the workers' time
_MOST_COST = 64
# Its run waits or works: nothing more need be done for it.
CARED_FOR = """EXISTS (SELECT FROM job_item WHERE job_id = job AND job_item.key = rag_document.id
    AND job_item.state IN ('queued', 'running'))"""

_THERE = text(f"""
SELECT {DOCUMENT}, {CARED_FOR} AS cared_for FROM rag_document
WHERE tenant = :tenant AND collection = :collection AND key = ANY(CAST(:keys AS text[])) ORDER BY id FOR UPDATE
""")  # noqa: S608 - constants
_COUNT = text("SELECT count(*) FROM rag_document WHERE tenant = :tenant AND state <> 'deleting'")
_PUT = text("""
INSERT INTO rag_document (id, tenant, collection, key, origin, state, title, said_title, said_language, name, url,
    media_type, language, groups, metadata, size, digest, job, refresh)
VALUES (:id, :tenant, :collection, :key, :origin, 'queued', :title, :title, :language, :name, :url,
    :media_type, :language, :groups, CAST(:metadata AS jsonb), :size, :digest, :job, :refresh)
ON CONFLICT (tenant, collection, key) DO UPDATE SET origin = excluded.origin, state = 'queued',
    given = rag_document.given + 1, said_title = excluded.said_title, said_language = excluded.said_language,
    title = CASE WHEN excluded.said_title <> '' THEN excluded.said_title ELSE rag_document.title END,
    name = excluded.name, url = excluded.url, groups = excluded.groups, metadata = excluded.metadata,
    media_type = CASE WHEN excluded.origin = 'url' THEN rag_document.media_type ELSE excluded.media_type END,
    size = CASE WHEN excluded.origin = 'url' THEN rag_document.size ELSE excluded.size END, code = NULL, message = NULL, warnings = '{}',
    duplicate_of = NULL, job = excluded.job, refresh = excluded.refresh, updated_at = clock_timestamp(),
    digest = CASE WHEN excluded.origin = 'url' THEN rag_document.digest ELSE excluded.digest END
""")
_KEEP = text("""
INSERT INTO rag_content (document, content)
SELECT id, :content FROM rag_document WHERE tenant = :tenant AND id = :id
ON CONFLICT (document) DO UPDATE SET content = excluded.content
""")
_AGAIN = text(f"""
UPDATE rag_document SET state = 'queued', given = given + 1, code = NULL, message = NULL, duplicate_of = NULL,
    job = :job, updated_at = clock_timestamp()
WHERE tenant = :tenant AND id = ANY(CAST(:ids AS text[])) AND state <> 'deleting' RETURNING {DOCUMENT}
""")  # noqa: S608 - constants
_FAILED = text(f"""
SELECT {DOCUMENT} FROM rag_document WHERE tenant = :tenant AND collection = :collection
    AND (CAST(:ids AS text[]) IS NULL AND state = 'failed' OR id = ANY(CAST(:ids AS text[])))
    AND state <> 'deleting' ORDER BY id LIMIT :most FOR UPDATE
""")  # noqa: S608 - constants
_COPIES = text("""
SELECT id, collection FROM rag_document
WHERE tenant = :tenant AND duplicate_of = ANY(CAST(:ids AS text[])) AND state = 'duplicate' ORDER BY id FOR UPDATE
""")
_IDS = text("""
SELECT id FROM rag_document WHERE tenant = :tenant AND collection = :collection AND state <> 'deleting' ORDER BY id
FOR UPDATE
""")
_NAMED = text("UPDATE rag_document SET job = :job WHERE tenant = :tenant AND id = ANY(CAST(:ids AS text[]))")


@dataclass(slots=True)
class _Sorting:
    """Which of the documents need work."""

    ids: list[str] = field(default_factory=list)  # of all, in the order they came
    new: list[tuple[str, Offer, bytes | None]] = field(default_factory=list)
    items: list[NewItem] = field(default_factory=list)
    unchanged: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)  # jobs under way for what came already
    replaced: list[str] = field(default_factory=list)


class Taking:
    """Takes documents in, in its caller's transaction; jobs are made at the desk."""

    def __init__(self, desk: Desk, seals: Sealing | None = None) -> None:
        self._desk = desk
        self._seals: Sealing = seals or Unsealed()

    async def take(
        self,
        connection: AsyncConnection,
        offers: Sequence[Offer],
        *,
        tenant: str,
        collection: str,
        setup: Setup,
        rag: Rag,
        groups: Groups = None,
    ) -> Taken:
        """All of them, or none. Raises BadRequest, and Forbidden where the tenant has no room.

        What stands under a key and is not the sender's to see, is not replaced either: Forbidden `document_not_yours`.
        """
        keys = [offer.key for offer in offers]
        _check(keys)
        values = {"tenant": tenant, "collection": collection, "keys": keys}
        await shelves.enter_documents(connection, tenant, collection)
        there = {row.key: row for row in await connection.execute(_THERE, values)}
        _check_seen(there.values(), groups)
        fresh = len(keys) - len(there)
        if (
            fresh
            and (await connection.execute(_COUNT, {"tenant": tenant})).scalar_one() + fresh > rag.documents
        ):
            message = f"This tenant may have {rag.documents} documents. Delete some, or send fewer."
            raise Forbidden(message, code="too_many_documents")
        seal = await self._seals.of(tenant)
        sorting = _sort(offers, there, setup, seal)
        job = await self._make(connection, tenant, collection, sorting.items)
        place = {"tenant": tenant, "collection": collection, "job": job}
        if rows := [
            _row(offer, digest, seal, id=document, **place) for document, offer, digest in sorting.new
        ]:
            await connection.execute(_PUT, rows)
        if kept := [
            {
                "tenant": tenant,
                "id": document,
                "content": await asyncio.to_thread(seal.seal_bytes, offer.content, BOUND),
            }
            for document, offer, _ in sorting.new
            if offer.content is not None
        ]:
            await connection.execute(_KEEP, kept)
            carried(connection, sum(len(each["content"]) for each in kept))
        await self.promote(connection, tenant, sorting.replaced)
        now = {
            each.key: each for each in documents_of((await connection.execute(_THERE, values)).all(), seal)
        }
        if job is None and len(sorting.pending) == 1:
            job = next(iter(sorting.pending))
        return Taken(tuple(now[key] for key in keys), frozenset(sorting.unchanged), job)

    async def retry(
        self, connection: AsyncConnection, *, tenant: str, collection: str, ids: Sequence[str] | None
    ) -> Taken:
        """Failed ones once more, all or those. Raises NotFound for one that there is not."""
        values = {
            "tenant": tenant,
            "collection": collection,
            "ids": None if ids is None else list(ids),
            "most": MOST_TAKEN,
        }
        await shelves.enter_documents(connection, tenant, collection)
        rows = (await connection.execute(_FAILED, values)).all()
        if missing := set(ids or ()) - {row.id for row in rows}:
            raise unknown(min(missing))
        failed = [row.id for row in rows if row.state == DocumentState.FAILED]
        again, job = await self.again(connection, failed, tenant=tenant, collection=collection, fetch=ANEW)
        done = [
            each
            for each in documents_of(rows, await self._seals.opener(tenant))
            if each.id not in set(failed)
        ]
        return Taken((*again, *done), frozenset(each.id for each in done), job)

    async def everything(self, connection: AsyncConnection, *, tenant: str, collection: str) -> str | None:
        """All documents of a collection once more, from what was kept of them; the job."""
        await shelves.enter_documents(connection, tenant, collection)
        rows = await connection.execute(_IDS, {"tenant": tenant, "collection": collection})
        _, job = await self.again(
            connection, list(rows.scalars()), tenant=tenant, collection=collection, fetch=KEPT
        )
        return job

    async def promote(self, connection: AsyncConnection, tenant: str, ids: Sequence[str]) -> None:
        """Read the duplicates of documents that are no longer what they were.

        Whoever calls this has entered the documents of their collection before it locked any of them.
        """
        if not ids:
            return
        rows = (await connection.execute(_COPIES, {"tenant": tenant, "ids": list(ids)})).all()
        for collection in sorted({row.collection for row in rows}):
            copies = [row.id for row in rows if row.collection == collection]
            await self.again(connection, copies, tenant=tenant, collection=collection, fetch=KEPT)

    async def again(
        self, connection: AsyncConnection, ids: Sequence[str], *, tenant: str, collection: str, fetch: str
    ) -> tuple[list[Document], str | None]:
        """Read documents once more, as something newer than all that runs; they and the job."""
        if not ids:
            return [], None
        values = {"tenant": tenant, "ids": list(ids), "job": None}
        rows = (await connection.execute(_AGAIN, values)).all()
        job = await self._make(
            connection,
            tenant,
            collection,
            [item_for(row.id, row.given, row.size, fetch=fetch) for row in rows],
        )
        await connection.execute(_NAMED, {"tenant": tenant, "ids": list(ids), "job": job})
        fresh = (await connection.execute(_AGAIN_READ, {"tenant": tenant, "ids": list(ids)})).all()
        return documents_of(fresh, await self._seals.opener(tenant)), job

    async def _make(
        self, connection: AsyncConnection, tenant: str, collection: str, items: Sequence[NewItem]
    ) -> str | None:
        if not items:
            return None
        params = {"collection": collection}
        return await self._desk.create(connection, tenant=tenant, kind=KIND, items=items, params=params)


_AGAIN_READ = text(f"""
SELECT {DOCUMENT} FROM rag_document WHERE tenant = :tenant AND id = ANY(CAST(:ids AS text[])) ORDER BY id
""")  # noqa: S608 - constants


def item_for(document: str, given: int, size: int, *, fetch: str, was: bytes | None = None) -> NewItem:
    """The item that reads a document. `was`: the digest of what is indexed of it, where that is known."""
    payload: dict[str, Any] = {"document": document, "given": given, "fetch": fetch}
    if was is not None:
        payload["was"] = was.hex()
    return NewItem(document, payload, cost=min(_MOST_COST, 1 + size // _COST_BYTES))


def row_digest(row: Row[Any], content: bytes, setup: Setup, *, media_type: str, opener: Opener) -> bytes:
    """The digest of a document as its row says it is, with content of that type."""
    return digest_of(
        content,
        setup,
        origin=row.origin,
        name=row.name,
        media_type=media_type,
        said=said_of(
            opener.open_name(row.said_title, BOUND), row.said_language, row.groups, metadata_of(row, opener)
        ),
    )


def _sort(offers: Sequence[Offer], there: dict[str, Row[Any]], setup: Setup, opener: Opener) -> _Sorting:
    sorting = _Sorting()
    for offer in offers:
        row = there.get(offer.key)
        document = row.id if row is not None else f"doc_{secrets.token_hex(12)}"
        sorting.ids.append(document)
        digest = None if offer.content is None else _offer_digest(offer, offer.content, setup)
        if row is not None and _same(row, offer, digest, opener):
            if row.state in (DocumentState.READY, DocumentState.DUPLICATE) and digest is not None:
                sorting.unchanged.add(document)
                continue
            if row.state in (DocumentState.QUEUED, DocumentState.READING) and row.cared_for:
                sorting.pending.add(row.job)
                continue
        given = 1 if row is None else row.given + 1
        size = len(offer.content) if offer.content is not None else 0 if row is None else row.size
        was = row.digest if row is not None and row.state == DocumentState.READY else None
        sorting.items.append(item_for(document, given, size, fetch=IF_CHANGED, was=was))
        sorting.new.append((document, offer, digest))
        if row is not None and digest is not None:  # of a page it shows when it is fetched
            sorting.replaced.append(document)
    return sorting


def _same(row: Row[Any], offer: Offer, digest: bytes | None, opener: Opener) -> bool:
    """Is that what came last? Of a page only what is said of it can be compared."""
    if row.origin != offer.origin or row.refresh != offer.refresh:
        return False
    if digest is not None:
        return bool(row.digest is not None and bytes(row.digest) == digest)
    said = (offer.url, offer.title, offer.language, list(offer.groups), dict(offer.metadata))
    return said == (
        row.url,
        opener.open_name(row.said_title, BOUND),
        row.said_language,
        sorted(row.groups),
        metadata_of(row, opener),
    )


def _offer_digest(offer: Offer, content: bytes, setup: Setup) -> bytes:
    return digest_of(
        content,
        setup,
        origin=offer.origin,
        name=offer.name,
        media_type=offer.media_type,
        said=said_of(offer.title, offer.language, offer.groups, offer.metadata),
    )


def _row(offer: Offer, digest: bytes | None, seal: Seal, **named: Any) -> dict[str, Any]:
    return {
        **named,
        "key": offer.key,
        "origin": offer.origin,
        "title": seal.seal_text(offer.title, BOUND),
        "language": offer.language,
        "name": offer.name,
        "url": offer.url,
        "media_type": offer.media_type,
        "groups": list(offer.groups),
        "metadata": orjson.dumps(seal.seal_json(dict(offer.metadata) or None, BOUND) or {}).decode(),
        "size": len(offer.content or b""),
        "digest": digest,
        "refresh": offer.refresh,
    }


def _check_seen(rows: Iterable[Row[Any]], groups: Groups) -> None:
    for row in rows:
        if groups is not None and row.groups and groups.isdisjoint(row.groups):
            message = (
                f"A document with the key {row.key[:200]!r} is there for groups that this key is not in, and only they "
                f"replace it. Give yours another `key`."
            )
            raise Forbidden(message, code="document_not_yours", param="key")


def _check(keys: Sequence[str]) -> None:
    if not 1 <= len(keys) <= MOST_TAKEN:
        message = f"One request hands in 1 to {MOST_TAKEN} documents."
        raise BadRequest(message, code="document_count", param="documents")
    if twice := [key for key, count in Counter(keys).items() if count > 1]:
        message = (
            f"Two of the documents have the same key, {twice[0][:200]!r}. Give each a `key` of its own, or send one "
            f"after the other."
        )
        raise BadRequest(message, code="document_twice", param="key")
