"""One suite over every limit store: memory, Redis and Valkey do what the model does, call by call."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    rule,
    run_state_machine_as_test,
)

from passerelle.domain.limits import Meter
from passerelle.limits.memory import MemoryStore
from passerelle.limits.shared import SharedStore
from passerelle.limits.store import LEASE, REMEMBERED, SECOND, Claim, Grant, LimitStore, refused
from passerelle.stores.redis import Redis
from tests.redis_server import SERVERS, running
from tests.unit.limits.model_of_limits import Model

T = TypeVar("T")


class Clock:
    """Moves when told."""

    def __init__(self) -> None:
        self.now = 1_000 * SECOND

    def __call__(self) -> int:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += math.ceil(seconds * SECOND)


class Kind:
    """How to open a store of one kind, empty."""

    def __init__(self, url: str | None) -> None:
        self.url = url

    @asynccontextmanager
    async def opened(self, clock: Clock) -> AsyncIterator[LimitStore]:
        if self.url is None:
            yield MemoryStore(clock)
            return
        redis = Redis(self.url, timeout=20)
        await redis.client.flushall()
        store = SharedStore(redis, clock=clock, patience=20)  # the machine may be busy
        try:
            yield store
        finally:
            await store.aclose()
            await redis.aclose()


@pytest.fixture(scope="module", params=("memory", *SERVERS))
def kind(request: pytest.FixtureRequest) -> Iterator[Kind]:
    if request.param == "memory":
        yield Kind(None)
    else:
        with running(request.param) as server:
            yield Kind(server.url)


async def settled(store: LimitStore) -> None:
    """Wait until the store has sent what is settled."""
    if isinstance(store, SharedStore):
        store.flush()
        while store._lane is not None:
            await asyncio.wait({store._lane})
            await asyncio.sleep(0)


def rpm(limit: int, cost: int = 1, name: str = "requests") -> Claim:
    return Claim("client-a", name, Meter.REQUESTS, limit, cost)


def tpm(limit: int, cost: int) -> Claim:
    return Claim("client-a", "tokens", Meter.TOKENS, limit, cost)


def calls(limit: int) -> Claim:
    return Claim("client-a", "calls", Meter.CALLS, limit)


async def test_the_limit_is_the_burst_and_the_wait_that_is_told_is_enough_and_not_too_long(
    kind: Kind,
) -> None:
    clock = Clock()
    async with kind.opened(clock) as store:
        grants = [await store.acquire(f"c{n}", [rpm(7)]) for n in range(9)]
        assert [grant.admitted for grant in grants] == [True] * 7 + [False] * 2

        _, seconds = refused(grants[-1])
        assert seconds is not None
        clock.pass_(seconds - 0.001)
        assert not (await store.acquire("early", [rpm(7)])).admitted
        clock.pass_(0.001)
        assert (await store.acquire("due", [rpm(7)])).admitted


@pytest.mark.parametrize("limit", [1, 3, 59, 1_000_003, 10_000_000_000])
async def test_a_minute_gives_back_exactly_the_limit_however_small_or_large(kind: Kind, limit: int) -> None:
    clock = Clock()
    async with kind.opened(clock) as store:
        assert (await store.acquire("all", [tpm(limit, limit)])).admitted
        assert not (await store.acquire("more", [tpm(limit, 1)])).admitted
        clock.pass_(60)
        [reading] = (await store.look([tpm(limit, 0)])).readings
        assert reading.used == 0
        assert (await store.acquire("again", [tpm(limit, limit)])).admitted


async def test_all_or_nothing(kind: Kind) -> None:
    async with kind.opened(Clock()) as store:
        assert (await store.acquire("a", [rpm(10), calls(1)])).admitted
        assert not (await store.acquire("b", [rpm(10), calls(1)])).admitted

        [requests, places] = (await store.look([rpm(10, 0), calls(1)])).readings
        assert (requests.used, places.used) == (1, 1)


async def test_a_call_never_takes_twice_and_is_settled_once(kind: Kind) -> None:
    async with kind.opened(Clock()) as store:
        for _ in range(3):
            assert (await store.acquire("a", [rpm(2), tpm(100, 60), calls(1)])).admitted
        for _ in range(2):
            store.settle("a", {"tokens": 10})
        await settled(store)
        assert (
            await store.acquire("a", [rpm(2), tpm(100, 60), calls(1)])
        ).admitted  # late, and without effect

        readings = (await store.look([rpm(2, 0), tpm(100, 0), calls(1)])).readings
        assert [reading.used for reading in readings] == [1, 10, 0]


async def test_more_than_was_reserved_is_a_debt_that_sinks(kind: Kind) -> None:
    clock = Clock()
    async with kind.opened(clock) as store:
        await store.acquire("a", [tpm(100, 50)])
        store.settle("a", {"tokens": 250})
        await settled(store)
        grant = await store.acquire("b", [tpm(100, 1)])
        assert (grant.admitted, refused(grant)) == (False, (0, 90.6))
        clock.pass_(90.6)
        assert (await store.acquire("b", [tpm(100, 1)])).admitted


async def test_more_than_the_limit_never_fits(kind: Kind) -> None:
    async with kind.opened(Clock()) as store:
        grant = await store.acquire("a", [rpm(5), tpm(100, 101)])
        assert (grant.admitted, refused(grant)) == (False, (1, None))


async def test_places_end_with_their_lease_and_live_on_when_renewed(kind: Kind) -> None:
    clock = Clock()
    async with kind.opened(clock) as store:
        for call in ("dead", "alive"):
            assert (await store.acquire(call, [calls(2)])).admitted
        clock.pass_(LEASE - 1)
        await store.renew(["alive", "unknown"])
        assert not (await store.acquire("c", [calls(2)])).admitted
        clock.pass_(2)
        assert (await store.acquire("c", [calls(2)])).admitted
        assert not (await store.acquire("d", [calls(2)])).admitted


async def test_a_settled_call_is_not_renewed_to_life(kind: Kind) -> None:
    async with kind.opened(Clock()) as store:
        await store.acquire("a", [calls(1)])
        store.settle("a", {})
        await store.renew(["a"])
        await settled(store)
        assert (await store.acquire("b", [calls(1)])).admitted


async def test_a_clock_that_goes_back_neither_gives_nor_blocks(kind: Kind) -> None:
    clock = Clock()
    async with kind.opened(clock) as store:
        await store.acquire("a", [rpm(60, 60)])
        clock.pass_(-300)
        assert not (await store.acquire("b", [rpm(60)])).admitted
        clock.pass_(1)
        assert (await store.acquire("b", [rpm(60)])).admitted


async def test_a_limit_that_changes_keeps_what_is_used(kind: Kind) -> None:
    async with kind.opened(Clock()) as store:
        await store.acquire("a", [rpm(60, 50)])
        assert not (await store.acquire("b", [rpm(40)])).admitted
        assert (await store.acquire("b", [rpm(61)])).admitted


async def test_tenants_and_names_are_apart_whatever_is_in_them(kind: Kind) -> None:
    odd = ["a", "a}", "{a}", "a:call:x", "é\n\x00 \U0001f600"]
    async with kind.opened(Clock()) as store:
        for tenant in odd:
            for name in odd:
                claim = Claim(tenant, name, Meter.REQUESTS, 1)
                assert (await store.acquire(f"{tenant}/{name}", [claim])).admitted


CLAIMS = (
    st.builds(rpm, st.just(5), st.integers(1, 2))
    | st.builds(tpm, st.sampled_from([90, 120]), st.integers(0, 130))
    | st.builds(lambda: calls(2))
)
CLAIM_LISTS = st.lists(CLAIMS, min_size=1, max_size=3, unique_by=lambda claim: claim.name)


class Machine(RuleBasedStateMachine):
    """Whatever is asked, in whichever order: the store's answers and levels are the model's."""

    kind: Kind
    runner: asyncio.Runner
    asked = Bundle("asked")
    done = Bundle("done")

    @initialize()
    def open(self) -> None:
        self.clock, self.model, self.count = Clock(), Model(), 0
        self.ended: dict[str, int] = {}
        self.context = self.kind.opened(self.clock)
        self.store = self.run(self.context.__aenter__())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.context.__aexit__(None, None, None))

    async def settle_twice(self, call: str, used: dict[str, int]) -> None:
        self.store.settle(call, used)
        self.store.settle(call, used)
        await settled(self.store)

    def take(self, call: str, claims: list[Claim]) -> None:
        grant: Grant = self.run(self.store.acquire(call, claims))
        assert grant.admitted == self.model.acquire(call, claims)
        for claim, reading in zip(claims, grant.readings, strict=True):
            assert reading.used == self.model.used(claim)
            assert reading.wanted == (0 if grant.admitted else self.model.wanted(call, claim))

    @rule(target=asked, claims=CLAIM_LISTS)
    def acquire(self, claims: list[Claim]) -> str:
        self.count += 1
        self.take(f"c{self.count}", claims)
        return f"c{self.count}"

    @rule(call=asked, claims=CLAIM_LISTS)
    def acquire_more(self, call: str, claims: list[Claim]) -> None:
        self.take(call, claims)

    @rule(
        target=done,
        call=consumes(asked),
        used=st.dictionaries(st.sampled_from(["requests", "tokens"]), st.integers(0, 300)),
    )
    def settle(self, call: str, used: dict[str, int]) -> str:
        self.run(self.settle_twice(call, used))
        self.model.settle(call, used)
        if call not in self.model.settled:  # it held nothing: its id is free, and will not come back
            self.model.settled.add(call)
            return "nobody"
        self.ended[call] = self.clock.now
        return call

    @rule(call=done, claims=CLAIM_LISTS)
    def come_late(self, call: str, claims: list[Claim]) -> None:
        if call in self.ended and self.clock.now - self.ended[call] < REMEMBERED * SECOND:
            self.take(call, claims)

    @rule(call=asked)
    def renew(self, call: str) -> None:
        self.run(self.store.renew([call]))
        if call in self.model.known:
            self.model.renew(call)

    @rule(micros=st.integers(0, 70 * SECOND) | st.integers(0, 10_000))
    def wait(self, micros: int) -> None:
        self.clock.now += micros
        self.model.now = self.clock.now


def test_every_store_is_the_model(kind: Kind) -> None:
    with asyncio.Runner() as runner:
        machine = type("Held", (Machine,), {"kind": kind, "runner": runner})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=60,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
