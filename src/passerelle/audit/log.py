"""The audit log in the database: events are added at the end of their chain, read, and checked. None is ever changed.

Whoever notes something waits for the one before it: events of a chain come one after another, also of several
processes. The database itself refuses to change or delete one (a trigger); the chain shows it where that was got round.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, MetaData, Row, Table, Text, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.actions import check
from passerelle.audit.chain import GENESIS, Checking, Event, Head, Link, Verdict, empty, linked
from passerelle.domain.errors import Unavailable
from passerelle.sealing.signing import Signer
from passerelle.stores.database import Database, Outage

MOST = 1_000  # events that are read at once

_TABLE = Table(
    "audit_event",
    MetaData(),
    Column("chain", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("at", DateTime(timezone=True)),
    Column("actor", Text),
    Column("action", Text),
    Column("object", Text),
    Column("detail", JSONB),
    Column("previous", LargeBinary),
    Column("digest", LargeBinary),
)
# A statement of its own: what is read next must be as the one before has left it, and a statement sees the database as
# it was when that statement began.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:chain, 1635083369))")
_LAST = text("""
SELECT number, digest, greatest(clock_timestamp(), at) AS now FROM audit_event
WHERE chain = :chain ORDER BY number DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class SignedHead:
    """How far a chain reached at a moment, signed. Kept elsewhere, it shows whether the chain was cut or changed."""

    head: Head
    at: datetime
    signature: bytes
    public: bytes  # of the key that signed


class Audit:
    """Notes events and reads them. Everything raises Unavailable while the database does not answer."""

    def __init__(self, database: Database, signer: Signer) -> None:
        self._database = database
        self._signer = signer

    @property
    def public(self) -> bytes:
        """The key that heads are checked with, 32 raw bytes."""
        return self._signer.public

    @property
    def pem(self) -> str:
        """The same in PEM."""
        return self._signer.pem

    async def note(
        self,
        chain: str,
        actor: str,
        action: str,
        object: str = "",  # noqa: A002
        detail: Mapping[str, Any] | None = None,
    ) -> Link:
        """Add an event. `chain`: a tenant's name, "" = the installation's. `object`: an id or a pseudonym.

        Raises ValueError for what does not belong in the log (`actions.py`).
        """
        check(actor, action, object, detail or {})
        async with self._begin() as connection:
            return await self.note_in(connection, chain, actor, action, object, detail)

    async def note_in(
        self,
        connection: AsyncConnection,
        chain: str,
        actor: str,
        action: str,
        object: str = "",  # noqa: A002
        detail: Mapping[str, Any] | None = None,
    ) -> Link:
        """The same in a transaction of its caller: it is noted if, and only if, what it tells of was done.

        Best at its end: others who note something of the chain wait for that.
        """
        check(actor, action, object, detail or {})
        await self.wait_for(connection, chain)
        row = (await connection.execute(_LAST, {"chain": chain})).one_or_none()
        if row is None:
            head, now = empty(chain), datetime.now(UTC)
        else:
            head, now = Head(chain, row.number, bytes(row.digest)), row.now
        link = linked(head, Event(chain, head.number + 1, now, actor, action, object, dict(detail or {})))
        event = link.event
        values = {
            "chain": chain,
            "number": event.number,
            "at": event.at,
            "actor": actor,
            "action": action,
            "object": object,
            "detail": event.detail,
            "previous": link.previous,
            "digest": link.digest,
        }
        await connection.execute(_TABLE.insert().values(values))
        return link

    async def wait_for(self, connection: AsyncConnection, chain: str) -> None:
        """Until this transaction's end nobody else notes anything of the chain."""
        await connection.execute(_LOCK, {"chain": chain})

    async def read(self, chain: str, after: int = 0, most: int = 100) -> Sequence[Link]:
        """The events of a chain after a number, oldest first; `most` is at most `MOST`."""
        async with self._begin() as connection:
            return await _page(connection, chain, after, min(most, MOST))

    async def newest(self, chain: str, most: int = 100) -> Sequence[Link]:
        """The last events of a chain, oldest first."""
        head = await self.head(chain)
        return await self.read(chain, max(0, head.number - min(most, MOST)), most)

    async def pages(
        self, chain: str, after: int = 0, *, until: int | None = None
    ) -> AsyncIterator[Sequence[Link]]:
        """All of a chain after a number, some at a time: never more in memory than `MOST`."""
        while page := await self.read(chain, after, MOST):
            if until is not None and page[-1].event.number > until:
                if inside := [link for link in page if link.event.number <= until]:
                    yield inside
                return
            yield page
            after = page[-1].event.number

    async def chains(self) -> Sequence[str]:
        """Every chain that has events, by name."""
        async with self._begin() as connection:
            # One step of the index a chain, however many events there are.
            query = text("""
                WITH RECURSIVE found AS (
                  (SELECT chain FROM audit_event ORDER BY chain LIMIT 1)
                  UNION ALL
                  SELECT (SELECT chain FROM audit_event WHERE chain > found.chain ORDER BY chain LIMIT 1)
                  FROM found WHERE found.chain IS NOT NULL
                ) SELECT chain FROM found WHERE chain IS NOT NULL
            """)
            return list((await connection.execute(query)).scalars())

    async def head(self, chain: str) -> Head:
        """How far a chain reaches."""
        async with self._begin() as connection:
            row = (await connection.execute(_LAST, {"chain": chain})).one_or_none()
        return empty(chain) if row is None else Head(chain, row.number, bytes(row.digest))

    async def signed_head(self, chain: str) -> SignedHead:
        """The same, with the moment and our signature."""
        return self.sign(await self.head(chain))

    def sign(self, head: Head) -> SignedHead:
        """A head with the moment and our signature."""
        at = datetime.now(UTC)
        return SignedHead(head, at, self._signer.sign(head.message(at)), self._signer.public)

    async def verify(self, chain: str, *, known: Iterable[Head] = ()) -> Verdict:
        """Look at every event of a chain, some at a time. `known`: heads that were told before, which it must have."""
        checking = Checking(empty(chain), known=known)
        async for page in self.pages(chain):
            if not all(checking.take(link) for link in page):
                break
        return checking.verdict()

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._database.begin() as connection:
                yield connection
        except Outage as error:
            raise Unavailable(
                "The audit log's database does not answer.", code="audit_unavailable"
            ) from error


async def _page(connection: AsyncConnection, chain: str, after: int, most: int) -> list[Link]:
    query = (
        select(_TABLE)
        .where(_TABLE.c.chain == chain, _TABLE.c.number > after)
        .order_by(_TABLE.c.number)
        .limit(most)
    )
    return [_link(row) for row in await connection.execute(query)]


def _link(row: Row[Any]) -> Link:
    event = Event(row.chain, row.number, row.at, row.actor, row.action, row.object, row.detail)
    return Link(event, bytes(row.previous or GENESIS), bytes(row.digest))
