"""The side of a process that answers calls: engines, money, limits, people, guardrails and the cache, under one gateway."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from passerelle.accounting import Accounting, open_accounting, run_accounting
from passerelle.admission import Admission, open_admission
from passerelle.backends.builtin.texts import Texts
from passerelle.backends.registry import kinds
from passerelle.domain.ask import Ask
from passerelle.domain.caller import Caller
from passerelle.gateway.caretaker import Caretaker
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.gateway.meter import meter, tell
from passerelle.gateway.moderation import Moderation
from passerelle.gateway.recall import Recall
from passerelle.gateway.recalled import Given
from passerelle.gateway.scout import Scout
from passerelle.grounding import Ground
from passerelle.guardrails.guard import Guards
from passerelle.http.services import Money
from passerelle.lasting import qdrant_of
from passerelle.limits.places import alone
from passerelle.remembering import Ground as Memory
from passerelle.remembering import Remembering
from passerelle.sealing.opening import wanted
from passerelle.subjecting import Subjecting, open_subjecting

if TYPE_CHECKING:
    from passerelle.sharing import Sharing

Draw = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Calling:
    """The open parts. `scout` asks engines about themselves; `cache` answers what people ask of what is kept."""

    editions: Editions
    sharing: Sharing | None
    admission: Admission
    accounting: Accounting
    subjecting: Subjecting
    remembering: Remembering
    gateway: Gateway
    scout: Scout
    money: Money
    cache: Caretaker


async def open_calling(stack: AsyncExitStack, ground: Ground) -> Calling:
    """All of it, closed with the stack."""
    draw = random.SystemRandom().random
    sharing = await _open_sharing(ground, stack)
    admission = await _open_admission(stack, sharing, ground, draw)
    accounting = await _open_accounting(ground, stack, sharing)
    registry = kinds(ground.folder.models)
    editions = Editions(ground.catalog, lambda spec: registry[spec.kind].open(spec), accounting.pricing)
    stack.push_async_callback(editions.aclose)
    books = await run_accounting(stack, accounting, editions)
    ground.seals.follow(wanted(lambda: editions.catalog))
    subjecting = await _open_subjecting(ground, stack, editions)
    gateway, remembering = await _gateway(
        ground, stack, editions, accounting, admission, sharing, subjecting, draw=draw
    )
    scout = Scout(editions, every=ground.settings.survey_seconds)
    await books.learn_prices(scout.look)
    cache = Caretaker(
        lambda: remembering.opened,
        remembering.to_erase,
        editions,
        ground.metrics.cache,
        people=subjecting.people,
        since=time.time(),
    )
    return Calling(
        editions,
        sharing,
        admission,
        accounting,
        subjecting,
        remembering,
        gateway,
        scout,
        books.money(),
        cache,
    )


async def _open_admission(
    stack: AsyncExitStack, sharing: Sharing | None, ground: Ground, draw: Draw
) -> Admission:
    return await open_admission(
        stack,
        store=sharing.limits if sharing is not None else None,
        replicas=sharing.replicas if sharing is not None else alone,
        metrics=ground.metrics,
        draw=draw,
    )


async def _gateway(
    ground: Ground,
    stack: AsyncExitStack,
    editions: Editions,
    accounting: Accounting,
    admission: Admission,
    sharing: Sharing | None,
    subjecting: Subjecting,
    *,
    draw: Draw,
) -> tuple[Gateway, Remembering]:
    """The gateway, with guardrails and a cache whose own questions go through it."""

    async def ask_it(caller: Caller, ask: Ask) -> Given:
        return await gateway.ask(caller, ask)

    texts = Texts(ground.folder.models)
    stack.push_async_callback(texts.aclose)
    remembering = Remembering(
        Memory(
            pepper=ground.pepper,
            redis=sharing.redis if sharing is not None else None,
            qdrant=qdrant_of(ground.settings),
            texts=texts,
            editions=editions,
            metrics=ground.metrics,
            draw=draw,
            processes=sharing.replicas if sharing is not None else alone,
            keys=ground.seals,
        ),
        ask_it,
    )
    gateway = Gateway(
        editions,
        books=accounting.books,
        sinks=[meter(ground.metrics), tell, ground.auditing.tell],
        draw=draw,
        watch=admission.watch,
        limiter=admission.limiter,
        guards=Guards(texts, Moderation(ask_it, lambda: editions.catalog)),
        recall=Recall(remembering.cache),
        people=subjecting.people,
        prompts=subjecting.prompts,
    )
    stack.push_async_callback(gateway.aclose)
    stack.push_async_callback(remembering.aclose)
    await remembering.expect(ground.catalog)
    return gateway, remembering


async def _open_subjecting(ground: Ground, stack: AsyncExitStack, editions: Editions) -> Subjecting:
    return await open_subjecting(
        stack,
        ground.database,
        ground.pepper,
        seal=ground.seals,
        catalog=lambda: editions.catalog,
        metrics=ground.metrics,
    )


async def _open_sharing(ground: Ground, stack: AsyncExitStack) -> Sharing | None:
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


async def _open_accounting(ground: Ground, stack: AsyncExitStack, sharing: Sharing | None) -> Accounting:
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
