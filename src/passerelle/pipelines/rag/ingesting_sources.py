"""What a run reads: a document's row, its content or its page, and whether that is anything new."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sqlalchemy import Row, text

from passerelle.domain.catalog import Tenant
from passerelle.domain.jobs import Item
from passerelle.domain.rag import DocumentState, Origin, Setup, Urls
from passerelle.jobs.kinds import ItemFailed
from passerelle.pipelines.rag import shelves
from passerelle.pipelines.rag.documents import BOUND, DOCUMENT, metadata_of
from passerelle.pipelines.rag.ingesting_index import Place, Superseded
from passerelle.pipelines.rag.ingesting_passages import Source
from passerelle.pipelines.rag.taking import ANEW, KEPT, Taking, row_digest
from passerelle.sealing.values import Opener, Sealing, Unsealed
from passerelle.stores.database import Database, carried
from passerelle.wire.fetched import Fetched, Seen
from passerelle.wire.fetcher import Fetcher
from passerelle.wire.foreign_urls import Rules

_BEGIN = text(f"""
SELECT {DOCUMENT}, content, embedder, width, cut, overlap, behind
FROM rag_document LEFT JOIN rag_content ON document = id JOIN (
    SELECT tenant AS owner, name AS shelf, embedder, width, size AS cut, overlap, behind FROM rag_collection
) AS setup ON owner = tenant AND shelf = collection
WHERE tenant = :tenant AND collection = :collection AND id = :id
""")  # noqa: S608 - constants
# One that is being read and has a digest is the first of its equals: what a page holds is not known yet.
_READING = text("""
UPDATE rag_document SET state = 'reading', digest = NULL, code = NULL, message = NULL,
    updated_at = clock_timestamp()
WHERE tenant = :tenant AND id = :id AND given = :given AND state NOT IN ('deleting', 'ready')
""")
_LOCK = text("""
SELECT state, given, digest FROM rag_document WHERE tenant = :tenant AND id = :id FOR UPDATE
""")
_FIRST = text("""
SELECT id FROM rag_document WHERE tenant = :tenant AND collection = :collection AND digest = :digest AND id <> :id
    AND state IN ('reading', 'ready') ORDER BY created_at, id LIMIT 1
""")
_CLAIM = text("""
UPDATE rag_document SET state = 'reading', digest = :digest, code = NULL, message = NULL,
    updated_at = clock_timestamp()
WHERE tenant = :tenant AND id = :id
""")
_FETCHED = text("""
UPDATE rag_document SET final_url = :final_url, etag = :etag, last_modified = :last_modified,
    media_type = :media_type, size = :size, checked_at = clock_timestamp()
