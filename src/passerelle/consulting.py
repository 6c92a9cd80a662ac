"""The side of a process that reads documents and answers from them: opened when somebody first asks for it."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from passerelle.cache.desk import Desk as CacheDesk
from passerelle.cache.desk import Purge
from passerelle.domain.naming import Naming
from passerelle.domain.privacy import Holding
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Kinds
from passerelle.jobs.periodic import Periodic
from passerelle.late import Late
from passerelle.sealing.values import Sealing
from passerelle.stores.database import Database

if TYPE_CHECKING:
    from passerelle.pipelines.rag.library import Shelves
    from passerelle.pipelines.rag.opening import Opened
    from passerelle.pipelines.rag.reading import Readings
    from passerelle.retrieval.store import Chunks


@dataclass(frozen=True, slots=True)
class Ground:
    """What it stands on. `alone`: no other process has this data folder. `desk` makes jobs, and has them worked on."""

    data: Path
    alone: bool
    qdrant: tuple[str, str | None] | None  # address and key
    database: Database
    secret: bytes
    editions: Editions
    gateway: Gateway
    cache: CacheDesk
    desk: Callable[[], Desk]
    seals: Sealing


class Consulting(Late[Ground, "Opened"]):
    """The documents of a process, which may not be open; the seam `Rag`. Whoever makes it, closes it."""

    async def library(self) -> Shelves:
        """Collections and documents."""
        return (await self._open()).shelves

    async def reading(self) -> Readings:
        """Searching and answering."""
        opened = await self._open()
        await opened.warm()
        return opened.readings

    async def chunks(self) -> Chunks:
        """The store of passages. Raises Unavailable where this process cannot have it."""
        return await (await self._open()).chunks()

    async def kinds(self) -> Kinds:
        """What its jobs are. Raises Unavailable where this process cannot read documents."""
        opened = await self._open()
        await opened.chunks()
        await opened.warm()
        ingesting = opened.shelves.ingesting()
        return {ingesting.name: ingesting}

    async def holdings(self, of: Naming) -> Sequence[Holding]:
        """What there is of people; `of` gives their pseudonyms."""
        return (await self._open()).holdings(of)

    def periodic(self) -> Sequence[Periodic]:
        """What is done at times."""
        return (
            Periodic("rag-refresh", "* * * * *", self._refresh),
            Periodic("rag-sweep", "*/5 * * * *", self._sweep),
            Periodic("rag-forget", "41 * * * *", self._forget),
        )

    @override
    async def _make(self) -> Opened:
        return await asyncio.to_thread(_made, self._ground)

    async def _refresh(self, at: datetime) -> None:
        await (await self.library()).refresh_due(at)

    async def _sweep(self, at: datetime) -> None:
        await (await self.library()).sweep(at)

    async def _forget(self, at: datetime) -> None:
        await (await self._open()).keeping.forget(at)


def _made(ground: Ground) -> Opened:
    """Nothing is asked here, so that a thread may do it: the imports take a while."""
    from passerelle.pipelines.rag.opening import Ground as RagGround  # noqa: PLC0415 - see there
    from passerelle.pipelines.rag.opening import Opened  # noqa: PLC0415

    async def purge(tenant: str, collection: str) -> None:
        await ground.cache.purge(tenant, Purge(collection=collection))

    return Opened(
        RagGround(
            data=ground.data,
            alone=ground.alone,
            qdrant=ground.qdrant,
            database=ground.database,
            secret=hmac.digest(ground.secret, b"rag-fence", "sha256"),
            editions=ground.editions,
            gateway=ground.gateway,
            purge=purge,
            desk=ground.desk(),
            seals=ground.seals,
        )
    )
