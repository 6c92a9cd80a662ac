"""The composition root: makes the parts from settings, in order, and closes them in the other."""

from __future__ import annotations

import asyncio
import functools
import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from time import monotonic

import structlog

from passerelle.accounting import Accounting, in_background, open_accounting, run_accounting
from passerelle.backends.registry import kinds
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import ConfigurationRefused, Finding
from passerelle.gateway.accounts import Accounts
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.gateway.meter import meter, tell
from passerelle.gateway.scout import Scout
from passerelle.http.intake import Limits
from passerelle.http.services import Reloaded, Services
from passerelle.routing.live import Live, read_text
from passerelle.routing.load import Loaded, load
from passerelle.settings import Settings
from passerelle.stores.database import Database
from passerelle.stores.embedded import EmbeddedPostgres
from passerelle.stores.folder import DataFolder
from passerelle.telemetry.metrics import Metrics
from passerelle.tenancy.environment import read_keys
from passerelle.tenancy.ring import KeyRing
from passerelle.tenancy.store import KeyStore

_log = structlog.get_logger(__name__)

_WATCH_SECONDS = 1.0


@dataclass(slots=True)
class Parts:
    """What a process runs on."""

    services: Services
    folder: DataFolder
    live: Live
    _state: dict[str, bool] = field(default_factory=lambda: {"ready": True})

    def draining(self) -> None:
        """No new requests should come: readiness is off from here on."""
        self._state["ready"] = False


def load_file(settings: Settings, text: str, *, strict: bool = False) -> Loaded:
    """The text of a configuration, checked against the kinds that exist and the secrets of this environment."""
    options = {name: kind.options for name, kind in kinds(settings.data / "models").items()}
    return load(text, kinds=options, environment=os.environ, source=str(settings.config), strict=strict)


def load_catalog(settings: Settings) -> Catalog:
    """The catalog of the configured file. Raises ConfigurationRefused or CannotRun."""
    loaded = load_file(settings, read_text(settings.config))
    if loaded.catalog is None:
        raise ConfigurationRefused(loaded.errors)
    for finding in loaded.findings:
        if finding.severity == "warning":
            _log.warning("configuration", finding=str(finding))
    return loaded.catalog


@asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[Parts]:
    """Everything a service needs, closed when the block ends. Raises CannotRun.

    What is quick to fail comes first: the file, then the folder, then the database.
    """
    # Read by huggingface_hub when it is imported: else it asks the Hub what kind of shell it is run from.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    catalog = load_catalog(settings)
    environment_keys = _environment_keys(settings, catalog)
    folder = DataFolder(settings.data)
    async with AsyncExitStack() as stack:
        folder.open()
        folder.lock()
        stack.callback(folder.close)
        pepper = folder.secret("pepper")
        database = await _open_database(settings, folder, stack)
        store = KeyStore(database, pepper)
        ring = KeyRing(store, pepper, environment=environment_keys)
        await ring.refresh()
        metrics = Metrics()
        registry = kinds(folder.models)
        accounting = await _open_accounting(
            settings, stack, store, folder=folder, database=database, catalog=catalog, metrics=metrics
        )
        editions = Editions(catalog, lambda spec: registry[spec.kind].open(spec), accounting.pricing)
        stack.push_async_callback(editions.aclose)
        accounts = Accounts(monotonic, told=metrics.accounts_resting.set)
        books = await run_accounting(stack, accounting, editions)
        gateway = Gateway(
            editions,
            books=accounting.books,
            sinks=[meter(metrics), tell],
            draw=random.SystemRandom().random,
            accounts=accounts,
        )
        stack.push_async_callback(gateway.aclose)
        scout = Scout(editions, every=settings.survey_seconds)
        await books.learn_prices(scout.look)
        live = _live(settings, catalog, editions, metrics)
        live.on_swap.append(lambda _: scout.changed())
        state = {"ready": True}
        services = Services(
            gateway=gateway,
            editions=editions,
            keys=ring,
            key_ring=ring,
            key_store=store,
            limits=Limits(body=settings.max_body),
            reload=functools.partial(_reload, live),
            scout=scout,
            metrics=metrics.exposition,
            money=books.money(),
            ready=lambda: state["ready"],
            degraded=lambda: _degraded(ring, live),
        )
        await in_background(stack, ring.run(settings.key_refresh_seconds))
        await in_background(stack, live.watch(_WATCH_SECONDS))
        await in_background(stack, scout.run())
        yield Parts(services, folder, live, state)


def _environment_keys(settings: Settings, catalog: Catalog) -> dict[bytes, Caller]:
    if settings.api_keys is None:
        return {}
    return read_keys(settings.api_keys.get_secret_value(), catalog.tenants)


async def _open_database(settings: Settings, folder: DataFolder, stack: AsyncExitStack) -> Database:
    """The configured database, or one of our own in the data folder, with its schema up to date."""
    if settings.database_url is not None:
        address = settings.database_url.get_secret_value()
    else:
        embedded = EmbeddedPostgres(folder.path)
        address = await asyncio.to_thread(embedded.start)
        stack.push_async_callback(asyncio.to_thread, embedded.close)
    database = Database(address)
    stack.push_async_callback(database.aclose)
    await database.migrate()
    return database


async def _open_accounting(
    settings: Settings,
    stack: AsyncExitStack,
    store: KeyStore,
    *,
    folder: DataFolder,
    database: Database,
    catalog: Catalog,
    metrics: Metrics,
) -> Accounting:
    return await open_accounting(
        stack,
        folder=folder,
        database=database,
        catalog=catalog,
        metrics=metrics,
        key_names={key.id: key.name for key in await store.list_keys(None)},
        sync_seconds=settings.ledger_sync_seconds,
    )


def _live(settings: Settings, catalog: Catalog, editions: Editions, metrics: Metrics) -> Live:
    live = Live(settings.config, functools.partial(_load_for, settings, catalog), catalog)

    def swapped(new: Catalog) -> None:
        editions.publish(new)
        metrics.reloads.labels("applied").inc()
        metrics.configuration_bad.set(0)
        _log.info("configuration_applied", version=new.version)

    def refused(findings: tuple[Finding, ...]) -> None:
        metrics.reloads.labels("refused").inc()
        metrics.configuration_bad.set(1)
        _log.error(
            "configuration_refused",
            kept=live.catalog.version,
            findings=[str(finding) for finding in findings],
        )

    live.on_swap.append(swapped)
    live.on_refused.append(refused)
    return live


def _load_for(settings: Settings, running: Catalog, text: str) -> Loaded:
    """A newer text for a service that runs: what its months are counted in stays until it starts again."""
    loaded = load_file(settings, text)
    new = loaded.catalog
    if new is None or (new.currency, new.time_zone) == (running.currency, running.time_zone):
        return loaded
    finding = Finding(
        "error",
        "C33",
        "The operator's currency and time zone do not change while months are counted in them.",
        "Start the service again, best at the beginning of a month.",
        str(settings.config),
    )
    return replace(loaded, catalog=None, findings=(finding, *loaded.findings))


async def _reload(live: Live) -> Reloaded:
    loaded = await live.reload_in_thread()
    return Reloaded(loaded.catalog is not None, live.catalog.version, loaded.findings)


def _degraded(ring: KeyRing, live: Live) -> list[str]:
    """What does not work although requests are answered; anybody may read this, so it names no details."""
    database = [] if ring.reachable else ["database"]
    return database + (["configuration"] if live.refused else [])
