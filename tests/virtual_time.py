"""An event loop whose time passes only when nothing is left to do: hours of waiting in no time, the same every run."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Sleeps by setting its clock forward. Nothing in it may wait for a socket, a thread or a process."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_NoWaiting(self._pass))
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._now

    def _pass(self, seconds: float | None) -> None:
        if seconds is None:
            raise RuntimeError("everything waits, and nothing is due: this would hang")
        self._now += max(0.0, seconds)


class _NoWaiting(selectors.SelectSelector):
    def __init__(self, slept: Callable[[float | None], None]) -> None:
        super().__init__()
        self._slept = slept

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            self._slept(timeout)
        return ready


def run_virtually(main: Coroutine[Any, Any, Result]) -> Result:
    """Run this to its end in a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
