"""What the gateway writes down of money, and where: the seam between a request and the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from typing import Protocol

from passerelle.domain.errors import Unavailable
from passerelle.domain.ledger import Began, Ended
from passerelle.ledger.budgets import Budgets

_EPOCH = date(1970, 1, 1).toordinal()


class Journal(Protocol):
    """Where tries are written before and after; the ledger's spool."""

    @property
    def owner(self) -> str:
        """A name that no other journal ever has."""
        ...

    def room(self) -> bool:
        """May another try begin?"""
        ...

    def begin(self, began: Began) -> None:
        """Write that a try begins. Raises Unavailable where it may not."""
        ...

    def end(self, ended: Ended) -> None:
        """Write how it ended. Raises Unavailable on a full disk, and keeps what was to be written."""
        ...

    def both(self, began: Began, ended: Ended) -> None:
        """Write a try that is over as it begins. Raises Unavailable where it may not; then nothing is written."""
        ...


@dataclass(frozen=True, slots=True)
class Books:
    """A journal of tries, the budgets they are held against, and a clock in Unix seconds."""

    journal: Journal
    budgets: Budgets
    now: Callable[[], float] = time.time
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _days: dict[int, date] = field(default_factory=dict)

    def name(self) -> str:
        """A name for a try that nothing else ever has."""
        return f"{self.journal.owner}.{next(self._numbers):x}"

    def day(self) -> date:
        """The day in UTC, whose rates of exchange hold."""
        number = int(self.now() // 86_400)
        day = self._days.get(number)
        if day is None:
            self._days.clear()
            day = self._days[number] = date.fromordinal(_EPOCH + number)
        return day

    def check_room(self) -> None:
        """Raises Unavailable where nothing more can be written down: what costs money is refused then."""
        if not self.journal.room():
            raise Unavailable(
                "There is no room to write down what this costs.", code="ledger_full", retry_after=30.0
            )
