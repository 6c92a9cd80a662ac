"""What one process knows of money that several spend: what Redis said last, what it was not told yet, and what it is.

Redis counts nano-units. What is set aside is rounded up to them; of what is spent, the pico-units that are left over
stay here until they make a whole one, so that nothing is ever rounded away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from passerelle.ledger.holds import Limit, Reserved

NANO = 1000  # pico-units

# The epoch of a process that was away for so long that the ledger has what it did not tell.
LONG_AWAY = "-"


def _add(sums: dict[str, int], name: str, amount: int) -> None:
    sums[name] = sums.get(name, 0) + amount


@dataclass(slots=True)
class Post:
    """What is told in one run of the script, again and again until it is heard; it counts once."""

    number: int
    sent: dict[str, int]  # nano-units, by the name of a total
    covered: dict[str, int] = field(
        default_factory=dict
    )  # what else was known to us when it was sent, pico-units


@dataclass(slots=True)
class Sheet:
    """One month of one tenant, in pico-units by the name of a total."""

    epoch: str = ""  # of the hash in Redis; "" = never met
    here: dict[str, int] = field(
        default_factory=dict
    )  # counted by this process, from what the ledger said on
    seen: dict[str, int] = field(default_factory=dict)  # as Redis said last
    unsent: dict[str, int] = field(default_factory=dict)
    sending: Post | None = None
    ledger: dict[str, int] = field(default_factory=dict)  # as the ledger said while Redis was away
    marks: dict[str, tuple[int, int]] = field(
        default_factory=dict
    )  # for shares: spent by all, and counted here

    def waiting(self, name: str) -> int:
        """What Redis has not confirmed."""
        sent = self.sending.sent.get(name, 0) * NANO if self.sending is not None else 0
        return self.unsent.get(name, 0) + sent

    def confirmed(self, name: str) -> int:
        """What is spent without what was not sent yet."""
        seen = self.seen.get(name)
        return self.here.get(name, 0) - self.waiting(name) if seen is None else seen

    def begun(self, name: str) -> str:
        """`confirmed` for the script, in nano-units; of a total that Redis has not spoken of, also what it is at least."""
        confirmed = self.confirmed(name)
        if name in self.seen:
            return str(confirmed // NANO)
        sent = self.sending.sent.get(name, 0) * NANO if self.sending is not None else 0
        least = confirmed + min(0, self.unsent.get(name, 0)) + min(0, sent)
        return f"~{least // NANO}:{confirmed // NANO}"

    def spent(self, name: str) -> int:
        """What all processes have spent, as far as is known here."""
        known = self.confirmed(name) + self.waiting(name)
        return max(known, self.ledger.get(name, known))

    def count(self, names: Iterable[str], billed: int, *, told: bool) -> None:
        """Something was posted here; `told`: Redis is to hear of it."""
        for name in names:
            _add(self.here, name, billed)
            if told:
                _add(self.unsent, name, billed)

    def post(self, number: int) -> Post | None:
        """What to tell: what was not heard, else what is new; None = nothing."""
        post = self.sending
        if post is None:
            sent = {name: amount // NANO for name, amount in self.unsent.items() if amount // NANO}
            if not sent:
                return None
            post = self.sending = Post(number, sent)
            for name, amount in sent.items():
                _add(self.unsent, name, -amount * NANO)
        else:
            # Should its hash have been lost meanwhile, all of it is told as what is known.
            for name in self.unsent:
                post.sent.setdefault(name, 0)
        post.covered = dict(self.unsent)
        return post

    def heard(self, epoch: str, seen: Mapping[str, int]) -> None:
        """How totals stand, after a hold or a look. A new hash is only taken up with nothing left to tell the old one."""
        if self.epoch in ("", epoch) or not any(self.waiting(name) // NANO for name in self.unsent):
            self.epoch = epoch
        self.seen.update(seen)

    def posted(self, epoch: str, seen: Mapping[str, int], *, stale: bool) -> None:
        """What was sent is there. `stale`: the hash was another, and was told what we know instead."""
        post, self.sending = self.sending, None
        if stale and post is not None:
            for name in post.sent:
                _add(self.unsent, name, -post.covered.get(name, 0))
            self.ledger.clear()
        self.epoch = epoch
        self.seen.update(seen)


@dataclass(slots=True)
class Purse:
    """One tenant."""

    name: str
    sheets: dict[int, Sheet] = field(default_factory=dict)  # by the number of a month
    live: dict[str, Reserved] = field(default_factory=dict)  # by the name of the hold
    there: dict[str, tuple[tuple[str, ...], int]] = field(
        default_factory=dict
    )  # those Redis has: totals, amount
    returned: dict[str, None] = field(default_factory=dict)  # given back, which Redis has not heard of
    held: dict[str, int] = field(
        default_factory=dict
    )  # what Redis holds for this process, by the name of a total
    others: dict[str, int] = field(default_factory=dict)  # what it holds for others, as it said last

    def sheet(self, month: int) -> Sheet:
        """The month, begun if it is new."""
        sheet = self.sheets.get(month)
        if sheet is None:
            sheet = self.sheets[month] = Sheet()
        return sheet

    def kept(self, hold: Reserved) -> None:
        """Redis has it."""
        if hold.name not in self.there:
            self.there[hold.name] = (hold.account.names, hold.amount)
            for name in hold.account.names:
                _add(self.held, name, hold.amount)

    def gone(self, holds: Iterable[str]) -> None:
        """Redis has them no more."""
        for hold in holds:
            self.returned.pop(hold, None)
            names, amount = self.there.pop(hold, ((), 0))
            for name in names:
                _add(self.held, name, -amount)

    def pending(self, said: Mapping[str, int]) -> None:
        """What Redis holds for all, in pico-units."""
        for name, amount in said.items():
            self.others[name] = max(0, amount - self.held.get(name, 0))

    def forget(self, month: int) -> None:
        """Drop the months before, once there is nothing to tell of them."""
        for old in [number for number in self.sheets if number < month]:
            sheet = self.sheets[old]
            if sheet.sending is None and not any(amount // NANO for amount in sheet.unsent.values()):
                del self.sheets[old]

    def full(
        self, hold: Reserved, limits: Sequence[Limit], month: int, *, replicas: int, fresh: bool
    ) -> Limit | None:
        """The first limit that has no room for it in this process's share of what was left when Redis was heard last.

        `fresh`: what others had set aside then may be so still.
        """
        sheet = self.sheet(month)
        for limit in limits:
            name = limit.total.name
            spent, before = sheet.marks.setdefault(name, (sheet.spent(name), sheet.here.get(name, 0)))
            others = self.others.get(name, 0) if fresh else 0
            share = (limit.ceiling.amount - spent - others) // replicas
            left = share - (sheet.here.get(name, 0) - before)
            if left <= 0 or limit.total.pending + hold.amount > left:
                return limit
        return None
