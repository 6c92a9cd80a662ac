"""Circuit breakers: a backend that keeps failing is left alone for a while, then asked by one request at a time.

A breaker opens on 5 failed connections in a row, or when at least half of 20 or more calls of the last 10 s failed,
or were refused for their rate. One failure never opens it, nor does what a caller has asked wrongly. What it knows
belongs to the backend's name and outlives a reload.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import inf

import structlog

from passerelle.domain.errors import Fault
from passerelle.limits.window import Window

_log = structlog.get_logger(__name__)

IN_A_ROW = 5  # failed connections
FEWEST = 20  # calls that a share is taken of
SHARE = 0.5
FIRST, LONGEST = 5.0, 60.0  # seconds a backend rests at first, and at most
SHORTEST = 1.0  # seconds: sooner than this nobody is told to come back
TURN = 10.0  # seconds one probe has before the next may go out


class Reason(StrEnum):
    """What a backend rests for."""

    CONNECTION = "connection"
    SERVER = "server"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"


_REASONS: dict[Fault, Reason] = {
    Fault.CONNECT: Reason.CONNECTION,
    Fault.TIMEOUT_CONNECT: Reason.CONNECTION,
    Fault.SERVER: Reason.SERVER,
    Fault.OVERLOADED: Reason.SERVER,
    Fault.BROKEN: Reason.SERVER,
    Fault.TIMEOUT_FIRST_CONTENT: Reason.TIMEOUT,
    Fault.TIMEOUT_BETWEEN_CHUNKS: Reason.TIMEOUT,
    Fault.TIMEOUT_TOTAL: Reason.TIMEOUT,
    Fault.RATE_LIMITED: Reason.RATE_LIMITED,
}
# Whatever else is wrong, the backend has replied: its connections work.
_REPLIES = frozenset({Fault.REQUEST, Fault.MODEL, Fault.CREDENTIALS, Fault.CREDITS, *_REASONS}) - {
    Fault.TIMEOUT_FIRST_CONTENT,
    Fault.TIMEOUT_TOTAL,
}
_ORDER = tuple(Reason)  # kinds of a window: 0 is an answer, then these
_KIND = {reason: kind for kind, reason in enumerate(_ORDER, start=1)}
_LIMITED = _KIND[Reason.RATE_LIMITED]


@dataclass(frozen=True, slots=True)
class Shown:
    """How a breaker stands: `state` is closed, open or half-open; `rests` in seconds; counts of the last 10 s."""

    state: str
    reason: Reason | None
    rests: float
    calls: int
    failures: int


class _Breaker:
    """Of one backend. Open while there is a `reason`; half-open from `until` on."""

    __slots__ = ("length", "opened", "probing", "reason", "row", "until", "window")

    def __init__(self) -> None:
        self.window = Window(1 + len(_ORDER))
        self.row = 0  # connections that failed since one did not
        self.reason: Reason | None = None
        self.opened = -inf  # when it last did; what was sent before is no news
        self.until = 0.0  # the end of the rest, or of a probe's turn
        self.length = 0.0  # seconds of the rest before jitter
        self.probing = False


class Breakers:
    """Every backend's breaker by its name. `clock` gives seconds that never go back, `draw` numbers in [0, 1)."""

    def __init__(
        self,
        clock: Callable[[], float],
        draw: Callable[[], float],
        *,
        told: Callable[[str, Reason, bool], None] = lambda *_: None,
    ) -> None:
        self._clock = clock
        self._draw = draw
        self._told = told  # whether a backend rests now for a reason; heard only when that changes
        self._breakers: dict[str, _Breaker] = {}
        self._open: dict[str, _Breaker] = {}

    def rests(self, backend: str) -> float:
        """Seconds until the backend may be asked; 0 when it may be now.

        After a rest that is one request's turn, which ends with `answered`, `failed` or `unsure`, or after `TURN`.
        """
        if not self._open:  # the common case
            return 0.0
        breaker = self._open.get(backend)
        if breaker is None:
            return 0.0
        now = self._clock()
        if now < breaker.until:
            return max(breaker.until - now, SHORTEST)
        breaker.until, breaker.probing = now + TURN, True
        return 0.0

    def opened_since(self, backend: str, moment: float) -> bool:
        """Has the backend come to rest since then, and not been well again?"""
        breaker = self._open.get(backend)
        return breaker is not None and breaker.opened >= moment

    def answered(self, backend: str, *, began: float | None = None) -> None:
        """The backend gave content to a call that `began` then; an answer to a probe closes the breaker."""
        breaker = self._breakers.get(backend)
        if breaker is None:
            breaker = self._breakers[backend] = _Breaker()
        if breaker.reason is not None and not self._is_probe(breaker, began):
            return
        breaker.row = 0
        if breaker.reason is not None:
            self._close(backend, breaker)
        breaker.window.add(0, self._clock())

    def failed(
        self,
        backend: str,
        fault: Fault,
        retry_after: float | None = None,
        *,
        headless: bool = False,
        began: float | None = None,
    ) -> None:
        """A call that `began` then failed. `headless`: nothing of a reply came, not even its head.

        `retry_after` is how many seconds the backend asked to be left alone.
        """
        breaker = self._breakers.get(backend)
        if breaker is None:
            breaker = self._breakers[backend] = _Breaker()
        if began is not None and began < breaker.opened:
            return
        reason = _REASONS.get(fault)
        if headless and fault is Fault.BROKEN:
            reason = Reason.CONNECTION
        if reason is None:
            if fault in _REPLIES:
                breaker.row = 0
            self.unsure(backend, began=began)
            return
        if breaker.reason is not None:
            if self._is_probe(breaker, began):
                self._rest(backend, breaker, reason, retry_after)
            return
        if reason is Reason.CONNECTION:
            breaker.row += 1
        elif fault in _REPLIES:
            breaker.row = 0
        breaker.window.add(_KIND[reason], self._clock())
        verdict = self._verdict(breaker)
        if verdict is not None:
            self._rest(backend, breaker, verdict, retry_after if verdict is reason else None)

    def unsure(self, backend: str, *, began: float | None = None) -> None:
        """A call ended before it told anything of the backend: if it had the turn, the next one has it."""
        breaker = self._open.get(backend)
        if breaker is not None and self._is_probe(breaker, began):
            breaker.until, breaker.probing = self._clock(), False

    def forget(self, backends: Iterable[str]) -> None:
        """These are configured no more."""
        for backend in backends:
            breaker = self._breakers.get(backend)
            if breaker is not None and breaker.reason is not None:
                self._close(backend, breaker)
            self._breakers.pop(backend, None)

    def snapshot(self) -> dict[str, Shown]:
        """How every breaker stands that has heard of a call."""
        now = self._clock()
        return {name: _shown(breaker, now) for name, breaker in self._breakers.items()}

    def _verdict(self, breaker: _Breaker) -> Reason | None:
        """What the backend should rest for, None where it should not."""
        if breaker.row >= IN_A_ROW:
            return Reason.CONNECTION
        counts = breaker.window.counts(self._clock())
        calls = sum(counts)
        if calls < FEWEST:
            return None
        limited = counts[_LIMITED]
        if limited >= calls * SHARE:
            return Reason.RATE_LIMITED
        if calls - counts[0] - limited >= calls * SHARE:
            return max(_ORDER[: _LIMITED - 1], key=lambda reason: counts[_KIND[reason]])
        return None

    def _rest(self, backend: str, breaker: _Breaker, reason: Reason, asked: float | None) -> None:
        """Open, or stay open after a probe that failed: then for twice as long."""
        now = self._clock()
        before = breaker.reason
        breaker.length = FIRST if before is None else min(breaker.length * 2, LONGEST)
        # Full jitter: of several processes that saw the same failures not all ask again at the same moment.
        seconds = max(self._draw() * breaker.length, SHORTEST)
        if asked is not None:
            seconds = max(seconds, min(asked, LONGEST))
        breaker.reason, breaker.opened, breaker.until, breaker.probing = reason, now, now + seconds, False
        breaker.row = 0
        breaker.window.clear()
        self._open[backend] = breaker
        if before is reason:
            return
        if before is not None:
            self._told(backend, before, False)  # noqa: FBT003 - as the gauge is set
        _log.warning("backend_rests", backend=backend, reason=reason.value, seconds=round(seconds, 1))
        self._told(backend, reason, True)  # noqa: FBT003

    def _close(self, backend: str, breaker: _Breaker) -> None:
        reason, breaker.reason, breaker.probing = breaker.reason, None, False
        self._open.pop(backend, None)
        _log.info("backend_asked_again", backend=backend)
        if reason is not None:
            self._told(backend, reason, False)  # noqa: FBT003

    def _is_probe(self, breaker: _Breaker, began: float | None) -> bool:
        """Was the call sent as a probe? All others were sent before the breaker opened."""
        return breaker.probing and (began is None or began >= breaker.opened)


def _shown(breaker: _Breaker, now: float) -> Shown:
    counts = breaker.window.counts(now)
    if breaker.reason is None:
        state, rests = "closed", 0.0
    else:
        resting = now < breaker.until and not breaker.probing
        state, rests = "open" if resting else "half-open", max(0.0, breaker.until - now)
    return Shown(state, breaker.reason, rests, sum(counts), sum(counts[1:]))
