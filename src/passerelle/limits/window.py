"""Counts of the last seconds: what happened how often, second by second. Pure; the caller says what time it is."""

from __future__ import annotations

from collections import deque

SECONDS = 10  # that are looked back on


class Window:
    """How often each of `kinds` things happened in the last `SECONDS`, to the second."""

    __slots__ = ("_counts", "_kinds", "_second", "_seconds")

    def __init__(self, kinds: int) -> None:
        self._kinds = kinds
        self._second = -1  # that `_counts` is of
        self._counts = [0] * kinds
        self._seconds: deque[tuple[int, list[int]]] = deque()

    def add(self, kind: int, now: float) -> None:
        """It happened now, in seconds that never go back."""
        second = int(now)
        if second != self._second:
            self._turn(second)
        self._counts[kind] += 1

    def counts(self, now: float) -> list[int]:
        """How often each kind happened."""
        second = int(now)
        totals = [0] * self._kinds
        for at, counts in self._seconds:
            if at > second - SECONDS:
                for kind, count in enumerate(counts):
                    totals[kind] += count
        return totals

    def clear(self) -> None:
        """Forget everything."""
        self._seconds.clear()
        self._second = -1

    def _turn(self, second: int) -> None:
        while self._seconds and self._seconds[0][0] <= second - SECONDS:
            self._seconds.popleft()
        self._second = second
        self._counts = [0] * self._kinds
        self._seconds.append((second, self._counts))
