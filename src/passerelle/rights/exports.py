"""What was exported of a person: sealed parts of about a megabyte, kept for seven days. A holding of its own, too.

A part is rows as JSON, one after another with commas between; parts of a store put together are the inside of a list.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import text

from passerelle.domain.errors import Unavailable
from passerelle.domain.privacy import Held, Subject, Values
from passerelle.rights.requests import Request
from passerelle.rights.retained import EXPORTS, EXPORTS_SECONDS
from passerelle.rights.seams import Seal
from passerelle.stores.database import Database

_PART = 768 * 1024  # bytes before sealing; one row may be more
_BATCH = 500

_CLEAR = text("DELETE FROM privacy_export WHERE request = :request AND store = :store")
_KEEP = text("""
INSERT INTO privacy_export (request, store, part, tenant, content, ends_at)
VALUES (:request, :store, :part, :tenant, :content, clock_timestamp() + make_interval(secs => :seconds))
ON CONFLICT (request, store, part) DO UPDATE SET content = excluded.content, ends_at = excluded.ends_at
""")
_READ = text("""
SELECT content FROM privacy_export WHERE tenant = :tenant AND request = :request AND store = :store AND part = :part
    AND ends_at > clock_timestamp()
""")
_THERE = text("""
SELECT max(ends_at) FROM privacy_export
WHERE tenant = :tenant AND request = :request AND ends_at > clock_timestamp()
""")
_OLD = text("""
DELETE FROM privacy_export WHERE (request, store, part) IN (
    SELECT request, store, part FROM privacy_export WHERE ends_at <= :at LIMIT :most)
""")
_MINE = "tenant = :tenant AND request IN (SELECT id FROM privacy_request WHERE tenant = :tenant AND subject = :subject)"
_COUNT = text(f"SELECT count(*) FROM privacy_export WHERE {_MINE}")  # noqa: S608 - constants
_ERASE = text(f"DELETE FROM privacy_export WHERE {_MINE}")  # noqa: S608 - constants
_HELD = text("SELECT count(*) FROM privacy_export WHERE tenant = :tenant")
_WIPE = text("DELETE FROM privacy_export WHERE tenant = :tenant")
_OLDEST = text("SELECT min(ends_at) FROM privacy_export WHERE tenant = :tenant")


class Exports:
    """Keeps them; the holding `exports`."""

    name = EXPORTS

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    async def keep(self, request: Request, store: str, rows: AsyncIterator[Values]) -> tuple[int, int]:
        """Seal a store's rows, in place of what was kept of them: how many rows, and parts."""
        async with self._database.begin() as connection:
            await connection.execute(_CLEAR, {"request": request.id, "store": store})
        count = parts = size = 0
        waiting: list[bytes] = []
        async for row in rows:
            said = orjson.dumps(row, default=str)
            waiting.append(said)
            count, size = count + 1, size + len(said)
            if size >= _PART:
                parts += 1
                await self._keep(request, store, parts, waiting)
                waiting, size = [], 0
        if waiting:
            parts += 1
            await self._keep(request, store, parts, waiting)
        return count, parts

    async def ends_at(self, tenant: str, request: str) -> datetime | None:
        """Until when it can be fetched; None: not any more, or there was nothing."""
        async with self._database.begin() as connection:
            found: datetime | None = (
                await connection.execute(_THERE, {"tenant": tenant, "request": request})
            ).scalar()
        return found

    async def part(self, tenant: str, request: str, store: str, part: int) -> bytes | None:
        """A part's rows; None: it is gone. Raises what the seal raises."""
        values = {"tenant": tenant, "request": request, "store": store, "part": part}
        async with self._database.begin() as connection:
            sealed = (await connection.execute(_READ, values)).scalar()
        if sealed is None:
            return None
        return await self._seal.open(tenant, bytes(sealed), _bound(request, store, part))

    async def forget(self, at: datetime) -> int:
        """Delete what is too old: how many parts."""
        total = 0
        while True:
            async with self._database.begin() as connection:
                gone = (await connection.execute(_OLD, {"at": at, "most": _BATCH})).rowcount
            total += gone
            if gone < _BATCH:
                return total

    async def find(self, subject: Subject) -> Held:
        """As `Holding`."""
        return Held({"parts": int(await self._told(_COUNT, _of(subject)) or 0)})

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """Nothing: an export holds what the stores hold."""
        nothing: tuple[Values, ...] = ()
        for row in nothing:
            yield row

    async def erase(self, subject: Subject) -> Held:
        """As `Holding`."""
        return Held({"parts": await self._gone(_ERASE, _of(subject))})

    async def held(self, tenant: str) -> Held:
        """How much there is of a tenant."""
        return Held({"parts": int(await self._told(_HELD, {"tenant": tenant}) or 0)})

    async def wipe(self, tenant: str) -> Held:
        """As `Holding`."""
        return Held({"parts": await self._gone(_WIPE, {"tenant": tenant})})

    async def oldest(self, tenant: str) -> datetime | None:
        """As `Holding`."""
        ends: datetime | None = await self._told(_OLDEST, {"tenant": tenant})
        return None if ends is None else ends - timedelta(seconds=EXPORTS_SECONDS)

    async def _keep(self, request: Request, store: str, part: int, rows: list[bytes]) -> None:
        sealed = await self._seal.seal(request.tenant, b",\n".join(rows), _bound(request.id, store, part))
        values = {
            "request": request.id,
            "store": store,
            "part": part,
            "tenant": request.tenant,
            "content": sealed,
            "seconds": EXPORTS_SECONDS,
        }
        async with self._database.begin() as connection:
            await connection.execute(_KEEP, values)

    async def _told(self, statement: Any, values: Mapping[str, Any]) -> Any:
        async with self._database.begin() as connection:
            return (await connection.execute(statement, values)).scalar()

    async def _gone(self, statement: Any, values: Mapping[str, Any]) -> int:
        async with self._database.begin() as connection:
            return (await connection.execute(statement, values)).rowcount


class Unsealed:
    """In place of `Seal` where nothing can be sealed."""

    async def seal(self, tenant: str, plain: bytes, bound: bytes) -> bytes:
        """Raises Unavailable."""
        raise Unavailable("Nothing here seals what is stored.", code="sealing_unavailable")

    async def open(self, tenant: str, sealed: bytes, bound: bytes) -> bytes:
        """Raises Unavailable."""
        raise Unavailable("Nothing here opens what was sealed.", code="sealing_unavailable")


def _of(subject: Subject) -> dict[str, str]:
    return {"tenant": subject.tenant, "subject": subject.pseudonym}


def _bound(request: str, store: str, part: int) -> bytes:
    return f"privacy export\0{request}\0{store}\0{part}".encode()
