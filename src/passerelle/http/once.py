"""`Idempotency-Key`: a request that is sent twice with the same key runs once, and both get its answer.

It stands before every route that writes or spends. A request without the header costs one pass over its headers. One with it is never
run without a claim: where nobody can tell whether it ran, it is refused.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Any

import orjson
import structlog

from passerelle.domain.catalog import Catalog, Tenant
from passerelle.domain.errors import BadRequest, ClientGone, Conflict, PasserelleError, Unavailable
from passerelle.gateway.gateway import tenant_of
from passerelle.http.access import OPERATOR_SCOPE
from passerelle.http.credentials import OPERATOR, Head, Keys, authenticate, read_head
from passerelle.http.hangup import Hangup
from passerelle.http.intake import Limits, Receive, read_body
from passerelle.http.problems import Headers, Problem, internal, problem_of
from passerelle.http.uploads import is_upload
from passerelle.idempotency.flights import Flight, Flights, InProgress
from passerelle.idempotency.recorder import Recorder
from passerelle.idempotency.seal import Reply, Sealer, Slot
from passerelle.subjects.people import People

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = structlog.get_logger(__name__)

_NAME = b"idempotency-key"
_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_KEY = re.compile(rb"[\x21-\x7e]{1,255}")
# Between them they say how the body is to be read.
_READING = (b"content-type", b"content-encoding")


class Once:
    """The application behind it, with every repeat of a request answered from the first."""

    def __init__(
        self,
        app: App,
        *,
        keys: Keys,
        limits: Limits,
        flights: Flights,
        sealer: Sealer,
        catalog: Callable[[], Catalog] | None = None,
        people: People | None = None,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`catalog` gives the configuration in force: a tenant that is none of it any more is answered nothing.

        `people` says whom a request names: of somebody whose data may not be used, no answer is given again.

        `told` hears what became of each request: `ran`, `replayed`, or the code it was refused with.
        """
        self.app = app
        self._catalog = catalog
        self._people = people
        self._told = told
        self._keys = keys
        self._limits = limits
        self._flights = flights
        self._sealer = sealer

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """One request, or the application's lifespan. Not a coroutine itself: most requests just pass through."""
        if scope["type"] == "http" and scope["method"] in _METHODS:
            for name, _ in scope["headers"]:
                if name == _NAME and not is_upload(scope):  # whose files are known by their contents
                    return self._once(scope, receive, send)
        return self.app(scope, receive, send)

    async def _once(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = read_head(scope["headers"])
        boarded: Flight | Reply | None = None
        try:
            slot, body = await self._read(head, scope, receive)
            with Hangup(receive) as hangup:
                boarded = await self._flights.board(slot, patience=head.patience)
                hangup.stop()
        except ClientGone:
            return
        except asyncio.CancelledError:
            # The service stops while this one waits for another. A caller that hung up does not come this far.
            await _refuse(send, problem_of(Unavailable("The service stops.", code="stopping")), head)
            return
        except PasserelleError as error:
            self._told(getattr(error, "code", None) or "refused")
            await _refuse(send, _problem(error), head)
            return
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the caller gets one clear answer
            _log.exception("request_failed", request_id=head.request_id, error=type(error).__name__)
            await _refuse(send, internal(), head)
            return
        self._told("ran" if isinstance(boarded, Flight) else "replayed")
        if isinstance(boarded, Flight):
            await self._run(boarded, scope, _Again(body, receive), send)
        elif boarded is not None:
            await _send_whole(send, _replay(boarded), request_id=head.request_id)

    async def _read(self, head: Head, scope: Scope, receive: Receive) -> tuple[Slot, bytes]:
        """Whose request it is, and its body. Raises what the route would, were it asked."""
        operated = scope.get(OPERATOR_SCOPE) is True
        caller = OPERATOR if operated else await authenticate(head, self._keys)
        tenant = None
        if self._catalog is not None and caller.tenant is not None:
            tenant = tenant_of(caller, self._catalog())
        key = _key_of(scope)
        # Whether a route can read this kind of body is the route's to say.
        body = await read_body(replace(head, content_type=None, content_encoding=None), receive, self._limits)
        subjects = self._named(tenant, body)
        headers = dict(scope["headers"])
        # As it came: what is encoded differently may lead elsewhere.
        path = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")
        slot = self._sealer.slot(
            tenant=caller.tenant,
            role=caller.role.value,  # what one role was answered, another may not be allowed to see
            groups=caller.groups,
            route=scope["method"].encode() + b" " + path,
            key=key,
            asked=[scope.get("query_string", b""), *(headers.get(name, b"") for name in _READING), body],
            size=len(body),
            subjects=subjects,
        )
        return slot, body

    def _named(self, tenant: Tenant | None, body: bytes) -> tuple[str, ...]:
        """The pseudonyms of those whom a body names. Raises Forbidden where anybody's data may not be used."""
        if tenant is None or self._people is None:
            return ()
        try:
            said = orjson.loads(body)
        except orjson.JSONDecodeError:
            return ()  # the route's to refuse
        if not isinstance(said, dict):
            return ()
        subjects = self._people.unnamed(tenant, said).subjects
        self._people.admit(tenant.name, subjects)
        return subjects

    async def _run(self, flight: Flight, scope: Scope, receive: Receive, send: Send) -> None:
        recorder = Recorder("")

        async def recorded(message: MutableMapping[str, Any]) -> None:
            # Kept before its end is sent: who has seen a whole answer gets the same again.
            if recorder.hear(message):
                if recorder.good():
                    await flight.land(recorder.reply())
                else:
                    flight.leave()
            await send(message)

        try:
            await self.app(scope, receive, recorded)
        finally:
            flight.leave()


class _Again:
    """A request's body once more for the application, and after it whatever else comes."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> MutableMapping[str, Any]:
        """The next message."""
        body, self._body = self._body, None
        if body is None:
            return await self._receive()
        return {"type": "http.request", "body": body, "more_body": False}


def _key_of(scope: Scope) -> bytes:
    """The one key of a request. Raises BadRequest."""
    keys: list[bytes] = [value for name, value in scope["headers"] if name == _NAME]
    if len(keys) != 1 or _KEY.fullmatch(keys[0]) is None:
        raise BadRequest(
            "Idempotency-Key must come once, with 1 to 255 visible ASCII characters.",
            code="invalid_idempotency_key",
        )
    return keys[0]


def _problem(error: PasserelleError) -> Problem:
    problem = problem_of(error)
    if isinstance(error, Conflict):
        # Clients repeat a 409 by themselves; only one that waits is worth it.
        problem = replace(problem, retry=isinstance(error, InProgress))
    return problem


async def _refuse(send: Send, problem: Problem, head: Head) -> None:
    headers = [(b"content-type", b"application/json"), *problem.headers()]
    await _send_whole(send, Reply(problem.status, headers, problem.body(), ""), request_id=head.request_id)


def _replay(first: Reply) -> Reply:
    headers = [
        *first.headers,
        (b"idempotency-replayed", b"true"),
        (b"x-passerelle-original-request-id", first.request_id.encode("latin-1")),
    ]
    return replace(first, headers=headers)


async def _send_whole(send: Send, reply: Reply, *, request_id: str) -> None:
    headers: Headers = [*reply.headers, (b"x-request-id", request_id.encode("ascii"))]
    if reply.status != 204:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
