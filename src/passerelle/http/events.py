"""Server-sent events that are made as they are read: none is made for a caller who is gone, slow or not allowed any more.

What goes wrong before the first event is a reply of its own, with its status; later it is the last event, `error`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import orjson
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from passerelle.domain.caller import Caller
from passerelle.domain.errors import PasserelleError, Unauthenticated, Unavailable
from passerelle.http.hangup import Hangup
from passerelle.http.problems import Problem, internal, problem_of
from passerelle.http.vigil import HANG_UP_SCOPE, Vigil, Watch

_log = structlog.get_logger(__name__)

_HEADERS = {
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # nginx holds streams back unless told not to
}
# For the OpenAPI document.
EVENT_STREAM: dict[str, Any] = {"text/event-stream": {"schema": {"type": "string"}}}


def event(name: str, data: object, *, number: int | None = None) -> bytes:
    """One event; a reader that names `number` when it comes back goes on after it."""
    mark = b"" if number is None else b"id: %d\n" % number
    return b"%bevent: %b\ndata: %b\n\n" % (mark, name.encode("ascii"), orjson.dumps(data))


class Feed(Response):
    """A reply of events. `blocks` are whole events; it is closed whatever happens.

    `head` are further headers, which may be added to until the first block has come.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        blocks: AsyncGenerator[bytes, None],
        *,
        vigil: Vigil,
        caller: Caller,
        head: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._blocks = blocks
        self._more = head
        self._vigil = vigil
        self._caller = caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until they end or nobody may have them. The request's body has been read."""
        hang_up: Callable[[], None] = scope.get(HANG_UP_SCOPE, _cannot)
        async with aclosing(self._blocks) as blocks:
            with Hangup(receive) as hangup:
                first = await anext(blocks, None)
                with self._vigil.watch(send, self._caller, hang_up) as watch:
                    end = await self._told(blocks, first, watch, hangup)
                    hangup.stop()
                    watch.ends()
                    # The caller may be long in reading the end; what makes the events need not wait for that.
                    await blocks.aclose()
                    await watch.send({"type": "http.response.body", "body": end})

    async def _told(
        self, blocks: AsyncGenerator[bytes, None], first: bytes | None, watch: Watch, hangup: Hangup
    ) -> bytes:
        """Send the head and all events; what is to be said last. Raises CancelledError when the caller is gone."""
        headers = [*self.raw_headers, *self._more]
        head = {"type": "http.response.start", "status": 200, "headers": headers}
        try:
            await watch.send(head)
            watch.begins()
            block = first
            while block is not None:
                await watch.send({"type": "http.response.body", "body": block, "more_body": True})
                block = await anext(blocks, None)
        except PasserelleError as error:
            return _last(problem_of(error))
        except asyncio.CancelledError:
            if watch.caught():
                ended = "The key was revoked or has expired meanwhile; the events end here."
                return _last(problem_of(Unauthenticated(ended, code="key_revoked")))
            if hangup.gone:
                raise
            return _last(problem_of(Unavailable("The service stops.", code="stopping")))
        except Exception as error:  # noqa: BLE001 - the status is sent: only the stream itself can still tell
            _log.error("events_failed", error=type(error).__name__, exc_info=error)
            return _last(internal())
        return b""


class Whole(Response):
    """A reply that is made while its caller is there: when he hangs up, the making is cancelled."""

    media_type = "application/json"

    def __init__(self, make: Callable[[], Any]) -> None:
        """`make` gives an awaitable of the body's document and further headers."""
        super().__init__()
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make it, and send it. The request's body has been read."""
        with Hangup(receive) as hangup:
            document, headers = await self._make()
            hangup.stop()
            await Response(orjson.dumps(document), headers=headers, media_type=self.media_type)(
                scope, receive, send
            )


def _last(problem: Problem) -> bytes:
    return event("error", problem.payload())


def _cannot() -> None:
    """Hang up on a caller where the server has no way to."""
