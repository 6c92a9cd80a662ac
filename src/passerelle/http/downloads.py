"""A file that is made as it is read, to be saved: browsers do not show it. Never more of it in memory than a block.

What goes wrong before its first block is a reply of its own; later the connection is dropped, so that nobody takes
half a file for a whole one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from passerelle.domain.caller import Caller
from passerelle.http.hangup import Hangup
from passerelle.http.vigil import HANG_UP_SCOPE, Vigil, Watch

_log = structlog.get_logger(__name__)


class Download(Response):
    """A reply of such a file. `name` is in plain letters."""

    def __init__(
        self,
        blocks: AsyncGenerator[bytes, None],
        *,
        name: str,
        media_type: str,
        vigil: Vigil,
        caller: Caller,
        headers: dict[str, str] | None = None,
    ) -> None:
        fixed = {
            "content-disposition": f'attachment; filename="{name}"',
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
            "cross-origin-resource-policy": "same-origin",
            "cache-control": "private, no-store",
        }
        super().__init__(headers={**fixed, **(headers or {})}, media_type=media_type)
        del self.headers["content-length"]
        self._blocks = blocks
        self._vigil = vigil
        self._caller = caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file. The request's body has been read."""
        hang_up: Callable[[], None] | None = scope.get(HANG_UP_SCOPE)
        async with aclosing(self._blocks) as blocks:
            with Hangup(receive) as hangup:
                first = await anext(blocks, b"")
                with self._vigil.watch(send, self._caller, hang_up or _cannot) as watch:
                    try:
                        await self._sent(blocks, first, watch)
                    except Exception as error:
                        if hang_up is None:
                            raise
                        # The status is sent: only the end of the connection can still tell. Its words may quote texts.
                        _log.error("download_failed", error=type(error).__name__)
                        hang_up()
                        return
                    hangup.stop()
                    await watch.send({"type": "http.response.body", "body": b""})

    async def _sent(self, blocks: AsyncGenerator[bytes, None], first: bytes, watch: Watch) -> None:
        await watch.send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        block: bytes | None = first
        while block is not None:
            if block:
                await watch.send({"type": "http.response.body", "body": block, "more_body": True})
            block = await anext(blocks, None)


def plain_name(name: str) -> str:
    """In letters, digits and signs that every system and every header takes."""
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_") else "_" for sign in name)


def _cannot() -> None:
    """Hang up on a caller where the server has no way to."""
