"""Stores of which nothing is a person's, or is kept as proof: they stand in every receipt, and say why."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from passerelle.domain.privacy import Held, Holding, Subject, Values
from passerelle.rights.requests import Requests
from passerelle.rights.retained import AUDIT, FILES, LEDGER, REQUESTS

_Oldest = Callable[[str], Awaitable["datetime | None"]]


@dataclass(frozen=True, slots=True)
class Noted:
    """A holding that deletes nothing."""

    name: str
    note: str
    first: _Oldest | None = None

    async def find(self, subject: Subject) -> Held:
        """Nothing."""
        return Held({}, self.note)

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """Nothing."""
        nothing: tuple[Values, ...] = ()
        for row in nothing:
            yield row

    async def erase(self, subject: Subject) -> Held:
        """Nothing."""
        return Held({}, self.note)

    async def wipe(self, tenant: str) -> Held:
        """Nothing."""
        return Held({}, self.note)

    async def oldest(self, tenant: str) -> datetime | None:
        """When the first was made, where that is told."""
        return await self.first(tenant) if self.first is not None else None


def noted(requests: Requests) -> tuple[Holding, ...]:
    """All of them."""
    return (
        Noted(
            FILES,
            "The data folder holds no content of requests and no pseudonym: its spool holds amounts until they are in "
            "the ledger. Passages and the embedded database in it are the stores `documents` and all the others.",
        ),
        Noted(
            LEDGER,
            "Keeps amounts by tenant, key and model: no content, no `user` and no pseudonym. Its sums are not changed.",
        ),
        Noted(
            AUDIT, "Keeps what was done, by ids and pseudonyms, in a chain that nothing can be taken out of."
        ),
        Noted(
            REQUESTS,
            "Requests and receipts are kept as proof; they name a person by a pseudonym.",
            requests.oldest,
        ),
    )
