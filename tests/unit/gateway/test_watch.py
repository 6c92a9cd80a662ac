"""What one caller does to itself says nothing of an engine: others are sent there as before."""

from __future__ import annotations

import asyncio
import random
from time import monotonic

import pytest

from passerelle.backends.base import Reply
from passerelle.domain.ask import Ask, Needs, Route, Task
from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import BackendSpec, Catalog, Model, Target, Tenant, TimeLimits
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.domain.limits import Concurrency
from passerelle.gateway.accounts import Accounts
from passerelle.gateway.affinity import Flight
from passerelle.gateway.edition import Editions
from passerelle.gateway.gateway import Gateway
from passerelle.gateway.watch import Watch
from passerelle.limits.breakers import FEWEST, FIRST, IN_A_ROW, Breakers
from passerelle.limits.places import Places
from passerelle.limits.retries import Retries
from tests.books import Ledger, pricing
from tests.serving import gateway_of

_CALLER = Caller("key", "t", Role.MEMBER)
_TENANT = Tenant("t", ("m",), attempts=3)
_TARGETS = (Target("a", "x"), Target("b", "x"))


class _Slow:
    """An engine that is well, and takes its time."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self._name = name
        self._asked = asked

    async def start(self, ask: Ask, target: Target, wait: float) -> Reply:
        self._asked.append(self._name)
        await asyncio.Event().wait()
        raise AssertionError("nobody waits so long")

    async def aclose(self) -> None: ...


def _gateway(asked: list[str], *, total: float = 600) -> Gateway:
    limits = TimeLimits(first_content=total, between_chunks=5, total=total)
    backends = {
        name: BackendSpec(name, "openai", None, limits=limits, secrets={"token": "t"}) for name in "ab"
    }
    catalog = Catalog("v", backends, {"m": Model("m", Task.CHAT, _TARGETS)}, {"t": _TENANT})
    editions = Editions(catalog, lambda spec: _Slow(spec.name, asked), pricing)  # type: ignore[arg-type, return-value]
    return gateway_of(editions, books=Ledger().books, sinks=[], draw=random.Random(1).random)


def _ask(*, stream: bool, patience: float | None = None) -> Ask:
    body = {"messages": [{"role": "user", "content": "x"}]}
    return Ask(Route.CHAT, "m", body, stream, False, "id", Needs(), 0.0, patience=patience)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_callers_without_patience_open_no_breaker(stream: bool) -> None:
    asked: list[str] = []
    gateway = _gateway(asked)
    calls = [gateway.ask(_CALLER, _ask(stream=stream, patience=0.01)) for _ in range(2 * FEWEST)]
    heard = await asyncio.gather(*calls, return_exceptions=True)

    assert {each.fault for each in heard if isinstance(each, UpstreamFailed)} == {Fault.TIMEOUT_TOTAL}
    assert sum(each.failures for each in gateway.watch.breakers.snapshot().values()) == 0
    assert len(asked) <= 2 * FEWEST, "nobody is asked for whom there is no time left"


async def test_a_target_for_which_no_time_is_left_is_not_asked_and_not_blamed() -> None:
    asked: list[str] = []
    gateway = _gateway(asked, total=0.05)
    for _ in range(3):
        with pytest.raises(UpstreamFailed) as failed:
            await gateway.ask(_CALLER, _ask(stream=False))
        assert failed.value.fault is Fault.TIMEOUT_TOTAL
    assert len(asked) == 3
    assert sum(each.failures for each in gateway.watch.breakers.snapshot().values()) == 3


async def test_no_time_at_all_is_told_as_such() -> None:
    asked: list[str] = []
    with pytest.raises(UpstreamFailed) as failed:
        await _gateway(asked).ask(_CALLER, _ask(stream=False, patience=0.000001))
    assert failed.value.fault is Fault.TIMEOUT_TOTAL
    assert asked == []


class _World:
    """A watch over one backend with one place, and a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.spec = BackendSpec("a", "openai", None, concurrency=Concurrency(most=1, least=1, wait=100))

        def clock() -> float:
            return self.now

        self.breakers = Breakers(clock, lambda: 1.0)
        self.watch = Watch(
            Accounts(clock), Flight(), self.breakers, Places(monotonic), Retries(clock), clock=clock
        )

    def asks(self, patience: float = 50.0) -> asyncio.Future[object]:
        return asyncio.ensure_future(
            self.watch.engage(_TARGETS[0], self.spec, _TENANT, cost=1, patience=patience)
        )

    def opens(self) -> None:
        for _ in range(IN_A_ROW):
            self.breakers.failed("a", Fault.CONNECT)


async def test_who_waited_while_a_backend_came_to_rest_is_not_sent_there() -> None:
    world = _World()
    first = await world.watch.engage(_TARGETS[0], world.spec, _TENANT, cost=1, patience=1)
    waiting = [world.asks() for _ in range(5)]
    await asyncio.sleep(0)
    world.now += 1
    world.opens()
    first.leave()
    heard = await asyncio.gather(*waiting, return_exceptions=True)

    assert [each.fault for each in heard if isinstance(each, UpstreamFailed)] == [Fault.RESTING] * 5
    occupied = world.watch.places.of("a")
    assert occupied is not None
    assert (occupied.in_flight, occupied.waiting) == (0, 0)


async def test_of_those_who_waited_through_a_rest_one_is_the_probe() -> None:
    world = _World()
    first = await world.watch.engage(_TARGETS[0], world.spec, _TENANT, cost=1, patience=1)
    waiting = [world.asks() for _ in range(5)]
    await asyncio.sleep(0)
    world.now += 1
    world.opens()
    world.now += FIRST
    first.leave()
    await asyncio.sleep(0.01)

    done = [each for each in waiting if each.done()]
    assert len([each for each in done if each.exception() is None]) == 1
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_who_was_turned_away_before_the_rest_hands_on_no_probes_turn() -> None:
    world = _World()
    first = await world.watch.engage(_TARGETS[0], world.spec, _TENANT, cost=1, patience=1)
    waiting = world.asks()
    await asyncio.sleep(0)
    world.now += 1
    world.opens()
    world.now += FIRST
    assert world.breakers.rests("a") == 0  # somebody has the turn
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert world.breakers.rests("a") > 0
    first.leave()
