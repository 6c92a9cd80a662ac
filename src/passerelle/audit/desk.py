"""Who is told what happened, and asked about it: one face for the routes, and one for where nothing is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.actions import CONFIGURATION_APPLIED, CONFIGURATION_REFUSED, SYSTEM, worded
from passerelle.audit.chain import Head, Link, Verdict
from passerelle.audit.log import Audit, SignedHead
from passerelle.audit.tally import Tally
from passerelle.audit.wire import head_of
from passerelle.domain.errors import Finding, Unavailable
from passerelle.stores.database import Database, Outage

INSTALLATION = ""  # the chain of what is no tenant's

_RULES = 20
_RETRY_SECONDS = 5.0
_ANCHOR_SECONDS = 86_400.0

_log = structlog.get_logger(__name__)

_NEWEST = text("""
SELECT action, detail FROM audit_event WHERE chain = '' AND action = ANY(:actions) ORDER BY number DESC LIMIT 1
""")


class AuditDesk(Protocol):
    """What the routes ask of the audit log. Reading raises Unavailable."""

    async def note_in(
        self,
        connection: AsyncConnection,
        chain: str,
        actor: str,
        action: str,
        object: str = "",  # noqa: A002
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Note something in the transaction in which it is done."""

    async def noted(
        self,
        chain: str,
        actor: str,
        action: str,
        object: str = "",  # noqa: A002
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Note what has been done. Never raises Unavailable: then the log of the service has it alone."""

    def count(self, chain: str, actor: str, action: str, thing: str) -> None:
        """Note it with all others of its hour."""

    async def read(self, chain: str, after: int, most: int) -> Sequence[Link]:
        """Events after a number, oldest first."""

    def pages(self, chain: str, after: int = 0, *, until: int | None = None) -> AsyncIterator[Sequence[Link]]:
        """All events after a number, some at a time."""

    async def signed_head(self, chain: str) -> SignedHead:
        """How far a chain reaches, signed."""

    async def verify(self, chain: str, known: Iterable[Head] = ()) -> Verdict:
        """Look at a whole chain."""

    def sign(self, head: Head) -> SignedHead:
        """A head with the moment and our signature."""

    async def chains(self) -> Sequence[str]:
        """Those that have events."""

    @property
    def pem(self) -> str:
        """The key that heads are checked with."""


@dataclass(slots=True)
class Office:
    """The audit log of an installation, its counts, and what it hears of the configuration."""

    audit: Audit
    tally: Tally
    database: Database
    _heard: asyncio.Queue[tuple[str, tuple[Finding, ...]]] = field(default_factory=asyncio.Queue)

    async def note_in(
        self,
        connection: AsyncConnection,
        chain: str,
        actor: str,
        action: str,
        object: str = "",  # noqa: A002
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """See AuditDesk."""
        await self.audit.note_in(connection, chain, actor, action, object, detail)

    async def noted(
        self,
        chain: str,
        actor: str,
        action: str,
        object: str = "",  # noqa: A002
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """See AuditDesk."""
        try:
            await self.audit.note(chain, actor, action, object, detail)
        except Unavailable:
            # It is done, and cannot be undone because nobody could note it.
            _log.error("audit_not_noted", chain=chain, actor=actor, action=action, object=object)

    def count(self, chain: str, actor: str, action: str, thing: str) -> None:
        """See AuditDesk."""
        self.tally.count(chain, actor, action, thing)

    async def read(self, chain: str, after: int, most: int) -> Sequence[Link]:
        """See AuditDesk."""
        return await self.audit.read(chain, after, most)

    def pages(self, chain: str, after: int = 0, *, until: int | None = None) -> AsyncIterator[Sequence[Link]]:
        """See AuditDesk."""
        return self.audit.pages(chain, after, until=until)

    async def signed_head(self, chain: str) -> SignedHead:
        """See AuditDesk."""
        return await self.audit.signed_head(chain)

    async def verify(self, chain: str, known: Iterable[Head] = ()) -> Verdict:
        """See AuditDesk."""
        return await self.audit.verify(chain, known=known)

    def sign(self, head: Head) -> SignedHead:
        """See AuditDesk."""
        return self.audit.sign(head)

    async def chains(self) -> Sequence[str]:
        """See AuditDesk."""
        return await self.audit.chains()

    @property
    def pem(self) -> str:
        """See AuditDesk."""
        return self.audit.pem

    def applied(self, version: str) -> None:
        """A configuration is in force; every process says so, and it is noted once."""
        self._heard.put_nowait((version, ()))

    def refused(self, kept: str, findings: Iterable[Finding]) -> None:
        """A configuration was refused, and this one stays in force."""
        errors = tuple(each for each in findings if each.severity == "error")
        if errors:
            self._heard.put_nowait((kept, errors))

    async def run(self) -> None:
        """Note for ever what was heard of the configuration, also after an outage."""
        while True:
            version, errors = await self._heard.get()
            while True:
                try:
                    await self.note_configuration(version, errors)
                except Unavailable as error:
                    _log.warning("audit_waits", reason=str(error))
                    await asyncio.sleep(_RETRY_SECONDS)
                else:
                    break

    async def anchor(self) -> None:
        """Write the signed head of every chain to the service's own log, for ever, once a day.

        Who cuts a chain or writes it anew cannot change what was shipped away with the log.
        """
        while True:
            await asyncio.sleep(_ANCHOR_SECONDS)
            try:
                for chain in await self.audit.chains():
                    said = head_of(await self.audit.signed_head(chain))
                    _log.info("audit_head", **said)
            except Unavailable as error:
                _log.warning("audit_waits", reason=str(error))

    async def note_configuration(self, version: str, errors: Sequence[Finding] = ()) -> None:
        """Note a configuration, unless the log's last word on it says the same. Raises Unavailable."""
        version = worded(version)
        try:
            async with self.database.begin() as connection:
                await self.audit.wait_for(connection, INSTALLATION)
                if errors:
                    await self._note_refused(connection, version, errors)
                else:
                    await self._note_applied(connection, version)
        except Outage as error:
            raise Unavailable(
                "The audit log's database does not answer.", code="audit_unavailable"
            ) from error

    async def _note_applied(self, connection: AsyncConnection, version: str) -> None:
        last = (await connection.execute(_NEWEST, {"actions": [CONFIGURATION_APPLIED]})).one_or_none()
        before = last.detail.get("after") if last is not None else None
        if before != version:
            detail = {"before": before, "after": version}
            await self.audit.note_in(connection, INSTALLATION, SYSTEM, CONFIGURATION_APPLIED, "", detail)

    async def _note_refused(self, connection: AsyncConnection, kept: str, errors: Sequence[Finding]) -> None:
        rules = sorted({worded(each.rule) for each in errors})[:_RULES]
        detail = {"kept": kept, "rules": rules, "errors": len(errors)}
        both = [CONFIGURATION_APPLIED, CONFIGURATION_REFUSED]
        last = (await connection.execute(_NEWEST, {"actions": both})).one_or_none()
        if last is None or (last.action, last.detail) != (CONFIGURATION_REFUSED, detail):
            await self.audit.note_in(connection, INSTALLATION, SYSTEM, CONFIGURATION_REFUSED, "", detail)


class Nowhere:
    """Where no log is kept: what is noted is forgotten, and whoever reads is told. Reading raises Unavailable."""

    async def note_in(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    async def noted(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    def count(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    async def read(self, *_: Any, **__: Any) -> Sequence[Link]:
        """Raises Unavailable."""
        raise _nowhere()

    def pages(self, *_: Any, **__: Any) -> AsyncIterator[Sequence[Link]]:
        """Raises Unavailable."""
        raise _nowhere()

    async def signed_head(self, *_: Any, **__: Any) -> SignedHead:
        """Raises Unavailable."""
        raise _nowhere()

    async def verify(self, *_: Any, **__: Any) -> Verdict:
        """Raises Unavailable."""
        raise _nowhere()

    def sign(self, head: Head) -> SignedHead:
        """Raises Unavailable."""
        raise _nowhere()

    async def chains(self) -> Sequence[str]:
        """Raises Unavailable."""
        raise _nowhere()

    @property
    def pem(self) -> str:
        """Raises Unavailable."""
        raise _nowhere()


def _nowhere() -> Unavailable:
    return Unavailable("This process keeps no audit log.", code="audit_unavailable")
