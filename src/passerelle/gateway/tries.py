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
    """The next try: a target, how many seconds to wait before it, and whether it is known to be waking."""

    target: Target
    pause: float
    waking: bool = False


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

    def failed(self, turn: Next, failure: UpstreamFailed, *, patient: bool = False) -> None:
        """Learn from a failure: nothing else is tried after a final one.

        A target that is waking is tried once more when all others have failed, or, where one is to be `patient`,
        next: then it is waited for. Having looked whether it is awake is not counted as a try.
        """
        target = turn.target
        self.failures.append(failure)
        if failure.final:
            self._queue.clear()
            return
        asked = failure.told.retry_after or 0.0
        if failure.fault is Fault.WAKING:
            if not turn.waking:
                self._left += 1
                again = Next(target, 0.0, waking=True)
                (self._queue.appendleft if patient else self._queue.append)(again)
            return
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
    Fault.WAKING,
    Fault.CONNECT,
    Fault.TIMEOUT_CONNECT,
    Fault.SERVER,
    Fault.BROKEN,
    Fault.TIMEOUT_FIRST_CONTENT,
    Fault.TIMEOUT_BETWEEN_CHUNKS,
    Fault.TIMEOUT_TOTAL,
    Fault.PAUSED,
    Fault.PLACE,
    Fault.CREDITS,
    Fault.CREDENTIALS,
    Fault.MODEL,
    Fault.UNSUPPORTED,
)
