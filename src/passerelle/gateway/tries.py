"""Which target to try next, and after which pause. Pure: no clock, no socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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

    At most `most` tries in all, or one for each target where there are more targets than that. A caller that
    `returns`, having sent the same before so many times, repeats by itself: for it each target is tried once.
    `may_repeat` is asked before a backend is tried again for a request that it has failed already.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        most: int,
        draw: Callable[[], float],
        returns: int = 0,
        may_repeat: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._queue = deque(Next(target, 0.0) for target in targets)
        self._left = len(targets) if returns else max(most, len(targets))
        self._draw = draw
        self._returns = returns
        self._may_repeat = may_repeat
        self._again: dict[Target, int] = {}
        self._newest: dict[Target, UpstreamFailed] = {}
        self.failures: list[UpstreamFailed] = []

    def next(self) -> Next | None:
        """The next try, None when there is none left."""
        while self._queue and self._left:
            turn = self._queue.popleft()
            # Asked now and not when it was queued: most repeats that wait in line are never needed.
            if turn.target not in self._again or turn.waking or self._may_repeat(turn.target.backend):
                self._left -= 1
                return turn
        return None

    def failed(self, turn: Next, failure: UpstreamFailed, *, patient: bool = False) -> None:
        """Learn from a failure: nothing else is tried after a final one.

        A target that is waking is tried once more when all others have failed, or, where one is to be `patient`,
        next: then it is waited for. Having looked whether it is awake is not counted as a try.
        """
        target = turn.target
        # Its frames hold the request, which holds us: kept, they would be garbage that only the collector takes away.
        failure.__traceback__ = failure.__context__ = failure.__cause__ = None
        self.failures.append(failure)
        self._newest[target] = failure
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
        if self._returns or not failure.passing or asked > _LONGEST_PAUSE:
            return
        times = self._again[target] = self._again.get(target, 0) + 1
        # Full jitter over a doubling window: callers that failed together do not come back together.
        window = min(_SHORTEST_PAUSE * 2**times, _LONGEST_PAUSE)
        self._queue.append(Next(target, max(asked, _SHORTEST_PAUSE + self._draw() * window)))

    def verdict(self) -> UpstreamFailed:
        """The one failure to tell the caller about: the one most worth acting on, the earliest among equals.

        One that time will mend comes with the soonest moment at which any target may be asked again.
        """
        worst = min(self.failures, key=lambda failure: _ORDER.index(failure.fault))
        told = replace(worst.told, again=self._again_helps(worst))
        if worst.fault in _MENDED_BY_TIME:
            newest = [each for each in self._newest.values() if each.fault in _MENDED_BY_TIME]
            if waits := [wait for each in newest if (wait := each.told.retry_after)]:
                told = replace(told, retry_after=min(waits))
        # Another one, because who raises it will be in its frames, and holds us.
        return UpstreamFailed(worst.fault, worst.message, told=told, headless=worst.headless)

    def _again_helps(self, worst: UpstreamFailed) -> bool | None:
        """False for a caller that has come back, and for whom more than one try was made again in vain."""
        tried = [failure for failure in self.failures if failure.fault not in _NOT_ASKED]
        return False if self._returns and len(tried) > 1 else worst.told.again


# A target that fails so is fit again some time later; those of `_NOT_ASKED` were not even asked.
_NOT_ASKED = frozenset({Fault.BUSY, Fault.RESTING})
_MENDED_BY_TIME = _NOT_ASKED | {Fault.RATE_LIMITED, Fault.OVERLOADED, Fault.WAKING}
# What the caller can mend first, then what will pass, then what the operator must mend.
_ORDER = (
    Fault.REQUEST,
    Fault.RATE_LIMITED,
    Fault.OVERLOADED,
    Fault.BUSY,
    Fault.RESTING,
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
