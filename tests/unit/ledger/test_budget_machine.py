"""Whatever happens in whatever order: what is set aside is what runs, what is spent is what the ledger says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from passerelle.domain.billing import Budget, Ceiling, OnExceed
from passerelle.domain.calendar import Month
from passerelle.ledger.budgets import Budgets, OverBudget
from passerelle.ledger.holds import Hold, LocalHolds
from passerelle.ledger.spent import Spent
from tests.unit.ledger.turns import at_once

_T = TypeVar("_T")
PARIS = ZoneInfo("Europe/Paris")
KEYS = {"key_1": "laptop", "key_2": "laptop", "key_3": ""}
MODELS = ("assistant", "dear")
DAY = 86_400_000
TTL = 600.0


@dataclass(frozen=True)
class Client:
    budget: Budget | None
    name: str = "client-a"


@dataclass
class Call:
    """What the model knows of a call."""

    hold: Hold
    key_id: str
    model: str
    amount: int
    until: float
    process: int
    live: bool
    settled: bool = False

    def counts_in(self, ceiling: str) -> bool:
        kind, _, word = ceiling.partition(":")
        named = {"tenant": {""}, "key": {self.key_id, KEYS[self.key_id]}, "model": {self.model}}
        return word in named[kind]


NANO = 1000  # pico-units; a store that many processes share sets aside whole ones
AMOUNTS = st.integers(0, 60).map(lambda amount: amount * NANO)
CEILINGS = st.builds(
    Ceiling,
    st.integers(0, 200).map(lambda amount: amount * NANO),
    st.sampled_from((OnExceed.BLOCK, OnExceed.BLOCK, OnExceed.NOTIFY)),
)
BUDGETS = st.none() | st.builds(
    Budget,
    st.just("EUR"),
    st.none() | CEILINGS,
    st.dictionaries(st.sampled_from(("laptop", "key_1", "key_3")), CEILINGS),
    st.dictionaries(st.sampled_from(MODELS), CEILINGS),
)


class Machine(RuleBasedStateMachine):
    """Calls of one tenant against budgets that change, in a process that dies and a calendar that goes on."""

    calls: Bundle[Call] = Bundle("calls")
    stricter = False  # than the ledger says, for good reasons

    @initialize(budget=BUDGETS)
    def begin(self, budget: Budget | None) -> None:
        self.wall = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp() * 1000)
        self.seconds = 0.0
        self.process = 0
        self.client = Client(budget)
        self.running: list[Call] = []
        self.ledger: Counter[tuple[Month, str, str]] = Counter()  # what is spooled, and so never lost
        self.budgets = self.fresh()

    def store(self) -> LocalHolds:
        """Of a process that begins."""
        return LocalHolds(clock=lambda: self.seconds)

    def do(self, work: Coroutine[Any, Any, _T]) -> _T:
        """One step of the process."""
        return at_once(work)

    def step(self, act: Callable[[], _T]) -> _T:
        """One step that is not waited for."""
        return act()

    def told(self) -> None:
        """Whoever else counts has heard of all."""

    def fresh(self) -> Budgets:
        budgets = Budgets(PARIS, store=self.store())
        budgets.restore(Spent(self.month), KEYS)
        return budgets

    @property
    def month(self) -> Month:
        return Month.of(datetime.fromtimestamp(self.wall / 1000, UTC), PARIS)

    def spent(self, ceiling: str) -> int:
        kind, _, word = ceiling.partition(":")
        return sum(
            billed
            for (month, key_id, model), billed in self.ledger.items()
            if month == self.month
            and (
                kind == "tenant"
                or (kind == "key" and word in (key_id, KEYS.get(key_id)))
                or (kind == "model" and word == model)
            )
        )

    def pending(self, ceiling: str) -> int:
        return sum(call.amount for call in self.running if call.live and call.counts_in(ceiling))

    def ceilings(self) -> dict[str, Ceiling]:
        budget = self.client.budget
        if budget is None:
            return {}
        named = {f"key:{word}": each for word, each in budget.keys.items()}
        named |= {f"model:{word}": each for word, each in budget.models.items()}
        return named | ({"tenant": budget.tenant} if budget.tenant else {})

    @rule(target=calls, key_id=st.sampled_from(sorted(KEYS)), model=st.sampled_from(MODELS), amount=AMOUNTS)
    def hold(self, key_id: str, model: str, amount: int) -> Any:
        call = Call(
            None,
            key_id,
            model,
            amount,
            self.seconds + TTL,
            self.process,
            self.client.budget is not None,  # type: ignore[arg-type]
        )
        # What is too old is in nobody's way, swept or not.
        for other in self.running:
            other.live = other.live and other.until > self.seconds
        fits = all(
            self.spent(name) < each.amount and self.spent(name) + self.pending(name) + amount <= each.amount
            for name, each in self.ceilings().items()
            if each.on_exceed is OnExceed.BLOCK and call.counts_in(name)
        )
        try:
            call.hold = self.do(
                self.budgets.hold(
                    self.client,
                    key_id=key_id,
                    key_name=KEYS[key_id],
                    model=model,
                    amount=amount,
                    now=self.wall,
                    ttl=TTL,
                )
            )
        except OverBudget:
            assert not fits or self.stricter
            call.live, call.settled = False, True  # nothing to be settled
            return call
        assert fits
        self.running.append(call)
        return call

    @rule(call=calls, billed=AMOUNTS)
    def settle(self, call: Call, billed: int) -> None:
        """Less or more than was held; again; after a release; after its time."""
        if call.process != self.process or call.hold is None:
            return
        assert self.step(lambda: call.hold.settle(billed, self.wall)) == (not call.settled)
        if not call.settled:
            self.ledger[self.month, call.key_id, call.model] += billed
        call.settled, call.live = True, False

    @rule(call=calls)
    def release(self, call: Call) -> None:
        if call.process == self.process and call.hold is not None:
            self.step(call.hold.release)
            call.live = False

    @rule(
        billed=st.integers(-30, 60).map(lambda amount: amount * NANO),
        key_id=st.sampled_from(("", *KEYS)),
        model=st.sampled_from(("", *MODELS)),
    )
    def book(self, billed: int, key_id: str, model: str) -> None:
        """A correction, a credit, a share of capacity."""
        self.step(
            lambda: self.budgets.posted(
                "client-a", billed, key_id=key_id or None, model=model or None, month=self.month
            )
        )
        self.ledger[self.month, key_id, model] += billed

    @rule(seconds=st.sampled_from((1.0, TTL / 2, TTL)))
    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        due = {id(call.hold) for call in self.running if call.live and call.until <= self.seconds}
        told = {id(hold) for hold in self.step(self.budgets.sweep)}
        assert due <= told
        for call in self.running:
            call.live = call.live and id(call.hold) not in due

    @rule(days=st.sampled_from((-400, -31, -1, 1, 10, 31, 400)))
    def jump(self, days: int) -> None:
        """Months turn, and clocks go wrong."""
        self.wall += days * DAY

    @rule(budget=BUDGETS)
    def reload(self, budget: Budget | None) -> None:
        self.client = Client(budget)

    @precondition(lambda self: self.running)
    @rule()
    def crash(self) -> None:
        """The holds are gone; what was spent is in the ledger."""
        self.process += 1
        self.running = []
        self.budgets = self.fresh()
        for month in {month for month, _, _ in self.ledger}:
            billed = {
                ("client-a", key, model): amount
                for (when, key, model), amount in self.ledger.items()
                if when == month and amount
            }
            self.budgets.restore(Spent(month, billed), KEYS)

    @invariant()
    def adds_up(self) -> None:
        """In every total, and in the accounts below it."""
        if not hasattr(self, "budgets"):
            return
        self.told()
        for each in self.budgets.state(self.client, now=self.wall):
            assert (each.spent, each.pending) == (self.spent(each.name), self.pending(each.name)), each.name

    def teardown(self) -> None:
        """Idle, nothing is set aside."""
        if not hasattr(self, "budgets"):
            return
        for call in self.running:
            self.step(call.hold.release)
        self.told()
        assert all(each.pending == 0 for each in self.budgets.state(self.client, now=self.wall))
        book = self.budgets._tenants.get("client-a")
        assert book is None or all(account.pending == 0 for account in book.accounts.values())


SETTINGS = settings(max_examples=100, stateful_step_count=40, deadline=None)
Machine.TestCase.settings = SETTINGS
TestBudgets = Machine.TestCase
