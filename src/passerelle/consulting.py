"""The side of a process that reads documents and answers from them: opened when somebody first asks for it."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from passerelle.cache.desk import Desk as CacheDesk
from passerelle.cache.desk import Purge
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Kinds
from passerelle.jobs.periodic import Periodic
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


class Consulting:
    """The documents of a process, which may not be open; the seam `Rag`. Whoever makes it, closes it."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._opening = asyncio.Lock()
        self._opened: Opened | None = None

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

    def periodic(self) -> Sequence[Periodic]:
        """What is done at times."""
        return (
            Periodic("rag-refresh", "* * * * *", self._refresh),
            Periodic("rag-sweep", "*/5 * * * *", self._sweep),
            Periodic("rag-forget", "41 * * * *", self._forget),
        )

    async def aclose(self) -> None:
        """Close what is open."""
        if self._opened is not None:
            await self._opened.aclose()

    async def _open(self) -> Opened:
        async with self._opening:
            if self._opened is None:
                self._opened = await asyncio.to_thread(_make, self._ground)
            return self._opened

    async def _refresh(self, at: datetime) -> None:
        await (await self.library()).refresh_due(at)

    async def _sweep(self, at: datetime) -> None:
        await (await self.library()).sweep(at)

    async def _forget(self, at: datetime) -> None:
        await (await self._open()).keeping.forget(at)


def _make(ground: Ground) -> Opened:
    """Nothing is asked here, so that a thread may do it: the imports take a while."""
    from passerelle.pipelines.rag.opening import Ground as Standing  # noqa: PLC0415 - see there
    from passerelle.pipelines.rag.opening import Opened  # noqa: PLC0415

    async def purge(tenant: str, collection: str) -> None:
        await ground.cache.purge(tenant, Purge(collection=collection))

    return Opened(
        Standing(
            data=ground.data,
            alone=ground.alone,
            qdrant=ground.qdrant,
            database=ground.database,
            secret=hmac.digest(ground.secret, b"rag-fence", "sha256"),
            editions=ground.editions,
            gateway=ground.gateway,
            purge=purge,
            desk=ground.desk(),
        )
    )
