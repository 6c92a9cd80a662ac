"""Makes what a process needs to work on texts. Imported late, by whoever opens it.

Who writes brings LangChain, and is imported later still, in a thread: it takes seconds, in which everybody else goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from passerelle.domain.catalog import Tenant
from passerelle.domain.naming import Naming
from passerelle.domain.privacy import Holding
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Kinds
from passerelle.pipelines.enrichment import works
from passerelle.pipelines.enrichment.deciding import Decisions
from passerelle.pipelines.enrichment.desk import Office
from passerelle.pipelines.enrichment.estimating_prices import EditionPrices, Prices
from passerelle.pipelines.enrichment.kitchen import Recipes
from passerelle.pipelines.enrichment.people import Texts
from passerelle.pipelines.enrichment.working import Writes, Writing
from passerelle.pipelines.enrichment.works import Jobs
from passerelle.pipelines.enrichment.works_sweeping import Sweeping
from passerelle.pipelines.models.asker import Asker
from passerelle.pipelines.rag.desk import Rag
from passerelle.sealing.values import Sealing, Unsealed
from passerelle.stores.database import Database

PIPELINE = "content"  # by which its own calls are known: `internal:content`

_Writer = Callable[[Callable[[str], Asker]], Writes]


@dataclass(frozen=True, slots=True)
class Ground:
    """What working on texts stands on.

    `desk` has the jobs worked on that it makes; `rag` has the documents that a job may name. `prices` None: those that
    the gateway's bills are written by.
    """

    database: Database
    desk: Desk
    editions: Editions
    gateway: Gateway
    rag: Rag
    prices: Prices | None = None
    seals: Sealing = field(default_factory=Unsealed)


class Opened:
    """What is open of it: nothing that has to be closed but a thread's import under way. Whoever makes it, closes it."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._prices = ground.prices or EditionPrices(ground.editions)
        self._warm: asyncio.Task[_Writer] | None = None
        kitchen = Recipes(ground.database)
        works_ground = works.Ground(
            database=ground.database,
            desk=ground.desk,
            kitchen=kitchen,
            prices=self._prices,
            rag=ground.rag,
            seals=ground.seals,
        )
        self._office = Office(
            kitchen, Jobs(works_ground), Decisions(ground.database, ground.desk, ground.seals)
        )
        self._sweeping = Sweeping(ground.database, ground.desk, rules=self._kept)

    async def office(self) -> Office:
        """Recipes, jobs and decisions."""
        return self._office

    async def kinds(self) -> Kinds:
        """What its jobs are."""
        if self._warm is None:
            self._warm = asyncio.create_task(asyncio.to_thread(_import), name="import LangChain")
        # Whoever stops waiting for it, stops nobody else.
        writer = await asyncio.shield(self._warm)
        writing = Writing(
            self._ground.database,
            writer=writer,
            asker=self._asker,
            prices=self._prices,
            tenant_of=self._tenant,
            seals=self._ground.seals,
        )
        return {writing.name: writing}

    def holdings(self, of: Naming) -> tuple[Holding, ...]:
        """What there is of people; `of` gives their pseudonyms."""
        return (Texts(self._ground.database, of, self._office),)

    async def sweep(self, at: datetime) -> None:
        """Delete what is kept no longer."""
        await self._sweeping.sweep(at)

    async def aclose(self) -> None:
        """Wait for what is under way."""
        if self._warm is not None:
            await asyncio.wait({self._warm})

    def _asker(self, tenant: str) -> Asker:
        return Asker.within(self._ground.gateway.ask, self._ground.editions, tenant=tenant, pipeline=PIPELINE)

    def _tenant(self, name: str) -> Tenant | None:
        return self._ground.editions.catalog.tenants.get(name)

    def _kept(self) -> Mapping[str, float | None]:
        tenants = self._ground.editions.catalog.tenants.values()
        return {tenant.name: tenant.content.keep for tenant in tenants if tenant.content is not None}


def _import() -> _Writer:
    from passerelle.pipelines.enrichment.writing import Writer  # noqa: PLC0415 - brings LangChain

    return Writer
