"""A gateway on a real socket in the test's own loop, over any `providers.yaml`; keys and records in memory."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import yaml

from passerelle.backends.builtin.texts import Texts
from passerelle.backends.registry import kinds
from passerelle.cache.desk import Desk
from passerelle.domain.ask import Ask
from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import Catalog
from passerelle.gateway.accounts import Accounts
from passerelle.gateway.affinity import Flight
from passerelle.gateway.books import Books
from passerelle.gateway.caretaker import Caretaker
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.gateway.moderation import Moderation
from passerelle.gateway.recall import Recall
from passerelle.gateway.recalled import Given
from passerelle.gateway.record import Record, Sink
from passerelle.gateway.scout import Scout
from passerelle.gateway.watch import Watch
from passerelle.guardrails.guard import Guards
from passerelle.http.ask import Asking
from passerelle.http.build import build_app, hot_routes
from passerelle.http.credentials import Keys
from passerelle.http.front import App, Front
from passerelle.http.inference import Scope, Send
from passerelle.http.intake import Limits, Receive
from passerelle.http.protocol import Edge, bounded
from passerelle.http.services import Services
from passerelle.http.vigil import Patience, Vigil
from passerelle.limits.breakers import Breakers
from passerelle.limits.limiter import Limiter
from passerelle.limits.memory import MemoryStore
from passerelle.limits.places import Places
from passerelle.limits.retries import Retries
from passerelle.limits.store import LimitStore
from passerelle.pipelines.rag.desk import Nowhere
from passerelle.remembering import Ground as Standing
from passerelle.remembering import Remembering
from passerelle.routing.live import Reloaded
from passerelle.routing.load import load
from passerelle.serving import make_server
from passerelle.stores.redis import Redis
from passerelle.subjects.people import People
from passerelle.subjects.prompts import Prompts
from passerelle.subjects.pseudonyms import Pseudonyms
from passerelle.telemetry.metrics import Metrics
from tests.books import Ledger, pricing

KEY = "test-key-of-tenant-acme-0123456789"
PEPPER = b"pepper of tests" * 2


@dataclass
class FixedKeys:
    """Callers by their secret: the in-memory twin of the key ring."""

    callers: Mapping[bytes, Caller]

    def find(self, secret: bytes) -> Caller | None:
        return self.callers.get(secret)

    async def resolve(self, secret: bytes) -> Caller | None:
        return self.callers.get(secret)

    def alive(self, caller: Caller) -> bool:
        return caller in self.callers.values()


@dataclass
class Served:
    """A running gateway and what it recorded."""

    url: str
    port: int
    editions: Editions
    environment: Mapping[str, str]
    models: Path
    scout: Scout
    watch: Watch  # what its calls share
    remembering: Remembering  # its cache
    records: list[Record] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    key: str = KEY

    def publish(self, configuration: Mapping[str, object]) -> None:
        """Put another configuration in force."""
        self.editions.publish(catalog_of(configuration, environment=self.environment, models=self.models))

    @asynccontextmanager
    async def client(self, key: str | None = KEY) -> AsyncIterator[aiohttp.ClientSession]:
        """A plain HTTP client with a key."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with aiohttp.ClientSession(self.url, headers=headers) as session:
            yield session

    async def until(self, condition: object, within: float = 5.0) -> None:
        """Wait for a condition; fails when it does not come true."""
        assert callable(condition)
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(0.002)


def catalog_of(
    configuration: Mapping[str, object], *, environment: Mapping[str, str], models: Path
) -> Catalog:
    """The catalog of a configuration that has no errors."""
    text = yaml.safe_dump({"version": 1, **configuration}, sort_keys=False)
    options = {name: kind.options for name, kind in kinds(models).items()}
    loaded = load(text, kinds=options, environment=environment, source="providers.yaml")
    assert loaded.catalog is not None, [str(finding) for finding in loaded.findings]
    return loaded.catalog


def one_backend(
    kind: str, url: str, *, model: str = "fake", task: str = "chat", **options: object
) -> dict[str, object]:
    """The smallest configuration: a backend, a model named `assistant`, a tenant named `acme`."""
    backend: dict[str, object] = {"kind": kind, **({"url": url} if url else {}), **options}
    return {
        "backends": {"engine": backend},
        "models": {"assistant": {"task": task, "targets": [{"backend": "engine", "model": model}]}},
        "tenants": {"acme": {}},
    }


