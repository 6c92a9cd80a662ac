"""The inference routes: lean ASGI endpoints, the same for every route that asks a model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from time import monotonic
from typing import Any

import structlog

from passerelle.domain.ask import Route
from passerelle.domain.errors import ClientGone, PasserelleError, Unavailable, UpstreamFailed
from passerelle.gateway.answer import Answer
from passerelle.gateway.gateway import Gateway
from passerelle.gateway.record import Outcome
from passerelle.http.credentials import Head, Keys, authenticate, read_head
from passerelle.http.hangup import Hangup
from passerelle.http.intake import Limits, Receive, make_ask, parse_object, read_body
from passerelle.http.problems import Headers, Problem, internal, problem_of
from passerelle.wire.sse import event_of

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_log = structlog.get_logger(__name__)

_JSON = (b"content-type", b"application/json")
_EVENTS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx holds streams back unless told not to
]


class Inference:
    """The ASGI application of one inference route."""

    def __init__(self, route: Route, *, gateway: Gateway, keys: Keys, limits: Limits) -> None:
        self._route = route
        self._gateway = gateway
        self._keys = keys
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every error becomes one reply in OpenAI's shape."""
        arrived = monotonic()
        head = read_head(scope["headers"])
        reply = _Reply(send, head.request_id)
        try:
            await self._answer(head, receive, reply, arrived)
        except ClientGone:
            return
        except asyncio.CancelledError:
            # The service stops, and what is left of its time is over. A caller that hung up does not come this far.
            await reply.fail(problem_of(Unavailable("The service stops.", code="stopping")))
        except PasserelleError as error:
            await reply.fail(problem_of(error))
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the caller gets one clear answer
            _log.exception("request_failed", request_id=head.request_id, error=type(error).__name__)
            await reply.fail(internal())

    async def _answer(self, head: Head, receive: Receive, reply: _Reply, arrived: float) -> None:
        caller = await authenticate(head, self._keys)
        raw = await read_body(head, receive, self._limits)
        ask = make_ask(
            self._route, parse_object(raw), request_id=head.request_id, arrived=arrived, size=len(raw)
        )
        if head.patience:
            ask = replace(ask, patience=head.patience)
        with Hangup(receive) as hangup:
            answer = await self._gateway.ask(caller, ask)
            try:
                if answer.streams:
                    await _stream(answer, reply, hangup)
                else:
                    hangup.stop()
                    await reply.whole(answer)
                    answer.settle(Outcome.ANSWERED)
            finally:
                answer.close()


async def _stream(answer: Answer, reply: _Reply, hangup: Hangup) -> None:
    await reply.open(answer)
    try:
        while block := await answer.read():
            await reply.more(block)
    except UpstreamFailed as failure:
        # The status is long sent. No end mark follows, so that a broken answer cannot pass for a whole one.
        problem = problem_of(failure)
        hangup.stop()
        answer.settle(Outcome.BROKEN, problem.code)
        await reply.last(event_of(problem.body()))
        return
    hangup.stop()
    await reply.last(answer.closing())
    answer.settle(Outcome.ANSWERED)
    await answer.linger()


class _Reply:
    """What has been sent of one response."""

    __slots__ = ("_ended", "_id", "_send", "_started")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._id = (b"x-request-id", request_id.encode("ascii"))
        self._started = self._ended = False

    async def whole(self, answer: Answer) -> None:
        """A whole answer."""
        overhead = (b"x-passerelle-overhead-ms", b"%.2f" % (answer.overhead * 1000))
        cost = (b"x-passerelle-cost", answer.cost())
        await self._complete(200, answer.body, [_JSON, self._id, *answer.facts, overhead, cost])

    async def open(self, answer: Answer) -> None:
        """The head of a stream."""
        self._started = True
        headers = [*_EVENTS, self._id, *answer.facts]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def more(self, block: bytes) -> None:
        """A piece of a stream."""
        await self._send({"type": "http.response.body", "body": block, "more_body": True})

    async def last(self, block: bytes) -> None:
        """The last piece of a stream."""
        self._ended = True
        await self._send({"type": "http.response.body", "body": block})

    async def fail(self, problem: Problem) -> None:
        """An error: a whole reply, or the end of a stream that has begun; nothing after a reply that has ended."""
        if self._ended:
            return
        if self._started:
            await self.last(event_of(problem.body()))
        else:
            await self._complete(problem.status, problem.body(), [_JSON, self._id, *problem.headers()])

    async def _complete(self, status: int, body: bytes, headers: Headers) -> None:
        self._started = self._ended = True
        headers.append((b"content-length", b"%d" % len(body)))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
