"""The composition root: makes the parts from settings, in order, and closes them in the other."""

from __future__ import annotations

import asyncio
import functools
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from passerelle.accounting import Accounting, in_background, open_accounting, run_accounting
from passerelle.admission import Admission, open_admission
from passerelle.backends.builtin.texts import Texts
from passerelle.backends.registry import kinds
from passerelle.configured import keep_live, load_catalog, reload_now
from passerelle.domain.ask import Ask
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Catalog
from passerelle.gateway.caretaker import Caretaker
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.gateway.meter import meter, tell
from passerelle.gateway.moderation import Moderation
from passerelle.gateway.pulse import Pulse
from passerelle.gateway.recall import Recall
from passerelle.gateway.recalled import Given
from passerelle.gateway.scout import Scout
from passerelle.guardrails.guard import Guards
from passerelle.http.credentials import OPERATOR, Keys
from passerelle.http.front import App
from passerelle.http.intake import Limits
from passerelle.http.once import Once
from passerelle.http.services import Services
from passerelle.http.vigil import Vigil
from passerelle.idempotency.flights import Flights
from passerelle.idempotency.seal import Sealer
from passerelle.idempotency.store import AnswerStore
from passerelle.lasting import Ground as Lasts
from passerelle.lasting import open_lasting, qdrant_of
from passerelle.limits.places import alone
from passerelle.remembering import Ground as Standing
from passerelle.remembering import Remembering
from passerelle.routing.live import Live
from passerelle.settings import Settings
from passerelle.stores.database import Database
from passerelle.stores.embedded import EmbeddedPostgres
from passerelle.stores.folder import DataFolder
from passerelle.telemetry.metrics import Metrics
from passerelle.telemetry.siblings import Siblings
from passerelle.tenancy.callers import Callers
from passerelle.tenancy.environment import read_keys
from passerelle.tenancy.pepper import agree, read_pepper
from passerelle.tenancy.ring import KeyRing
from passerelle.tenancy.store import KeyStore
from passerelle.working import Working

if TYPE_CHECKING:
    from passerelle.sharing import Sharing
    from passerelle.tenancy.tokens import Tokens

_WATCH_SECONDS = 1.0


@dataclass(slots=True)
class Parts:
    """What a process runs on."""

    services: Services
    folder: DataFolder
    live: Live
    metrics: Metrics
    working: Working
    _state: dict[str, bool] = field(default_factory=lambda: {"ready": True})

    def draining(self) -> None:
        """No new requests should come: readiness is off from here on, and jobs' items have their grace."""
        self._state["ready"] = False
        self.working.leave()


@dataclass(frozen=True, slots=True)
class _Ground:
    """What everything else stands on."""

    settings: Settings
    catalog: Catalog  # that the process begins with
    folder: DataFolder
    database: Database
    pepper: bytes
    store: KeyStore
    ring: KeyRing
    metrics: Metrics


async def _open_ground(settings: Settings, stack: AsyncExitStack, *, shares_folder: bool) -> _Ground:
    """What is quick to fail comes first: the file, then the folder, then the database."""
    catalog = load_catalog(settings)
    environment_keys = _environment_keys(settings, catalog)
    folder = DataFolder(settings.data)
    folder.open()
    if not shares_folder:
        folder.lock()
    stack.callback(folder.close)
    pepper = read_pepper(settings, folder)
    database = await _open_database(settings, folder, stack)
    await agree(database, pepper)
    store = KeyStore(database, pepper)
    ring = KeyRing(store, pepper, environment=environment_keys)
    await ring.refresh()
    return _Ground(settings, catalog, folder, database, pepper, store, ring, Metrics())


