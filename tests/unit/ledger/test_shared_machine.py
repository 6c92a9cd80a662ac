"""The model of budgets, against a store in Redis that dies, forgets and falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from passerelle.domain.calendar import Month
from passerelle.ledger.holds import LocalHolds
from passerelle.ledger.shared_holds import SharedHolds
from passerelle.ledger.spent import Spent
from passerelle.stores.redis import Redis
from tests.redis_server import RedisServer
from tests.unit.ledger.test_budget_machine import KEYS, MODELS, NANO, SETTINGS, Machine

_T = TypeVar("_T")


class _Shared(Machine):
    """The same calls, in a process that counts in Redis.

    A credit that is booked while Redis is away, by a process that ends before it is back, or that no budget asks for when
    it is booked, is in the ledger alone: what the ledger says raises what is known and never lowers it, so the budget stays stricter by it
    that month. For the same reason it is stricter by a credit that came after the ledger was read, until Redis is back;
    and for the month where Redis comes back empty, and is begun anew with what was known.
    """

    server: RedisServer

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.away = self.untold = False  # `untold`: a credit that Redis has not heard of
        self.begun_stricter = False  # by a credit that nobody was told of
        self.emptied = False  # while it was away
        self.stores: list[tuple[Redis, SharedHolds]] = []
        with self.server.client() as client:
            client.flushall()

    def store(self) -> LocalHolds:
        self.away = False
        redis = Redis(self.server.url, timeout=5.0)
        shared = SharedHolds(redis, currency="EUR", patience=5.0, clock=lambda: self.seconds)
        for _, old in self.stores:
            # A process that dies tells nothing more; its holds end with their leases.
            self.do(old.settled())
            with self.server.client() as client:
                for key in client.scan_iter("*:leases"):
                    for hold in client.zrange(key, 0, -1):
                        client.zadd(key, {hold: 0})
        self.stores.append((redis, shared))
        return shared

    def do(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.loop.run_until_complete(work)

    def step(self, act: Callable[[], _T]) -> _T:
        async def acted() -> _T:
            return act()

        return self.do(acted())

    def told(self) -> None:
        self.do(self.stores[-1][1].settled())
        assert self.stores[-1][1].degraded == self.away, "Redis refused something"

    @property
    def stricter(self) -> bool:  # type: ignore[override]
        return self.begun_stricter or self.untold

    @property
    def ledgers(self) -> dict[Month, Spent]:
        """What a drained ledger says of each month."""
        billed: dict[Month, dict[tuple[str, str, str], int]] = {}
        for (month, key, model), amount in self.ledger.items():
            billed.setdefault(month, {})["client-a", key, model] = amount
        return {month: Spent(month, each) for month, each in billed.items()}

    async def read(self, month: Month, before: datetime | None) -> Spent:
        return self.ledgers.get(month, Spent(month))

    @rule()
    def look(self) -> None:
        self.do(self.budgets.refresh(self.read, now=self.wall))

    @rule()
    def forget(self) -> None:
        """Redis begins again, empty."""
        self.emptied |= self.away
        self.begun_stricter |= self.untold
        with self.server.client() as client:
            client.flushall()
        self.look()

    @rule(away=st.booleans())
    def turn(self, *, away: bool) -> None:
        """Redis goes away, or comes back."""
        store = self.stores[-1][1]
        if away:
            self.step(store.lose)
            assert store._watch is not None
            store._watch.cancel()  # so that it stays away
        else:
            assert self.do(store.back())
        self.away = away
        self.untold &= away
        self.emptied &= away

    @rule(
        billed=st.integers(-30, 60).map(lambda amount: amount * NANO),
        key_id=st.sampled_from(("", *KEYS)),
        model=st.sampled_from(("", *MODELS)),
    )
    def book(self, billed: int, key_id: str, model: str) -> None:
        self.untold |= self.away and billed < 0
        self.begun_stricter |= billed < 0 and (self.emptied or not self.covered(key_id, model))
        super().book(billed, key_id, model)

    def covered(self, key_id: str, model: str) -> bool:
        """Does a ceiling of today ask for what this key spends on this model?"""
        words = {("tenant", ""), ("model", model), ("key", key_id), ("key", KEYS.get(key_id, ""))}
        return any(
            (kind, word) in words for kind, _, word in (name.partition(":") for name in self.ceilings())
        )

    @precondition(lambda self: self.running and not self.untold)
    @rule()
    def crash(self) -> None:
        super().crash()

    @invariant()
    def adds_up(self) -> None:
        if not self.stricter:
            super().adds_up()
            return
        self.told()
        for each in self.budgets.state(self.client, now=self.wall):
            assert each.spent >= self.spent(each.name), each.name
            assert each.pending == self.pending(each.name), each.name

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self.do(self.close())
            self.loop.close()

    async def close(self) -> None:
        for redis, store in self.stores:
            await store.aclose()
            await redis.aclose()
        await asyncio.sleep(0.001)  # transports close in a turn of their own


def test_one_process_in_redis_counts_as_one_in_memory(redis_server: RedisServer) -> None:
    _Shared.server = redis_server
    run_state_machine_as_test(_Shared, settings=settings(SETTINGS, max_examples=25, phases=(Phase.generate,)))
