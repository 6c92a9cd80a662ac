"""What was asked for about people's data, as it is kept: whose, by whom, until when, and what came of it.

Only pseudonyms stand here. What a store had before an erasure is written down before the first row of it goes, so that
a receipt tells the same however often its job was interrupted.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.errors import BadRequest, NotFound
from passerelle.domain.privacy import Deed, Sighting
from passerelle.rights.due import due
from passerelle.stores.database import Database

MOST_LISTED = 200
SEEN = "(seen)"  # among what was found: who upstream saw it; no holding is called so

_REQUEST = (
    """id, tenant, subject, deed, asked_by, asked_at, due_at, job, finished_at, receipt, signature, found"""
)
_LOOK = text(f"SELECT {_REQUEST} FROM privacy_request WHERE tenant = :tenant AND id = :id")  # noqa: S608 - constants
_OF_JOB = text(f"SELECT {_REQUEST} FROM privacy_request WHERE tenant = :tenant AND job = :job")  # noqa: S608 - constants
_LIST = text(f"""
SELECT {_REQUEST} FROM privacy_request WHERE tenant = :tenant
    AND (CAST(:subject AS text) IS NULL OR subject = :subject)
    AND (CAST(:before AS text) IS NULL OR (asked_at, id) < (
        SELECT asked_at, id FROM privacy_request WHERE tenant = :tenant AND id = :before))
ORDER BY asked_at DESC, id DESC LIMIT :most
""")  # noqa: S608 - constants
_NOW = text("SELECT clock_timestamp()")
_MAKE = text("""
INSERT INTO privacy_request (id, tenant, subject, deed, asked_by, asked_at, due_at, job)
VALUES (:id, :tenant, :subject, :deed, :by, :at, :due, :job)
""")
# What was written first, stays.
_NOTE = text("""
UPDATE privacy_request SET found = CAST(:found AS jsonb) || found WHERE tenant = :tenant AND id = :id
""")
_FINISH = text("""
UPDATE privacy_request SET receipt = CAST(:receipt AS jsonb), signature = :signature, finished_at = :at
WHERE tenant = :tenant AND id = :id AND finished_at IS NULL
""")
_OLDEST = text("SELECT min(asked_at) FROM privacy_request WHERE tenant = :tenant")


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `subject` is a pseudonym; None: the whole tenant. `found`: by store, what was counted first."""

    id: str
    tenant: str
    subject: str | None
    deed: Deed
    asked_by: str
    asked_at: datetime
    due_at: datetime
    job: str | None
    finished_at: datetime | None
    receipt: Mapping[str, Any] | None
    signature: bytes | None
    found: Mapping[str, Any]

    def late(self, now: datetime) -> bool:
        """Is the month over, and it is not done?"""
        return self.finished_at is None and now > self.due_at

    def seen(self) -> list[Sighting]:
        """Who upstream saw it, as it was written down."""
        return [
            Sighting(datetime.fromisoformat(day).date(), backend, provider, country, calls)
            for day, backend, provider, country, calls in self.found.get(SEEN, ())
        ]


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks for. `by` is the id of a key, or the operator's word."""

    tenant: str
    subject: str | None
    deed: Deed
    by: str


class Requests:
    """Their table. Another tenant's request is not found."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def make(self, connection: AsyncConnection, asked: Asked, *, job: str | None = None) -> Request:
        """A new one, in its maker's transaction; that of the same job, where there is one already."""
        if job is not None:
            named = {"tenant": asked.tenant, "job": job}
            there = (await connection.execute(_OF_JOB, named)).one_or_none()
            if there is not None:
                return _request(there)
        now: datetime = (await connection.execute(_NOW)).scalar_one()
        values = {
            "id": f"privacy_{secrets.token_hex(12)}",
            "tenant": asked.tenant,
            "subject": asked.subject,
            "deed": asked.deed.value,
            "by": asked.by,
            "at": now,
            "due": due(now),
            "job": job,
        }
        await connection.execute(_MAKE, values)
        return _request((await connection.execute(_LOOK, values)).one())

    async def look(self, tenant: str, request: str) -> Request:
        """One of them. Raises NotFound."""
        async with self._database.begin() as connection:
            return await _look(connection, tenant, request)

    async def of_job(self, tenant: str, job: str) -> Request:
        """That of a job. Raises NotFound."""
        async with self._database.begin() as connection:
            row = (await connection.execute(_OF_JOB, {"tenant": tenant, "job": job})).one_or_none()
        if row is None:
            raise _unknown(job)
        return _request(row)

    async def listed(
        self, tenant: str, *, subject: str | None = None, before: str | None = None, most: int = 50
    ) -> Sequence[Request]:
        """The newest first; of one person; those before that one. Raises BadRequest where that is gone."""
        values = {"tenant": tenant, "subject": subject, "before": before, "most": most}
        async with self._database.begin() as connection:
            if before is not None:
                known = (await connection.execute(_LOOK, {"tenant": tenant, "id": before})).first()
                if known is None:
                    message = (
                        f"There is no request {before[:64]!r} to go on from. Begin again without `before`."
                    )
                    raise BadRequest(message, code="request_gone", param="before")
            return [_request(row) for row in await connection.execute(_LIST, values)]

    async def note(self, request: Request, store: str, counts: Mapping[str, int]) -> None:
        """What a store had, unless that was written down before."""
        await self._note(request, {store: dict(counts)})

    async def note_seen(self, request: Request, seen: Sequence[Sighting]) -> None:
        """Who upstream saw it, unless that was written down before."""
        rows = [
            [each.day.isoformat(), each.backend, each.provider, each.country, each.calls] for each in seen
        ]
        await self._note(request, {SEEN: rows})

    async def finish(
        self, connection: AsyncConnection, request: Request, receipt: bytes, signature: bytes, at: datetime
    ) -> None:
        """It is done, with its receipt; in the transaction of whoever did it. The first one stays."""
        values = {
            "tenant": request.tenant,
            "id": request.id,
            "receipt": receipt.decode(),
            "signature": signature,
            "at": at,
        }
        await connection.execute(_FINISH, values)

    async def oldest(self, tenant: str) -> datetime | None:
        """When the first was made."""
        async with self._database.begin() as connection:
            found: datetime | None = (await connection.execute(_OLDEST, {"tenant": tenant})).scalar()
        return found

    async def _note(self, request: Request, found: Mapping[str, Any]) -> None:
        values = {"tenant": request.tenant, "id": request.id, "found": json.dumps(found)}
        async with self._database.begin() as connection:
            await connection.execute(_NOTE, values)


async def _look(connection: AsyncConnection, tenant: str, request: str) -> Request:
    if "\0" in request:
        raise _unknown(request)
    row = (await connection.execute(_LOOK, {"tenant": tenant, "id": request})).one_or_none()
    if row is None:
        raise _unknown(request)
    return _request(row)


def _unknown(request: str) -> NotFound:
    return NotFound(f"There is no request {request[:64]!r}.", code="request_not_found")


def _request(row: Row[Any]) -> Request:
    at = row._mapping
    named = {name: at[name] for name in ("id", "tenant", "subject", "asked_by", "asked_at", "due_at", "job")}
    signature = None if at["signature"] is None else bytes(at["signature"])
    return Request(
        **named,
        deed=Deed(at["deed"]),
        finished_at=at["finished_at"],
        receipt=at["receipt"],
        signature=signature,
        found=at["found"],
    )
