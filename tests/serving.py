"""A gateway on a real socket in the test's own loop, over any `providers.yaml`; keys and records in memory."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import yaml

from passerelle.app import _Server, _server
from passerelle.backends.registry import kinds
from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import Catalog
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.gateway.record import Record
from passerelle.gateway.scout import Scout
from passerelle.http.build import build_app, hot_routes
from passerelle.http.front import Front
from passerelle.http.inference import Scope, Send
from passerelle.http.intake import Limits, Receive
from passerelle.http.services import Reloaded, Services
from passerelle.routing.load import load
from tests.books import Ledger, pricing

KEY = "test-key-of-tenant-acme-0123456789"


@dataclass
class FixedKeys:
    """Callers by their secret: the in-memory twin of the key ring."""

    callers: Mapping[bytes, Caller]

    def find(self, secret: bytes) -> Caller | None:
        return self.callers.get(secret)

    async def resolve(self, secret: bytes) -> Caller | None:
        return self.callers.get(secret)


@dataclass
class Served:
    """A running gateway and what it recorded."""

    url: str
    port: int
    editions: Editions
    environment: Mapping[str, str]
    models: Path
    scout: Scout
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


@asynccontextmanager
async def serving(
    configuration: Mapping[str, object],
    *,
    environment: Mapping[str, str] | None = None,
    models: Path = Path("unused"),
    callers: Mapping[bytes, Caller] | None = None,
    limits: Limits | None = None,
    whole: bool = False,
) -> AsyncIterator[Served]:
    """Serve a configuration on a free port until the block ends; the inference routes, or the `whole` surface."""
    environment = environment or {}
    keys = FixedKeys(callers or {KEY.encode(): Caller("key_test", "acme", Role.MEMBER)})
    registry = kinds(models)
    catalog = catalog_of(configuration, environment=environment, models=models)
    editions = Editions(catalog, lambda spec: registry[spec.kind].open(spec), pricing)
    ledger = Ledger(ZoneInfo(catalog.time_zone))
    records: list[Record] = []
    gateway = Gateway(editions, books=ledger.books, sinks=[records.append], draw=random.Random(7).random)
    scout = Scout(editions, every=3600)
    services = Services(
        gateway=gateway,
        editions=editions,
        keys=keys,
        key_ring=None,  # type: ignore[arg-type]  # the key routes have tests of their own
        key_store=None,  # type: ignore[arg-type]
        limits=limits or Limits(),
        reload=_no_reload,
        scout=scout,
        metrics=lambda: b"",
        money=None,  # type: ignore[arg-type]  # its routes have tests of their own, on PostgreSQL
        ready=lambda: True,
        degraded=list,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    app = build_app(services) if whole else Front(_nothing_else, hot_routes(services))
    server: _Server = _server(app, drain=1)
    # The server's own loop looks at its state ten times a second; a thousand tests do not wait for that.
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[listener])
    try:
        yield Served(f"http://127.0.0.1:{port}", port, editions, environment, models, scout, records, ledger)
    finally:
        for accepting in server.servers:
            accepting.close()
        for connection in list(server.server_state.connections):
            connection.shutdown()
        async with asyncio.timeout(5):
            while server.server_state.connections or server.server_state.tasks:
                await asyncio.sleep(0.002)
        await gateway.aclose()
        await editions.aclose()
        listener.close()


async def _nothing_else(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError(f"no route {scope['path']}: ask for the whole surface")


async def _no_reload() -> Reloaded:
    return Reloaded(applied=False, version="", findings=())
