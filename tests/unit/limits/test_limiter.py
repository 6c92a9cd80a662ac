"""Which limits cover a call, what it holds of them, and what it is told when one is used up."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Mapping

import pytest

from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import OverLimit
from passerelle.domain.limits import Limits, Meter, Rates
from passerelle.limits.limiter import Limiter, Permit
from passerelle.limits.memory import MemoryStore
from passerelle.limits.store import LEASE, SECOND


class Clock:
    def __init__(self) -> None:
        self.now = SECOND

    def __call__(self) -> int:
        return self.now


def tenant(limits: Limits | None = None, name: str = "client-a") -> Tenant:
    return Tenant(name, ("assistant", "embeddings"), limits=limits or Limits())


def caller(key: str = "k1", name: str = "laptop") -> Caller:
    return Caller(key, "client-a", Role.MEMBER, name)


class Desk:
    """A limiter over memory whose clock moves when told, and calls with ids of their own."""

    def __init__(self, limits: Limits) -> None:
        self.clock = Clock()
        self.store = MemoryStore(self.clock)
        self.limiter = Limiter(self.store)
        self.tenant = tenant(limits)
        self.number = 0

    async def admit(self, by: Caller | None = None, model: str | None = "assistant") -> Permit:
        self.number += 1
        return await self.limiter.admit(self.tenant, by or caller(), model, f"c{self.number}")

    async def refused(self, by: Caller | None = None, model: str | None = "assistant") -> OverLimit:
        with pytest.raises(OverLimit) as caught:
            await self.admit(by, model)
        return caught.value

    async def renewed_after(self, seconds: int) -> None:
        """Time passes, and the first call is renewed."""
        self.clock.now += seconds * SECOND
        end = time.monotonic() + 30
        while self.store._calls["c1"].until < self.clock.now + LEASE * SECOND:
            assert time.monotonic() < end
            await asyncio.sleep(0.005)


def left(permit: Permit) -> Mapping[Meter, int]:
    return {standing.meter: standing.remaining for standing in permit.standings}


async def test_a_tenant_without_limits_touches_no_store() -> None:
    limiter = Limiter(None)  # type: ignore[arg-type]
    permit = await limiter.admit(tenant(), caller(), "assistant", "a")
    await permit.reserve(10**12)
    permit.settle(10**12)
    assert permit.standings == ()


async def test_requests_a_minute_of_the_tenant() -> None:
    desk = Desk(Limits(tenant=Rates(rpm=2)))
    assert [left(await desk.admit())[Meter.REQUESTS] for _ in range(2)] == [1, 0]
    error = await desk.refused()

    assert error.retry_after == 30
    assert error.code == "rate_limit_exceeded"
    assert error.message == (
        "The tenant client-a may have 2 requests a minute (rpm), and they are used up: "
        "try again in 30 s, or ask the operator for a higher limit."
    )
    assert [(each.meter, each.remaining, each.reset) for each in error.standings] == [
        (Meter.REQUESTS, 0, 60.0)
    ]
    desk.clock.now += 30 * SECOND
    await desk.admit()


async def test_calls_under_way_and_their_end() -> None:
    desk = Desk(Limits(tenant=Rates(concurrency=1)))
    permit = await desk.admit()
    error = await desk.refused()
    assert error.retry_after == 1.0
    assert "1 call at once (concurrency), and it is used up" in error.message
    for _ in range(3):
        permit.settle(0)
    await desk.admit()
    await desk.refused()


async def test_a_key_named_by_id_or_name_has_its_own_limit_and_every_other_key_the_common_one() -> None:
    desk = Desk(Limits(each_key=Rates(rpm=1), keys={"k2": Rates(rpm=2), "phone": Rates(rpm=3)}))
    for by, most in ((caller("k1"), 1), (caller("k9"), 1), (caller("k2"), 2), (caller("k3", "phone"), 3)):
        for _ in range(most):
            await desk.admit(by)
        assert f"This key may have {most} request" in (await desk.refused(by)).message


async def test_a_model_is_counted_apart_from_others() -> None:
    desk = Desk(Limits(models={"assistant": Rates(rpm=1)}))
    await desk.admit()
    assert "of the model assistant, 1 request a minute" in (await desk.refused()).message
    await desk.admit(model="embeddings")
    await desk.admit(model=None)


async def test_a_refusal_takes_nothing_of_any_limit() -> None:
    desk = Desk(Limits(tenant=Rates(rpm=5, concurrency=5), models={"assistant": Rates(concurrency=1)}))
    await desk.admit()
    for _ in range(20):
        await desk.refused()
    assert left(await desk.admit(model="embeddings")) == {Meter.REQUESTS: 3, Meter.CALLS: 3}


async def test_tokens_are_reserved_then_charged_as_used() -> None:
    desk = Desk(Limits(tenant=Rates(tpm=1000), each_key=Rates(tpm=900)))
    permit = await desk.admit()
    assert left(permit) == {Meter.TOKENS: 900}
    await permit.reserve(600)
    await permit.reserve(600)
    assert left(permit) == {Meter.TOKENS: 300}
    permit.settle(50)
    permit.settle(900)
    again = await desk.admit()
    assert left(again) == {Meter.TOKENS: 850}

    with pytest.raises(OverLimit) as caught:
        await again.reserve(890)
    assert caught.value.retry_after == pytest.approx(40 * 60 / 900, abs=1e-5)
    assert "This key may have 900 tokens a minute (tpm)" in caught.value.message
    again.settle(0)
    assert left(await desk.admit()) == {Meter.TOKENS: 850}


async def test_tokens_that_were_never_reserved_are_charged_and_may_leave_a_debt() -> None:
    desk = Desk(Limits(tenant=Rates(tpm=100)))
    (await desk.admit()).settle(250)
    permit = await desk.admit()
    with pytest.raises(OverLimit) as caught:
        await permit.reserve(1)
    assert caught.value.retry_after == pytest.approx(90.6)


async def test_a_call_greater_than_its_limit_is_told_so_and_not_to_try_again() -> None:
    desk = Desk(Limits(tenant=Rates(tpm=100)))
    permit = await desk.admit()
    with pytest.raises(OverLimit) as caught:
        await permit.reserve(101)
    assert (caught.value.retry_after, caught.value.code) == (None, "tokens_exceed_limit")
    assert "this call alone may use 101: send less" in caught.value.message


async def test_internal_calls_use_tokens_and_neither_requests_nor_places() -> None:
    desk = Desk(Limits(tenant=Rates(rpm=1, tpm=100, concurrency=1)))
    for _ in range(4):
        permit = await desk.admit(caller("internal:judge"))
        await permit.reserve(25)
    with pytest.raises(OverLimit):
        await permit.reserve(60)


@pytest.mark.parametrize("use", ["cache-embed", "cache-judge", "cache-shadow"])
async def test_the_caches_own_calls_leave_callers_all_their_tokens(use: str) -> None:
    desk = Desk(Limits(tenant=Rates(rpm=1, tpm=100, concurrency=1), each_key=Rates(tpm=10)))
    for _ in range(4):
        permit = await desk.admit(caller(f"internal:{use}"))
        await permit.reserve(1000)
        permit.settle(1000)
    assert permit.standings == ()
    own = await desk.admit()
    await own.reserve(10)


async def test_limits_that_change_hold_at_once() -> None:
    desk = Desk(Limits(tenant=Rates(rpm=1)))
    await desk.admit()
    desk.tenant = tenant(Limits(tenant=Rates(rpm=3)))
    for _ in range(2):
        await desk.admit()
    await desk.refused()


async def test_long_calls_keep_their_places_and_dropped_ones_lose_them() -> None:
    desk = Desk(Limits(tenant=Rates(concurrency=2)))
    desk.limiter = Limiter(desk.store, renewal=0.01)
    desk.limiter.start()
    kept, dropped = await desk.admit(), await desk.admit()
    for _ in range(4):
        await desk.renewed_after(30)
    assert kept.goes_on()
    await desk.refused()

    del dropped
    gc.collect()
    for _ in range(3):
        await desk.renewed_after(30)
    await desk.admit()
    await desk.refused()
    await desk.limiter.aclose()


async def test_a_caller_that_leaves_while_it_is_admitted_holds_nothing() -> None:
    class Slow(MemoryStore):
        async def acquire(self, call_id, claims):  # type: ignore[no-untyped-def]
            grant = self.take(call_id, claims)
            await asyncio.sleep(3600)
            return grant

    store = Slow(Clock())
    limiter, of = Limiter(store), tenant(Limits(tenant=Rates(concurrency=1)))
    admission = asyncio.ensure_future(limiter.admit(of, caller(), None, "a"))
    await asyncio.sleep(0)
    admission.cancel()
    await asyncio.wait({admission})
    assert store._places == {}