def gateway_of(
    editions: Editions,
    *,
    books: Books,
    sinks: Sequence[Sink],
    draw: Callable[[], float],
    accounts: Accounts | None = None,
    models: Path = Path("unused"),
    watch: Watch | None = None,
    store: LimitStore | None = None,
    recall: Recall | None = None,
    people: People | None = None,
    prompts: Prompts | None = None,
) -> Gateway:
    """A gateway of one process, with everything that its calls share of its own, unless it is given."""
    watch = watch or Watch(
        accounts or Accounts(monotonic), Flight(), Breakers(monotonic, draw), Places(), Retries(monotonic)
    )

    async def ask_it(caller: Caller, ask: Ask) -> Given:
        return await gateway.ask(caller, ask)

    gateway = Gateway(
        editions,
        books=books,
        sinks=sinks,
        draw=draw,
        watch=watch,
        limiter=Limiter(store or MemoryStore()),
        guards=guards_of(ask_it, editions, models),
        people=people or People(Pseudonyms(PEPPER)),
        recall=recall,
        prompts=prompts,
    )
    return gateway


def remembering_of(
    ask: Callable[[Caller, Ask], Awaitable[Given]],
    editions: Editions,
    metrics: Metrics,
    *,
    models: Path,
    redis: Redis | None = None,
    qdrant: tuple[str, str | None] | None = None,
    now: Callable[[], float] = time.time,
) -> Remembering:
    """The cache as a process has it; it opens when a tenant wants it."""
    standing = Standing(
        pepper=b"p" * 32,
        redis=redis,
        qdrant=qdrant,
        texts=Texts(models),
        editions=editions,
        metrics=metrics,
        draw=random.Random(7).random,
        processes=lambda: 1,
        clock=now,
    )
    return Remembering(standing, ask)


def guards_of(ask: Callable[[Caller, Ask], Awaitable[Given]], editions: Editions, models: Path) -> Guards:
    """Guardrails as a process has them; their embedder loads its model when a rule first asks for it."""
    return Guards(Texts(models), Moderation(ask, lambda: editions.catalog))


@asynccontextmanager
async def serving(
    configuration: Mapping[str, object],
    *,
    environment: Mapping[str, str] | None = None,
    models: Path = Path("unused"),
    callers: Mapping[bytes, Caller] | None = None,
    keys: Keys | None = None,
    limits: Limits | None = None,
    whole: bool = False,
    edge: Edge | None = None,
    wrap: Callable[[App], App] = lambda app: app,
    patience: Patience | None = None,
    watch: Watch | None = None,
    store: LimitStore | None = None,
    sinks: Sequence[Sink] = (),
    desk: Desk | None = None,
    redis: Redis | None = None,
    qdrant: tuple[str, str | None] | None = None,
    now: Callable[[], float] = time.time,
    books: Books | None = None,
    people: People | None = None,
    prompts: Prompts | None = None,
    **parts: Any,
) -> AsyncIterator[Served]:
    """Serve a configuration on a free port until the block ends; the inference routes, or the `whole` surface.

    `wrap` puts something in front of the application; `patience` is how long streams are watched idly;
    `watch` and `store` are what its calls share, where a test wants to hold them itself; `sinks` get records too;
    `desk` answers what is asked of the cache, in place of the cache itself, which keeps by the clock `now` and shares by
    `redis` and `qdrant` (address and key); `books` hold tries in place of the ledger in memory; `people` has the
    pseudonyms, `prompts` hear what is asked and answered; `parts` are more of `Services`, such as `rag`; None = as usual.
    """
    keys = keys or FixedKeys(callers or {KEY.encode(): Caller("key_test", "acme", Role.MEMBER)})
    registry = kinds(models)
    catalog = catalog_of(configuration, environment=environment or {}, models=models)
    editions = Editions(catalog, lambda spec: registry[spec.kind].open(spec), pricing)
    ledger = Ledger(ZoneInfo(catalog.time_zone))
    records: list[Record] = []
    metrics = Metrics()
    people = people or People(Pseudonyms(PEPPER))
    shared: dict[str, Any] = {"watch": watch, "store": store, "redis": redis, "qdrant": qdrant}
    shared |= {"now": now, "models": models, "people": people, "prompts": prompts}
    gateway, remembering = _with_cache(
        editions, metrics=metrics, books=books or ledger.books, sinks=[records.append, *sinks], **shared
    )
    parts |= {"metrics": metrics.exposition, "prompts": prompts.store if prompts else None}
    parts["cache"] = desk or _desk(remembering, editions, metrics, people)
    services = _services(gateway, editions, keys=keys, limits=limits, patience=patience, parts=parts)
    watched = (services.scout, gateway.watch, remembering, records, ledger)
    held = (editions, environment or {}, models, *watched)
    app = build_app(services) if whole else Front(_nothing_else, hot_routes(services))
    try:
        if desk is None:
            await remembering.expect(catalog)
        async with _listening(wrap(app), services.vigil, edge) as port:
            yield Served(f"http://127.0.0.1:{port}", port, *held)
    finally:
        for part in (services.asking, remembering, gateway, editions):
            await part.aclose()


