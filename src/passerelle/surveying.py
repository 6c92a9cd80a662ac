"""The side of a process that keeps surveys and reads their comments: opened when somebody first asks for it."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence
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
from passerelle.pipelines.rag.desk import Rag
from passerelle.pipelines.surveys.desk import Bureau
from passerelle.retrieval.store import Chunks
from passerelle.sealing.values import Sealing
from passerelle.stores.database import Database

if TYPE_CHECKING:
    from passerelle.pipelines.surveys.opening import Opened


@dataclass(frozen=True, slots=True)
class Ground:
    """What it stands on. `desk` makes jobs, and has them worked on; `chunks` opens the store of passages."""

    database: Database
    editions: Editions
    gateway: Gateway
    rag: Rag
    chunks: Callable[[], Awaitable[Chunks]]
    secret: bytes
    desk: Callable[[], Desk]
    seals: Sealing


class Surveying(Late[Ground, "Opened"]):
    """The surveys of a process, which may not be open; the seam `Surveys`. Whoever makes it, closes it."""

    async def bureau(self) -> Bureau:
        """What may be asked of surveys."""
        return await (await self._open()).bureau()

    async def kinds(self) -> Kinds:
        """What its jobs are."""
        return await (await self._open()).kinds()

    async def holdings(self, of: Naming) -> Sequence[Holding]:
        """What there is of people; `of` gives their pseudonyms."""
        return (await self._open()).holdings(of)

    def periodic(self) -> Sequence[Periodic]:
        """What is done at times."""
        return (Periodic("surveys-sweep", "2-59/5 * * * *", self._sweep),)

    @override
    async def _make(self) -> Opened:
        await asyncio.to_thread(_import)
        return _made(self._ground)

    async def _sweep(self, at: datetime) -> None:
        await (await self._open()).sweep(at)


def _import() -> None:
    from passerelle.pipelines.surveys.opening import Opened  # noqa: F401, PLC0415 - takes a while


def _made(ground: Ground) -> Opened:
    """In the thread of the event loop: threads that read comments ask there."""
    from passerelle.pipelines.surveys.opening import Ground as SurveysGround  # noqa: PLC0415 - see there
    from passerelle.pipelines.surveys.opening import Opened  # noqa: PLC0415

    return Opened(
        SurveysGround(
            database=ground.database,
            desk=ground.desk(),
            editions=ground.editions,
            gateway=ground.gateway,
            rag=ground.rag,
            chunks=ground.chunks,
            secret=hmac.digest(ground.secret, b"surveys", "sha256"),
            seals=ground.seals,
        )
    )
