"""A ceiling of several processes is one ceiling, whatever becomes of the processes and of Redis."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from passerelle.domain.billing import Budget, Ceiling, OnExceed
from passerelle.domain.calendar import Month
from passerelle.domain.money import PICO
from passerelle.ledger.budgets import Budgets, OverBudget
from passerelle.ledger.holds import Hold
from passerelle.ledger.shared_holds import SharedHolds
from passerelle.ledger.spent import Spent
from passerelle.stores.redis import Redis
from tests.redis_server import RedisServer
from tests.unit.ledger.test_budgets import NOON, NOVEMBER, PARIS, Client, at, euros, stands

_ROOT = Path(__file__).parents[3]


@dataclass
class Process:
    """One gateway's budgets."""

    budgets: Budgets
    store: SharedHolds

    async def hold(self, client: Client, amount: int = PICO, **other: Any) -> Hold:
        said: dict[str, Any] = {"key_id": "key_1", "key_name": "laptop", "model": "assistant", "ttl": 600.0}
        return await self.budgets.hold(client, amount=amount, **{"now": NOON, **said, **other})

    async def spend(self, client: Client, billed: int, **other: Any) -> None:
        hold = await self.hold(client, 0, **other)
        hold.settle(billed, other.get("now", NOON))
        await self.store.settled()

    async def fills(self, client: Client, amount: int = PICO) -> int:
        """How many calls it admits, one after another."""
        admitted = 0
        while True:
            try:
                await self.hold(client, amount)
            except OverBudget:
                return admitted
            admitted += 1

    async def look(self, read: Callable[..., Awaitable[Spent]] | None = None, now: int = NOON) -> None:
        async def nothing(month: Month, before: datetime | None) -> Spent:
            return Spent(month)

        await self.budgets.refresh(read or nothing, now=now)


Begin = Callable[..., Process]


@pytest.fixture
async def begin(one_redis: RedisServer) -> AsyncIterator[Begin]:
    """Processes on one Redis, which end with the test."""
    async with AsyncExitStack() as stack:

        def made(**settings: Any) -> Process:
            redis = Redis(one_redis.url)
            stack.push_async_callback(redis.aclose)
            store = SharedHolds(redis, **{"currency": "EUR", "replicas": lambda: 2, **settings})
            stack.push_async_callback(store.aclose)
            return Process(Budgets(PARIS, store=store), store)

        yield made


async def _is(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)


async def _spenders(url: str, ends: str, *, calls: int = 200) -> list[asyncio.subprocess.Process]:
    return [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.unit.ledger.spender", url, "100", str(calls), ends),
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
        )
        for _ in range(4)
    ]


async def test_800_parallel_holds_of_four_processes_with_room_for_100_are_100(
    redis_server: RedisServer,
) -> None:
    processes = await _spenders(redis_server.url, "leave")
    said = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0] * 4
    assert sum(int(out) for out, _ in said) == 100


