"""Tenants that wait are served in proportion to their shares, whatever they bring."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.jobs.fair import QUANTUM, Waiting, choose


def serve(queues: Mapping[str, list[int]], shares: Mapping[str, int], times: int) -> list[tuple[str, int]]:
    """Who is served, at which cost, in turn; the circle goes through the database's columns each time."""
    left = {tenant: deque(costs) for tenant, costs in queues.items() if costs}
    circle: dict[str, Waiting] = {}
    served = []
    for _ in range(times):
        waiting = []
        for tenant, costs in left.items():
            old = circle.get(tenant)
            place = (old.place, old.credit, old.visited) if old else (None, 0, False)
            waiting.append(Waiting(tenant, costs[0], *place, shares.get(tenant, 1)))
        if not waiting:
            break
        choice = choose(waiting)
        circle = {each.tenant: each for each in choice.circle}
        served.append((choice.tenant, left[choice.tenant].popleft()))
        if not left[choice.tenant]:
            del left[choice.tenant], circle[choice.tenant]
    return served


def test_nobody_waiting_is_an_error() -> None:
    with pytest.raises(IndexError):
        choose([])


def test_a_small_tenant_is_served_every_other_time_beside_a_noisy_one() -> None:
    served = [tenant for tenant, _ in serve({"noisy": [1] * 100, "small": [1] * 10}, {}, 20)]

    assert Counter(served) == {"noisy": 10, "small": 10}


def test_a_newcomer_is_served_after_one_turn_of_everybody_else() -> None:
    waiting = [Waiting(f"t{n}", 1, place=n + 1) for n in range(5)]
    circle = [*waiting, Waiting("a-new-one", 1)]
    order = []
    for _ in range(6):
        choice = choose(circle)
        order.append(choice.tenant)
        circle = list(choice.circle)

    assert order == ["t0", "t1", "t2", "t3", "t4", "a-new-one"]


@given(
    st.dictionaries(st.sampled_from("abcde"), st.lists(st.integers(1, 50), max_size=30), max_size=5),
    st.dictionaries(st.sampled_from("abcde"), st.integers(1, 5)),
)
def test_everything_is_served_once(queues: dict[str, list[int]], shares: dict[str, int]) -> None:
    served = serve(queues, shares, 1000)

    for tenant, costs in queues.items():
        assert [cost for who, cost in served if who == tenant] == costs


@settings(max_examples=30)
@given(
    st.lists(st.lists(st.integers(1, 40), min_size=200, max_size=200), min_size=2, max_size=4),
    st.lists(st.integers(1, 4), min_size=4, max_size=4),
    st.integers(1, 150),
)
def test_what_tenants_who_always_wait_are_served_differs_by_less_than_a_quantum_and_two_items(
    costs: list[list[int]], shares: list[int], times: int
) -> None:
    tenants = {f"t{n}": each for n, each in enumerate(costs)}
    share = {f"t{n}": shares[n] for n in range(len(costs))}
    served = serve(tenants, share, times)

    got = {t: sum(cost for who, cost in served if who == t) / share[t] for t in tenants}
    largest = max(max(each) for each in costs)
    assert max(got.values()) - min(got.values()) <= QUANTUM + 2 * largest
