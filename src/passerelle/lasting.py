"""What outlives a request: jobs, the documents, texts and surveys that they work on, and answers from those."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog

from passerelle.auditing import Auditing
from passerelle.consulting import Consulting
from passerelle.consulting import Ground as Documents
from passerelle.domain.errors import Unavailable
from passerelle.enriching import Enriching
from passerelle.enriching import Ground as Texts
from passerelle.gateway.caretaker import Caretaker
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.http.ask import Asking
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Kind, Kinds
from passerelle.jobs.periodic import Periodic
from passerelle.protecting import Ground as People
from passerelle.protecting import Protecting
from passerelle.sealing.seals import Seals
from passerelle.sealing.values import Sealing, Unsealed
from passerelle.settings import Settings
from passerelle.stores.database import Database
from passerelle.subjecting import Subjecting
from passerelle.surveying import Ground as Comments
from passerelle.surveying import Surveying
from passerelle.telemetry.metrics import Metrics
from passerelle.working import Ground as Work
from passerelle.working import Working, grace_of

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ground:
    """What it stands on. `secret` is the installation's."""

    data: Path
    database: Database
    secret: bytes
    metrics: Metrics
    editions: Editions
    gateway: Gateway
    cache: Caretaker
    subjecting: Subjecting
    auditing: Auditing
    seals: Seals | None = None  # None: nothing that is stored is sealed
    periodic: Sequence[Periodic] = ()  # what else is done at times


@dataclass(frozen=True, slots=True)
class Lasting:
    """Jobs, documents, texts, surveys, and who answers a request, from documents or from a model."""

    working: Working
    consulting: Consulting
    enriching: Enriching
    surveying: Surveying
    protecting: Protecting
    asking: Asking


async def open_lasting(stack: AsyncExitStack, settings: Settings, ground: Ground, *, alone: bool) -> Lasting:
    """All of it, closed with the stack: workers end before what they use. `alone`: nobody shares the data folder."""
    seals: Sealing = ground.seals or Unsealed()
    consulting = Consulting(
        Documents(
            data=ground.data,
            alone=alone,
            qdrant=qdrant_of(settings),
            database=ground.database,
            secret=ground.secret,
            editions=ground.editions,
            gateway=ground.gateway,
            cache=ground.cache,
            desk=lambda: working.desk,
            seals=seals,
        )
    )
    stack.push_async_callback(consulting.aclose)
    enriching = Enriching(
        Texts(
            ground.database,
            ground.editions,
            ground.gateway,
            rag=consulting,
            desk=lambda: working.desk,
            seals=seals,
        )
    )
    stack.push_async_callback(enriching.aclose)
    surveying = Surveying(
        Comments(
            database=ground.database,
            editions=ground.editions,
            gateway=ground.gateway,
            rag=consulting,
            chunks=consulting.chunks,
            secret=ground.secret,
            desk=lambda: working.desk,
            seals=seals,
        )
    )
    stack.push_async_callback(surveying.aclose)
    protecting = _protecting(ground, consulting, enriching, surveying, desk=lambda: working.desk)
    stack.push_async_callback(protecting.aclose)
    rooms = (consulting, enriching, surveying, protecting)
    working = Working(
        Work(
            database=ground.database,
            metrics=ground.metrics,
            kinds=_all(*(each.kinds for each in rooms)),
            periodic=(*(one for each in rooms for one in each.periodic()), *ground.periodic),
            share_of=ground.editions.share,
            concurrency=settings.job_concurrency,
            grace=grace_of(settings.drain_seconds),
        )
    )
    stack.push_async_callback(working.aclose)
    asking = Asking(ground.gateway, ground.editions, consulting)
    stack.push_async_callback(asking.aclose)
    return Lasting(working, consulting, enriching, surveying, protecting, asking)


def _protecting(
    ground: Ground,
    consulting: Consulting,
    enriching: Enriching,
    surveying: Surveying,
    *,
    desk: Callable[[], Desk],
) -> Protecting:
    subjecting, seals = ground.subjecting, ground.seals
    return Protecting(
        People(
            database=ground.database,
            editions=ground.editions,
            desk=desk,
            cache=ground.cache,
            documents=consulting.holdings,
            texts=enriching.holdings,
            surveys=surveying.holdings,
            people=subjecting.holdings(),
            pseudonym=subjecting.pseudonyms.of,
            restrictions=subjecting.restrictions,
            sightings=subjecting.sightings,
            seal=seals,
            destroy=seals.destroy if seals is not None else None,
            note=ground.auditing.office.noted,
            signer=ground.auditing.signer,
        )
    )


def _all(*rooms: Callable[[], Awaitable[Kinds]]) -> Callable[[], Awaitable[Kinds]]:
    """The kinds of all rooms; those of one that this process cannot have are left to others, if there is any other."""

    async def kinds() -> Kinds:
        found: dict[str, Kind] = {}
        away: Unavailable | None = None
        for room in rooms:
            try:
                found |= await room()
            except Unavailable as error:
                away = error
                _log.info("jobs_left_to_others", reason=error.message[:300])
        if away is not None and not found:
            raise away
        return found

    return kinds


def qdrant_of(settings: Settings) -> tuple[str, str | None] | None:
    """A Qdrant server's address and key, where there is one."""
    if settings.qdrant_url is None:
        return None
    key = settings.qdrant_api_key
    return settings.qdrant_url, key.get_secret_value() if key else None