async def test_what_four_processes_settle_at_once_adds_up(redis_server: RedisServer) -> None:
    processes = await _spenders(redis_server.url, "settle")
    said = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0] * 4
    counts = [int(out) for out, _ in said]
    # Some may end before others begin, and what they gave back is room: never more than is spent and held.
    with redis_server.client() as client:
        spent = int(client.hget(f"passerelle:{{client-a}}:money:EUR:{2026 * 12 + 10}", "tenant"))
        assert client.hgetall("passerelle:{client-a}:money:EUR:pending")["tenant"] == "0"
    nano = 10**9
    assert sum(counts) * (nano // 2) <= spent <= sum(counts) * (nano // 2) + 4
    assert spent <= 100 * nano


async def test_holds_of_processes_that_are_killed_end_with_their_leases(
    one_redis: RedisServer, begin: Begin
) -> None:
    processes = await _spenders(one_redis.url, "wait")
    counts = [int(await process.stdout.readline()) for process in processes if process.stdout]
    assert sum(counts) == 100
    for process in processes:
        os.kill(process.pid, signal.SIGKILL)
    await asyncio.gather(*(process.communicate() for process in processes))
    here, client = begin(), euros(100)
    with pytest.raises(OverBudget, match=r"100\.00 set aside"):
        await here.hold(client)
    with one_redis.client() as redis:  # their time passes
        for hold in redis.zrange("passerelle:{client-a}:money:EUR:leases", 0, -1):
            redis.zadd("passerelle:{client-a}:money:EUR:leases", {hold: 1})
    assert await here.fills(client) == 100


async def test_every_process_sees_what_all_have_spent_and_set_aside(begin: Begin) -> None:
    one, other, client = begin(), begin(), Client(Budget("EUR", Ceiling(10 * PICO, OnExceed.NOTIFY)))
    await one.spend(client, 7)
    await one.hold(client, 2 * PICO)
    assert stands(other.budgets, client) == {"tenant": (0, 0)}
    await other.spend(client, 3 * PICO)
    await other.look()
    # Less than a nano-unit of it is still on its way.
    assert stands(other.budgets, client) == {"tenant": (3 * PICO, 2 * PICO)}
    await one.look()
    assert stands(one.budgets, client) == {"tenant": (3 * PICO + 7, 2 * PICO)}


async def test_pico_units_are_carried_until_they_make_a_nano_unit(begin: Begin) -> None:
    one, other, client = begin(), begin(), euros(1)
    for _ in range(1000):
        hold = await one.hold(client, 0)
        hold.settle(3, NOON)
    await one.store.settled()
    await other.hold(client, 0)
    assert stands(other.budgets, client) == {"tenant": (3000, 0)}


async def test_a_hold_is_rounded_up_and_a_cancelled_one_is_given_back(begin: Begin) -> None:
    one, client = begin(), euros(1)
    assert (await one.hold(client, 1)).amount == 1000
    asking = [asyncio.ensure_future(one.hold(client, PICO // 2)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    await one.store.settled()
    await one.look()
    assert stands(one.budgets, client) == {"tenant": (0, 1000)}


async def test_a_reload_changes_the_ceiling_of_all_and_finds_what_is_spent(begin: Begin) -> None:
    one, other = begin(), begin()
    await one.spend(euros(10), 4 * PICO)
    await one.hold(euros(10))
    narrow = Client(
        Budget("EUR", Ceiling(6 * PICO), {"laptop": Ceiling(9 * PICO)}, {"assistant": Ceiling(9 * PICO)})
    )
    await other.hold(narrow)
    with pytest.raises(OverBudget, match=r"of 6\.00 EUR"):
        await one.hold(narrow)
    assert set(stands(other.budgets, narrow).values()) == {(4 * PICO, 2 * PICO)}


async def test_a_month_that_ends_begins_at_nought_for_all_and_holds_go_over(begin: Begin) -> None:
    one, other, client = begin(), begin(), euros(3)
    before, after = at("2026-11-30T22:59:59"), at("2026-11-30T23:00:01")
    await one.spend(client, 2 * PICO, now=before)
    over = await one.hold(client, now=before)
    await other.hold(client, PICO, now=after)
    with pytest.raises(OverBudget):
        await other.hold(client, 2 * PICO, now=after)
    over.settle(PICO, after)
    await one.store.settled()
    await other.look(now=after)
    assert stands(other.budgets, client, after) == {"tenant": (PICO, PICO)}
    await one.look(now=before)
    assert stands(one.budgets, client, before) == {"tenant": (2 * PICO, PICO)}


async def test_without_redis_a_process_has_its_share_of_what_was_left(
    one_redis: RedisServer, begin: Begin
) -> None:
    one, other, client = begin(), begin(), euros(20)
    await one.spend(client, 2 * PICO)
    await one.hold(client, 2 * PICO)
    await other.hold(client, 2 * PICO)
    await one.look()
    one_redis.kill()
    # Each leaves the other's 2 alone and halves the 16 that are left; its own 2 are part of its half.
    assert await one.fills(client) == 6
    assert await other.fills(client) == 6
    assert one.store.degraded
    assert other.store.degraded


async def test_what_is_spent_while_redis_is_silent_is_told_once(one_redis: RedisServer, begin: Begin) -> None:
    one, other, client = begin(), begin(), euros(100)
    await asyncio.gather(one.spend(client, PICO), other.spend(client, PICO))
    running = [await one.hold(client) for _ in range(3)]
    one_redis.stop()
    running[0].settle(PICO, NOON)  # under way when silence falls
    await asyncio.gather(*(each.spend(client, PICO) for each in (one, other) for _ in range(5)))
    await one.hold(client)
    running[1].release()
    one_redis.go_on()
    await _is(lambda: not one.store.degraded and not other.store.degraded)
    await asyncio.gather(one.store.settled(), other.store.settled())
    await asyncio.gather(one.look(), other.look())
    for each in (one, other):
        assert stands(each.budgets, client) == {"tenant": (13 * PICO, 2 * PICO)}


async def test_a_redis_that_comes_back_empty_begins_with_what_is_known(
    one_redis: RedisServer, begin: Begin
) -> None:
    one, other, client = begin(), begin(), euros(100)
    await one.spend(client, 40 * PICO)
    await other.spend(client, 20 * PICO)
    await one.hold(client, 5 * PICO)
    one_redis.kill()
    await one.spend(client, 3 * PICO)
    await other.spend(client, 4 * PICO)
    one_redis.start()
    await _is(lambda: not one.store.degraded and not other.store.degraded)
    await asyncio.gather(one.look(), other.look())
    # What each knows is less than what both spent, until the ledger says what that is.
    assert stands(other.budgets, client)["tenant"][0] >= 64 * PICO

    async def ledger(month: Month, before: datetime | None) -> Spent:
        assert before is not None
        return Spent(month, {("client-a", "key_1", "assistant"): 67 * PICO})

    one.store._read_at = -1e9
    await one.look(ledger)
    await one.store.settled()
    await other.look()
    assert stands(other.budgets, client) == {"tenant": (67 * PICO, 5 * PICO)}


async def test_without_redis_the_ledger_says_what_others_spend(one_redis: RedisServer, begin: Begin) -> None:
    one, client = begin(), euros(20)
    await one.spend(client, 2 * PICO)
    one_redis.kill()
    await one.spend(client, PICO)

    async def ledger(month: Month, before: datetime | None) -> Spent:
        assert before is None
        return Spent(month, {("client-a", "key_1", "assistant"): 12 * PICO})

    await one.look(ledger)
    assert stands(one.budgets, client) == {"tenant": (12 * PICO, 0)}
    assert await one.fills(client) == 4


async def test_a_process_that_begins_knows_what_the_ledger_says_and_what_redis_says(begin: Begin) -> None:
    one, client = begin(), euros(100)
    one.budgets.restore(Spent(NOVEMBER, {("client-a", "key_1", "assistant"): 50 * PICO}))
    await one.spend(client, 7 * PICO)
    late = begin()
    late.budgets.restore(Spent(NOVEMBER, {("client-a", "key_1", "assistant"): 50 * PICO}))
    late.budgets.posted("client-a", 2 * PICO, month=NOVEMBER)
    await late.spend(client, PICO)
    await one.look()
    assert stands(late.budgets, client) == stands(one.budgets, client)


async def test_a_ceiling_that_notifies_refuses_nothing(one_redis: RedisServer, begin: Begin) -> None:
    one, client = begin(), Client(Budget("EUR", Ceiling(PICO, OnExceed.NOTIFY)))
    for _ in range(3):
        await one.spend(client, PICO)
    one_redis.kill()
    await one.hold(client, 5 * PICO)
    assert stands(one.budgets, client) == {"tenant": (3 * PICO, 5 * PICO)}


async def test_what_is_charged_while_no_budget_asks_for_it_is_in_a_total_that_redis_has(begin: Begin) -> None:
    process = begin(replicas=lambda: 1)
    of_a_key = Client(Budget("EUR", keys={"key_1": Ceiling(9 * PICO)}))
    await process.spend(of_a_key, 2 * PICO)  # Redis has the tenant's sum too, although no budget names it
    process.budgets.posted("client-a", PICO, month=NOVEMBER)
    await process.spend(of_a_key, 2 * PICO)
    (state,) = process.budgets.state(euros(9), now=NOON)
    assert state.spent == 5 * PICO
