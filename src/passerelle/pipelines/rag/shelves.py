"""Collections: their rows, always a tenant's own, and the locks under which their index is changed.

Whoever writes a document's passages holds the document's lock and shares the collection's; whoever takes a collection
away holds it alone. Whether there is still anything to be written is asked again under the lock, so that nothing is
written after it was taken away, nor an older version over a newer one.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import BadRequest, Conflict, Forbidden, NotFound
from passerelle.domain.rag import Rag, Setup, Shelf
from passerelle.jobs.kinds import Later
from passerelle.stores.database import Database

LONGEST_DESCRIPTION = 2_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TRIES, _PAUSE = 60, 0.05  # for a lock; seconds

_SHELF = """name, tenant, description, embedder, behind, width, size, overlap, version, created_at, updated_at,
    held.documents, held.chunks"""
_HELD = """LEFT JOIN LATERAL (
    SELECT count(*) AS documents, coalesce(sum(chunks) FILTER (WHERE indexed IS NOT NULL), 0)::bigint AS chunks
    FROM rag_document AS inside
    WHERE inside.tenant = shelf.tenant AND inside.collection = shelf.name AND inside.state <> 'deleting'
) AS held ON true"""
_ALL = text(f"""
SELECT {_SHELF} FROM rag_collection AS shelf {_HELD} WHERE tenant = :tenant AND NOT dropping ORDER BY name
""")  # noqa: S608 - constants
_ONE = text(f"""
SELECT {_SHELF}, dropping FROM rag_collection AS shelf {_HELD} WHERE tenant = :tenant AND name = :name
""")  # noqa: S608 - constants
_STANDS = text("SELECT dropping FROM rag_collection WHERE tenant = :tenant AND name = :name")
_MAKE = text("""
INSERT INTO rag_collection (tenant, name, description, embedder, width, size, overlap)
VALUES (:tenant, :name, :description, :embedder, 0, :size, :overlap)
ON CONFLICT (tenant, name) DO NOTHING RETURNING name
""")
_DESCRIBE = text("""
UPDATE rag_collection SET description = :description, updated_at = clock_timestamp()
WHERE tenant = :tenant AND name = :name AND NOT dropping RETURNING name
""")
_COUNT = text("SELECT count(*) FROM rag_collection WHERE tenant = :tenant")
_RISE = text("""
UPDATE rag_collection SET version = version + 1, updated_at = clock_timestamp()
WHERE tenant = :tenant AND name = :name
""")
_SETUP = text("""
SELECT embedder, width, size, overlap, behind FROM rag_collection WHERE tenant = :tenant AND name = :name
""")
_ENTER = text("SELECT pg_advisory_xact_lock(:key)")
_ALONE = text("SELECT pg_try_advisory_xact_lock(:shelf)")
_WRITING = text("""
SELECT CASE WHEN pg_try_advisory_xact_lock_shared(:shelf) THEN pg_try_advisory_xact_lock(:document) ELSE false END
""")


def rules_of(tenant: Tenant) -> Rag:
    """The tenant's rules. Raises Forbidden where it has no documents here."""
    if tenant.rag is None:
        raise Forbidden("Documents are switched off for this tenant.", code="rag_off")
    return tenant.rag


async def shelves(connection: AsyncConnection, tenant: str) -> list[Shelf]:
    """A tenant's collections by name."""
    return [shelf_of(row) for row in await connection.execute(_ALL, {"tenant": tenant})]


async def shelf(connection: AsyncConnection, tenant: str, name: str) -> Shelf:
    """One of them. Raises NotFound."""
    row = None
    if _NAME.fullmatch(name):
        row = (await connection.execute(_ONE, {"tenant": tenant, "name": name})).one_or_none()
    if row is None or row.dropping:
        raise _unknown(name)
    return shelf_of(row)


async def must_stand(connection: AsyncConnection, tenant: str, name: str) -> None:
    """There is one, whatever is in it: to count that takes the longer, the more there is. Raises NotFound."""
    if await _dropping(connection, tenant, name) is not False:
        raise _unknown(name)


async def setup_of(connection: AsyncConnection, tenant: str, name: str) -> Setup | None:
    """How it is indexed, also while it is being dropped; None where it is gone."""
    row = (await connection.execute(_SETUP, {"tenant": tenant, "name": name})).one_or_none()
    return None if row is None else Setup(row.embedder, row.width, row.size, row.overlap, row.behind)


