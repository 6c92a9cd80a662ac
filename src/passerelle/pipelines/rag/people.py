"""What conversations and documents hold of people: the holdings `conversations` and `documents`.

A conversation is a person's by its `user`. A document is about people where its metadata say so, in `subjects`: a list of
the tenant's own names for them.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from passerelle.domain.errors import NotFound
from passerelle.domain.naming import Naming, names_of
from passerelle.domain.privacy import Held, Subject, Values
from passerelle.pipelines.rag import conversations
from passerelle.pipelines.rag.conversations import MOST_SHOWN, Owner
from passerelle.pipelines.rag.desk import Library
from passerelle.pipelines.rag.documents import BOUND, metadata_of
from passerelle.sealing.values import JSON_MARK, Sealing
from passerelle.stores.database import Database

SUBJECTS = "subjects"  # among a document's metadata

_PAGE = 500
_NOT_FOUND = (
    "Conversations are found by the `user` of their requests; what readers write beside a thumb names nobody and is "
    "kept with its answer. Figures of answers stay, without words."
)
_NAMED = (
    "Documents are found by `subjects` in their metadata, and deleted whole, also where they name others too."
)

_USERS = text('SELECT DISTINCT "user" FROM rag_conversation WHERE tenant = :tenant')
_MINE = 'tenant = :tenant AND "user" = ANY(CAST(:users AS text[]))'
_COUNT = text("""
SELECT count(DISTINCT told.id) AS conversations, count(answer.id) AS answers FROM rag_conversation AS told
    LEFT JOIN rag_answer AS answer ON answer.conversation = told.id
WHERE told.tenant = :tenant AND told."user" = ANY(CAST(:users AS text[]))
""")
_LIST = text(f"""
SELECT id, collection, key_id, "user", created_at, updated_at FROM rag_conversation WHERE {_MINE} AND id > :after
ORDER BY id LIMIT :most
""")  # noqa: S608 - constants
_LOCK = text(f"SELECT id FROM rag_conversation WHERE {_MINE} ORDER BY id LIMIT :most FOR UPDATE")  # noqa: S608 - constants
_ALL = text("""
SELECT (SELECT count(*) FROM rag_conversation WHERE tenant = :tenant) AS conversations,
    (SELECT count(*) FROM rag_answer WHERE tenant = :tenant) AS answers
""")
_OLDEST = text("SELECT min(updated_at) FROM rag_conversation WHERE tenant = :tenant")

_TAGGED = text("""
SELECT id, collection, state, key, title, url, media_type, language, metadata, created_at, updated_at, chunks
FROM rag_document WHERE tenant = :tenant AND id > :after
    AND jsonb_exists_any(metadata, ARRAY[:subjects, :sealed])
ORDER BY id LIMIT :most
""")
_DOCUMENTS = text("SELECT count(*) FROM rag_document WHERE tenant = :tenant")


class Conversations:
    """`erase`: deletes all that is kept of a tenant's answers."""

    name = "conversations"

    def __init__(
        self, database: Database, of: Naming, erase: Callable[[str], Awaitable[int]], seals: Sealing
    ) -> None:
        self._database = database
        self._seals = seals
        self._of = of
        self._erase = erase

    async def find(self, subject: Subject) -> Held:
        """As `Holding`."""
        values = await self._values(subject)
        async with self._database.begin() as connection:
            return Held(dict((await connection.execute(_COUNT, values)).one()._mapping), _NOT_FOUND)

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """As `Holding`: a row for each conversation."""
        values = {**await self._values(subject), "after": "", "most": _PAGE}
        while True:
            async with self._database.begin() as connection:
                rows = (await connection.execute(_LIST, values)).all()
            for row in rows:
                yield await self._told(subject.tenant, row)
            if len(rows) < _PAGE:
                return
            values["after"] = rows[-1].id

    async def erase(self, subject: Subject) -> Held:
        """As `Holding`."""
        values = {**await self._values(subject), "most": _PAGE}
        count = 0
        while True:
            async with self._database.begin() as connection:
                ids = list((await connection.execute(_LOCK, values)).scalars())
                await conversations.end(connection, ids)
            count += len(ids)
            if len(ids) < _PAGE:
                return Held({"conversations": count}, _NOT_FOUND)

    async def held(self, tenant: str) -> Held:
        """How much there is of a tenant."""
        async with self._database.begin() as connection:
            return Held(dict((await connection.execute(_ALL, {"tenant": tenant})).one()._mapping))

    async def wipe(self, tenant: str) -> Held:
        """As `Holding`."""
        found = await self.held(tenant)
        await self._erase(tenant)
        return found

    async def oldest(self, tenant: str) -> datetime | None:
        """As `Holding`."""
        async with self._database.begin() as connection:
            found: datetime | None = (await connection.execute(_OLDEST, {"tenant": tenant})).scalar()
        return found

    async def _values(self, subject: Subject) -> dict[str, Any]:
        async with self._database.begin() as connection:
            users = list((await connection.execute(_USERS, {"tenant": subject.tenant})).scalars())
        return {"tenant": subject.tenant, "users": names_of(subject, users, self._of)}

    async def _told(self, tenant: str, row: Row[Any]) -> Values:
        opener = await self._seals.opener(tenant)
        async with self._database.begin() as connection:
            owner = Owner(tenant, row.key_id, row.user)
            turns = await conversations.turns(connection, owner, row.id, most=MOST_SHOWN, opener=opener)
        return {
            "conversation": row.id,
            "collection": row.collection,
            "created_at": row.created_at.isoformat(),
            "updated_at": row.updated_at.isoformat(),
            "turns": [
                {"question": each.question, "answer": each.answer, "at": each.at.isoformat()}
                for each in turns
            ],
        }