WHERE tenant = :tenant AND id = :id
""")
_KEEP = text("""
INSERT INTO rag_content (document, content)
SELECT id, :content FROM rag_document WHERE tenant = :tenant AND id = :id
ON CONFLICT (document) DO UPDATE SET content = excluded.content
""")


class Novelty(Enum):
    """What there is to do for a document."""

    READ = auto()
    UNCHANGED = auto()  # it is indexed already as it is
    DUPLICATE = auto()


@dataclass(frozen=True, slots=True)
class Claimed:
    """What is to be done, with what. `first` is the document that a duplicate repeats."""

    novelty: Novelty
    place: Place
    source: Source
    first: str | None = None


class Sources:
    """Finds out what a run is to read. `tenant_of` knows the rules of today."""

    def __init__(
        self,
        database: Database,
        fetcher: Fetcher,
        taking: Taking,
        *,
        tenant_of: Callable[[str], Tenant | None],
        rules_of: Callable[[Urls], Rules],
        seals: Sealing | None = None,
    ) -> None:
        self.seals: Sealing = seals or Unsealed()
        self._database = database
        self._fetcher = fetcher
        self._taking = taking
        self._tenant_of = tenant_of
        self._rules_of = rules_of

    async def row(self, item: Item, *, tenant: str, collection: str) -> Row[Any] | None:
        """A document as it stands with its content; None where it is gone. Raises Superseded."""
        values = {"tenant": tenant, "id": item.payload["document"], "given": item.payload["given"]}
        async with self._database.begin() as connection:
            found = await connection.execute(_BEGIN, {**values, "collection": collection})
            row = found.one_or_none()
            if row is None:
                return None
            if row.state == DocumentState.DELETING or row.given != values["given"]:
                raise Superseded
            if row.origin == Origin.URL:
                await connection.execute(_READING, values)
            carried(connection, len(row.content or b""))
        return row

    async def claim(self, item: Item, row: Row[Any]) -> Claimed:
        """What is to be done for it. Raises Superseded, ItemFailed, FetchRefused and FetchFailed."""
        seal = await self.seals.of(row.tenant)
        content, fetched = await self._content(row, str(item.payload.get("fetch", "")), seal)
        kept = b"" if fetched is None else await asyncio.to_thread(seal.seal_bytes, content, BOUND)
        # Files, and pages that are fetched, are told apart by type: the digest knows what the row will say.
        media_type = _media_type(fetched) if fetched is not None else row.media_type
        values = {"tenant": row.tenant, "collection": row.collection, "id": row.id}
        setup = Setup(row.embedder, row.width, row.cut, row.overlap, row.behind)
        digest = row_digest(row, content, setup, media_type=media_type, opener=seal)
        async with self._database.begin() as connection:
            await shelves.enter_documents(connection, row.tenant, row.collection)
            now = (await connection.execute(_LOCK, values)).one_or_none()
            if now is None or now.state == DocumentState.DELETING or now.given != row.given:
                raise Superseded
            if fetched is not None:
                await connection.execute(_FETCHED, {**values, **_learned(fetched)})
                await connection.execute(_KEEP, {**values, "content": kept})
                carried(connection, len(kept))
            novelty, first = Novelty.READ, None
            if row.indexed is not None and item.payload.get("was") == digest.hex():
                novelty = Novelty.UNCHANGED
            else:
                first = (await connection.execute(_FIRST, {**values, "digest": digest})).scalar()
                novelty = Novelty.READ if first is None else Novelty.DUPLICATE
                await connection.execute(_CLAIM, {**values, "digest": digest})
                if first is not None or now.digest is None or bytes(now.digest) != digest:
                    await self._taking.promote(connection, row.tenant, [row.id])
        place = Place(row.tenant, row.collection, row.id, row.given, setup)
        return Claimed(novelty, place, _source(row, content, media_type, seal), first)

    async def _content(self, row: Row[Any], fetch: str, opener: Opener) -> tuple[bytes, Fetched | None]:
        kept: bytes | None = None
        if row.content is not None:
            kept = await asyncio.to_thread(opener.open_bytes, bytes(row.content), BOUND)
        if row.origin != Origin.URL or (fetch == KEPT and kept is not None):
            if kept is None:
                raise ItemFailed("content_gone", "The document is not kept any more. Send it again.")
            return kept, None
        owner = self._tenant_of(row.tenant)
        if owner is None:
            raise ItemFailed("rag_off", "Documents are switched off for this tenant.")
        rules = self._rules_of(shelves.rules_of(owner).urls)
        seen = None
        if kept is not None and fetch != ANEW and row.final_url is not None:
            seen = Seen(row.final_url, row.etag, row.last_modified)
        found = await self._fetcher.fetch(row.url, rules=rules, seen=seen)
        if isinstance(found, Fetched):
            return found.content, found
        same = Fetched(
            url=found.url,
            final_url=found.seen.final_url,
            content=kept or b"",
            content_type=row.media_type,  # with the letters that were told then
            charset=None,
            etag=found.seen.etag,
            last_modified=found.seen.last_modified,
        )
        return same.content, same


def _learned(fetched: Fetched) -> dict[str, Any]:
    return {
        "final_url": fetched.final_url,
        "etag": fetched.etag,
        "last_modified": fetched.last_modified,
        "media_type": _media_type(fetched),
        "size": len(fetched.content),
    }


def _media_type(fetched: Fetched) -> str:
    """With the server's word on its letters, which are told nowhere else; UTF-8 is seen without it."""
    known = fetched.charset in (None, "utf-8", "utf8", "us-ascii", "ascii")
    return fetched.content_type if known else f"{fetched.content_type}; charset={fetched.charset}"


def _source(row: Row[Any], content: bytes, media_type: str, opener: Opener) -> Source:
    return Source(
        id=row.id,
        origin=Origin(row.origin),
        content=content,
        name=row.name,
        url=row.url or "",
        media_type=media_type,
        title=opener.open_name(row.said_title, BOUND),
        language=row.said_language,
        groups=frozenset(row.groups),
        metadata=metadata_of(row, opener),
    )
