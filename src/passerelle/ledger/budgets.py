"""Budgets that hold: a call has its money set aside before it costs anything, or is refused.

What is spent counts in the month in which it is settled, as in the ledger, and is counted for every tenant, so that
a budget that comes later finds it. What is charged is always posted: a budget refuses calls, never bills.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from passerelle.domain.billing import Budget, Ceiling, OnExceed
from passerelle.domain.calendar import Month
from passerelle.domain.errors import Refused
from passerelle.domain.money import PICO, rounded
from passerelle.ledger.holds import Account, Hold, HoldStore, Limit, LocalHolds, Reserved, Total, Unlimited
from passerelle.ledger.spent import Spent

_MONTHS = 24  # that are kept: those used last
_LAST = 253_370_000_000_000  # Unix milliseconds, in December 9998: no clock that goes wrong ends the calendar


class Budgeted(Protocol):
    """A tenant, as far as its money is concerned."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def budget(self) -> Budget | None:
        """What it may spend; None = anything."""
        ...


# What the ledger says was charged in a month; of tries that ended before a moment, or of all.
Reader = Callable[[Month, datetime | None], Awaitable[Spent]]


class OverBudget(Refused):
    """There is no money left for a call, or nobody knows whether there is. Repeating it will not help this month."""

    code = "insufficient_quota"

    def __init__(
        self, message: str, *, budget: str, subject: str | None, amount: int, spent: int, ends: datetime
    ) -> None:
        super().__init__(message)
        self.budget = budget  # `tenant`, `key` or `model`
        self.subject = subject  # which key or model, as the budget names it
        self.amount = amount  # of the ceiling, in pico-units
        self.spent = spent  # of it, so far
        self.ends = ends  # when a new month begins


@dataclass(frozen=True, slots=True)
class State:
    """How a ceiling stands, in pico-units: `spent` this month, and `pending` for calls under way."""

    name: str  # `tenant`, `key:<id or name>` or `model:<name>`
    ceiling: Ceiling
    spent: int
    pending: int


class Periods:
    """Which month a moment is booked in: its own in the operator's time zone, or the first one that is open.

    Months are numbers here, because they are looked up for every call.
    """

    def __init__(self, zone: ZoneInfo, first_open: Month | None = None) -> None:
        self.zone = zone
        self._first_open = first_open
        self._span = (1, 0, 0)  # from, until, number: of the month asked for last
        self._used: dict[int, None] = {}  # the latest at the end

    def change(self, zone: ZoneInfo, first_open: Month | None) -> None:
        """From now on, by this time zone."""
        self.zone = zone
        self._first_open = first_open
        self._span = (1, 0, 0)

    def of(self, at: int) -> int:
        """The number of the month that a moment is booked in, Unix milliseconds."""
        begins, ends, number = self._span
        return number if begins <= at < ends else self._find(at)

    def use(self, month: Month) -> int:
        """The number of a month, which is kept for being used."""
        number = number_of(month)
        self._used.pop(number, None)
        self._used[number] = None
        return number

    def forget(self) -> list[int]:
        """The months used longest ago, beyond those that are kept."""
        old = list(self._used)[:-_MONTHS]
        for number in old:
            self._used.pop(number, None)
        return old

    def _find(self, at: int) -> int:
        there = Month.of(datetime.fromtimestamp(min(max(at, 0), _LAST) / 1000, UTC), self.zone)
        begins, ends = (int(moment.timestamp() * 1000) for moment in there.bounds(self.zone))
        number = self.use(max(there, self._first_open or there))
        self._span = (begins, ends, number)
        return number


def number_of(month: Month) -> int:
    """A month as a number: months since the year 0."""
    return month.year * 12 + month.month - 1