def _with_cache(
    editions: Editions,
    *,
    metrics: Metrics,
    models: Path,
    redis: Redis | None,
    qdrant: tuple[str, str | None] | None,
    now: Callable[[], float],
    **shared: Any,
) -> tuple[Gateway, Remembering]:
    """A gateway, and the cache whose own questions go through it; `shared` is what `gateway_of` takes."""

    async def ask_it(caller: Caller, ask: Ask) -> Given:
        return await gateway.ask(caller, ask)

    remembering = remembering_of(
        ask_it, editions, metrics, models=models, redis=redis, qdrant=qdrant, now=now
    )
    gateway = gateway_of(
        editions,
        draw=random.Random(7).random,
        models=models,
        recall=Recall(remembering.cache),
        **shared,
    )
    return gateway, remembering


def _desk(remembering: Remembering, editions: Editions, metrics: Metrics, people: People) -> Caretaker:
    """Who answers what people ask of the cache."""
    return Caretaker(
        lambda: remembering.opened,
        remembering.to_erase,
        editions,
        metrics.cache,
        people=people,
        since=time.time(),
    )


def _services(
    gateway: Gateway,
    editions: Editions,
    *,
    keys: Keys,
    limits: Limits | None,
    patience: Patience | None,
    parts: Mapping[str, Any],
) -> Services:
    rag = parts.get("rag") or Nowhere()
    services = Services(
        gateway=gateway,
        editions=editions,
        keys=keys,
        key_ring=None,  # type: ignore[arg-type]  # the key routes have tests of their own
        key_store=None,  # type: ignore[arg-type]
        limits=limits or Limits(),
        reload=_no_reload,
        scout=Scout(editions, every=3600),
        metrics=lambda: b"",
        money=None,  # type: ignore[arg-type]  # its routes have tests of their own, on PostgreSQL
        vigil=Vigil(keys.alive, patience=patience),
        watch=gateway.watch,
        around=None,
        ready=lambda: True,
        degraded=list,
        jobs=None,  # type: ignore[arg-type]  # its routes have tests of their own, on PostgreSQL
        asking=Asking(gateway, editions, rag),
    )
    return replace(services, **{name: part for name, part in parts.items() if part is not None})


@asynccontextmanager
async def _listening(app: App, vigil: Vigil, edge: Edge | None) -> AsyncIterator[int]:
    """The port on which an application answers; every call is over when the block has ended."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = make_server(app)
    if edge is not None:
        server.config.http = bounded(edge)
    await server.open(listener)
    watching = asyncio.ensure_future(vigil.run())
    try:
        yield listener.getsockname()[1]
    finally:
        server.close_listener()
        async with asyncio.timeout(5):
            while not server.empty:
                await asyncio.sleep(0.002)
        watching.cancel()
        await asyncio.wait({watching})
        listener.close()


async def _nothing_else(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError(f"no route {scope['path']}: ask for the whole surface")


async def _no_reload() -> Reloaded:
    return Reloaded(applied=False, version="", findings=())
