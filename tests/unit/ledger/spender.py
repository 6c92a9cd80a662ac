"""A process that spends: `python -m tests.unit.ledger.spender <redis> <ceiling> <calls> <settle, leave or wait>`; prints what it got."""

from __future__ import annotations

import asyncio
import sys
from zoneinfo import ZoneInfo

from passerelle.domain.billing import Budget, Ceiling
from passerelle.domain.money import PICO
from passerelle.ledger.budgets import Budgets, OverBudget
from passerelle.ledger.holds import Hold
from passerelle.ledger.shared_holds import SharedHolds
from passerelle.stores.redis import Redis
from tests.unit.ledger.test_budgets import NOON, Client


async def main(address: str, ceiling: int, calls: int, ends: str) -> None:
    """All calls at once; then they are settled, left as they are, or waited with."""
    redis = Redis(address, timeout=10.0)
    store = SharedHolds(redis, currency="EUR", patience=10.0)
    budgets = Budgets(ZoneInfo("Europe/Paris"), store=store)
    client = Client(Budget("EUR", Ceiling(ceiling * PICO), models={"assistant": Ceiling(ceiling * PICO)}))

    async def one(number: int) -> Hold | None:
        try:
            return await budgets.hold(
                client,
                key_id=f"key_{number % 3}",
                key_name="laptop",
                model="assistant",
                amount=PICO,
                now=NOON,
                ttl=60,
            )
        except OverBudget:
            return None

    holds = [hold for hold in await asyncio.gather(*map(one, range(calls))) if hold]
    assert not store.degraded
    print(len(holds), flush=True)
    if ends == "wait":
        await asyncio.sleep(60)
    if ends == "settle":
        for hold in holds:
            hold.settle(PICO // 2 + 1, NOON)
    await store.aclose()
    await redis.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
