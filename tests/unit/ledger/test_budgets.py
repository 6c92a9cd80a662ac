"""A budget refuses calls before they cost anything, and bills never."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from passerelle.domain.billing import Budget, Ceiling, OnExceed
from passerelle.domain.calendar import Month
from passerelle.domain.errors import Refused
from passerelle.domain.money import PICO
from passerelle.ledger.budgets import Budgets, OverBudget, State
from passerelle.ledger.holds import Hold, LocalHolds
from passerelle.ledger.spent import Spent
from tests.unit.ledger.turns import at_once

PARIS = ZoneInfo("Europe/Paris")
NOVEMBER = Month(2026, 11)


def at(text: str) -> int:
    """A moment in Unix milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOON = at("2026-11-21T12:00")


@dataclass(frozen=True)
class Client:
    """As much of a tenant as budgets need."""

    budget: Budget | None
    name: str = "client-a"


def euros(amount: int, **other: Any) -> Client:
    return Client(Budget("EUR", Ceiling(amount * PICO), **other))


def hold(budgets: Budgets, client: Client, amount: int | None = PICO, **other: Any) -> Hold:
    """One call; of one euro on the model `assistant`, unless said otherwise."""
    said: dict[str, Any] = {
        "key_id": "key_1",
        "key_name": "laptop",
        "model": "assistant",
        "now": NOON,
        "ttl": 600.0,
    }
    return at_once(budgets.hold(client, amount=amount, **said | other))


def spend(budgets: Budgets, client: Client, billed: int, **other: Any) -> None:
    hold(budgets, client, 0, **other).settle(billed, other.get("now", NOON))


def stands(budgets: Budgets, client: Client, now: int = NOON) -> dict[str, tuple[int, int]]:
    """Spent and pending by ceiling."""
    return {each.name: (each.spent, each.pending) for each in budgets.state(client, now=now)}


@pytest.fixture
def budgets() -> Budgets:
    return Budgets(PARIS)


def in_turn(call: Callable[[], None]) -> None:
    for _ in range(200):
        call()


def in_tasks(call: Callable[[], None]) -> None:
    async def one(start: asyncio.Event) -> None:
        await start.wait()
        call()

    async def all_of_them() -> None:
        start = asyncio.Event()
        tasks = [asyncio.create_task(one(start)) for _ in range(200)]
        start.set()
        await asyncio.gather(*tasks)

    asyncio.run(all_of_them())


