"""What is kept and learned in the background: nobody waits in vain, nothing outlives its deletion, all of it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import orjson
import pytest

from passerelle.cache.decide import NOTHING_NEAR, Decision
from passerelle.cache.entry import Kept, Member, Spot
from passerelle.cache.flights import Flights
from passerelle.cache.keeper import ASIDE, LARGEST, WAITING, Keeper
from passerelle.cache.keeping import Asked, Given, Keeping, Origin
from passerelle.cache.seams import Index, Judge, Judged, Opinion, Told
from passerelle.cache.secrets import Secrets
from passerelle.cache.semantics import Semantics, Sight
from passerelle.cache.shelf import Shelf
from passerelle.cache.trust import Trust
from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.cache import Caching, Reason, Semantic, Wishes
from passerelle.domain.catalog import Tenant
from passerelle.telemetry.metrics import Metrics

_ORIGIN = Origin("engine", "fake", "engine", "FR")
_SPOT = Spot("acme", "p" * 64, "e" * 64, "Where is it?", "en", "m", ("author",))
_TENANT = Tenant("acme", ("m",), cache=Caching(semantic=Semantic(ttl=5_000.0)))
_VECTOR = np.ones(4, np.float32) / 2
_SIGHT = Sight(_VECTOR, (), NOTHING_NEAR, None, Reason.UNLIKE)


@dataclass
class _Index:
    added: list[Member] = field(default_factory=list)

    def add(self, member: Member) -> None:
        self.added.append(member)


@dataclass
class _Judge:
    go: asyncio.Event = field(default_factory=asyncio.Event)
    opinion: Opinion = Opinion.SAME

    async def compare(self, kept: Kept, fresh: Kept, *, semantic: Semantic) -> Judged:
        await self.go.wait()
        return Judged(self.opinion, "facts")


@dataclass
class _Shadow:
    """A model that answers when it is let."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    says: Kept | None = None
    asked: int = 0

    async def ask(self, ask: Ask, *, spot: Spot) -> Kept | None:
        self.asked += 1
        await self.go.wait()
        return self.says


@dataclass
class _World:
    keeper: Keeper
    shelf: Shelf
    index: _Index
    shadow: _Shadow
    flights: Flights = field(default_factory=Flights)

    def asked(self, **wishes: Any) -> Asked:
        return Asked(_TENANT, _ask(**wishes), _SPOT, "key", self.shelf.mark())


def _ask(**wishes: Any) -> Ask:
    body = {"model": "m", "messages": [{"role": "user", "content": _SPOT.text}]}
    return Ask(
        route=Route.CHAT, model="m", body=body, stream=False, wants_usage=False, request_id="req", needs=Needs(),
        arrived=0.0, wishes=Wishes(**wishes),
    )  # fmt: skip


@pytest.fixture
async def world() -> AsyncIterator[_World]:
    shelf, index, shadow = Shelf(Secrets(b"p" * 32), clock=lambda: 1_000.0), _Index(), _Shadow()
    trust = Trust(shelf, lambda _: "e")
    told = cast("Told", Metrics().cache)
    keeper = Keeper(
        shelf=shelf, index=cast("Index", index), semantics=cast("Semantics", None), trust=trust,
        judge=cast("Judge", _Judge()), shadow=shadow, told=told, clock=lambda: 1_000.0, draw=lambda: 0.0,
    )  # fmt: skip
    yield _World(keeper, shelf, index, shadow)
    await keeper.aclose()


def _whole(content: Any, finish: str = "stop", **message: Any) -> Given:
    said = {"role": "assistant", "content": content, **message}
    body = {"model": "fake", "choices": [{"index": 0, "message": said, "finish_reason": finish}]}
    return Given(_ORIGIN, (orjson.dumps(body),))


