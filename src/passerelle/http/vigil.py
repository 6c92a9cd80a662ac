"""Watches over the streams of this process: one loop for all of them, so that a stream costs no task of its own.

A stream that is silent for a while is sent a comment, so that nothing on the way takes it for dead; one whose caller
has lost the right to it is cut off; a caller that does not read what it is sent is hung up on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from types import TracebackType
from typing import Any, Self

import structlog

from passerelle.domain.caller import Caller

_log = structlog.get_logger(__name__)

HANG_UP_SCOPE = "passerelle.hang_up"  # of a request: drops its connection at once, whatever was not sent yet
COMMENT = b": keep-alive\n\n"
_CUT = "the caller may not read on"  # the message of the cancellation

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Deed(StrEnum):
    """What the vigil does to a stream."""

    KEPT_ALIVE = "kept_alive"
    CUT = "cut"  # its caller's key was revoked or has expired
    STALLED = "stalled"  # its caller did not read


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what may last, in seconds; everything is noticed up to one `tick` later."""

    tick: float = 1.0
    silence: float = 15.0  # of a stream, before a comment is sent
    trust: float = 10.0  # between two questions whether a caller may read on
    reading: float = 30.0  # that a caller takes to make room for what it is sent


class Vigil:
    """The streams that are live. Its owner lets `run` run, and cancels it.

    `alive` says whether a caller's key or token still holds; it is asked in the loop, so it must be quick.
    `told` hears of every deed.
    """

    def __init__(
        self,
        alive: Callable[[Caller], bool],
        *,
        patience: Patience | None = None,
        told: Callable[[Deed], None] = lambda _: None,
    ) -> None:
        self._alive = alive
        self._patience = patience or Patience()
        self._told = told
        self._live: set[Watch] = set()
        self._asked = -inf  # when callers were last asked about

    @property
    def live(self) -> int:
        """How many streams there are."""
        return len(self._live)

    def watch(self, send: Send, caller: Caller, hang_up: Callable[[], None]) -> Watch:
        """A watch over one stream of the task that calls this; `with` it, the stream is live.

        `hang_up` drops the caller's connection without waiting: what `HANG_UP_SCOPE` holds.
        """
        return Watch(self._live, send, caller=caller, hang_up=hang_up)

    async def run(self) -> None:
        """Watch for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._patience.tick)
            self.look(loop.time())

    def look(self, now: float) -> None:
        """One round over all streams; `now` in seconds that never go back."""
        asks = now - self._asked >= self._patience.trust
        if asks:
            self._asked = now
        known: dict[Caller, bool] = {}
        for watch in tuple(self._live):
            try:
                if not (asks and self._cuts(watch, known)):
                    self._look(watch, now)
            except Exception as error:  # noqa: BLE001 - what is wrong with one stream leaves the others watched
                _log.error("vigil_failed", error=type(error).__name__)

    def _cuts(self, watch: Watch, known: dict[Caller, bool]) -> bool:
        """Cut a stream off whose caller may not read on; each caller is asked about once."""
        if not watch.open or watch.cut:
            return False
        alive = known.get(watch.caller)
        if alive is None:
            alive = known[watch.caller] = self._alive(watch.caller)
        if not alive:
            watch.cut_off()
            self._told(Deed.CUT)
        return not alive

    def _look(self, watch: Watch, now: float) -> None:
        still = watch.still(now)
        if watch.blocked:
            if still >= self._patience.reading:
                self._live.discard(watch)
                watch.hang_up()
                self._told(Deed.STALLED)
        elif still >= self._patience.silence and watch.open and not watch.cut:
            watch.keep_alive()
            self._told(Deed.KEPT_ALIVE)


class Watch:
    """What the vigil knows of one stream. Everything the stream sends goes through `send`.

    `open`: its head is sent and its end is not, so comments may be sent, and it may be cut off. `cut`: it was.
    """

    __slots__ = ("_comment", "_hang_up", "_live", "_seen", "_seen_at", "_send", "_sending", "_sent", "_task",
                 "caller", "cut", "open")  # fmt: skip

    def __init__(
        self,
        live: set[Watch],
        send: Send,
        *,
        caller: Caller,
        hang_up: Callable[[], None],
    ) -> None:
        self._live = live
        self._send = send
        self._hang_up = hang_up
        self._task = asyncio.current_task()
        self._comment: asyncio.Future[None] | None = None
        self._sent = 0  # sends that were begun or ended
        self._sending = False
        self._seen = -1  # of those, when the vigil last came by
        self._seen_at = 0.0
        self.caller = caller
        self.open = self.cut = False

    def __enter__(self) -> Self:
        self._live.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.discard(self)
        self.ends()

    async def send(self, message: Message) -> None:
        """Send a message of the stream."""
        self._sent += 1
        self._sending = True
        try:
            await self._send(message)
        finally:
            self._sending = False
            self._sent += 1

    def begins(self) -> None:
        """The head is sent."""
        self.open = True

    def ends(self) -> None:
        """The last bytes are sent next: no comment may follow them, and nothing is left to cut off."""
        self.open = False
        if self._comment is not None:
            self._comment.cancel()

    def caught(self) -> bool:
        """In a handler of CancelledError: was it the vigil alone that cancelled? Then the stream is to be ended.

        Else the cancellation is to be raised again: it is somebody else's too.
        """
        if not self.cut or self._task is None:
            return False
        return self._task.uncancel() == 0

    @property
    def blocked(self) -> bool:
        """Does something wait for the caller to read?"""
        return self._sending or self._comment is not None

    def still(self, now: float) -> float:
        """Seconds for which nothing has moved, not counting those before the vigil first came by."""
        if self._sent != self._seen:
            self._seen, self._seen_at = self._sent, now
        return now - self._seen_at

    def cut_off(self) -> None:
        """Cancel the stream's task, which has to ask whether it was `caught`."""
        self.cut = True
        if self._task is not None:
            self._task.cancel(_CUT)

    def hang_up(self) -> None:
        """Drop the connection; the stream learns of it as of any caller that hangs up."""
        self._hang_up()

    def keep_alive(self) -> None:
        """Send a comment without waiting for it."""
        self._sent += 1
        # A task only until the caller makes room for a few bytes: nearly always that is at once.
        self._comment = asyncio.ensure_future(self._send_comment())
        self._comment.add_done_callback(self._commented)

    async def _send_comment(self) -> None:
        if self.open and not self._sending:  # the stream may have gone on meanwhile
            await self._send({"type": "http.response.body", "body": COMMENT, "more_body": True})

    def _commented(self, comment: asyncio.Future[None]) -> None:
        self._comment = None
        self._sent += 1
        if not comment.cancelled():
            comment.exception()  # asked for: a connection that is gone is noticed elsewhere
