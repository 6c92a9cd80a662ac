"""Calls that block, each in a thread of its own and made once for all who wait for its answer.

`huggingface_hub` sets no time limit on its control plane's calls. In the event loop's own threads, of which there
are a few, calls that hang would soon keep host names from being resolved and the process from ending; so these
threads are daemons, and nobody joins a call that is past its limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Any, TypeVar

from passerelle.domain.errors import Fault, UpstreamFailed

_T = TypeVar("_T")


class Blocking:
    """Calls of one library. `seconds` is how long one is waited for, `late` what is said when that was too short."""

    def __init__(self, *, seconds: float, late: str) -> None:
        self._seconds = seconds
        self._late = late
        self._running: dict[Hashable, tuple[float, asyncio.Future[Any]]] = {}

    async def call(self, key: Hashable, work: Callable[[], _T]) -> _T:
        """What `work` returns or raises; a call of the same key that runs already is joined.

        A cancelled caller leaves the call to the others. Raises UpstreamFailed(TIMEOUT_CONNECT).
        """
        began, running = self._running.get(key, (float("-inf"), None))
        if running is None or running.done() or monotonic() - began >= self._seconds:
            running = asyncio.get_running_loop().create_future()
            running.add_done_callback(_heard)
            self._running[key] = (monotonic(), running)
            threading.Thread(target=_run, args=(work, running), name="passerelle-hub", daemon=True).start()
        try:
            async with asyncio.timeout(self._seconds):
                answer: _T = await asyncio.shield(running)
        except TimeoutError as late:
            raise UpstreamFailed(Fault.TIMEOUT_CONNECT, self._late) from late
        finally:
            if running.done() and self._running.get(key, (0.0, None))[1] is running:
                del self._running[key]
        return answer


def _run(work: Callable[[], Any], told: asyncio.Future[Any]) -> None:
    """In the thread: the outcome of `work`, handed to the loop, which may be closed by then."""
    tell: Callable[..., None] = told.set_result
    try:
        outcome = work()
    except BaseException as error:  # noqa: BLE001 - whoever waits for it is told, whatever it is
        tell, outcome = told.set_exception, error
    with contextlib.suppress(RuntimeError):
        told.get_loop().call_soon_threadsafe(_tell, told, tell, outcome)


def _tell(told: asyncio.Future[Any], tell: Callable[..., None], outcome: Any) -> None:
    if not told.done():
        tell(outcome)


def _heard(told: asyncio.Future[Any]) -> None:
    """Nobody need be left to hear of a failure."""
    if not told.cancelled():
        told.exception()