def in_threads(call: Callable[[], None]) -> None:
    start = threading.Barrier(200)

    def one() -> None:
        start.wait()
        call()

    threads = [threading.Thread(target=one) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("together", [in_turn, in_tasks, in_threads])
@pytest.mark.parametrize("which", ["tenant", "key", "model"])
def test_two_hundred_parallel_calls_with_room_for_ten_are_ten(
    budgets: Budgets, together: Callable[[Callable[[], None]], None], which: str
) -> None:
    ten, plenty = Ceiling(10 * PICO), Ceiling(1000 * PICO)
    client = Client(
        Budget(
            "EUR",
            ten if which == "tenant" else plenty,
            {"laptop": ten if which == "key" else plenty},
            {"assistant": ten if which == "model" else plenty},
        )
    )
    admitted: list[Hold] = []
    refused: list[str] = []

    def call() -> None:
        try:
            admitted.append(hold(budgets, client))
        except OverBudget as error:
            refused.append(error.budget)

    together(call)
    assert len(admitted) == 10
    assert refused == [which] * 190
    assert set(stands(budgets, client).values()) == {(0, 10 * PICO)}

    for each in admitted:
        each.settle(PICO, NOON)
    together(call)
    assert len(admitted) == 10
    assert set(stands(budgets, client).values()) == {(10 * PICO, 0)}


def test_cancelled_calls_leak_no_holds(budgets: Budgets) -> None:
    client = euros(10)
    for _ in range(1000):
        hold(budgets, client).release()
    assert stands(budgets, client) == {"tenant": (0, 0)}
    hold(budgets, client, 10 * PICO)


def test_calls_nobody_ends_are_freed_after_their_time(budgets: Budgets) -> None:
    now = [0.0]
    budgets = Budgets(PARIS, store=LocalHolds(clock=lambda: now[0]))
    client = euros(10)
    lost = [hold(budgets, client, ttl=60.0) for _ in range(10)]
    now[0] = 60.0
    assert budgets.sweep() == lost
    assert budgets.sweep() == []
    assert stands(budgets, client) == {"tenant": (0, 0)}
    lost[0].settle(3, NOON)
    assert stands(budgets, client) == {"tenant": (3, 0)}


def test_checking_and_counting_are_one_step(budgets: Budgets) -> None:
    client = euros(1)
    hold(budgets, client)
    with pytest.raises(OverBudget):
        hold(budgets, client)


def test_a_budget_of_a_model_is_as_much_spent_after_a_restart(budgets: Budgets) -> None:
    client = Client(Budget("EUR", models={"assistant": Ceiling(10 * PICO)}))
    billed = {("client-a", "key_1", "assistant"): 9 * PICO, ("client-a", "key_1", "other"): 50 * PICO}
    budgets.restore(Spent(NOVEMBER, billed))
    assert stands(budgets, client) == {"model:assistant": (9 * PICO, 0)}
    hold(budgets, client)
    with pytest.raises(OverBudget):
        hold(budgets, client)


def test_a_settlement_larger_than_the_hold_and_the_budget_is_posted(budgets: Budgets) -> None:
    client = euros(10)
    call = hold(budgets, client, 10 * PICO)
    assert call.settle(11 * PICO, NOON)
    assert stands(budgets, client) == {"tenant": (11 * PICO, 0)}
    with pytest.raises(OverBudget):
        hold(budgets, client, 0)


@pytest.mark.parametrize(
    "budget", [Budget("EUR", Ceiling(PICO)), Budget("EUR", models={"assistant": Ceiling(PICO)})]
)
def test_an_unknown_price_is_refused_under_a_budget_that_blocks(budgets: Budgets, budget: Budget) -> None:
    with pytest.raises(OverBudget, match="price of assistant is not known") as caught:
        hold(budgets, Client(budget), None)
    assert caught.value.code == "insufficient_quota"
    assert set(stands(budgets, Client(budget)).values()) == {(0, 0)}


def test_an_unknown_price_is_no_matter_where_no_budget_blocks(budgets: Budgets) -> None:
    notify = Ceiling(PICO, OnExceed.NOTIFY)
    unbounded = (None, Budget("EUR", notify), Budget("EUR", notify, models={"other": Ceiling(PICO)}))
    assert [hold(budgets, Client(budget), None).amount for budget in unbounded] == [0, 0, 0]


def test_a_budget_that_notifies_refuses_nothing_and_counts_all(budgets: Budgets) -> None:
    client = Client(Budget("EUR", Ceiling(PICO, OnExceed.NOTIFY)))
    for _ in range(3):
        hold(budgets, client).settle(PICO, NOON)
    hold(budgets, client, 2 * PICO)
    assert stands(budgets, client) == {"tenant": (3 * PICO, 2 * PICO)}


def test_a_refusal_says_which_budget_how_much_and_until_when(budgets: Budgets) -> None:
    client = Client(Budget("EUR", Ceiling(200 * PICO), {"laptop": Ceiling(2 * PICO)}))
    spend(budgets, replace(client, name="client-b"), 123 * PICO)
    spend(budgets, client, PICO)
    hold(budgets, client, PICO // 2)
    with pytest.raises(Refused) as caught:
        hold(budgets, client)
    error = caught.value
    assert isinstance(error, OverBudget)
    assert (error.code, error.budget, error.subject) == ("insufficient_quota", "key", "laptop")
    assert (error.amount, error.spent) == (2 * PICO, PICO)
    assert error.ends == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert error.message == (
        "The budget of the key laptop has no room for this call: of 2.00 EUR in 2026-11, 1.00 are spent and 0.50 set "
        "aside for calls under way; this one may cost up to 1.00. A new month begins on 2026-12-01."
    )


def test_small_amounts_are_shown_as_finely_as_they_need(budgets: Budgets) -> None:
    with pytest.raises(OverBudget, match=r"of 0\.000100 EUR .* 0\.00 are spent .* up to 0\.000700"):
        hold(budgets, Client(Budget("EUR", Ceiling(PICO // 10_000))), 7 * PICO // 10_000)


def test_all_budgets_or_none_are_held_against(budgets: Budgets) -> None:
    client = Client(
        Budget("EUR", Ceiling(10 * PICO), models={"dear": Ceiling(PICO), "assistant": Ceiling(PICO)})
    )
    hold(budgets, client, model="dear")
    with pytest.raises(OverBudget):
        hold(budgets, client, model="dear")
    hold(budgets, client)
    assert stands(budgets, client) == {
        "tenant": (0, 2 * PICO), "model:dear": (0, PICO), "model:assistant": (0, PICO),
    }  # fmt: skip


def test_a_key_is_bounded_by_its_id_and_by_its_name(budgets: Budgets) -> None:
    client = Client(Budget("EUR", keys={"laptop": Ceiling(2 * PICO), "key_2": Ceiling(PICO)}))
    spend(budgets, client, PICO)
    spend(budgets, client, PICO, key_id="key_2")
    assert stands(budgets, client) == {"key:laptop": (2 * PICO, 0), "key:key_2": (PICO, 0)}
    for key_id in ("key_1", "key_2", "key_3"):  # a key that takes another's place has its name
        with pytest.raises(OverBudget):
            hold(budgets, client, key_id=key_id)
    hold(budgets, client, key_id="key_4", key_name="")


def test_a_budget_by_name_knows_after_a_restart_what_its_keys_have_spent(budgets: Budgets) -> None:
    client = Client(Budget("EUR", keys={"laptop": Ceiling(2 * PICO)}))
    spent = Spent(NOVEMBER, {("client-a", f"key_{n}", "assistant"): PICO for n in range(3)})
    budgets.restore(spent, {"key_0": "laptop", "key_1": "laptop"})
    assert stands(budgets, client) == {"key:laptop": (2 * PICO, 0)}

    told_late = Budgets(PARIS)
    told_late.restore(spent)
    assert stands(told_late, client) == {"key:laptop": (0, 0)}
    hold(told_late, client)
    assert stands(told_late, client) == {"key:laptop": (PICO, PICO)}


def test_what_is_restored_again_replaces_what_was_and_keeps_what_was_counted_here(budgets: Budgets) -> None:
    client = euros(100)
    who = ("client-a", "key_1", "assistant")
    budgets.restore(Spent(NOVEMBER, {who: 5 * PICO}))
    spend(budgets, client, PICO)
    budgets.restore(Spent(NOVEMBER, {who: 7 * PICO, ("client-a", "", ""): PICO}))
    budgets.restore(Spent(NOVEMBER, {who: 7 * PICO}))
    assert stands(budgets, client) == {"tenant": (8 * PICO, 0)}


def test_what_others_book_counts_for_its_month_key_and_model(budgets: Budgets) -> None:
    client = Client(
        Budget("EUR", Ceiling(9 * PICO), {"key_1": Ceiling(9 * PICO)}, {"assistant": Ceiling(9 * PICO)})
    )
    budgets.posted("client-a", 3 * PICO, month=NOVEMBER)
    budgets.posted("client-a", 2 * PICO, key_id="key_1", month=NOVEMBER)
    budgets.posted("client-a", PICO, model="assistant", month=NOVEMBER)
    budgets.posted("client-a", -PICO // 2, key_id="key_1", model="assistant", month=NOVEMBER)
    budgets.posted("client-a", PICO, month=NOVEMBER.next)
    half = PICO // 2
    assert stands(budgets, client) == {
        "tenant": (11 * half, 0), "key:key_1": (3 * half, 0), "model:assistant": (half, 0),
    }  # fmt: skip


def test_a_budget_that_changes_finds_what_is_spent_and_set_aside(budgets: Budgets) -> None:
    old = euros(10)
    spend(budgets, old, PICO)
    running = hold(budgets, old)
    new = Client(
        Budget("EUR", Ceiling(3 * PICO), {"laptop": Ceiling(9 * PICO)}, {"assistant": Ceiling(9 * PICO)})
    )
    assert set(stands(budgets, new).values()) == {(PICO, PICO)}
    hold(budgets, new)
    with pytest.raises(OverBudget):
        hold(budgets, new)
    hold(budgets, old)  # a call on the edition before
    running.settle(2 * PICO, NOON)
    assert set(stands(budgets, new).values()) == {(3 * PICO, 2 * PICO)}


def test_a_first_budget_finds_what_was_spent_without_one(budgets: Budgets) -> None:
    free = Client(None)
    spend(budgets, free, PICO)
    running = hold(budgets, free)
    bounded = euros(2)
    assert stands(budgets, bounded) == {"tenant": (PICO, 0)}
    running.settle(PICO, NOON)
    assert stands(budgets, bounded) == {"tenant": (2 * PICO, 0)}
    with pytest.raises(OverBudget):
        hold(budgets, bounded, 0)
    assert stands(budgets, free) == {}


def test_a_free_call_passes_until_all_is_spent(budgets: Budgets) -> None:
    client = euros(1)
    hold(budgets, client, 0)
    running = hold(budgets, client)
    hold(budgets, client, 0)
    running.settle(PICO, NOON)
    with pytest.raises(OverBudget):
        hold(budgets, client, 0)


def test_nothing_below_nought_is_set_aside(budgets: Budgets) -> None:
    with pytest.raises(ValueError, match="nought or more"):
        hold(budgets, euros(1), -1)


def test_how_all_ceilings_stand_is_told_in_one_order(budgets: Budgets) -> None:
    ceiling, soft = Ceiling(PICO), Ceiling(2 * PICO, OnExceed.NOTIFY)
    client = Client(Budget("EUR", ceiling, {"laptop": soft}, {"assistant": ceiling}))
    assert budgets.state(client, now=NOON) == [
        State("tenant", ceiling, 0, 0),
        State("key:laptop", soft, 0, 0),
        State("model:assistant", ceiling, 0, 0),
    ]
