"""Accounts without credits: not asked again until a while has passed, then by one request at a time.

An account outlives a reload: what has run out stays so until somebody pays.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import structlog

_log = structlog.get_logger(__name__)

FIRST, LONGEST = 60.0, 1800.0  # seconds an account rests after its first 402, and at most


@dataclass(slots=True)
class _Rest:
    until: float
    length: float  # seconds
    tried: bool = False  # one request is asking the account now


class Accounts:
    """Which accounts rest. `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float], *, told: Callable[[int], None] = lambda _: None) -> None:
        self._clock = clock
        self._told = told  # how many rest now
        self._resting: dict[Hashable, _Rest] = {}

    def rests(self, account: Hashable) -> float:
        """Seconds until the account may be asked again; 0 when it may be now.

        Asking after a rest is one request's turn: the next one waits for what it learns.
        """
        if not self._resting:  # the common case
            return 0.0
        rest = self._resting.get(account)
        if rest is None:
            return 0.0
        left = rest.until - self._clock()
        if left > 0:
            return left
        rest.until, rest.tried = self._clock() + FIRST, True
        return 0.0

    def refused(self, account: Hashable, *, backend: str) -> None:
        """The account has no credits: it rests, twice as long each time.

        Of requests that were sent together the first one counts.
        """
        before = self._resting.get(account)
        now = self._clock()
        if before is not None and before.until > now and not before.tried:
            return
        length = min(before.length * 2, LONGEST) if before else FIRST
        self._resting[account] = _Rest(now + length, length)
        _log.error("account_without_credits", backend=backend, rests_seconds=length)
        self._told(len(self._resting))

    def answered(self, account: Hashable) -> None:
        """The account was charged: it has credits."""
        if self._resting and self._resting.pop(account, None) is not None:
            _log.info("account_has_credits_again")
            self._told(len(self._resting))

    def unsure(self, account: Hashable) -> None:
        """A request ended before it was known whether it was charged: if it had the turn, the next one has it."""
        rest = self._resting.get(account) if self._resting else None
        if rest is not None and rest.tried:
            rest.until, rest.tried = self._clock(), False