def _streamed(words: int, *, finish: str | None = "stop") -> Given:
    def event(delta: dict[str, str], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return b"data: " + orjson.dumps({"model": "fake", "choices": [choice]}) + b"\n\n"

    blocks = [event({"content": f"word{n} "}) for n in range(words)]
    return Given(_ORIGIN, (*blocks, *([event({}, finish)] if finish else [])), streamed=True)


def _done() -> asyncio.Task[Any]:
    async def vector() -> Any:
        return _VECTOR

    return asyncio.ensure_future(vector())


@pytest.mark.parametrize(
    "given",
    [
        _whole("Half of", finish="length"),
        _whole(""),
        _whole(None, tool_calls=[{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]),
        _whole("x" * (LARGEST + 1)),
        _whole("x" * 2_000_000),
        _whole([{"type": "text", "text": "in parts"}]),
        _streamed(3, finish=None),
        _streamed(3, finish="content_filter"),
        Given(_ORIGIN, (b"not json",)),
        Given(_ORIGIN, (b'data: {"error":{"message":"no"}}\n\n',), streamed=True),
    ],
    ids=["cut", "empty", "tools", "long", "huge", "parts", "unended", "filtered", "garbled", "error"],
)  # fmt: skip
async def test_what_cannot_be_given_again_is_not_kept_and_nobody_waits_for_it(
    world: _World, given: Given
) -> None:
    flight, _ = world.flights.board("e")
    world.keeper.keep(Keeping(world.asked(), given, _SIGHT, _done()), flight)
    assert await flight.wait(5.0) is None
    await world.keeper.idle()

    assert flight.alone
    assert world.shelf.held == (0, 0)
    assert world.index.added == []


@pytest.mark.parametrize("words", [3, ASIDE // 50])
async def test_a_stream_is_kept_and_given_to_those_who_wait(world: _World, words: int) -> None:
    flight, _ = world.flights.board("e")
    world.keeper.keep(Keeping(world.asked(), _streamed(words)), flight)
    kept = await flight.wait(5.0)

    assert kept is not None
    assert kept.message["content"].split() == [f"word{n}" for n in range(words)]
    assert world.shelf.here(_SPOT.exact) == kept


async def test_when_there_is_too_much_to_do_nobody_waits(world: _World) -> None:
    for _ in range(WAITING):
        world.keeper.served(world.asked(), _served())
    flight, _ = world.flights.board("e")
    world.keeper.keep(Keeping(world.asked(), _streamed(3)), flight)

    assert await flight.wait(5.0) is None
    assert flight.alone


async def test_what_was_begun_before_a_deletion_is_not_kept_after_it(world: _World) -> None:
    asked = world.asked(tags=("t",))
    await world.shelf.purge("acme", tag="t")
    world.keeper.keep(Keeping(asked, _whole("It is here."), _SIGHT, _done()), None)
    await world.keeper.idle()

    assert world.shelf.held == (0, 0)
    assert all(member.expires == 0.0 for member in world.index.added)


async def test_a_question_lives_no_longer_than_its_caller_wished(world: _World) -> None:
    world.keeper.keep(Keeping(world.asked(ttl=60.0), _whole("It is here."), _SIGHT, _done()), None)
    await world.keeper.idle()

    (member,) = world.index.added
    assert member.expires == 1_060.0


def _served(**changed: Any) -> Sight:
    decision = Decision(serve=True, cluster="ca_none", notch=1)
    return replace(_SIGHT, decision=decision, reason=None, **changed)


async def test_what_is_asked_again_can_be_deleted_by_the_tag_of_its_question(world: _World) -> None:
    world.shadow.says = replace(_kept(), id="")
    world.shadow.go.set()
    world.keeper.served(world.asked(tags=("t",)), _served())
    await world.keeper.idle()

    (member,) = world.index.added
    assert member.tags == ("t",)


def _kept() -> Kept:
    return Kept("ca_1", "acme", _SPOT.partition, "e", {"role": "assistant", "content": "It is here."}, "stop", None,
                "fake", "engine", "fake", "engine", "FR", 1_000.0, 2_000.0)  # fmt: skip


async def test_a_slow_model_that_is_asked_again_keeps_nobody_from_learning(world: _World) -> None:
    for _ in range(20):
        world.keeper.served(world.asked(), _served())
    world.keeper.keep(Keeping(world.asked(), _whole("It is here."), _SIGHT, _done()), None)
    async with asyncio.timeout(5.0):
        while not world.index.added:
            await asyncio.sleep(0)
    assert world.shadow.asked == 20
    assert not world.shadow.go.is_set()


async def test_closing_ends_what_has_not_even_begun_and_takes_no_more(world: _World) -> None:
    world.keeper.served(world.asked(), _served())
    await world.keeper.aclose()
    world.keeper.served(world.asked(), _served())
    world.keeper.keep(Keeping(world.asked(), _whole("It is here."), _SIGHT, _done()), None)
    await world.keeper.idle()

    assert world.shadow.asked == 0
    assert world.index.added == []
