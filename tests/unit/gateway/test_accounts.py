"""An account without credits rests, is tried by one request at a time, and is forgotten once it can pay."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from passerelle.gateway.accounts import FIRST, LONGEST, Accounts


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_account_rests_after_it_was_refused_and_then_one_request_may_try() -> None:
    clock = _Clock()
    accounts = Accounts(clock)
    accounts.refused("a", backend="hub")

    assert accounts.rests("a") == FIRST
    assert accounts.rests("b") == 0
    clock.now += FIRST + 1
    assert accounts.rests("a") == 0  # this one tries
    assert accounts.rests("a") > 0  # and the next one waits for what it learns


def test_the_one_that_tries_opens_the_account_again_for_all() -> None:
    clock = _Clock()
    told: list[int] = []
    accounts = Accounts(clock, told=told.append)
    accounts.refused("a", backend="hub")
    clock.now += FIRST + 1
    accounts.rests("a")
    accounts.answered("a")

    assert accounts.rests("a") == accounts.rests("a") == 0
    assert told == [1, 0]


class AccountsMachine(RuleBasedStateMachine):
    """However credits come and go: a refused account is not asked for at least its rest, and never for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = _Clock()
        self.accounts = Accounts(self.clock)
        self.resting: dict[str, float] = {}  # until when, at least

    @rule(account=st.sampled_from("ab"))
    def refuse(self, account: str) -> None:
        self.accounts.refused(account, backend="hub")
        self.resting[account] = self.clock.now + FIRST

    @rule(account=st.sampled_from("ab"))
    def answer(self, account: str) -> None:
        self.accounts.answered(account)
        self.resting.pop(account, None)

    @rule(seconds=st.floats(0, 2 * LONGEST))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def a_rest_is_kept_and_ends(self) -> None:
        for account, until in self.resting.items():
            left = self.accounts.rests(account)
            assert left <= LONGEST + 0.001  # for what subtracting floats loses
            if self.clock.now < until:
                assert left > 0
            elif left == 0:
                self.resting[account] = self.clock.now + FIRST  # somebody's turn has begun


AccountsMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestAccounts = AccountsMachine.TestCase