@asynccontextmanager
async def open_parts(settings: Settings, *, shares_folder: bool = False) -> AsyncIterator[Parts]:
    """Everything a service needs, closed when the block ends. Raises CannotRun.

    `shares_folder`: its parent owns the data folder, for this process and its siblings.
    """
    # Read by huggingface_hub when it is imported: else it asks the Hub what kind of shell it is run from.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    async with AsyncExitStack() as stack:
        ground = await _open_ground(settings, stack, shares_folder=shares_folder)
        ring, metrics = ground.ring, ground.metrics
        draw = random.SystemRandom().random
        sharing = await _open_sharing(ground, stack)
        admission = await _open_admission(stack, sharing, metrics, draw)
        accounting = await _open_accounting(ground, stack, sharing)
        registry = kinds(ground.folder.models)
        editions = Editions(ground.catalog, lambda spec: registry[spec.kind].open(spec), accounting.pricing)
        stack.push_async_callback(editions.aclose)
        books = await run_accounting(stack, accounting, editions)
        gateway, remembering = await _gateway(
            ground, stack, editions, accounting, admission, sharing, draw=draw
        )
        scout = Scout(editions, every=settings.survey_seconds)
        await books.learn_prices(scout.look)
        live = keep_live(settings, ground.catalog, editions, metrics)
        callers = _callers(ground, stack, editions)
        live.on_swap += [lambda _: scout.changed(), admission.keep, callers.expect, remembering.expect_soon]
        vigil = _vigil(callers, metrics)
        limits = Limits(body=settings.max_body)
        state = {"ready": True}
        cache = _desk(remembering, editions, metrics)
        ours = Lasts(ground.folder.path, ground.database, ground.pepper, metrics, editions, gateway, cache)
        lasting = await open_lasting(stack, settings, ours, alone=not shares_folder and settings.workers == 1)
        services = Services(
            gateway=gateway,
            editions=editions,
            keys=callers,
            key_ring=ring,
            key_store=ground.store,
            limits=limits,
            reload=functools.partial(reload_now, live),
            scout=scout,
            metrics=await _exposition(ground, stack),
            money=books.money(),
            vigil=vigil,
            watch=admission.watch,
            around=await _once(ground, stack, editions, callers=callers, limits=limits),
            ready=lambda: state["ready"],
            degraded=lambda: _degraded(ring, live, accounting, callers, sharing),
            jobs=lasting.working.desk,
            asking=lasting.asking,
            cache=cache,
            rag=lasting.consulting,
            content=lasting.enriching,
            surveys=lasting.surveying,
        )
        await in_background(stack, ring.run(settings.key_refresh_seconds))
        for part in (callers, vigil, scout, Pulse(editions, admission.watch.places)):
            await in_background(stack, part.run())
        await in_background(stack, live.watch(_WATCH_SECONDS))
        yield Parts(services, ground.folder, live, metrics, lasting.working, state)


async def _open_admission(
    stack: AsyncExitStack, sharing: Sharing | None, metrics: Metrics, draw: Callable[[], float]
) -> Admission:
    return await open_admission(
        stack,
        store=sharing.limits if sharing is not None else None,
        replicas=sharing.replicas if sharing is not None else alone,
        metrics=metrics,
        draw=draw,
    )


async def _gateway(
    ground: _Ground,
    stack: AsyncExitStack,
    editions: Editions,
    accounting: Accounting,
    admission: Admission,
    sharing: Sharing | None,
    *,
    draw: Callable[[], float],
) -> tuple[Gateway, Remembering]:
    """The gateway, with guardrails and a cache whose own questions go through it."""

    async def ask_it(caller: Caller, ask: Ask) -> Given:
        return await gateway.ask(caller, ask)

    texts = Texts(ground.folder.models)
    stack.push_async_callback(texts.aclose)
    remembering = Remembering(
        Standing(
            pepper=ground.pepper,
            redis=sharing.redis if sharing is not None else None,
            qdrant=qdrant_of(ground.settings),
            texts=texts,
            editions=editions,
            metrics=ground.metrics,
            draw=draw,
            processes=sharing.replicas if sharing is not None else alone,
        ),
        ask_it,
    )
    gateway = Gateway(
        editions,
        books=accounting.books,
        sinks=[meter(ground.metrics), tell],
        draw=draw,
        watch=admission.watch,
        limiter=admission.limiter,
        guards=Guards(texts, Moderation(ask_it, lambda: editions.catalog)),
        recall=Recall(remembering.cache),
    )
    stack.push_async_callback(gateway.aclose)
    stack.push_async_callback(remembering.aclose)
    await remembering.expect(ground.catalog)
    return gateway, remembering