async def make(
    connection: AsyncConnection, tenant: Tenant, name: str, *, description: str = "", embedder: str | None
) -> Shelf | None:
    """A new one, under the tenant's lock; None where there is one already.

    Raises BadRequest for its name, Forbidden where the tenant has no room, Conflict while one of that name is dropped.
    """
    rag = rules_of(tenant)
    dropping = await _dropping(connection, tenant.name, name)
    if dropping is not None:
        if dropping:
            message = f"The collection {name} is being deleted. Try again in a moment."
            raise Conflict(message, code="collection_dropping", param="collection")
        return None
    if not _NAME.fullmatch(name):
        message = "A collection's name has 1 to 64 letters of ASCII, digits, `.`, `_` and `-`, a letter or digit first."
        raise BadRequest(message, code="collection_name", param="name")
    _fits(description)
    if (await connection.execute(_COUNT, {"tenant": tenant.name})).scalar_one() >= rag.collections:
        message = f"This tenant has {rag.collections} collections, which is all it may have. Delete one."
        raise Forbidden(message, code="too_many_collections")
    values = {
        "tenant": tenant.name,
        "name": name,
        "description": description,
        "embedder": embedder,
        "size": rag.size,
        "overlap": rag.overlap,
    }
    if (await connection.execute(_MAKE, values)).scalar() is None:
        return None
    return await shelf(connection, tenant.name, name)


async def describe(connection: AsyncConnection, tenant: str, name: str, description: str) -> Shelf:
    """Another description. Raises NotFound, BadRequest."""
    _fits(description)
    await connection.execute(_DESCRIBE, {"tenant": tenant, "name": name, "description": description})
    return await shelf(connection, tenant, name)


async def rise(connection: AsyncConnection, tenant: str, name: str) -> None:
    """What may be found in it has changed."""
    await connection.execute(_RISE, {"tenant": tenant, "name": name})


async def enter(connection: AsyncConnection, tenant: str) -> None:
    """Alone, until the transaction ends, in counting what a tenant has and adding to it."""
    await connection.execute(_ENTER, {"key": _key("tenant", tenant)})


async def enter_documents(connection: AsyncConnection, tenant: str, name: str) -> None:
    """Alone, until the transaction ends, in locking several documents of a collection.

    So nobody waits for somebody who waits for him, and which of equal documents is the first is found out once.
    """
    await connection.execute(_ENTER, {"key": _key("documents", tenant, name)})


@asynccontextmanager
async def writing(
    database: Database, tenant: str, name: str, document: str
) -> AsyncIterator[AsyncConnection]:
    """The one writer of a document's passages, in a transaction that lasts as long. Raises Later."""
    keys = {"shelf": _key("shelf", tenant, name), "document": _key("document", tenant, name, document)}
    async with _locked(database, _WRITING, keys) as connection:
        yield connection


@asynccontextmanager
async def alone(database: Database, tenant: str, name: str) -> AsyncIterator[AsyncConnection]:
    """The only writer of a collection, in a transaction that lasts as long. Raises Later."""
    async with _locked(database, _ALONE, {"shelf": _key("shelf", tenant, name)}) as connection:
        yield connection


@asynccontextmanager
async def _locked(database: Database, statement: Any, keys: dict[str, int]) -> AsyncIterator[AsyncConnection]:
    for _ in range(_TRIES):
        async with database.begin() as connection:
            if (await connection.execute(statement, keys)).scalar():
                yield connection
                return
        await asyncio.sleep(_PAUSE)  # without a connection: the one who is waited for may need it
    raise Later("Another worker writes there at this moment.", code="collection_busy", seconds=1.0)


def told_behind(models: Sequence[str]) -> str:
    """Models behind one name, as a collection keeps them: the same for the same models."""
    return "\n".join(sorted(set(models)))


def shelf_of(row: Row[Any]) -> Shelf:
    """A row of a collection."""
    at = row._mapping
    return Shelf(
        tenant=at["tenant"],
        name=at["name"],
        description=at["description"],
        setup=Setup(at["embedder"], at["width"], at["size"], at["overlap"], at["behind"]),
        version=at["version"],
        documents=at["documents"],
        chunks=at["chunks"],
        created_at=at["created_at"],
        updated_at=at["updated_at"],
    )


async def _dropping(connection: AsyncConnection, tenant: str, name: str) -> bool | None:
    """Is it being dropped? None: there is none."""
    if not _NAME.fullmatch(name):
        return None
    found: bool | None = (await connection.execute(_STANDS, {"tenant": tenant, "name": name})).scalar()
    return found


def _unknown(name: str) -> NotFound:
    return NotFound(f"There is no collection {name[:64]!r}.", code="collection_not_found")


def _fits(description: str) -> None:
    if len(description) > LONGEST_DESCRIPTION or "\0" in description:
        message = f"A description has at most {LONGEST_DESCRIPTION} characters."
        raise BadRequest(message, code="collection_description", param="description")


def _key(*names: str) -> int:
    """For PostgreSQL's advisory locks."""
    digest = hashlib.sha256("\0".join(("rag", *names)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
