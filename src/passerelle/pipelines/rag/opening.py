"""Makes what a process needs to read documents and to answer from them. Imported late, by whoever opens it.

What brings LangChain is imported later still, in a thread: it takes seconds, in which everybody else goes on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Unavailable
from passerelle.domain.naming import Naming
from passerelle.domain.privacy import Holding
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.jobs.desk import Desk
from passerelle.pipelines.models.asker import Asker
from passerelle.pipelines.rag import library
from passerelle.pipelines.rag.answering import Answering
from passerelle.pipelines.rag.keeping import Keeping
from passerelle.pipelines.rag.library import Shelves
from passerelle.pipelines.rag.people import Conversations, Documents
from passerelle.pipelines.rag.reading import Readings
from passerelle.pipelines.rag.removing import Purge
from passerelle.pipelines.rag.searching import Searcher, behind
from passerelle.pipelines.rag.tallying import counted
from passerelle.retrieval.embedded import Embedded
from passerelle.retrieval.sealed import Sealed
from passerelle.retrieval.store import Chunks
from passerelle.sealing.values import Sealing, Unsealed
from passerelle.stores.database import Database
from passerelle.wire.fetcher import Fetcher

if TYPE_CHECKING:
    from passerelle.pipelines.models.embeddings import GatewayEmbeddings
    from passerelle.pipelines.models.reranker import GatewayReranker
    from passerelle.stores.qdrant import Qdrant

_log = structlog.get_logger(__name__)

PIPELINE = "rag"  # by which its own calls are known: `internal:rag`


@dataclass(frozen=True, slots=True)
class Ground:
    """What answering from documents stands on.

    `alone`: no other process has this data folder. `purge` deletes kept answers of a tenant's collection; `desk` has the
    jobs worked on that it makes.
    """

    data: Path
    alone: bool
    qdrant: tuple[str, str | None] | None  # address and key
    database: Database
    secret: bytes
    editions: Editions
    gateway: Gateway
    purge: Purge
    desk: Desk
    fetcher: Fetcher = field(default_factory=Fetcher)
    seals: Sealing = field(default_factory=Unsealed)


class Opened:
    """What is open of it. Whoever makes it, closes it."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._opening = asyncio.Lock()
        self._chunks: Chunks | None = None
        self._qdrant: Qdrant | None = None
        self._warm: asyncio.Task[None] | None = None
        self.keeping = Keeping(ground.database, rules=self._kept, seals=ground.seals)
        self.shelves = Shelves(
            library.Ground(
                database=ground.database,
                desk=ground.desk,
                chunks=self.chunks,
                fetcher=ground.fetcher,
                embedders=self._embedder,
                tenant_of=self._tenant,
                models=lambda name: behind(ground.editions.catalog, name),
                purge=ground.purge,
                seals=ground.seals,
            )
        )
        self.readings = self._make_readings()

    async def warm(self) -> None:
        """Import what takes its time, once. Whoever stops waiting for it, stops nobody else."""
        if self._warm is None:
            self._warm = asyncio.create_task(self._warmed(), name="import LangChain")
        await asyncio.shield(self._warm)

    async def _warmed(self) -> None:
        await asyncio.to_thread(_import)
        try:
            await self.keeping.rename(self._ground.gateway.people.of)
        except (SQLAlchemyError, OSError) as error:  # another process, or this one's next start, does it
            _log.warning("conversations_not_renamed", error=type(error).__name__)

    async def chunks(self) -> Chunks:
        """The store of passages, opened once. Raises Unavailable."""
        async with self._opening:
            if self._chunks is None:
                self._chunks = Sealed(self._open_chunks(), self._ground.seals)
            return self._chunks

    def holdings(self, of: Naming) -> tuple[Holding, ...]:
        """What there is of people; `of` gives their pseudonyms."""
        database, seals = self._ground.database, self._ground.seals
        return (
            Conversations(database, of, self.keeping.erase, seals),
            Documents(database, of, self._library, seals),
        )

    async def aclose(self) -> None:
        """Close what is open."""
        if self._warm is not None:
            await asyncio.wait({self._warm})
        await self.keeping.aclose()
        if self._chunks is not None:
            await self._chunks.aclose()
        if self._qdrant is not None:
            await self._qdrant.aclose()

    async def _library(self) -> Shelves:
        return self.shelves

    def _open_chunks(self) -> Chunks:
        ground = self._ground
        if ground.qdrant is None:
            if not ground.alone:
                raise Unavailable(
                    "Several processes share documents through a Qdrant server only: set QDRANT_URL.",
                    code="rag_needs_qdrant",
                )
            return Embedded(ground.data)
        from passerelle.retrieval.server import Server  # noqa: PLC0415 - brings Qdrant's client
        from passerelle.stores.qdrant import Qdrant  # noqa: PLC0415 - brings Qdrant's client

        address, key = ground.qdrant
        self._qdrant = Qdrant(address, key=key)
        return Server(self._qdrant)

    def _make_readings(self) -> Readings:
        ground = self._ground
        searcher = Searcher(
            ground.database,
            self.chunks,
            self._embedder,
            self._reranker,
            models=lambda name: behind(ground.editions.catalog, name),
        )
        answering = Answering(
            ground.gateway, ground.editions, search=searcher.search, secret=ground.secret, keeper=self.keeping
        )
        return Readings(
            ground.gateway,
            lambda: ground.editions.catalog,
            searcher=searcher,
            answering=answering,
            keeping=self.keeping,
            people=ground.gateway.people,
        )

    def _asker(self, tenant: str) -> Asker:
        """For what is asked beside an answer; what it costs is added to the answer's."""
        return Asker.within(
            counted(self._ground.gateway.ask), self._ground.editions, tenant=tenant, pipeline=PIPELINE
        )

    def _embedder(self, tenant: str, model: str) -> GatewayEmbeddings:
        from passerelle.pipelines.models.embeddings import GatewayEmbeddings  # noqa: PLC0415 - brings LangChain

        return GatewayEmbeddings(self._asker(tenant), model)

    def _reranker(self, tenant: str, model: str) -> GatewayReranker:
        from passerelle.pipelines.models.reranker import GatewayReranker  # noqa: PLC0415 - brings LangChain

        return GatewayReranker(asker=self._asker(tenant), model=model)

    def _tenant(self, name: str) -> Tenant | None:
        return self._ground.editions.catalog.tenants.get(name)

    def _kept(self) -> dict[str, float | None]:
        """How long each tenant's conversations are kept; nothing is said of tenants that have no documents now."""
        tenants = self._ground.editions.catalog.tenants.values()
        return {tenant.name: tenant.rag.keep for tenant in tenants if tenant.rag is not None}


def _import() -> None:
    # Each brings a part of LangChain.
    from passerelle.pipelines.documents.chunks import pieces  # noqa: F401, PLC0415
    from passerelle.pipelines.models.embeddings import GatewayEmbeddings  # noqa: F401, PLC0415
    from passerelle.pipelines.models.reranker import GatewayReranker  # noqa: F401, PLC0415
    from passerelle.pipelines.rag.chain import answering  # noqa: F401, PLC0415
