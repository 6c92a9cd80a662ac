"""Which target to try next, and after which pause. Pure: no clock, no socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from passerelle.domain.catalog import Target
from passerelle.domain.errors import Fault, UpstreamFailed

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # seconds; an engine that asks for longer is not waited for


@dataclass(frozen=True, slots=True)
class Next:
    """The next try: a target, and how many seconds to wait before it."""

    target: Target
    pause: float


class Tries:
    """Every target of the plan is tried once, in order; then those that failed in passing again, after a pause.

    At most `most` tries in all, or one for each target where there are more targets than that.
    """

    def __init__(self, targets: Sequence[Target], *, most: int, draw: Callable[[], float]) -> None:
        self._queue = deque(Next(target, 0.0) for target in targets)
        self._left = max(most, len(targets))
        self._draw = draw
        self._again: dict[Target, int] = {}
        self.failures: list[UpstreamFailed] = []

    def next(self) -> Next | None:
        """The next try, None when there is none left."""
        if not self._queue or self._left == 0:
            return None
        self._left -= 1
        return self._queue.popleft()

    def failed(self, target: Target, failure: UpstreamFailed) -> None:
        """Learn from a failure: nothing else is tried after a final one."""
        self.failures.append(failure)
        if failure.final:
            self._queue.clear()
            return
        asked = failure.told.retry_after or 0.0
        if not failure.passing or asked > _LONGEST_PAUSE:
            return
        times = self._again[target] = self._again.get(target, 0) + 1
        # Full jitter over a doubling window: callers that failed together do not come back together.
        window = min(_SHORTEST_PAUSE * 2**times, _LONGEST_PAUSE)
        self._queue.append(Next(target, max(asked, _SHORTEST_PAUSE + self._draw() * window)))

    def verdict(self) -> UpstreamFailed:
        """The one failure to tell the caller about: the one most worth acting on, the earliest among equals."""
        return min(self.failures, key=lambda failure: _ORDER.index(failure.fault))


# What the caller can mend first, then what will pass, then what the operator must mend.
_ORDER = (
    Fault.REQUEST,
    Fault.RATE_LIMITED,
    Fault.OVERLOADED,
    Fault.CONNECT,
    Fault.TIMEOUT_CONNECT,
    Fault.SERVER,
    Fault.BROKEN,
    Fault.TIMEOUT_FIRST_CONTENT,
    Fault.TIMEOUT_BETWEEN_CHUNKS,
    Fault.TIMEOUT_TOTAL,
    Fault.CREDITS,
    Fault.CREDENTIALS,
    Fault.MODEL,
    Fault.UNSUPPORTED,
)
