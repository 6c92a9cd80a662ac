"""How fast a backend serves those who wait for it: tokens that leave a second, while somebody waits.

Only such time counts. A backend that nobody waits for shows how much is asked of it, not how much it can do.
"""

from __future__ import annotations

from math import exp

_MEMORY = 20.0  # seconds of waiting after which an observation counts 1/e
_ENOUGH = 5.0  # observations before a prediction is made
_FORGET = 60.0  # seconds without anybody waiting after which the engine may be another


class Pace:
    """An exponentially weighted rate. Times are seconds of any clock that only goes forward."""

    __slots__ = ("_cost", "_leaves", "_mark", "_seconds", "_waited_for")

    def __init__(self) -> None:
        self._cost = 0.0
        self._seconds = 0.0
        self._leaves = 0.0
        self._mark = 0.0  # how far time is accounted for
        self._waited_for = False

    def begin(self, now: float) -> None:
        """Somebody waits from now on. Nothing happens where somebody did already."""
        if self._waited_for:
            return
        if now - self._mark > _FORGET:
            self._cost = self._seconds = self._leaves = 0.0
        self._waited_for = True
        self._mark = now

    def left(self, cost: int, now: float) -> None:
        """A call of this cost has left its place."""
        if self._waited_for:
            kept = self._pass(now)
            self._cost = self._cost * kept + cost
            self._leaves = self._leaves * kept + 1

    def end(self, now: float) -> None:
        """Nobody waits any more."""
        if self._waited_for:
            kept = self._pass(now)
            self._cost *= kept
            self._leaves *= kept
            self._waited_for = False

    def _pass(self, now: float) -> float:
        gone = max(0.0, now - self._mark)
        kept = exp(-gone / _MEMORY)
        self._seconds = self._seconds * kept + gone
        self._mark = now
        return kept

    def rate(self, now: float) -> float | None:
        """Tokens a second; None = not known. Time in which nobody left counts, so that a stalled engine is slow."""
        if self._leaves < _ENOUGH:
            return None
        gone = max(0.0, now - self._mark) if self._waited_for else 0.0
        kept = exp(-gone / _MEMORY)
        seconds = self._seconds * kept + gone
        return self._cost * kept / seconds if seconds > 0 else None

    def seconds(self, ahead: float, now: float) -> float | None:
        """How long it takes until so much has been served; None = not known."""
        if ahead <= 0:
            return 0.0
        rate = self.rate(now)
        return ahead / rate if rate else None