class Documents:
    """`library` opens the tenant's documents."""

    name = "documents"

    def __init__(
        self, database: Database, of: Naming, library: Callable[[], Awaitable[Library]], seals: Sealing
    ) -> None:
        self._database = database
        self._seals = seals
        self._of = of
        self._library = library

    async def find(self, subject: Subject) -> Held:
        """As `Holding`; one that is still being deleted is among them."""
        found = [row async for row in self._mine(subject)]
        return Held({"documents": len(found), "passages": sum(row.chunks for row in found)}, _NAMED)

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """As `Holding`: a row for each document, with what came, in Base64."""
        library = await self._library()
        opener = await self._seals.opener(subject.tenant)
        async for row in self._mine(subject):
            said: dict[str, Any] = {
                "document": row.id,
                "collection": row.collection,
                "key": row.key,
                "title": opener.open_name(row.title, BOUND),
                "url": row.url,
                "language": row.language,
                "metadata": self._own(subject, metadata_of(row, opener)),
                "created_at": row.created_at.isoformat(),
                "updated_at": row.updated_at.isoformat(),
            }
            try:
                content, media_type = await library.content(subject.tenant, row.collection, row.id)
            except NotFound:
                yield said
                continue
            yield {**said, "media_type": media_type, "content": base64.b64encode(content).decode("ascii")}

    async def erase(self, subject: Subject) -> Held:
        """As `Holding`: with vectors, answers in the cache that may be drawn from it, and its part of jobs."""
        library = await self._library()
        count = 0
        async for row in self._mine(subject):
            if row.state == "deleting":
                continue
            try:
                await library.delete(subject.tenant, row.collection, row.id)
            except NotFound:  # somebody was faster
                continue
            count += 1
        return Held({"documents": count}, _NAMED)

    async def held(self, tenant: str) -> Held:
        """How much there is of a tenant; what is still being deleted is among it."""
        async with self._database.begin() as connection:
            return Held(
                {"documents": int((await connection.execute(_DOCUMENTS, {"tenant": tenant})).scalar_one())}
            )

    async def wipe(self, tenant: str) -> Held:
        """As `Holding`."""
        found = await self.held(tenant)
        await (await self._library()).erase(tenant)
        return found

    async def oldest(self, tenant: str) -> datetime | None:
        """Nothing here is kept for a limited time."""
        return None

    async def _mine(self, subject: Subject) -> AsyncIterator[Row[Any]]:
        values = {
            "tenant": subject.tenant,
            "after": "",
            "subjects": SUBJECTS,
            "sealed": JSON_MARK,
            "most": _PAGE,
        }
        while True:
            opener = await self._seals.opener(subject.tenant)
            async with self._database.begin() as connection:
                rows = (await connection.execute(_TAGGED, values)).all()
            for row in rows:
                if names_of(subject, _named(metadata_of(row, opener)), self._of):
                    yield row
            if len(rows) < _PAGE:
                return
            values["after"] = rows[-1].id

    def _own(self, subject: Subject, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """The metadata without others' names."""
        return {**metadata, SUBJECTS: names_of(subject, _named(metadata), self._of)}


def _named(metadata: Mapping[str, Any]) -> Sequence[str]:
    said = metadata.get(SUBJECTS)
    if isinstance(said, str):
        return [said]
    return [each for each in said if isinstance(each, str)] if isinstance(said, list) else []
