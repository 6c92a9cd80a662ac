"""The side of a process that answers for people's data: opened when somebody first asks for it.

Every store's holding is known by its name from the beginning, and opened when a job first comes to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import override

from passerelle.cache.people import Erasable, Kept
from passerelle.domain.naming import Naming
from passerelle.domain.privacy import Held, Holding, Sighting, Subject, Values
from passerelle.gateway.edition import Editions
from passerelle.idempotency.people import Repeats
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Kinds
from passerelle.jobs.people import Jobs
from passerelle.jobs.periodic import Periodic
from passerelle.late import Late
from passerelle.ledger.people import Outbound
from passerelle.rights import retained
from passerelle.rights.standing import Noted
from passerelle.stores.database import Database
from passerelle.tenancy.people import KeyNames

if TYPE_CHECKING:
    from passerelle.rights.opening import Opened
    from passerelle.rights.seams import Restrictions, Seal
    from passerelle.sealing.signing import Signer

Room = Callable[[Naming], Awaitable[Sequence[Holding]]]
Note = Callable[[str, str, str, str, Mapping[str, Any]], Awaitable[object]]


class Sightings(Protocol):
    """Who upstream has seen what people sent."""

    async def seen(self, tenant: str, subject: str) -> Sequence[Sighting]:
        """Of a person, by its pseudonym."""
        ...

    async def seen_of_all(self, tenant: str) -> Sequence[Sighting]:
        """Of everybody of a tenant."""
        ...


@dataclass(frozen=True, slots=True)
class Ground:
    """What it stands on. `desk` makes jobs, and has them worked on.

    The three rooms open holdings of what they keep; `people` are those of the stores that only know pseudonyms
    (`sightings`, `prompts`, `restrictions`). `seal` None: nothing can be exported. `destroy` ends the key that a tenant's
    content is sealed with; None: there is none.
    """

    database: Database
    editions: Editions
    desk: Callable[[], Desk]
    cache: Erasable
    documents: Room
    texts: Room
    surveys: Room
    people: Sequence[Holding]
    pseudonym: Naming
    restrictions: Restrictions
    sightings: Sightings
    seal: Seal | None
    destroy: Callable[[str], Awaitable[object]] | None
    note: Note
    signer: Signer


class Protecting(Late[Ground, "Opened"]):
    """People's rights in a process, which may not be open; the seam `Rights`. Whoever makes it, closes it."""

    async def office(self) -> Opened:
        """Requests, receipts, exports, retention."""
        return await self._open()

    async def kinds(self) -> Kinds:
        """What its jobs are."""
        return (await self._open()).kinds()

    def periodic(self) -> Sequence[Periodic]:
        """What is done at times."""
        return (Periodic("privacy-forget", "13 * * * *", self._forget),)

    @override
    async def _make(self) -> Opened:
        return await asyncio.to_thread(_made, self._ground)

    async def _forget(self, at: datetime) -> None:
        await (await self._open()).forget(at)


class Far:
    """A holding of a room that is opened when it is first asked."""

    def __init__(self, name: str, room: Room, of: Naming) -> None:
        self.name = name
        self._room = room
        self._of = of

    async def find(self, subject: Subject) -> Held:
        """As `Holding`."""
        return await (await self._opened()).find(subject)

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """As `Holding`."""
        async for row in (await self._opened()).export(subject):
            yield row

    async def erase(self, subject: Subject) -> Held:
        """As `Holding`."""
        return await (await self._opened()).erase(subject)

    async def held(self, tenant: str) -> Held:
        """How much there is of a tenant."""
        return await (await self._opened()).held(tenant)

    async def wipe(self, tenant: str) -> Held:
        """As `Holding`."""
        return await (await self._opened()).wipe(tenant)

    async def oldest(self, tenant: str) -> datetime | None:
        """As `Holding`."""
        return await (await self._opened()).oldest(tenant)

    async def _opened(self) -> _Whole:
        found: dict[str, Any] = {each.name: each for each in await self._room(self._of)}
        whole: _Whole = found[self.name]
        return whole


class _Whole(Holding, Protocol):
    async def held(self, tenant: str) -> Held: ...


def _made(ground: Ground) -> Opened:
    """Nothing is asked here, so that a thread may do it: the imports take a while."""
    from passerelle.rights.opening import Ground as Standing  # noqa: PLC0415 - see there
    from passerelle.rights.opening import Opened  # noqa: PLC0415

    of, database = ground.pseudonym, ground.database

    async def seen(tenant: str, subject: str | None) -> Sequence[Sighting]:
        sightings = ground.sightings
        return await (sightings.seen_of_all(tenant) if subject is None else sightings.seen(tenant, subject))

    holdings: list[Holding] = [
        Far(retained.CONVERSATIONS, ground.documents, of),
        Far(retained.DOCUMENTS, ground.documents, of),
        Kept(ground.cache, semantic=False),
        Kept(ground.cache, semantic=True),
        Far(retained.SURVEYS, ground.surveys, of),
        Far(retained.CORRECTIONS, ground.surveys, of),
        Far(retained.ENRICHMENT, ground.texts, of),
        Jobs(database, of),
        Outbound(database),
        Repeats(database),
        KeyNames(database, of),
        *ground.people,
    ]
    if all(each.name != retained.PROMPTS for each in ground.people):
        holdings.append(Noted(retained.PROMPTS, "Prompts are not logged: nothing here could seal them."))
    return Opened(
        Standing(
            database=database,
            desk=ground.desk,
            holdings=holdings,
            pseudonym=of,
            restrictions=ground.restrictions,
            seen=seen,
            seal=ground.seal,
            destroy=ground.destroy,
            note=ground.note,
            signer=ground.signer,
            catalog=lambda: ground.editions.catalog,
        )
    )
