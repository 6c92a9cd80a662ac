"""Opens the cache: imported when the first tenant keeps answers, because vectors and ciphers cost memory."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from passerelle.cache.cache import Cache
from passerelle.cache.commons import Commons
from passerelle.cache.index import Tiers
from passerelle.cache.judge import AnswerJudge, Embedders
from passerelle.cache.keeper import Keeper, Shadow
from passerelle.cache.qdrant import Large
from passerelle.cache.seams import Clock, Telling, Told
from passerelle.cache.second import Check
from passerelle.cache.secrets import Keys, Secrets
from passerelle.cache.semantics import Embeddings, Semantics
from passerelle.cache.shelf import Shelf
from passerelle.cache.trust import Trust
from passerelle.domain.catalog import Tenant
from passerelle.stores.qdrant import Qdrant

if TYPE_CHECKING:
    from passerelle.stores.redis import Redis


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the cache is given by the rest of the process."""

    pepper: bytes
    redis: Redis | None
    qdrant: tuple[str, str | None] | None  # address and key of a server
    embeddings: Embeddings  # for questions
    embedders: Embedders  # for answers
    telling: Telling
    shadow: Shadow
    told: Told
    away: Callable[[bool], None]  # hears when what processes share can be trusted no more, and again
    draw: Callable[[], float]
    processes: Callable[[], int]
    check: Callable[[str], Check]
    clock: Clock = time.time
    keys: Keys | None = None  # tenants' own


@dataclass(frozen=True, slots=True)
class Opened:
    """The open cache and its parts."""

    cache: Cache
    commons: Commons
    index: Tiers
    trust: Trust
    keeper: Keeper


async def open_cache(stack: AsyncExitStack, wiring: Wiring) -> Opened:
    """Open it; the stack closes it. Without its stores it keeps in this process, or nothing."""
    secrets = Secrets(wiring.pepper, wiring.keys)
    shelf = Shelf(secrets, wiring.redis, clock=wiring.clock, told=lambda trusted: wiring.away(not trusted))
    large = None
    if wiring.qdrant is not None:
        address, key = wiring.qdrant
        qdrant = Qdrant(address, key=key)
        stack.push_async_callback(qdrant.aclose)
        large = Large(qdrant, secrets, clock=wiring.clock)
        stack.push_async_callback(large.aclose)
    index = Tiers(shelf, clock=wiring.clock, large=large)
    shelf.hear(index)
    stack.push_async_callback(shelf.aclose)
    stack.push_async_callback(index.aclose)

    def version(tenant: Tenant) -> str:
        embedding = semantics.embedding(tenant)
        return embedding.version if embedding is not None else ""

    trust = Trust(shelf, version)
    semantics = Semantics(wiring.embeddings, index, shelf, trust, check=wiring.check)
    keeper = Keeper(
        shelf=shelf,
        index=index,
        semantics=semantics,
        trust=trust,
        judge=AnswerJudge(wiring.embedders, wiring.telling, clock=wiring.clock, processes=wiring.processes),
        shadow=wiring.shadow,
        told=wiring.told,
        clock=wiring.clock,
        draw=wiring.draw,
    )
    await shelf.start()
    stack.push_async_callback(trust.share)
    sharing = asyncio.ensure_future(trust.run())
    stack.push_async_callback(_ended, sharing)
    stack.push_async_callback(semantics.aclose)
    stack.push_async_callback(keeper.aclose)
    commons = Commons(shelf, secrets, semantics, keeper, wiring.told, wiring.clock)
    return Opened(Cache(commons), commons, index, trust, keeper)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
