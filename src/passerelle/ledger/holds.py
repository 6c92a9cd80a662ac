"""Money set aside for calls under way: taken under every limit at once or not at all, and given back exactly once.

One process owns the counters, in its memory, and never waits for anything but a lock; `shared_holds` is the store of
many processes behind the same `HoldStore`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

from passerelle.domain.billing import Ceiling


class Total:
    """What a ceiling is compared with: the sum of the accounts it covers. `name` is unique within its tenant."""

    __slots__ = ("name", "pending", "posted", "tenant")

    def __init__(self, name: str, tenant: str = "") -> None:
        self.name = name  # `tenant`, `key:<id or name>` or `model:<name>`
        self.tenant = tenant
        self.posted: dict[int, int] = {}  # by the number of a month
        self.pending = 0  # of no month: a hold counts in the one in which it is settled


class Account:
    """What one key of a tenant spends on one model, with the totals that it is part of."""

    __slots__ = (
        "key_id", "limits", "limits_of", "model", "names", "opening", "pending", "period", "posted", "store", "tenant",
        "totals", "waiting",
    )  # fmt: skip

    def __init__(
        self, key_id: str, model: str, *, store: HoldStore, period: Callable[[int], int], tenant: str = ""
    ) -> None:
        self.tenant = tenant
        self.key_id = key_id
        self.model = model
        self.names: tuple[str, ...] = ()  # of all totals that it would be part of
        self.store = store
        self.period = period  # the number of the month in which a moment is booked, Unix milliseconds
        self.posted: dict[int, int] = {}  # by the number of a month
        self.opening: dict[int, int] = {}  # what of it was spent before this process began
        self.waiting: deque[tuple[int, int]] = deque()  # moments and amounts that no total waits for
        self.pending = 0
        self.totals: tuple[Total, ...] = ()
        self.limits: tuple[Limit, ...] = ()
        self.limits_of: object = None  # the budget that the limits are of

    def post(self, month: int, billed: int, *, opening: bool = False) -> None:
        """Add to what is spent; for whoever holds the store's lock. `opening`: the ledger says so, not this process."""
        self.posted[month] = self.posted.get(month, 0) + billed
        for total in self.totals:
            total.posted[month] = total.posted.get(month, 0) + billed
        if self.store.tally is not None:
            self.store.tally(self, month, billed, opening)

    def post_waiting(self) -> None:
        """Add what waits to what is spent; for whoever holds the store's lock."""
        while self.waiting:
            at, billed = self.waiting.popleft()
            self.post(self.period(at), billed)

    def set_aside(self, amount: int) -> None:
        """Add to what is set aside; for whoever holds the store's lock."""
        self.pending += amount
        for total in self.totals:
            total.pending += amount


@dataclass(frozen=True, slots=True)
class Limit:
    """A ceiling that refuses, and the total that it bounds."""

    total: Total
    ceiling: Ceiling


class Hold(Protocol):
    """A call under way, to be settled or released."""

    @property
    def amount(self) -> int:
        """What was set aside, in pico-units."""
        ...

    def settle(self, billed: int, at: int) -> bool:
        """Post what the call is charged, at this moment (Unix milliseconds), and give back the rest.

        It is posted once, whatever it is: beyond the hold, beyond the ceiling, and after the hold is gone. False when
        it was posted already.
        """
        ...

    def release(self) -> None:
        """Give it all back, unless that has happened: the call is charged nothing."""
        ...


class Unlimited:
    """The hold of a tenant without a budget: nothing is set aside, and what is charged waits to be counted."""

    __slots__ = ("_account",)

    def __init__(self, account: Account) -> None:
        self._account: Account | None = account  # None once it is settled

    @property
    def amount(self) -> int:
        """Nothing."""
        return 0

    def settle(self, billed: int, at: int) -> bool:
        """As every hold: posted once."""
        account = self._account
        if account is None:
            return False
        self._account = None
        # Without a lock, which would cost more than all the rest: an append is one step for every thread.
        account.waiting.append((at, billed))
        if account.totals:
            account.store.post_waiting(account)
        return True

    def release(self) -> None:
        """Nothing is to be given back."""


class Reserved:
    """The hold of a tenant with a budget: money is set aside until it is settled, released or too old."""

    __slots__ = ("account", "amount", "live", "name", "settled", "until")

    def __init__(self, account: Account, amount: int, until: float) -> None:
        self.name = ""  # among the holds of all processes, where a store has given it one
        self.account = account
        self.amount = amount
        self.until = until  # on the store's clock, in seconds
        self.live = False  # is the amount set aside now?
        self.settled = False

    def settle(self, billed: int, at: int) -> bool:
        """As every hold: posted once, whatever it is and whenever it comes."""
        return self.account.store.settle(self, billed, self.account.period(at))

    def release(self) -> None:
        """Give it all back, unless that has happened: the call is charged nothing."""
        self.account.store.release(self)


