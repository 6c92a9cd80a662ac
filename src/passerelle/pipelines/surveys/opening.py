"""Makes what a process needs to keep surveys, read their comments and report on them. Imported late, by whoever opens it.

What brings numpy and LangChain is imported later still, in a thread: it takes seconds, in which everybody else goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from passerelle.domain.cache import Wishes
from passerelle.domain.catalog import Tenant
from passerelle.domain.naming import Naming
from passerelle.domain.privacy import Holding
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Kinds
from passerelle.pipelines.models.asker import Asker
from passerelle.pipelines.rag.desk import Rag
from passerelle.pipelines.rag.searching import behind
from passerelle.pipelines.surveys import archive, running
from passerelle.pipelines.surveys.archive import Filing
from passerelle.pipelines.surveys.archive_removing import Removing
from passerelle.pipelines.surveys.codebooks import KeptCodebooks
from passerelle.pipelines.surveys.corrections import KeptCorrections
from passerelle.pipelines.surveys.desk import Bureau
from passerelle.pipelines.surveys.findings import Reporting
from passerelle.pipelines.surveys.findings_collection import Collections
from passerelle.pipelines.surveys.memory import Memory
from passerelle.pipelines.surveys.people import Corrections, Means, Surveys
from passerelle.pipelines.surveys.running import Reading
from passerelle.pipelines.surveys.running_learned import Teaching
from passerelle.pipelines.surveys.running_reader import Readers
from passerelle.pipelines.surveys.runs import SurveyRuns
from passerelle.pipelines.surveys.themes import SurveyThemes
from passerelle.pipelines.surveys.themes_working import Discovering
from passerelle.retrieval.store import Chunks
from passerelle.sealing.values import Sealing, Unsealed
from passerelle.stores.database import Database

PIPELINE = "surveys"  # by which its own calls are known: `internal:surveys`
_OWN = Wishes(keep=False)  # what was read in one comment is never given for another that is much like it


@dataclass(frozen=True, slots=True)
class Ground:
    """What surveys stand on. `desk` has the jobs worked on that it makes; `chunks` opens the store of passages.

    `secret` is for surveys alone: whoever has it can work out the ids of answers from their rows.
    """

    database: Database
    desk: Desk
    editions: Editions
    gateway: Gateway
    rag: Rag
    chunks: Callable[[], Awaitable[Chunks]]
    secret: bytes
    seals: Sealing = field(default_factory=Unsealed)


class Opened:
    """What is open of it. Whoever makes it, closes it. Make it in the thread of the gateway's event loop."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._warm: asyncio.Task[None] | None = None
        database, desk, editions = ground.database, ground.desk, ground.editions
        readers = Readers(self._asker)
        memory = self._memory = Memory(
            database=database, chunks=ground.chunks, mark=self._mark, seals=ground.seals
        )
        codebooks = KeptCodebooks(database=database, memory=memory, reader=readers.reader, seals=ground.seals)
        self._removing = Removing(
            database, desk, ground.rag.library, forget=codebooks.erase, keep_of=self._kept
        )
        self._filing = Filing(
            archive.Ground(database, desk, self._tenant, ground.secret, ground.seals), self._removing
        )
        runs = SurveyRuns(database, desk, editions, codebooks, ground.seals)
        self._reading = running.Ground(
            database=database,
            editions=editions,
            codebooks=codebooks,
            teaching=Teaching(readers),
            asker=self._asker,
            tenant_of=self._tenant,
            memory=memory,
            readers=readers,
            secret=ground.secret,
            seals=ground.seals,
        )
        self._bureau = Bureau(
            archive=self._filing,
            codebooks=codebooks,
            corrections=KeptCorrections(
                database=database, memory=memory, embed=readers.embed, seals=ground.seals
            ),
            runs=runs,
            themes=SurveyThemes(database, desk, codebooks, ground.seals),
            findings=Reporting(
                self._filing,
                codebooks,
                runs,
                collections=Collections(database, ground.rag.library, seals=ground.seals),
                removing=self._removing,
                operator=lambda: editions.catalog.operator,
            ),
        )

    async def bureau(self) -> Bureau:
        """What may be asked of surveys."""
        await self.warm()
        return self._bureau

    async def kinds(self) -> Kinds:
        """What its jobs are."""
        await self.warm()
        made = (self._filing.importing(), Reading(self._reading), Discovering(self._reading))
        return {kind.name: kind for kind in made}

    def holdings(self, of: Naming) -> tuple[Holding, ...]:
        """What there is of people; `of` gives their pseudonyms."""
        means = Means(
            database=self._ground.database,
            of=of,
            answers=self._filing.answers,
            library=self._ground.rag.library,
            erase=self._removing.erase,
            drop_index=self._memory.drop,
            seals=self._ground.seals,
        )
        return (Surveys(means), Corrections(means))

    async def sweep(self, at: datetime) -> None:
        """Delete what is kept no longer, and finish what somebody began to delete."""
        await self._removing.sweep(at)

    async def warm(self) -> None:
        """Import what takes its time, once. Whoever stops waiting for it, stops nobody else."""
        if self._warm is None:
            self._warm = asyncio.create_task(asyncio.to_thread(_import), name="import numpy and LangChain")
        await asyncio.shield(self._warm)

    async def aclose(self) -> None:
        """Close what is open."""
        if self._warm is not None:
            await asyncio.wait({self._warm})

    def _asker(self, tenant: str) -> Asker:
        asker = Asker.within(
            self._ground.gateway.ask, self._ground.editions, tenant=tenant, pipeline=PIPELINE
        )
        return replace(asker, wishes=_OWN)

    def _tenant(self, name: str) -> Tenant | None:
        return self._ground.editions.catalog.tenants.get(name)

    def _mark(self, tenant: str) -> str:
        """What embeds a tenant's texts, and the models that have that name now."""
        found = self._tenant(tenant)
        if found is None or found.surveys is None or found.surveys.embedder is None:
            return ""
        name = found.surveys.embedder
        return "\n".join((name, *sorted(set(behind(self._ground.editions.catalog, name)))))

    def _kept(self) -> dict[str, float | None]:
        """How long each tenant's surveys are kept; nothing is said of tenants that have none now."""
        tenants = self._ground.editions.catalog.tenants.values()
        return {tenant.name: tenant.surveys.keep for tenant in tenants if tenant.surveys is not None}


def _import() -> None:
    # Each brings numpy or a part of LangChain.
    from passerelle.pipelines.models.embeddings import GatewayEmbeddings  # noqa: F401, PLC0415
    from passerelle.pipelines.surveys.asking import Asking  # noqa: F401, PLC0415
    from passerelle.pipelines.surveys.learning import learn  # noqa: F401, PLC0415
    from passerelle.pipelines.surveys.promoting import compare  # noqa: F401, PLC0415
    from passerelle.pipelines.surveys.themes_finding import find  # noqa: F401, PLC0415
