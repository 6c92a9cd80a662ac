"""Tenants who wait are served by their shares of what calls cost, whoever comes, goes or floods."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from passerelle.limits.fair import Fair

QUANTUM = 100
LARGEST = 1_000
SHARES = {"a": 1, "b": 1, "c": 2, "d": 7}


@dataclass(frozen=True)
class Call:
    """One that waits; the number tells it from every other."""

    number: int
    tenant: str
    cost: int


class Served(RuleBasedStateMachine):
    """The queue beside a model that knows only who waits and what was served since when."""

    waiting = Bundle("waiting")

    def __init__(self) -> None:
        super().__init__()
        self.fair: Fair[Call] = Fair(QUANTUM)
        self.model: dict[str, list[Call]] = {tenant: [] for tenant in SHARES}
        self.number = 0
        # For a pair that waits all the time: what each was served in it, and whether the second withdrew any call.
        self.both: dict[tuple[str, str], list[float]] = {}
        self.passed: dict[Call, int] = {}  # calls of others served while this one was its tenant's first

    @rule(target=waiting, tenant=st.sampled_from(sorted(SHARES)), cost=st.integers(0, LARGEST))
    def push(self, tenant: str, cost: int) -> Call:
        self.number += 1
        call = Call(self.number, tenant, max(1, cost))
        self.fair.push(call, tenant=tenant, share=SHARES[tenant], cost=cost)
        self.model[tenant].append(call)
        self._pairs()
        return call

    @precondition(lambda self: any(self.model.values()))
    @rule(times=st.integers(1, 5))
    def pop(self, times: int) -> None:
        for _ in range(times):
            if not any(self.model.values()):
                return
            call = self.fair.pop()
            assert self.model[call.tenant].pop(0) == call, "within a tenant the oldest comes first"
            for pair, served in self.both.items():
                if call.tenant in pair:
                    served[pair.index(call.tenant)] += call.cost / SHARES[call.tenant]
            for calls in self.model.values():
                if calls and calls[0].tenant != call.tenant:
                    self.passed[calls[0]] = self.passed.get(calls[0], 0) + call.cost
            self._pairs()

    @rule(call=consumes(waiting))
    def withdraw(self, call: Call) -> None:
        there = call in self.model[call.tenant]
        assert self.fair.remove(call) is there
        if there:
            self.model[call.tenant].remove(call)
            # What it loses by that is its own; nobody else may lose.
            for pair in [pair for pair in self.both if pair[1] == call.tenant]:
                self.both[pair][2] = 1
        self._pairs()

    def _pairs(self) -> None:
        there = {tenant for tenant, calls in self.model.items() if calls}
        pairs = {(one, two) for one in there for two in there if one != two}
        self.both = {pair: self.both.get(pair, [0.0, 0.0, 0]) for pair in pairs}

    @invariant()
    def shares_are_kept(self) -> None:
        for (one, two), (first, second, withdrew) in self.both.items():
            bound = QUANTUM + LARGEST / SHARES[one] + LARGEST / SHARES[two]
            assert withdrew or first - second <= bound

    @invariant()
    def nobody_starves(self) -> None:
        for calls in self.model.values():
            if calls:
                rounds = -(-LARGEST // (QUANTUM * SHARES[calls[0].tenant])) + 2
                others = sum(share * QUANTUM for share in SHARES.values()) * rounds + LARGEST * len(SHARES)
                assert self.passed.get(calls[0], 0) <= others

    @invariant()
    def it_knows_who_waits(self) -> None:
        assert len(self.fair) == sum(map(len, self.model.values()))
        assert self.fair.tenants() == {name: len(calls) for name, calls in self.model.items() if calls}

    def teardown(self) -> None:
        """Whoever waits is served: work is conserved."""
        served = [self.fair.pop() for _ in range(len(self.fair))]
        assert sorted(call.number for call in served) == sorted(
            call.number for calls in self.model.values() for call in calls
        )
        assert not self.fair._queues
        assert not self.fair._old
        assert not self.fair._new


Served.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestServed = Served.TestCase


def _fill(fair: Fair[str], tenant: str, count: int, *, share: int = 1, cost: int = 100) -> None:
    for number in range(count):
        fair.push(f"{tenant}{number}", tenant=tenant, share=share, cost=cost)


def test_a_share_of_two_is_served_twice_as_much() -> None:
    fair: Fair[str] = Fair(QUANTUM)
    _fill(fair, "a", 300)
    _fill(fair, "b", 300, share=2)
    served = [fair.pop()[0] for _ in range(300)]
    assert abs(served.count("b") - 200) <= 2


def test_a_tenant_pays_for_what_its_calls_cost_and_not_for_their_number() -> None:
    fair: Fair[str] = Fair(QUANTUM)
    _fill(fair, "a", 100, cost=1_000)
    _fill(fair, "b", 1_000, cost=100)
    served = [fair.pop()[0] for _ in range(550)]
    assert abs(served.count("a") - 50) <= 2


def test_a_newcomer_is_served_before_a_flood_and_gains_nothing_by_coming_back() -> None:
    fair: Fair[str] = Fair(QUANTUM)
    _fill(fair, "flood", 1_000)
    fair.pop()
    fair.push("b", tenant="b", share=1, cost=100)
    assert fair.pop() == "b"
    served = []
    for number in range(200):
        if not fair.waiting("b"):
            fair.push(f"b{number}", tenant="b", share=1, cost=100)
        served.append(fair.pop()[0])
    assert served.count("b") <= 101


def test_a_large_call_that_was_withdrawn_leaves_no_credit() -> None:
    fair: Fair[str] = Fair(QUANTUM)
    _fill(fair, "a", 1_000, cost=50)
    fair.push("large", tenant="b", share=1, cost=1_000_000)
    _fill(fair, "b", 1_000, cost=50)
    for _ in range(400):
        fair.pop()
    fair.remove("large")
    served = [fair.pop()[0] for _ in range(100)]
    assert abs(served.count("b") - 50) <= 4


@pytest.mark.parametrize("cost", [1, 10**9])
def test_a_call_of_any_cost_comes_at_once_where_nobody_else_waits(cost: int) -> None:
    fair: Fair[str] = Fair(QUANTUM)
    fair.push("a", tenant="a", share=1, cost=cost)
    assert fair.pop() == "a"
    with pytest.raises(IndexError):
        fair.pop()


def test_what_is_ahead_is_what_shares_give_the_others_and_never_more_than_they_have() -> None:
    fair: Fair[str] = Fair(QUANTUM)
    assert fair.ahead(tenant="a", share=1, cost=100) == 0
    _fill(fair, "flood", 100)
    _fill(fair, "small", 1, cost=10)
    _fill(fair, "a", 2)
    assert fair.ahead(tenant="a", share=1, cost=100) == 200 + 300 + 10
    assert fair.ahead(tenant="b", share=2, cost=100) == 50 + 50 + 10
    assert fair.ahead(tenant="flood", share=1, cost=100) == 10_000 + 200 + 10


def test_a_full_room_is_shared_by_shares() -> None:
    fair: Fair[str] = Fair(QUANTUM)
    _fill(fair, "flood", 12)
    for number in range(12):
        if (newest := fair.gives_way(tenant="b", share=2)) is None:
            break
        assert newest == f"flood{11 - number}"
        fair.remove(newest)
        fair.push(f"b{number}", tenant="b", share=2, cost=1)
    assert fair.tenants() == {"flood": 4, "b": 8}
    assert fair.gives_way(tenant="flood", share=1) is None
    assert fair.gives_way(tenant="b", share=2) is None
