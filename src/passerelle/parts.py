"""The composition root: makes the parts from settings, in order, and closes them in the other."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from passerelle.accounting import in_background
from passerelle.calling import Calling, open_calling
from passerelle.configured import keep_live, reload_now
from passerelle.domain.caller import Caller
from passerelle.gateway.edition import Editions
from passerelle.gateway.pulse import Pulse
from passerelle.grounding import Ground, open_ground
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
from passerelle.lasting import Lasting, open_lasting
from passerelle.routing.live import Live
from passerelle.settings import Settings, silence
from passerelle.stores.folder import DataFolder
from passerelle.telemetry.metrics import Metrics
from passerelle.telemetry.siblings import Siblings
from passerelle.tenancy.callers import Callers
from passerelle.working import Working

if TYPE_CHECKING:
    from passerelle.tenancy.tokens import Tokens

_WATCH_SECONDS = 1.0


@dataclass(slots=True)
class _Readiness:
    """Should new requests come?"""

    ready: bool = True


@dataclass(frozen=True, slots=True)
class Parts:
    """What a process runs on."""

    services: Services
    folder: DataFolder
    live: Live
    metrics: Metrics
    working: Working
    _readiness: _Readiness

    def draining(self) -> None:
        """No new requests should come: readiness is off from here on, and jobs' items have their grace."""
        self._readiness.ready = False
        self.working.leave()


@asynccontextmanager
async def open_parts(settings: Settings, *, shares_folder: bool = False) -> AsyncIterator[Parts]:
    """Everything a service needs, closed when the block ends. Raises CannotRun.

    `shares_folder`: its parent owns the data folder, for this process and its siblings.
    """
    silence()
    async with AsyncExitStack() as stack:
        ground = await open_ground(settings, stack, shares_folder=shares_folder)
        calling = await open_calling(stack, ground)
        live = keep_live(settings, ground.catalog, calling.editions, ground.metrics)
        callers = _callers(ground, stack, calling.editions)
        scout, admission, remembering = calling.scout, calling.admission, calling.remembering
        live.on_swap += [lambda _: scout.changed(), admission.keep, callers.expect, remembering.expect_soon]
        vigil = _vigil(callers, ground.metrics)
        lasting = await open_lasting(
            stack, settings, _lasts(ground, calling), alone=not shares_folder and settings.workers == 1
        )
        readiness = _Readiness()
        services = await _services(stack, ground, calling, lasting, live=live, callers=callers, vigil=vigil)
        services = replace(services, ready=lambda: readiness.ready)
        for each in (ground.ring, calling.subjecting):
            await in_background(stack, each.run(settings.key_refresh_seconds))
        for part in (callers, vigil, scout, Pulse(calling.editions, admission.watch.places)):
            await in_background(stack, part.run())
        await in_background(stack, live.watch(_WATCH_SECONDS))
        for work in ground.auditing.works(live, pace=settings.survey_seconds):
            await in_background(stack, work)
        yield Parts(services, ground.folder, live, ground.metrics, lasting.working, readiness)


def _lasts(ground: Ground, calling: Calling) -> Lasts:
    return Lasts(
        ground.folder.path,
        ground.database,
        ground.pepper,
        ground.metrics,
        calling.editions,
        calling.gateway,
        calling.cache,
        calling.subjecting,
        ground.auditing,
        ground.seals,
        periodic=calling.subjecting.periodic(),
    )


async def _services(
    stack: AsyncExitStack,
    ground: Ground,
    calling: Calling,
    lasting: Lasting,
    *,
    live: Live,
    callers: Callers,
    vigil: Vigil,
) -> Services:
    """What the routes stand on."""
    limits = Limits(body=ground.settings.max_body)
    prompts = calling.subjecting.prompts
    return Services(
        gateway=calling.gateway,
        editions=calling.editions,
        keys=callers,
        key_ring=ground.ring,
        key_store=ground.store,
        limits=limits,
        reload=functools.partial(reload_now, live),
        scout=calling.scout,
        metrics=await _exposition(ground, stack),
        money=calling.money,
        vigil=vigil,
        watch=calling.admission.watch,
        around=await _once(ground, stack, calling, callers=callers, limits=limits),
        ready=lambda: True,
        degraded=lambda: _degraded(ground, calling, live, callers),
        jobs=lasting.working.desk,
        asking=lasting.asking,
        cache=calling.cache,
        rag=lasting.consulting,
        content=lasting.enriching,
        surveys=lasting.surveying,
        rights=lasting.protecting,
        audit=ground.auditing.office,
        provenance=ground.auditing.provenance,
        prompts=prompts.store if prompts is not None else None,
    )


async def _exposition(ground: Ground, stack: AsyncExitStack) -> Callable[[], bytes]:
    """What `/metrics` shows: this process, or all workers of the machine."""
    settings, metrics = ground.settings, ground.metrics
    if settings.worker is None or settings.workers == 1:
        return metrics.exposition
    siblings = Siblings(ground.folder.metrics, metrics, worker=settings.worker, workers=settings.workers)
    stack.callback(siblings.write)
    await in_background(stack, siblings.run())
    return siblings.exposition


async def _once(
    ground: Ground, stack: AsyncExitStack, calling: Calling, *, callers: Keys, limits: Limits
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
        catalog=lambda: calling.editions.catalog,
        people=calling.subjecting.people,
        told=lambda outcome: ground.metrics.load.replayed.labels(outcome).inc(),
    )


def _callers(ground: Ground, stack: AsyncExitStack, editions: Editions) -> Callers:
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


def _degraded(ground: Ground, calling: Calling, live: Live, callers: Callers) -> list[str]:
    """What does not work although requests are answered; anybody may read this, so it names no details."""
    works = {
        "database": ground.ring.reachable,
        "redis": calling.sharing is None or not calling.sharing.degraded,
        "configuration": not live.refused,
        "spool": calling.accounting.spool.room(),
        "issuers": not callers.away(),
    }
    return [name for name, does in works.items() if not does]
