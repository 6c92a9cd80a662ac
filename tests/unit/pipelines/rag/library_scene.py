"""A library on real parts: a database, the embedded store of passages, a worker; only the embedding model is a stand-in."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from sqlalchemy import text

from passerelle.domain.catalog import Tenant
from passerelle.domain.rag import Document, DocumentState, Given, GivenChunk, Rag, Taken, Urls
from passerelle.domain.retrieval import Collection, Mode, Query
from passerelle.jobs.desk import Desk
from passerelle.jobs.worker import Pace
from passerelle.pipelines.rag.library import Ground, Shelves
from passerelle.retrieval.store import Chunks, Unreachable
from passerelle.stores.database import Database
from passerelle.wire.fetcher import Fetcher
from passerelle.wire.foreign_urls import Rules
from tests.unit.jobs.scene import over, until, working

WIDTH = 8
QUICK = Pace(concurrency=4, lease=2.0, grace=5.0)
SHELF = "regles"
_PATIENCE = 60.0  # seconds that a test waits on a machine that is busy with others


@dataclass
class Meaning:
    """An embedding model whose vectors are drawn from the text. `errors` are raised first, one by one."""

    width: int = WIDTH
    texts: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    gate: asyncio.Event | None = None

    def __call__(self, tenant: str, model: str) -> Meaning:
        self.asked.append((tenant, model))
        return self

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        if self.gate is not None:
            await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.texts += texts
        return [self.vector(each) for each in texts]

    def vector(self, given: str) -> list[float]:
        source = random.Random(hashlib.sha256(given.encode()).digest())
        return [source.gauss(0, 1) for _ in range(self.width)]


class Shaky:
    """A store of passages that is away when a test says so: `away` counts calls that fail, by name or for all."""

    def __init__(self, chunks: Chunks) -> None:
        self.chunks = chunks
        self.away: dict[str, int] = {}
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.chunks, name)

        async def call(*args: Any, **named: Any) -> Any:
            self.calls.append(name)
            for each in (name, "*"):
                if self.away.get(each):
                    self.away[each] -= 1
                    raise Unreachable("It is away.", retry_after=0.1)
            return await real(*args, **named)

        return call


@dataclass
class Scene:
    """A library and what stands behind it."""

    database: Database
    library: Shelves
    store: Any
    meaning: Meaning
    tenants: dict[str, Tenant]
    purged: list[tuple[str, str]]
    behind: dict[str, tuple[str, ...]]  # the models that have the embedders' names
    purge_fails: list[Exception] = field(default_factory=list)

    @property
    def acme(self) -> Tenant:
        return self.tenants["acme"]

    async def take(self, *given: Given, tenant: str = "acme", shelf: str = SHELF) -> Taken:
        return await self.library.take(self.tenants[tenant], shelf, given)

    async def settled(self, taken: Taken, tenant: str = "acme") -> list[Document]:
        """What became of them, once the job is over."""
        if taken.job is not None:
            await over(self.database, taken.job, tenant, within=_PATIENCE)
        return [await self.library.document(tenant, each.collection, each.id) for each in taken.documents]

    async def done(self, *given: Given, tenant: str = "acme", shelf: str = SHELF) -> list[Document]:
        """Taken in and read."""
        return await self.settled(await self.take(*given, tenant=tenant, shelf=shelf), tenant)

    async def stands(self, document: str, state: DocumentState, shelf: str = SHELF) -> Document:
        async def reached() -> Document | None:
            found = await self.library.document("acme", shelf, document)
            return found if found.state is state else None

        found = await until(reached, f"{document} is {state}", within=_PATIENCE)
        assert isinstance(found, Document)
        return found

    async def found(
        self, words: str, tenant: str = "acme", shelf: str = SHELF, groups: frozenset[str] | None = None
    ) -> list[str]:
        """The passages that a search for words finds, each checked against the table as a search does."""
        width = (await self.library.shelf(tenant, shelf)).setup.width
        query = Query(text=words, mode=Mode.TEXT, k=50, groups=groups)
        hits = await self.store.chunks.search(Collection(tenant, shelf, width), query)
        async with self.database.begin() as connection:
            values = {
                "tenant": tenant,
                "collection": shelf,
                "ids": [hit.chunk.document for hit in hits],
                "groups": None if groups is None else sorted(groups),
            }
            allowed = set((await connection.execute(text(RECHECK), values)).scalars())
        return sorted(hit.chunk.text for hit in hits if hit.chunk.document in allowed)

    async def indexed(self, tenant: str = "acme", shelf: str = SHELF) -> int:
        """How many passages the store holds, whatever the table says."""
        width = (await self.library.shelf(tenant, shelf)).setup.width
        return int(await self.store.chunks.count(Collection(tenant, shelf, width)))

    async def sql(self, statement: str, **values: Any) -> Sequence[Any]:
        async with self.database.begin() as connection:
            result = await connection.execute(text(statement), values)
            return result.all() if result.returns_rows else []


RECHECK = """
SELECT id FROM rag_document
WHERE tenant = :tenant AND collection = :collection AND id = ANY(CAST(:ids AS text[]))
    AND state <> 'deleting' AND indexed IS NOT NULL
    AND (CAST(:groups AS text[]) IS NULL OR groups = '{}' OR groups && CAST(:groups AS text[]))
"""


def tenant(name: str = "acme", **rag: Any) -> Tenant:
    return Tenant(name, (), rag=Rag(**{"embedder": "embedder", "size": 200, "overlap": 20, **rag}))


def cut(key: str, *texts: str, **fields: Any) -> Given:
    """A document that was cut by its sender: it needs no parser."""
    return Given(key=key, chunks=tuple(GivenChunk(each) for each in texts), **fields)


def scene(database: Database, chunks: Chunks, *, port: int = 80, **rag: Any) -> Scene:
    """A library for two tenants."""
    store = Shaky(chunks)
    meaning = Meaning()
    tenants = {name: tenant(name, **rag) for name in ("acme", "globex")}
    purged: list[tuple[str, str]] = []
    fails: list[Exception] = []
    behind: dict[str, tuple[str, ...]] = {"embedder": ("maker/small",), "other": ("maker/large",)}

    async def give() -> Any:
        return store

    async def purge(owner: str, collection: str) -> None:
        if fails:
            raise fails.pop(0)
        purged.append((owner, collection))

    def rules(urls: Urls) -> Rules:
        return Rules(hosts=urls.hosts, ports=frozenset({port, 443}))

    ground = Ground(
        database=database,
        desk=Desk(database),
        chunks=give,
        fetcher=Fetcher(exceptions=[IPv4Network("127.0.0.0/8")]),
        embedders=meaning,
        tenant_of=tenants.get,
        purge=purge,
        models=behind.__getitem__,
        rules_of=rules,
    )
    return Scene(database, Shelves(ground), store, meaning, tenants, purged, behind, fails)


@asynccontextmanager
async def read_by_workers(scene: Scene) -> AsyncIterator[None]:
    """Workers that read documents for the length of the block."""
    async with working(scene.database, scene.library.ingesting(), pace=QUICK):
        yield
