"""The process-wide budget of retries: a backend that is failing is not sent many times what callers ask of it.

A retry is a repeat on a target that has failed the same request already. Of every backend the repeats of the last
10 s may be a fifth of its calls in that time, and 3 a second besides, so that a quiet service may retry at all
(the budget of Finagle and Linkerd: a ratio and a reserve over a window).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from passerelle.limits.window import SECONDS, Window

SHARE = 0.2  # of the calls
RESERVE = 3  # repeats a second, whatever the calls
_CALL, _REPEAT = 0, 1


class Retries:
    """Counts calls and grants repeats by the backend's name. `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows: dict[str, Window] = {}

    def called(self, backend: str) -> None:
        """The backend is sent a call."""
        window = self._windows.get(backend)
        if window is None:
            window = self._windows[backend] = Window(2)
        window.add(_CALL, self._clock())

    def may_repeat(self, backend: str) -> bool:
        """May the backend be sent a repeat? If so it is counted as sent."""
        window = self._windows.get(backend)
        if window is None:
            window = self._windows[backend] = Window(2)
        now = self._clock()
        calls, repeats = window.counts(now)
        if repeats + 1 > calls * SHARE + RESERVE * SECONDS:
            return False
        window.add(_REPEAT, now)
        return True

    def forget(self, backends: Iterable[str]) -> None:
        """These are configured no more."""
        for backend in backends:
            self._windows.pop(backend, None)