def _desk(remembering: Remembering, editions: Editions, metrics: Metrics) -> Caretaker:
    """Who answers what people ask of the cache."""
    return Caretaker(
        lambda: remembering.opened, remembering.to_erase, editions, metrics.cache, since=time.time()
    )


async def _exposition(ground: _Ground, stack: AsyncExitStack) -> Callable[[], bytes]:
    """What `/metrics` shows: this process, or all workers of the machine."""
    settings, metrics = ground.settings, ground.metrics
    if settings.worker is None or settings.workers == 1:
        return metrics.exposition
    siblings = Siblings(ground.folder.metrics, metrics, worker=settings.worker, workers=settings.workers)
    stack.callback(siblings.write)
    await in_background(stack, siblings.run())
    return siblings.exposition


async def _once(
    ground: _Ground, stack: AsyncExitStack, editions: Editions, *, callers: Keys, limits: Limits
) -> Callable[[App], App]:
    """What stands before the routes, so that a repeated request runs once."""
    answers = AnswerStore(ground.database)
    stack.push_async_callback(answers.aclose)
    await in_background(stack, answers.run())
    flights, sealer = Flights(answers), Sealer(ground.pepper)
    return lambda app: Once(
        app,
        keys=callers,
        limits=limits,
        flights=flights,
        sealer=sealer,
        catalog=lambda: editions.catalog,
        told=lambda outcome: ground.metrics.load.replayed.labels(outcome).inc(),
    )


def _callers(ground: _Ground, stack: AsyncExitStack, editions: Editions) -> Callers:
    """Keys, and the tokens of those tenants that have a provider of their own."""

    def open_tokens() -> Tokens:
        from passerelle.tenancy.tokens import Tokens  # noqa: PLC0415 - see callers.py

        return Tokens(lambda: editions.catalog, ground.pepper)

    callers = Callers(ground.ring, open_tokens)
    stack.push_async_callback(callers.aclose)
    callers.expect(ground.catalog)
    return callers


def _vigil(callers: Callers, metrics: Metrics) -> Vigil:
    """Who looks after streams; the operator at the control socket has no key that could end."""

    def alive(caller: Caller) -> bool:
        return caller.key_id == OPERATOR.key_id or callers.alive(caller)

    return Vigil(alive, told=lambda deed: metrics.load.cut.labels(deed.value).inc())


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


async def _open_sharing(ground: _Ground, stack: AsyncExitStack) -> Sharing | None:
    """What this process shares with others, where there is a Redis."""
    address = ground.settings.redis_url
    if address is None:
        return None
    from passerelle.sharing import open_sharing  # noqa: PLC0415 - see there

    return await open_sharing(
        stack,
        address.get_secret_value(),
        workers=ground.settings.workers,
        currency=ground.catalog.currency,
        told=ground.metrics.load.redis_away.set,
    )


async def _open_accounting(ground: _Ground, stack: AsyncExitStack, sharing: Sharing | None) -> Accounting:
    return await open_accounting(
        stack,
        folder=ground.folder,
        database=ground.database,
        catalog=ground.catalog,
        metrics=ground.metrics,
        key_names={key.id: key.name for key in await ground.store.list_keys(None)},
        sync_seconds=ground.settings.ledger_sync_seconds,
        holds=sharing.holds if sharing is not None else None,
    )


def _degraded(
    ring: KeyRing, live: Live, accounting: Accounting, callers: Callers, sharing: Sharing | None
) -> list[str]:
    """What does not work although requests are answered; anybody may read this, so it names no details."""
    works = {
        "database": ring.reachable,
        "redis": sharing is None or not sharing.degraded,
        "configuration": not live.refused,
        "spool": accounting.spool.room(),
        "issuers": not callers.away(),
    }
    return [name for name, does in works.items() if not does]
