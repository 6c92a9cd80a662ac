"""Money is set aside for a call once, given back once, and never for longer than was said."""

from __future__ import annotations

import threading

import pytest

from passerelle.domain.billing import Ceiling
from passerelle.ledger.holds import Account, Limit, LocalHolds, Reserved, Total, Unlimited
from tests.unit.ledger.turns import at_once

MONTH = 24_322


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> LocalHolds:
    return LocalHolds(clock=clock)


@pytest.fixture
def account(store: LocalHolds) -> Account:
    made = Account("key_1", "assistant", store=store, period=lambda at: MONTH)
    made.totals = (Total("tenant"), Total("model:assistant"))
    return made


def reserved(account: Account, amount: int = 10, until: float = 160.0) -> Reserved:
    hold = Reserved(account, amount, until)
    assert at_once(account.store.take(hold, (), MONTH)) is None
    return hold


def figures(account: Account) -> tuple[int, int]:
    """Spent and set aside, which every total agrees about."""
    figures = (account.posted.get(MONTH, 0), account.pending)
    for total in account.totals:
        assert (total.posted.get(MONTH, 0), total.pending) == figures
    return figures


def test_a_settled_hold_gives_back_the_rest_and_posts_once(account: Account, store: LocalHolds) -> None:
    hold = reserved(account)
    assert figures(account) == (0, 10)

    assert hold.settle(7, at=0)
    assert not hold.settle(7, at=0)
    hold.release()

    assert figures(account) == (7, 0)
    assert len(store) == 0


def test_a_settlement_larger_than_its_hold_is_posted_in_full(account: Account) -> None:
    assert reserved(account).settle(1_000, at=0)
    assert figures(account) == (1_000, 0)


def test_a_released_hold_gives_all_back_once(account: Account) -> None:
    other, hold = reserved(account), reserved(account)
    hold.release()
    hold.release()
    assert figures(account) == (0, 10)
    other.release()
    assert figures(account) == (0, 0)


def test_what_is_charged_after_a_release_is_still_posted(account: Account) -> None:
    hold = reserved(account)
    hold.release()
    assert hold.settle(3, at=0)
    assert figures(account) == (3, 0)


def test_a_hold_does_not_outlive_its_time_and_is_told_once(
    account: Account, store: LocalHolds, clock: Clock
) -> None:
    late, early = reserved(account, 5, until=130.0), reserved(account, 7, until=120.0)
    lasting = reserved(account, 1, until=500.0)
    clock.now = 119.9
    assert store.sweep() == []
    clock.now = 130.0

    assert store.sweep() == [early, late]
    assert store.sweep() == []
    assert figures(account) == (0, 1)
    assert (early.amount, lasting.live) == (7, True)


def test_a_hold_that_is_settled_after_the_sweep_is_posted_and_gives_nothing_back_twice(
    account: Account, store: LocalHolds, clock: Clock
) -> None:
    other, hold = reserved(account, until=900.0), reserved(account)
    clock.now = 200.0
    store.sweep()
    hold.release()
    assert hold.settle(12, at=0)
    assert figures(account) == (12, 10)
    assert other.live


def test_an_old_hold_refuses_nobody_even_before_the_sweep(
    account: Account, store: LocalHolds, clock: Clock
) -> None:
    limits = (Limit(account.totals[0], Ceiling(10)),)
    old = reserved(account)
    assert at_once(store.take(Reserved(account, 1, 300.0), limits, MONTH)) is limits[0]
    clock.now = 160.0

    assert at_once(store.take(Reserved(account, 10, 300.0), limits, MONTH)) is None
    assert store.sweep() == [old]


def test_what_has_no_room_under_one_limit_is_set_aside_under_none(
    account: Account, store: LocalHolds
) -> None:
    wide, narrow = (
        Limit(total, Ceiling(amount)) for total, amount in zip(account.totals, (100, 9), strict=True)
    )
    assert at_once(store.take(Reserved(account, 10, 300.0), (wide, narrow), MONTH)) is narrow
    assert figures(account) == (0, 0)
    assert len(store) == 0


@pytest.mark.parametrize(
    ("posted", "pending", "amount", "fits"),
    [
        (0, 0, 10, True),
        (0, 0, 11, False),
        (4, 3, 3, True),
        (4, 3, 4, False),
        (0, 10, 0, True),
        (9, 1, 0, True),
        (10, 0, 0, False),
        (11, 0, 0, False),
        (-5, 0, 15, True),
    ],
)
def test_a_call_fits_while_something_is_left(
    account: Account, store: LocalHolds, posted: int, pending: int, amount: int, fits: bool
) -> None:
    account.post(MONTH, posted)
    account.set_aside(pending)
    full = at_once(
        store.take(Reserved(account, amount, 300.0), (Limit(account.totals[0], Ceiling(10)),), MONTH)
    )
    assert (full is None) == fits


def test_what_a_tenant_without_a_budget_is_charged_waits_until_somebody_counts_it(
    store: LocalHolds,
) -> None:
    account = Account("key_1", "assistant", store=store, period=lambda at: at)
    hold = Unlimited(account)
    assert hold.settle(5, at=MONTH)
    assert not hold.settle(5, at=MONTH)
    hold.release()
    assert (hold.amount, account.posted) == (0, {})
    store.post_waiting(account)
    assert account.posted == {MONTH: 5}


def test_where_a_total_waits_for_it_it_is_counted_at_once(account: Account) -> None:
    Unlimited(account).settle(5, at=0)
    assert figures(account) == (5, 0)


def test_threads_that_settle_release_and_sweep_the_same_holds_count_every_one_once(
    account: Account, store: LocalHolds, clock: Clock
) -> None:
    holds = [reserved(account, 3, until=110.0 + number % 2 * 1000) for number in range(400)]
    clock.now = 120.0
    start = threading.Barrier(4)
    posted: list[bool] = []

    def work(number: int) -> None:
        start.wait()
        for hold in holds:
            if number == 0:
                store.sweep()
            if number == 1:
                hold.release()
            posted.append(hold.settle(2, at=0))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(posted) == 400
    assert figures(account) == (800, 0)
    assert len(store) == 0
