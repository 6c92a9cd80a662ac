"""Keys in the database: every query about them."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    LargeBinary,
    MetaData,
    RowMapping,
    Table,
    Text,
    false,
    func,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import BadRequest, NotFound, Unavailable
from passerelle.stores.database import Database, Outage
from passerelle.tenancy import keys

_TABLE = Table(
    "api_key",
    MetaData(),
    Column("id", Text, primary_key=True),
    Column("tenant", Text),
    Column("role", Text),
    Column("name", Text),
    Column("digest", LargeBinary),
    Column("hint", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column("rotated_to", Text),
    Column("changed_at", DateTime(timezone=True)),
    Column("groups", ARRAY(Text)),
)


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What is known of a key. `digest` finds it again; the key itself is nowhere."""

    id: str
    tenant: str | None
    role: Role
    name: str
    digest: bytes
    hint: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    rotated_to: str | None
    changed_at: datetime
    groups: frozenset[str] = frozenset()

    def ends_at(self) -> datetime | None:
        """When it stops or stopped working, None for never."""
        return min((end for end in (self.expires_at, self.revoked_at) if end is not None), default=None)

    def caller(self) -> Caller:
        """Who calls with it."""
        return Caller(self.id, self.tenant, self.role, self.name, groups=self.groups)


@dataclass(frozen=True, slots=True)
class Changes:
    """Keys that were made or changed, and the database's time when it was asked."""

    keys: Sequence[KeyInfo]
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new key: the only time its text exists here."""

    text: str
    info: KeyInfo


# What else is written in the transaction that changes a key, of which it is given the one that is made or ended.
Also = Callable[[AsyncConnection, KeyInfo], Awaitable[None]]


class KeyStore:
    """Makes, lists, rotates and revokes keys. Times are UTC and the database's own.

    `also`: what is written with the change, or neither is. Everything raises Unavailable while the database does not
    answer.
    """

    def __init__(self, database: Database, pepper: bytes) -> None:
        self._database = database
        self._pepper = pepper

    async def create(
        self,
        *,
        tenant: str | None,
        role: Role,
        name: str = "",
        expires_at: datetime | None = None,
        groups: Collection[str] = (),
        also: Also | None = None,
    ) -> MintedKey:
        """A new key, in these groups."""
        async with self._begin() as connection:
            minted = await self._insert(
                connection, tenant=tenant, role=role, name=name, expires_at=expires_at, groups=groups
            )
            if also is not None:
                await also(connection, minted.info)
            return minted

    async def rotate(self, key_id: str, *, overlap: timedelta, also: Also | None = None) -> MintedKey:
        """A new key like an old one, in its groups and with its time to live; the old one goes on working for `overlap`.

        Raises NotFound, and BadRequest when the key has ended or been replaced already.
        """
        async with self._begin() as connection:
            query = select(_TABLE).where(_is(_TABLE.c.id, key_id)).with_for_update()
            row = (await connection.execute(query)).mappings().one_or_none()
            if row is None:
                raise NotFound(f"There is no key {key_id[:100]!r}.", code="key_not_found")
            old = _info(row)
            now = datetime.now(UTC)
            ended = old.ends_at()
            if old.rotated_to is not None or (ended is not None and ended <= now):
                raise BadRequest(
                    f"The key {key_id!r} is not in use any more and cannot be rotated.", code="key_ended"
                )
            expires = now + (old.expires_at - old.created_at) if old.expires_at is not None else None
            minted = await self._insert(
                connection,
                tenant=old.tenant,
                role=old.role,
                name=old.name,
                expires_at=expires,
                groups=old.groups,
            )
            last = min(end for end in (now + overlap, old.expires_at) if end is not None)
            values = {"expires_at": last, "rotated_to": minted.info.id, "changed_at": func.clock_timestamp()}
            await connection.execute(update(_TABLE).where(_TABLE.c.id == key_id).values(values))
            if also is not None:
                await also(connection, minted.info)
            return minted

    async def revoke(self, key_id: str, *, also: Also | None = None) -> None:
        """End a key now; ending one twice changes nothing."""
        values = {"revoked_at": func.clock_timestamp(), "changed_at": func.clock_timestamp()}
        statement = (
            update(_TABLE).where(_is(_TABLE.c.id, key_id), _TABLE.c.revoked_at.is_(None)).values(values)
        ).returning(_TABLE)
        async with self._begin() as connection:
            row = (await connection.execute(statement)).mappings().one_or_none()
            if row is not None and also is not None:
                await also(connection, _info(row))

    async def get(self, key_id: str) -> KeyInfo | None:
        """The key of that id."""
        return await self._one(_is(_TABLE.c.id, key_id))

    async def list_keys(self, tenant: str | None = None) -> Sequence[KeyInfo]:
        """The keys of a tenant, or all of them; newest first."""
        wanted = true() if tenant is None else _is(_TABLE.c.tenant, tenant)
        async with self._begin() as connection:
            return await _select(connection, wanted)

    async def find(self, digest: bytes) -> KeyInfo | None:
        """The key with this digest."""
        return await self._one(_TABLE.c.digest == digest)

    async def changed_since(self, moment: datetime | None) -> Changes:
        """The keys made or changed since a moment; for None, those in use."""
        changed = _TABLE.c.changed_at >= moment if moment is not None else _in_use()
        async with self._begin() as connection:
            asked_at: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
            return Changes(await _select(connection, changed), asked_at)

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._database.begin() as connection:
                yield connection
        except Outage as error:
            raise Unavailable("The database of keys does not answer.", code="keys_unavailable") from error

    async def _one(self, wanted: ColumnElement[bool]) -> KeyInfo | None:
        async with self._begin() as connection:
            found = await _select(connection, wanted)
        return found[0] if found else None

    async def _insert(
        self,
        connection: AsyncConnection,
        *,
        tenant: str | None,
        role: Role,
        name: str,
        expires_at: datetime | None,
        groups: Collection[str],
    ) -> MintedKey:
        text = keys.mint()
        values = {
            "id": _new_id(),
            "tenant": tenant,
            "role": role.value,
            "name": name,
            "digest": keys.digest(self._pepper, text.encode()),
            "hint": keys.hint(text),
            "created_at": func.clock_timestamp(),
            "expires_at": expires_at,
            "changed_at": func.clock_timestamp(),
            "groups": sorted(set(groups)),
        }
        row = (await connection.execute(_TABLE.insert().values(values).returning(_TABLE))).mappings().one()
        return MintedKey(text, _info(row))


async def _select(connection: AsyncConnection, wanted: ColumnElement[bool]) -> list[KeyInfo]:
    query = select(_TABLE).where(wanted).order_by(_TABLE.c.created_at.desc(), _TABLE.c.id.desc())
    return [_info(row) for row in (await connection.execute(query)).mappings()]


def _is(column: Column[str], value: str) -> ColumnElement[bool]:
    """No text in PostgreSQL holds a NUL, and a question with one is an error."""
    return column == value if "\0" not in value else false()


def _in_use() -> ColumnElement[bool]:
    expires = _TABLE.c.expires_at
    return _TABLE.c.revoked_at.is_(None) & (expires.is_(None) | (expires > func.clock_timestamp()))


def _new_id() -> str:
    """An id that sorts by time: milliseconds, then randomness."""
    return f"key_{int(time.time() * 1000):011x}{secrets.token_hex(5)}"


def _info(row: RowMapping) -> KeyInfo:
    own = {"role": Role(row["role"]), "digest": bytes(row["digest"]), "groups": frozenset(row["groups"])}
    return KeyInfo(**{**row, **own})
