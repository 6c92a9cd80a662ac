"""The store in memory stays small, and needs no sweeper. What it answers is in the contract suite."""

from __future__ import annotations

from passerelle.domain.limits import Meter
from passerelle.limits.memory import MemoryStore
from passerelle.limits.store import SECOND, Claim, standing


async def test_what_has_run_dry_and_what_nobody_settled_is_dropped() -> None:
    now = [SECOND]
    store = MemoryStore(lambda: now[0])
    for number in range(20_000):
        await store.acquire(f"c{number}", [Claim("client-a", f"key:{number}", Meter.REQUESTS, 60)])
        now[0] += 2 * SECOND

    assert len(store._rates) < 2_100
    assert len(store._calls) < 5_000


async def test_settled_calls_leave_nothing_but_a_few_names() -> None:
    store = MemoryStore(lambda: SECOND)
    places = Claim("client-a", "calls", Meter.CALLS, 10)
    for number in range(10_000):
        assert (await store.acquire(f"c{number}", [places])).admitted
        store.settle(f"c{number}", {})

    assert (store._calls, store._places) == ({}, {})
    assert len(store._settled) == len(store._order) <= 4_096


async def test_a_standing_says_what_is_left_and_when_it_is_whole() -> None:
    store = MemoryStore(lambda: SECOND)
    grant = await store.acquire("a", [Claim("client-a", "tokens", Meter.TOKENS, 600, 90)])
    told = standing(grant.readings[0])

    assert (told.limit, told.remaining, told.reset) == (600, 510, 9.0)
