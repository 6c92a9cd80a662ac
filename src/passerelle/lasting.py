"""What outlives a request: jobs, the documents that they read, and answers from those."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from passerelle.cache.desk import Desk as CacheDesk
from passerelle.consulting import Consulting
from passerelle.consulting import Ground as Documents
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.http.ask import Asking
from passerelle.settings import Settings
from passerelle.stores.database import Database
from passerelle.telemetry.metrics import Metrics
from passerelle.working import Ground as Work
from passerelle.working import Working, grace_of


@dataclass(frozen=True, slots=True)
class Ground:
    """What it stands on. `secret` is the installation's."""

    data: Path
    database: Database
    secret: bytes
    metrics: Metrics
    editions: Editions
    gateway: Gateway
    cache: CacheDesk


@dataclass(frozen=True, slots=True)
class Lasting:
    """Jobs, documents, and who answers a request, from those or from a model."""

    working: Working
    consulting: Consulting
    asking: Asking


async def open_lasting(stack: AsyncExitStack, settings: Settings, ground: Ground, *, alone: bool) -> Lasting:
    """All of it, closed with the stack: workers end before what they use. `alone`: nobody shares the data folder."""
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
        )
    )
    stack.push_async_callback(consulting.aclose)
    working = Working(
        Work(
            database=ground.database,
            metrics=ground.metrics,
            kinds=consulting.kinds,
            periodic=consulting.periodic(),
            share_of=ground.editions.share,
            concurrency=settings.job_concurrency,
            grace=grace_of(settings.drain_seconds),
        )
    )
    stack.push_async_callback(working.aclose)
    asking = Asking(ground.gateway, ground.editions, consulting)
    stack.push_async_callback(asking.aclose)
    return Lasting(working, consulting, asking)


def qdrant_of(settings: Settings) -> tuple[str, str | None] | None:
    """A Qdrant server's address and key, where there is one."""
    if settings.qdrant_url is None:
        return None
    key = settings.qdrant_api_key
    return settings.qdrant_url, key.get_secret_value() if key else None
