"""The seams: what may be asked about people's data from outside. Everything raises PasserelleError.

A person is given by the tenant's own name for it, which becomes a pseudonym at once and goes no further.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from passerelle.domain.errors import Unavailable
from passerelle.domain.privacy import Deed, Retention
from passerelle.rights.requests import Request

OVER = ("done", "failed", "partly-failed", "stopped")  # states after which nothing happens by itself


@dataclass(frozen=True, slots=True)
class Standing:
    """How a request stands. `state`: `done`, or its job's; `stopped` where that was deleted or cancelled."""

    request: Request
    state: str
    late: bool
    export_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """How old what is kept is, beside how old it may be. `oldest` None: there is none, or nobody can say."""

    retention: Retention
    oldest: datetime | None
    late: bool
    away: str = ""  # why the store did not say


class Office(Protocol):
    """Requests, receipts, exports, retention."""

    async def ask(self, tenant: str, deed: Deed, user: str, *, by: str) -> Standing:
        """Have something done about a person: at once (restrict, lift), or by a job. An unfinished one is told again."""
        ...

    async def wipe(self, tenant: str, *, confirm: str | None, by: str) -> Standing:
        """Delete everything of a tenant by a job.

        Raises Conflict `tenant_configured` while it is in the configuration, unless its name is given as `confirm`.
        """
        ...

    async def requests(
        self, tenant: str, *, user: str | None = None, before: str | None = None, most: int = 50
    ) -> Sequence[Standing]:
        """The newest first; of one person; those before that one."""
        ...

    async def request(self, tenant: str, request: str) -> Standing:
        """One of them. Raises NotFound `request_not_found`."""
        ...

    async def receipt(self, tenant: str, request: str) -> dict[str, Any]:
        """The signed receipt. Raises Conflict `not_done_yet`, NotFound."""
        ...

    async def export(
        self, tenant: str, request: str, *, packed: bool, by: str
    ) -> AsyncGenerator[bytes, None]:
        """What was exported, in blocks: one JSON document, or a ZIP with one for each store.

        Raises Conflict `not_done_yet`, NotFound `export_gone`.
        """
        ...

    async def retention(self, tenant: str) -> Sequence[Kept]:
        """How old what is kept is."""
        ...

    def key(self) -> tuple[bytes, str]:
        """The public key that receipts are checked with: 32 raw bytes, and in PEM."""
        ...


class Rights(Protocol):
    """People's rights, opened when somebody first asks."""

    async def office(self) -> Office:
        """Raises Unavailable where this process cannot have it, with the reason."""
        ...


class Nowhere:
    """In place of `Rights` where a process has none."""

    async def office(self) -> Office:
        """Raises Unavailable."""
        raise Unavailable("Nothing here answers for people's data.", code="privacy_unavailable")
