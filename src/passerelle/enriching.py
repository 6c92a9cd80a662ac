"""The side of a process that works on texts: opened when somebody first asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from typing_extensions import override

from passerelle.domain.naming import Naming
from passerelle.domain.privacy import Holding
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Kinds
from passerelle.jobs.periodic import Periodic
from passerelle.late import Late
from passerelle.pipelines.enrichment.desk import Office
from passerelle.pipelines.rag.desk import Rag
from passerelle.sealing.values import Sealing
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
    seals: Sealing


class Enriching(Late[Ground, "Opened"]):
    """The texts of a process, which may not be open; the seam `Content`. Whoever makes it, closes it."""

    async def office(self) -> Office:
        """Recipes, jobs and decisions."""
        return await (await self._open()).office()

    async def kinds(self) -> Kinds:
        """What its jobs are."""
        return await (await self._open()).kinds()

    async def holdings(self, of: Naming) -> Sequence[Holding]:
        """What there is of people; `of` gives their pseudonyms."""
        return (await self._open()).holdings(of)

    def periodic(self) -> Sequence[Periodic]:
        """What is done at times."""
        return (Periodic("content-sweep", "3-59/5 * * * *", self._sweep),)

    @override
    async def _make(self) -> Opened:
        return await asyncio.to_thread(_made, self._ground)

    async def _sweep(self, at: datetime) -> None:
        await (await self._open()).sweep(at)


def _made(ground: Ground) -> Opened:
    """Nothing is asked here, so that a thread may do it: the imports take a while."""
    from passerelle.pipelines.enrichment.opening import Ground as ContentGround  # noqa: PLC0415 - see there
    from passerelle.pipelines.enrichment.opening import Opened  # noqa: PLC0415

    return Opened(
        ContentGround(
            database=ground.database,
            desk=ground.desk(),
            editions=ground.editions,
            gateway=ground.gateway,
            rag=ground.rag,
            seals=ground.seals,
        )
    )