def month_of(number: int) -> Month:
    """The month of a number."""
    return Month(number // 12, number % 12 + 1)


@dataclass(slots=True)
class _Tenant:
    """Everything that is counted of one tenant. Its accounts are the truth; totals are their sums."""

    name: str
    accounts: dict[tuple[str, str], Account] = field(default_factory=dict)  # by key id and model
    totals: dict[str, Total] = field(default_factory=dict)
    key_names: dict[str, str] = field(default_factory=dict)

    def cover(self, budget: Budget) -> None:
        """Have a total for every ceiling."""
        missing = [name for name, _ in _ceilings(budget) if name not in self.totals]
        if missing:
            self.totals |= {name: Total(name, self.name) for name in missing}
            self.link()

    def link(self) -> None:
        """Work out anew which totals an account is part of, and their sums."""
        for total in self.totals.values():
            total.posted, total.pending = {}, 0
        for account in self.accounts.values():
            self.join(account)

    def join(self, account: Account) -> None:
        """Add an account to the totals that it is part of."""
        account.limits_of = None
        account.totals = ()
        account.post_waiting()
        account.names = self.names(account.key_id, account.model)
        account.totals = tuple(self.totals[name] for name in account.names if name in self.totals)
        for total in account.totals:
            total.pending += account.pending
            for month, billed in account.posted.items():
                total.posted[month] = total.posted.get(month, 0) + billed

    def names(self, key_id: str, model: str) -> tuple[str, ...]:
        """The names of all totals that could be of this key and model."""
        words = dict.fromkeys((key_id, self.key_names.get(key_id, "")))
        return ("tenant", *(f"key:{word}" for word in words if word), *((f"model:{model}",) if model else ()))

    def tidy(self, old: Iterable[int]) -> None:
        """Post what waits, and drop what was counted of old months."""
        for account in self.accounts.values():
            account.post_waiting()
            for month in old:
                account.posted.pop(month, None)
                account.opening.pop(month, None)
        for total in self.totals.values():
            for month in old:
                total.posted.pop(month, None)


class Budgets:
    """Every tenant's money: what is spent, what is set aside, and whether a call may begin.

    `zone` is the one of the operator's months; `first_open` is the first month that is not closed. Nothing is spent
    until `restore` says so. Moments are in Unix milliseconds, amounts in pico-units.
    """

    def __init__(
        self, zone: ZoneInfo, *, first_open: Month | None = None, store: HoldStore | None = None
    ) -> None:
        self._store = LocalHolds() if store is None else store
        self._periods = Periods(zone, first_open)
        self._period = self._periods.of
        self._tenants: dict[str, _Tenant] = {}
        self._key_names: Mapping[str, str] = {}  # by id, as last restored
        # Of calls so far, by tenant, key id and model: three look-ups cost half of one by all of them.
        self._known: dict[str, dict[str, dict[str, Account]]] = {}

    async def hold(
        self,
        tenant: Budgeted,
        *,
        key_id: str,
        key_name: str,
        model: str,
        amount: int | None,
        now: int,
        ttl: float,
    ) -> Hold:
        """Set aside the most that a call may be charged; None = its price is not known.

        After `ttl` seconds it is set aside no more. A key keeps its first name. It waits only where several processes
        share what is counted. Raises OverBudget.
        """
        try:
            account = self._known[tenant.name][key_id][model]
        except KeyError:
            account = self._learn(tenant.name, key_id, key_name, model)
            self._known.setdefault(tenant.name, {}).setdefault(key_id, {})[model] = account
        budget = tenant.budget
        if budget is None:
            return Unlimited(account)
        limits = account.limits if account.limits_of is budget else self._limit(tenant.name, account, budget)
        if amount is None:
            if limits:
                raise self._refusal(limits[0], budget, None, now=now, model=model)
            amount = 0
        elif amount < 0:
            raise ValueError("an amount to set aside is nought or more")
        hold = Reserved(account, amount, self._store.clock() + ttl)
        full = await self._store.take(hold, limits, self._period(now))
        if full is not None:
            raise self._refusal(full, budget, amount, now=now, model=model)
        return hold

    def posted(
        self, tenant: str, billed: int, *, key_id: str | None = None, model: str | None = None, month: Month
    ) -> None:
        """Count what others have booked in a month: a share of capacity, a correction, a credit (below nought)."""
        account = self._learn(tenant, key_id or "", "", model or "")
        with self._store.lock:
            account.post(self._periods.use(month), billed)

    def restore(self, spent: Spent, key_names: Mapping[str, str] | None = None) -> None:
        """Begin from what the ledger says of a month; what was counted here comes on top.

        `key_names` is by id, of every key that there ever was: without it, budgets by a key's name miss what it has
        spent until its first call. Restoring a month again replaces what the ledger said before.
        """
        month = self._periods.use(spent.month)
        with self._store.lock:
            self._key_names = key_names if key_names is not None else self._key_names
            for tenant, key_id, model in spent.billed:
                self._learn(tenant, key_id, "", model)
            for name, book in self._tenants.items():
                for account in book.accounts.values():
                    opening = spent.billed.get((name, account.key_id, account.model), 0)
                    change = opening - account.opening.get(month, 0)
                    if change:
                        account.opening[month] = opening
                        account.post(month, change, opening=True)

    def state(self, tenant: Budgeted, *, now: int) -> list[State]:
        """How every ceiling of a tenant stands: its own, then those of its keys, then those of its models."""
        if tenant.budget is None:
            return []
        store = self._store
        with store.lock:
            book = self._book(tenant.name)
            book.cover(tenant.budget)
            month = self._period(now)
            return [
                State(name, ceiling, store.spent(book.totals[name], month), store.pending(book.totals[name]))
                for name, ceiling in _ceilings(tenant.budget)
            ]

    async def refresh(self, read: Reader, *, now: int) -> None:
        """Hear what other processes have spent, from each other or from the ledger. To be called every few seconds.

        Raises Unavailable where the ledger was asked and does not answer.
        """
        totals = [total for book in list(self._tenants.values()) for total in book.totals.values()]
        number = self._period(now)
        look = await self._store.refresh(totals, number)
        if look is None:
            return
        began = datetime.fromtimestamp(now / 1000, UTC)
        before = None if look.lag is None else began - timedelta(seconds=look.lag)
        spent = await read(month_of(number), before)
        said: dict[tuple[str, str], int] = {}
        with self._store.lock:
            for (tenant, key_id, model), billed in spent.billed.items():
                for name in self._book(tenant).names(key_id, model):
                    said[tenant, name] = said.get((tenant, name), 0) + billed
        self._store.hear(said, number, look)

    def sweep(self) -> list[Reserved]:
        """Free what is set aside for too long, and forget months long past. To be called every few seconds."""
        with self._store.lock:
            old = self._periods.forget()
            for book in self._tenants.values():
                book.tidy(old)
        return self._store.sweep()

    def calendar(self, zone: ZoneInfo, first_open: Month | None = None) -> None:
        """From now on, months are those of this time zone, and none before the first open one is posted to."""
        with self._store.lock:
            for book in self._tenants.values():
                book.tidy(())
            self._periods.change(zone, first_open)

    def _book(self, tenant: str) -> _Tenant:
        book = self._tenants.get(tenant)
        if book is None:
            book = self._tenants[tenant] = _Tenant(tenant)
        return book

    def _learn(self, tenant: str, key_id: str, key_name: str, model: str) -> Account:
        """The account, made if it is new; a key's name is noted if it is new."""
        with self._store.lock:
            book = self._book(tenant)
            key_name = key_name or self._key_names.get(key_id, "")
            account = book.accounts.get((key_id, model))
            if account is None:
                account = book.accounts[key_id, model] = Account(
                    key_id, model, store=self._store, period=self._period, tenant=tenant
                )
                book.join(account)
            if key_name and book.key_names.get(key_id) != key_name:
                book.key_names[key_id] = key_name
                book.link()
            return account

    def _limit(self, tenant: str, account: Account, budget: Budget) -> tuple[Limit, ...]:
        """The ceilings of a budget that a call of this account must fit under."""
        with self._store.lock:
            self._book(tenant).cover(budget)
            ceilings = dict(_ceilings(budget))
            account.limits = tuple(
                Limit(total, ceilings[total.name])
                for total in account.totals
                if total.name in ceilings and ceilings[total.name].on_exceed is OnExceed.BLOCK
            )
            account.limits_of = budget
            return account.limits

    def _refusal(
        self, limit: Limit, budget: Budget, amount: int | None, *, now: int, model: str
    ) -> OverBudget:
        total, ceiling = limit.total, limit.ceiling
        kind, _, subject = total.name.partition(":")
        month = month_of(self._period(now))
        spent = self._store.spent(total, number_of(month))
        whose = f"the budget of the {kind} {subject}" if subject else "the budget"
        if amount is None:
            said = (
                f"The price of {model} is not known, and not knowing is not nought: {whose} cannot be kept."
            )
        else:
            said = (
                f"{whose[0].upper()}{whose[1:]} has no room for this call: of {_figure(ceiling.amount)} {budget.currency} in {month}, "
                f"{_figure(spent)} are spent and {_figure(self._store.pending(total))} set aside for calls under way; "
                f"this one may cost up to {_figure(amount)}. A new month begins on {month.next.first}."
            )
        return OverBudget(
            said,
            budget=kind,
            subject=subject or None,
            amount=ceiling.amount,
            spent=spent,
            ends=month.next.begins(self._periods.zone),
        )


def _ceilings(budget: Budget) -> list[tuple[str, Ceiling]]:
    """Every ceiling by the name of its total."""
    return [
        *([("tenant", budget.tenant)] if budget.tenant else []),
        *((f"key:{key}", ceiling) for key, ceiling in budget.keys.items()),
        *((f"model:{model}", ceiling) for model, ceiling in budget.models.items()),
    ]


def _figure(amount: int) -> str:
    """An amount for people: in cents, or as finely as a small one needs."""
    shown = rounded(amount, 2)
    if amount == 0 or abs(amount) >= PICO // 10:
        return f"{shown}"
    return f"{rounded(amount, 6):f}"
