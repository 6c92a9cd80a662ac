"""One request's dealings with the cache: whatever goes wrong is a miss, and nobody is left waiting for it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import orjson
import pytest

from passerelle.cache.commons import Commons
from passerelle.cache.decide import NOTHING_NEAR, Decision
from passerelle.cache.entry import Spot
from passerelle.cache.flights import Flight
from passerelle.cache.keeper import Keeper
from passerelle.cache.keeping import Asked, Keeping, Origin
from passerelle.cache.key import Ground
from passerelle.cache.seams import Index
from passerelle.cache.secrets import Secrets
from passerelle.cache.semantics import Embeddings, Semantics, Sight
from passerelle.cache.shelf import Shelf
from passerelle.cache.trust import Trust
from passerelle.cache.visit import Found, Visit
from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.cache import Caching, Reason, Semantic, Wishes
from passerelle.domain.catalog import Tenant
from passerelle.telemetry.metrics import Metrics
from tests.unit.cache.answers import kept_of

_TENANT = Tenant("acme", ("m",), cache=Caching(semantic=Semantic()))
_GROUND = Ground.of(_TENANT, "m", ())
_ORIGIN = Origin("engine", "fake", "engine", "FR")
_BODY = orjson.dumps(
    {"model": "f", "choices": [{"message": {"content": "Here."}, "finish_reason": "stop", "index": 0}]}
)
_VECTOR = np.ones(4, np.float32) / 2
_NOTHING = Sight(_VECTOR, (), NOTHING_NEAR, None, Reason.UNLIKE)


@dataclass
class _Embedding:
    version: str = "e"
    go: asyncio.Event = field(default_factory=asyncio.Event)
    fails: bool = False

    async def vector(self, text: str) -> Any:
        await self.go.wait()
        if self.fails:
            raise RuntimeError("no vector")
        return _VECTOR

    def of(self, semantic: Semantic, tenant: str) -> _Embedding:
        return self


class _Seen(Semantics):
    """Sees what the test says."""

    sight: Sight | Exception = _NOTHING

    async def beside(self, tenant: Tenant, spot: Spot, vector: Any) -> Sight:
        if isinstance(self.sight, Exception):
            raise self.sight
        return self.sight


class _Keeper:
    def __init__(self) -> None:
        self.kept: list[tuple[Keeping, Flight | None]] = []
        self.given = 0
        self.fails = False

    def keep(self, keeping: Keeping, flight: Flight | None) -> None:
        if self.fails:
            raise RuntimeError("cannot")
        self.kept.append((keeping, flight))
        if flight is not None:
            flight.land(kept_of("Here."))

    def served(self, asked: Asked, sight: Sight) -> None:
        if self.fails:
            raise RuntimeError("cannot")
        self.given += 1


@dataclass
class _World:
    commons: Commons
    keeper: _Keeper
    seen: _Seen
    embedding: _Embedding

    def visit(self, *, tenant: Tenant = _TENANT, **wishes: Any) -> Visit:
        body = {"model": "m", "messages": [{"role": "user", "content": "Where is the key of the house?"}]}
        ask = Ask(
            route=Route.CHAT, model="m", body=body, stream=False, wants_usage=False, request_id="req",
            needs=Needs(), arrived=0.0, wishes=Wishes(**wishes),
        )  # fmt: skip
        return Visit(self.commons, tenant, ask, model="m", key_id="key")

    def look(self, visit: Visit, **more: Any) -> asyncio.Task[Found | None]:
        return asyncio.ensure_future(visit.look(_GROUND, lambda _: True, **more))


@pytest.fixture
async def world() -> AsyncIterator[_World]:
    embedding, keeper = _Embedding(), _Keeper()
    embedding.go.set()
    shelf = Shelf(Secrets(b"p" * 32), clock=lambda: 1_000.0)
    trust = Trust(shelf, lambda _: "e")
    seen = _Seen(cast("Embeddings", embedding), cast("Index", None), shelf, trust)
    told = Metrics().cache
    commons = Commons(shelf, Secrets(b"p" * 32), seen, cast("Keeper", keeper), told, lambda: 1_000.0)
    yield _World(commons, keeper, seen, embedding)
    await seen.aclose()
    assert len(commons.flights) == 0


async def _leading(world: _World) -> Visit:
    visit = world.visit()
    assert await world.look(visit) is None
    return visit


async def _waiting(world: _World, number: int = 1, **more: Any) -> tuple[list[Visit], list[Any]]:
    visits = [world.visit() for _ in range(number)]
    looks = [world.look(visit, **more) for visit in visits]
    await asyncio.sleep(0)
    assert not any(look.done() for look in looks)
    return visits, looks


@pytest.mark.parametrize("why", ["no-vector", "no-sight", "no-shelf", "no-count", "no-permit"])
async def test_whatever_goes_wrong_is_a_miss(
    world: _World, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    def fails(*_: object) -> Any:
        raise RuntimeError(why)

    found = replace(_NOTHING, kept=kept_of("Here."), decision=Decision(serve=True, cluster="c", notch=1))
    world.embedding.fails = why == "no-vector"
    world.seen.sight = RuntimeError(why) if why == "no-sight" else found
    world.keeper.fails = why == "no-count"
    if why == "no-shelf":
        monkeypatch.setattr(Shelf, "generation", fails)
    visit = world.visit()
    permits = fails if why == "no-permit" else lambda _: True
    assert await visit.look(_GROUND, permits) is None
    assert visit.reason is Reason.AWAY
    visit.answered(_ORIGIN, [_BODY])
    visit.close()


async def _hang(*_: Any, **__: Any) -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize("where", ["flight", "store", "vector"])
async def test_a_caller_that_leaves_anywhere_leaves_nobody_waiting(
    world: _World, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr("passerelle.cache.visit.DEADLINE", 60.0)
    leader: Visit | None = None
    if where == "flight":
        leader = await _leading(world)
    elif where == "store":
        monkeypatch.setattr(world.commons.shelf.__class__, "find", _hang)
    else:
        world.embedding.go.clear()
    leaving = world.visit()
    look = world.look(leaving)
    for _ in range(5):
        await asyncio.sleep(0)
    staying = world.look(world.visit())
    look.cancel()
    await asyncio.gather(look, return_exceptions=True)
    assert look.cancelled()
    for _ in range(5):
        await asyncio.sleep(0)
    if leader is not None:
        assert not staying.done()
        leader.answered(_ORIGIN, [_BODY])
        leader.close()
        assert await staying is not None
    else:  # it asks in its turn, for the others
        assert len(world.commons.flights) == 1
        staying.cancel()
        await asyncio.gather(staying, return_exceptions=True)


async def test_a_leader_that_leaves_is_followed_by_one_that_leads(world: _World) -> None:
    leader = await _leading(world)
    visits, looks = await _waiting(world, 20)
    leader.close()
    for _ in range(10):
        await asyncio.sleep(0.001)
    assert sum(look.done() for look in looks) == 1
    (second,) = [visit for visit, look in zip(visits, looks, strict=True) if look.done()]
    second.answered(_ORIGIN, [_BODY])
    found = await asyncio.gather(*looks)
    assert sum(each is not None for each in found) == 19


@pytest.mark.parametrize(
    "end",
    [
        lambda world, leader: leader.close(alone=True),
        lambda world, leader: (setattr(world.keeper, "fails", True), leader.answered(_ORIGIN, [_BODY])),
    ],
    ids=["failed", "cannot-keep"],
)
async def test_nobody_waits_in_turn_for_what_will_not_be_kept(
    world: _World, end: Callable[[_World, Visit], Any]
) -> None:
    leader = await _leading(world)
    visits, looks = await _waiting(world, 20)
    end(world, leader)
    assert await asyncio.gather(*looks) == [None] * 20
    assert not any(visit.keeps for visit in visits)
    assert all(visit.reason is not None for visit in visits)


@pytest.mark.parametrize("patience", [None, 0.01])
async def test_nobody_waits_for_ever_for_whoever_reads_slowly(
    world: _World, monkeypatch: pytest.MonkeyPatch, patience: float | None
) -> None:
    monkeypatch.setattr("passerelle.cache.visit.WAIT", 0.02)
    leader = await _leading(world)
    _, looks = await _waiting(world, 3, patience=patience)
    assert await asyncio.gather(*looks) == [None] * 3
    leader.close()


async def test_whoever_waits_is_told_that_an_answer_was_to_other_words_and_counts(world: _World) -> None:
    world.embedding.go.clear()
    leading = world.look(world.visit())
    for _ in range(3):
        await asyncio.sleep(0)
    _, looks = await _waiting(world, 5)
    decision = Decision(serve=True, cluster="c", notch=1)
    world.seen.sight = replace(_NOTHING, kept=kept_of("Here."), decision=decision, reason=None)
    world.embedding.go.set()
    found = await asyncio.gather(leading, *looks)

    assert all(each is not None and each.semantic for each in found)
    assert world.keeper.given == 6


async def test_what_only_asks_for_kept_answers_leads_and_follows_nobody(world: _World) -> None:
    leader = await _leading(world)
    visit = world.visit(only_kept=True)
    assert await world.look(visit) is None
    assert not visit.keeps
    leader.close()
    alone = world.visit(only_kept=True)
    assert await world.look(alone) is None
    assert len(world.commons.flights) == 0


async def test_the_age_that_a_caller_takes_holds_for_what_it_waited_for(world: _World) -> None:
    leader = await _leading(world)
    follower = world.visit(max_age=5.0)
    look = world.look(follower)
    await asyncio.sleep(0)
    leader._flight.land(kept_of("Old.", now=900.0))  # type: ignore[union-attr]
    assert await look is None
    assert follower.keeps  # and leads now
    follower.close()
    leader.close()


async def test_a_visit_leaves_no_garbage(world: _World) -> None:
    async def once() -> None:
        visit = world.visit()
        await visit.look(_GROUND, lambda _: True)
        visit.answered(_ORIGIN, [_BODY])
        visit.close()
        world.keeper.kept.clear()

    await once()
    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            await once()
        left = gc.collect()
    finally:
        gc.enable()
    assert left < 100
