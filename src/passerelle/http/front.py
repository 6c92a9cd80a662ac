"""The first thing a request meets: the hot routes by one look-up, everything else through FastAPI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from passerelle.http.credentials import read_head
from passerelle.http.inference import Scope, Send
from passerelle.http.intake import Receive

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Front:
    """Dispatches hot routes by their exact path; gives every other response its request id."""

    def __init__(self, app: App, hot: Mapping[str, App]) -> None:
        self.app = app
        self._hot = hot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the application's lifespan."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        hot = self._hot.get(scope["path"])
        if hot is not None and scope["method"] == "POST":
            await hot(scope, receive, send)
            return
        request_id = read_head(scope["headers"]).request_id
        scope["passerelle.request_id"] = request_id
        stamp = (b"x-request-id", request_id.encode("ascii"))

        async def stamped(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), stamp]
            await send(message)

        await self.app(scope, receive, stamped)