@dataclass(frozen=True, slots=True)
class Look:
    """What a store wants to know of the ledger: what was charged by tries that ended so long ago."""

    lag: float | None  # seconds; None = by all


class HoldStore(Protocol):
    """Where holds are counted.

    `lock` guards what this process counts; `clock` is in seconds and never jumps, so that a hold has its time whatever
    happens to the time of day. `tally`, where there is one, hears of all that is posted: the account, the number of
    the month, the amount, and whether it is the ledger that says so.
    """

    lock: threading.RLock
    clock: Callable[[], float]
    tally: Callable[[Account, int, int, bool], None] | None

    async def take(self, hold: Reserved, limits: Sequence[Limit], month: int) -> Limit | None:
        """Set the amount aside under all the limits. The one that has no room for it, and nothing is set aside."""
        ...

    def spent(self, total: Total, month: int) -> int:
        """What all processes have posted to it, as far as is known here."""
        ...

    def pending(self, total: Total) -> int:
        """What all processes have set aside under it, as far as is known here."""
        ...

    async def refresh(self, totals: Sequence[Total], month: int) -> Look | None:
        """Hear how these stand, and keep what is set aside. What it wants to know of the ledger, if anything."""
        ...

    def hear(self, said: Mapping[tuple[str, str], int], month: int, look: Look) -> None:
        """What the ledger says of a month, by tenant and name of the total."""
        ...

    def settle(self, hold: Reserved, billed: int, month: int) -> bool:
        """Give back what is set aside and post what is charged, once."""
        ...

    def release(self, hold: Reserved) -> None:
        """Give back what is set aside, once."""
        ...

    def post_waiting(self, account: Account) -> None:
        """Post what was charged to an account without a hold."""
        ...

    def sweep(self) -> list[Reserved]:
        """Give back what is set aside for too long; every such hold is told once."""
        ...


class LocalHolds:
    """Holds of one process, in its memory, safe to use from any thread."""

    tally: Callable[[Account, int, int, bool], None] | None = None

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self._live: dict[Reserved, None] = {}  # as they were taken
        self._swept: list[Reserved] = []  # not told yet
        self._earliest = inf  # no hold ends before

    def __len__(self) -> int:
        """How many holds are live."""
        return len(self._live)

    async def take(self, hold: Reserved, limits: Sequence[Limit], month: int) -> Limit | None:
        """See `HoldStore`. It never waits."""
        with self.lock:
            full = _full(hold.amount, limits, month)
            if full is not None and self._expire():
                full = _full(hold.amount, limits, month)
            if full is None:
                self._keep(hold)
            return full

    def spent(self, total: Total, month: int) -> int:
        """See `HoldStore`: there is one process."""
        return total.posted.get(month, 0)

    def pending(self, total: Total) -> int:
        """See `HoldStore`: there is one process."""
        return total.pending

    async def refresh(self, totals: Sequence[Total], month: int) -> Look | None:
        """See `HoldStore`: all is known."""
        return None

    def hear(self, said: Mapping[tuple[str, str], int], month: int, look: Look) -> None:
        """See `HoldStore`: all was known."""

    def settle(self, hold: Reserved, billed: int, month: int) -> bool:
        """Give back what is set aside and post what is charged, once."""
        with self.lock:
            if hold.settled:
                return False
            hold.settled = True
            if hold.live:
                self._free(hold)
            hold.account.post(month, billed)
            return True

    def release(self, hold: Reserved) -> None:
        """Give back what is set aside, once."""
        with self.lock:
            if hold.live:
                self._free(hold)

    def post_waiting(self, account: Account) -> None:
        """Post what was charged to an account without a hold."""
        with self.lock:
            account.post_waiting()

    def sweep(self) -> list[Reserved]:
        """Give back what is set aside for too long; every such hold is told once."""
        with self.lock:
            self._expire()
            told, self._swept = self._swept, []
            return told

    def _keep(self, hold: Reserved) -> None:
        hold.live = True
        hold.account.set_aside(hold.amount)
        self._live[hold] = None
        self._earliest = min(self._earliest, hold.until)

    def _free(self, hold: Reserved) -> None:
        hold.live = False
        del self._live[hold]
        hold.account.set_aside(-hold.amount)

    def _expire(self) -> bool:
        now = self.clock()
        if now < self._earliest:
            return False
        old = [hold for hold in self._live if hold.until <= now]
        for hold in old:
            self._free(hold)
        self._swept += sorted(old, key=lambda hold: hold.until)
        self._earliest = min((hold.until for hold in self._live), default=inf)
        return bool(old)


def _full(amount: int, limits: Sequence[Limit], month: int) -> Limit | None:
    """The first limit that this does not fit under; a free call fits until all is spent."""
    for limit in limits:
        total = limit.total
        left = limit.ceiling.amount - total.posted.get(month, 0)
        if left <= 0 or total.pending + amount > left:
            return limit
    return None
