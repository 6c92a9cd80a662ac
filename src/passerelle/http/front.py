"""The first thing a request meets: the hot routes by one look-up, everything else through FastAPI.

What the path says is decided here once: no encoded separator, no dot segment and no doubled slash leads to a route.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import replace
from typing import Any

from passerelle.domain.errors import BadRequest, PasserelleError
from passerelle.http.access import OPERATOR_SCOPE
from passerelle.http.cors import origin_of, preflight, shown
from passerelle.http.credentials import Head, Keys, authenticate, read_head
from passerelle.http.inference import Scope, Send
from passerelle.http.intake import Limits, Receive, bounded_body
from passerelle.http.problems import problem_of, unknown_route
from passerelle.http.uploads import is_upload

App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PEOPLE = b"/v1/privacy/subjects/"
_PEOPLE_SLASHES = 5  # of a path there as it is sent: those of a person's name are encoded
_NAMES_WITH_SLASHES = (b"/v1/models/", _PEOPLE)  # below them, a name may hold any separator


def _no_origins() -> frozenset[str]:
    return frozenset()


class Front:
    """Dispatches hot routes by their exact path; gives every other response its request id.

    `keys` and `limits`: a body that goes to FastAPI is read for known callers only, and up to the limit. `origins`:
    the pages that may call from a browser, asked at every request, as the configuration may have changed. `around`
    puts something between that and the routes.
    """

    def __init__(
        self,
        app: App,
        hot: Mapping[str, App],
        *,
        keys: Keys | None = None,
        limits: Limits | None = None,
        origins: Callable[[], frozenset[str]] = _no_origins,
        around: Callable[[App], App] | None = None,
    ) -> None:
        self.app = app
        self._hot = hot
        self._keys = keys
        self._limits = limits or Limits()
        self._origins = origins
        self._routes: App = around(self._dispatch) if around is not None else self._dispatch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the application's lifespan."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        if origins := self._origins():
            allowed = preflight(scope["method"], path, headers=scope["headers"], origins=origins)
            if allowed is not None:
                request_id = read_head(scope["headers"]).request_id
                await _reply(send, 204, b"", [(b"x-request-id", request_id.encode("ascii")), *allowed])
                return
            send = shown(send, path, origin=origin_of(scope["headers"]), origins=origins)
        await self._routes(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request to its route."""
        hot = self._hot.get(scope["path"])
        if hot is not None and scope["method"] == "POST" and b"%" not in scope["raw_path"]:
            await hot(scope, receive, send)
            return
        await self._rest(scope, receive, send)

    async def _rest(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request through FastAPI."""
        head = read_head(scope["headers"])
        scope["passerelle.request_id"] = head.request_id
        stamp = (b"x-request-id", head.request_id.encode("ascii"))

        async def stamped(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), stamp]
            await send(message)

        try:
            _check_target(scope)
        except PasserelleError as error:
            problem = problem_of(error)
            headers = [(b"content-type", b"application/json"), *problem.headers()]
            await _reply(stamped, problem.status, problem.body(), headers)
            return
        if self._keys is not None and scope.get(OPERATOR_SCOPE) is not True:
            limits = self._limits
            if is_upload(scope):
                limits = replace(limits, body=max(limits.body, limits.upload))
            receive = _for_known(head, self._keys, receive, limits)
        await self.app(scope, receive, stamped)


def _for_known(head: Head, keys: Keys, receive: Receive, limits: Limits) -> Receive:
    """FastAPI reads a body before it asks who sends it: strangers' bodies are empty, whatever they send."""
    known: Receive | None = None
    asked = False

    async def received() -> MutableMapping[str, Any]:
        nonlocal known, asked
        if known is not None:
            return await known()
        if not asked:
            asked = True
            try:
                await authenticate(head, keys)
            except PasserelleError:
                # The route's own policy is asked next, and says no in its own words.
                return {"type": "http.request", "body": b"", "more_body": False}
            known = bounded_body(head, receive, limits)
            return await known()
        # Who asks again wants to hear of the hang-up, and of nothing before it.
        while (message := await receive())["type"] != "http.disconnect":
            pass
        return message

    return received


def _check_target(scope: Scope) -> None:
    """Raises NotFound or BadRequest where a path would mean one thing here and another in front of us."""
    path, raw = scope["path"], scope["raw_path"].lower()
    people = raw.startswith(_PEOPLE)
    if people and raw.count(b"/") != _PEOPLE_SLASHES:
        raise unknown_route()
    if "\0" in path or b"%00" in scope["query_string"]:
        raise BadRequest("The request's target holds a NUL.", code="invalid_value")
    misleading = (
        ("//" in path and not people) or "/./" in path or "/../" in path or path.endswith(("/.", "/.."))
    )
    if misleading or ((b"%2f" in raw or b"%5c" in raw) and not raw.startswith(_NAMES_WITH_SLASHES)):
        raise unknown_route()


async def _reply(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = [(b"content-length", b"%d" % len(body))] if body or status != 204 else []
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})
