"""The side of a process that works on texts: opened when somebody first asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Kinds
from passerelle.jobs.periodic import Periodic
from passerelle.pipelines.enrichment.desk import Office
from passerelle.pipelines.rag.desk import Rag
from passerelle.stores.database import Database

if TYPE_CHECKING:
    from passerelle.pipelines.enrichment.opening import Opened


@dataclass(frozen=True, slots=True)
class Ground:
    """What it stands on. `desk` makes jobs, and has them worked on."""

    database: Database
    editions: Editions
    gateway: Gateway
    rag: Rag
    desk: Callable[[], Desk]


class Enriching:
    """The texts of a process, which may not be open; the seam `Content`. Whoever makes it, closes it."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._opening = asyncio.Lock()
        self._opened: Opened | None = None

    async def office(self) -> Office:
        """Recipes, jobs and decisions."""
        return await (await self._open()).office()

    async def kinds(self) -> Kinds:
        """What its jobs are."""
        return await (await self._open()).kinds()

    def periodic(self) -> Sequence[Periodic]:
        """What is done at times."""
        return (Periodic("content-sweep", "3-59/5 * * * *", self._sweep),)

    async def aclose(self) -> None:
        """Close what is open."""
        if self._opened is not None:
            await self._opened.aclose()

    async def _open(self) -> Opened:
        async with self._opening:
            if self._opened is None:
                self._opened = await asyncio.to_thread(_make, self._ground)
            return self._opened

    async def _sweep(self, at: datetime) -> None:
        await (await self._open()).sweep(at)


def _make(ground: Ground) -> Opened:
    """Nothing is asked here, so that a thread may do it: the imports take a while."""
    from passerelle.pipelines.enrichment.opening import Ground as Standing  # noqa: PLC0415 - see there
    from passerelle.pipelines.enrichment.opening import Opened  # noqa: PLC0415

    return Opened(
        Standing(
            database=ground.database,
            desk=ground.desk(),
            editions=ground.editions,
            gateway=ground.gateway,
            rag=ground.rag,
        )
    )
