"""Notices that the caller is gone and cancels the work that nobody will read.

ASGI tells of a hang-up only to who asks; nothing cancels a request by itself. One task waits for the news, begun in
the loop's next turn: an answer that is there before that needs none.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Self

from passerelle.gateway.record import HANGUP
from passerelle.http.intake import Receive


class Hangup:
    """Cancels the task it was made in when the caller hangs up; `gone` tells that this is what happened.

    Used as `with Hangup(receive) as hangup:` after the body was read; `stop` before the last bytes are sent,
    because a finished response looks like a hang-up.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._listener: asyncio.Future[MutableMapping[str, Any]] | None = None
        self._stopped = False
        self.gone = False

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._main = asyncio.current_task(loop)
        self._listening = loop.call_soon(self._listen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.stop()
        if kind is not None and issubclass(kind, asyncio.CancelledError) and self.gone:
            assert self._main is not None  # made in __enter__  # noqa: S101
            return self._main.uncancel() == 0
        return False

    def stop(self) -> None:
        """From here on a hang-up is no news."""
        self._stopped = True
        self._listening.cancel()
        if self._listener is not None:
            self._listener.cancel()

    def _listen(self) -> None:
        self._listener = asyncio.ensure_future(self._receive())
        self._listener.add_done_callback(self._heard)

    def _heard(self, listener: asyncio.Future[MutableMapping[str, Any]]) -> None:
        if listener.cancelled():
            return
        listener.exception()  # asked for, so that asyncio does not report it as forgotten
        if not self._stopped and self._main is not None:
            self.gone = True
            self._main.cancel(HANGUP)
