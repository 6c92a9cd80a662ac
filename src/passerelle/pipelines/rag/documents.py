"""Documents as they stand: read from their table, always a tenant's own, and only those that its asker may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.errors import BadRequest, Forbidden, NotFound
from passerelle.domain.jobs import Trouble
from passerelle.domain.rag import Document, DocumentState, Origin
from passerelle.sealing.values import Destroyed, Opener
from passerelle.stores.database import carried

MOST_LISTED = 500
BOUND = b"rag_document"  # what titles and contents are sealed for

DOCUMENT = """id, tenant, collection, key, origin, state, given, indexed, title, said_title, said_language, name, url,
    media_type, language, groups, metadata, code, message, warnings, size, pages, characters, chunks, digest,
    duplicate_of, job, refresh, final_url, etag, last_modified, created_at, updated_at, indexed_at, checked_at"""
# Nobody's groups: the tenant's own administration. A document without any is open to the whole tenant.
SEEN = "(CAST(:groups AS text[]) IS NULL OR groups = '{}' OR groups && CAST(:groups AS text[]))"

_ONE = text(f"""
SELECT {DOCUMENT} FROM rag_document WHERE tenant = :tenant AND collection = :collection AND id = :id AND {SEEN}
""")  # noqa: S608 - constants
_LIST = text(f"""
SELECT {DOCUMENT} FROM rag_document WHERE tenant = :tenant AND collection = :collection AND {SEEN}
    AND (CAST(:state AS text) IS NULL OR state = :state)
    AND (CAST(:before AS text) IS NULL OR (created_at, id) < (
        SELECT created_at, id FROM rag_document
        WHERE tenant = :tenant AND collection = :collection AND id = :before))
ORDER BY created_at DESC, id DESC LIMIT :most
""")  # noqa: S608 - constants
_THERE = text("SELECT id FROM rag_document WHERE tenant = :tenant AND collection = :collection AND id = :id")
_CONTENT = text(f"""
SELECT content, media_type FROM rag_document JOIN rag_content ON document = id
WHERE tenant = :tenant AND collection = :collection AND id = :id AND state <> 'deleting' AND {SEEN}
""")  # noqa: S608 - constants
_UNSEEN = text(f"""
SELECT EXISTS (SELECT FROM rag_document
    WHERE tenant = :tenant AND collection = :collection AND state <> 'deleting' AND NOT {SEEN})
""")  # noqa: S608 - constants


def groups_of(groups: frozenset[str] | None) -> list[str] | None:
    """The asker's groups for SQL."""
    return None if groups is None else sorted(groups)


async def find(
    connection: AsyncConnection, tenant: str, collection: str, document: str, groups: frozenset[str] | None
) -> Row[Any]:
    """The row of a document that its asker may see. Raises NotFound."""
    values = {"tenant": tenant, "collection": collection, "id": document, "groups": groups_of(groups)}
    row = (await connection.execute(_ONE, values)).one_or_none() if "\0" not in document else None
    if row is None:
        raise unknown(document)
    return row


async def listed(
    connection: AsyncConnection,
    tenant: str,
    collection: str,
    *,
    groups: frozenset[str] | None,
    state: DocumentState | None,
    before: str | None,
    most: int,
    opener: Opener,
) -> list[Document]:
    """Documents, the newest first. Raises BadRequest where the one to go on from is gone: an empty page would be an end."""
    if before is not None and await _gone(connection, tenant, collection, before):
        message = f"There is no document {before[:64]!r} to go on from. Begin again without `before`."
        raise BadRequest(message, code="document_gone", param="before")
    values = {
        "tenant": tenant,
        "collection": collection,
        "groups": groups_of(groups),
        "state": state,
        "before": before,
        "most": max(1, min(most, MOST_LISTED)),
    }
    return documents_of((await connection.execute(_LIST, values)).all(), opener)


async def _gone(connection: AsyncConnection, tenant: str, collection: str, document: str) -> bool:
    values = {"tenant": tenant, "collection": collection, "id": document}
    return (await connection.execute(_THERE, values)).scalar() is None


async def content(
    connection: AsyncConnection, tenant: str, collection: str, document: str, groups: frozenset[str] | None
) -> tuple[bytes, str]:
    """What came, sealed where it is, and its media type. Raises NotFound."""
    values = {"tenant": tenant, "collection": collection, "id": document, "groups": groups_of(groups)}
    row = (await connection.execute(_CONTENT, values)).one_or_none() if "\0" not in document else None
    if row is None:
        raise unknown(document)
    carried(connection, len(row.content))
    return bytes(row.content), row.media_type or "application/octet-stream"


async def must_see_all(
    connection: AsyncConnection, tenant: str, collection: str, groups: frozenset[str] | None
) -> None:
    """Raises Forbidden where there are documents that the asker may not see."""
    values = {"tenant": tenant, "collection": collection, "groups": groups_of(groups)}
    if groups is not None and (await connection.execute(_UNSEEN, values)).scalar():
        message = (
            "Not all documents of this collection are for groups of this key: it is not this key's to change."
        )
        raise Forbidden(message, code="group_not_yours")


def document_of(row: Row[Any], opener: Opener) -> Document:
    """A row of `DOCUMENT`."""
    at = row._mapping
    return Document(
        id=at["id"],
        tenant=at["tenant"],
        collection=at["collection"],
        key=at["key"],
        origin=Origin(at["origin"]),
        state=DocumentState(at["state"]),
        title=opener.open_name(at["title"], BOUND),
        url=at["url"],
        media_type=at["media_type"],
        language=at["language"],
        groups=frozenset(at["groups"]),
        metadata=metadata_of(row, opener),
        trouble=Trouble(at["code"], at["message"] or "") if at["code"] is not None else None,
        warnings=tuple(at["warnings"]),
        size=at["size"],
        pages=at["pages"],
        characters=at["characters"],
        chunks=at["chunks"],
        duplicate_of=at["duplicate_of"],
        job=at["job"],
        refresh=at["refresh"],
        created_at=at["created_at"],
        updated_at=at["updated_at"],
        indexed_at=at["indexed_at"],
        checked_at=at["checked_at"],
    )


def metadata_of(row: Row[Any], opener: Opener) -> dict[str, Any]:
    """A document's metadata; none, where their key is destroyed."""
    try:
        return dict(opener.open_json(row.metadata, BOUND))
    except Destroyed:
        return {}


def documents_of(rows: Sequence[Row[Any]], opener: Opener) -> list[Document]:
    """Rows of `DOCUMENT`."""
    return [document_of(row, opener) for row in rows]


def unknown(document: str) -> NotFound:
    """There is none, or none for its asker."""
    return NotFound(f"There is no document {document[:64]!r}.", code="document_not_found")
