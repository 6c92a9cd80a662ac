"""The inference routes: lean ASGI endpoints, the same for every route that asks a model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from time import monotonic
from typing import Any

import structlog

from passerelle.domain.ask import Ask, Route
from passerelle.domain.caller import Caller
from passerelle.domain.errors import (
    Blocked,
    ClientGone,
    PasserelleError,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
)
from passerelle.gateway.record import Outcome
from passerelle.http.ask import Reply
from passerelle.http.credentials import Head, Keys, authenticate, read_head
from passerelle.http.hangup import Hangup
from passerelle.http.intake import Limits, Receive, make_ask, parse_object, read_body
from passerelle.http.marking import Mark
from passerelle.http.problems import Headers, Problem, internal, problem_of
from passerelle.http.ratelimits import ratelimit_headers
from passerelle.http.vigil import HANG_UP_SCOPE, Vigil, Watch
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


_STOPPING = "stopping"
_CUT = "The key was revoked or has expired while the answer was on its way; it ends here."


def _cannot() -> None:
    """Hang up on a caller where the server has no way to."""


class Inference:
    """The ASGI application of one inference route."""

    def __init__(
        self,
        route: Route,
        *,
        ask: Callable[[Caller, Ask], Awaitable[Reply]],
        keys: Keys,
        limits: Limits,
        vigil: Vigil,
        mark: Callable[[Caller, Ask, Reply], Mark | None] = lambda *_: None,
    ) -> None:
        """`ask` answers, or raises PasserelleError; `mark` gives what the answer says of itself."""
        self._route = route
        self._ask = ask
        self._keys = keys
        self._limits = limits
        self._vigil = vigil
        self._mark = mark

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every error becomes one reply in OpenAI's shape."""
        arrived = monotonic()
        head = read_head(scope["headers"])
        reply = _Sending(send, head.request_id)
        try:
            await self._answer(head, receive, reply, arrived, hang_up=scope.get(HANG_UP_SCOPE, _cannot))
        except ClientGone:
            return
        except asyncio.CancelledError:
            # The service stops, and what is left of its time is over. A caller that hung up does not come this far.
            await reply.fail(problem_of(Unavailable("The service stops.", code=_STOPPING)))
        except PasserelleError as error:
            await reply.fail(problem_of(error))
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the caller gets one clear answer
            _log.exception("request_failed", request_id=head.request_id, error=type(error).__name__)
            await reply.fail(internal())

    async def _answer(
        self,
        head: Head,
        receive: Receive,
        reply: _Sending,
        arrived: float,
        *,
        hang_up: Callable[[], None],
    ) -> None:
        caller = await authenticate(head, self._keys)
        raw = await read_body(head, receive, self._limits)
        ask = make_ask(
            self._route,
            parse_object(raw),
            request_id=head.request_id,
            arrived=arrived,
            size=len(raw),
            control=head.cache_control,
        )
        if head.patience or head.returns:
            ask = replace(ask, patience=head.patience, returns=head.returns)
        with Hangup(receive) as hangup:
            answer = await self._ask(caller, ask)
            try:
                with self._vigil.watch(reply.send, caller, hang_up) as watch:
                    reply.send = watch.send
                    reply.mark = self._mark(caller, ask, answer)
                    if answer.streams:
                        await _stream(answer, reply, hangup, watch)
                    else:
                        hangup.stop()
                        await reply.whole(answer)
                        answer.settle(Outcome.ANSWERED)
            except asyncio.CancelledError:
                if not hangup.gone:  # we stop, which is not the caller's doing
                    answer.settle(Outcome.BROKEN, _STOPPING)
                raise
            finally:
                answer.close()


async def _stream(answer: Reply, reply: _Sending, hangup: Hangup, watch: Watch) -> None:
    await reply.open(answer)
    watch.begins()
    try:
        while block := await answer.read():
            await reply.more(block)
    except UpstreamFailed as failure:
        await _break_off(answer, reply, failure, outcome=Outcome.BROKEN, hangup=hangup, watch=watch)
        return
    except (Blocked, Unavailable) as refusal:
        await _break_off(answer, reply, refusal, outcome=Outcome.BLOCKED, hangup=hangup, watch=watch)
        return
    except asyncio.CancelledError:
        if not watch.caught():
            raise
        ended = Unauthenticated(_CUT, code="key_revoked")
        await _break_off(answer, reply, ended, outcome=Outcome.CUT, hangup=hangup, watch=watch)
        return
    hangup.stop()
    watch.ends()
    closing = answer.closing()
    await reply.last(closing if reply.mark is None else reply.mark.closing(closing))
    answer.settle(Outcome.ANSWERED)
    await answer.linger()


async def _break_off(
    answer: Reply,
    reply: _Sending,
    error: PasserelleError,
    *,
    outcome: Outcome,
    hangup: Hangup,
    watch: Watch,
) -> None:
    """End a stream whose status is long sent with an error event.

    No end mark follows, so that a broken answer cannot pass for a whole one.
    """
    problem = problem_of(error)
    hangup.stop()
    watch.ends()
    answer.settle(outcome, problem.code)
    answer.close()  # the caller may be long in reading the end; the engine need not go on meanwhile
    await reply.last(event_of(problem.body()))


class _Sending:
    """What has been sent of one response."""

    __slots__ = ("_ended", "_id", "_started", "mark", "send")

    def __init__(self, send: Send, request_id: str) -> None:
        self.send = send
        self._id = (b"x-request-id", request_id.encode("ascii"))
        self._started = self._ended = False
        self.mark: Mark | None = None  # what the answer says of itself

    async def whole(self, answer: Reply) -> None:
        """A whole answer."""
        overhead = (b"x-passerelle-overhead-ms", b"%.2f" % (answer.overhead * 1000))
        cost = (b"x-passerelle-cost", answer.cost())
        limits = ratelimit_headers(answer.standings) if answer.standings else ()
        mark = self.mark
        body = answer.body if mark is None else mark.whole(answer.body)
        marked = mark.headers if mark is not None else ()
        await self._complete(200, body, [_JSON, self._id, *answer.facts, *limits, overhead, cost, *marked])

    async def open(self, answer: Reply) -> None:
        """The head of a stream."""
        self._started = True
        limits = ratelimit_headers(answer.standings) if answer.standings else ()
        marked = self.mark.headers if self.mark is not None else ()
        headers = [*_EVENTS, self._id, *answer.facts, *limits, *marked]
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})

    async def more(self, block: bytes) -> None:
        """A piece of a stream."""
        await self.send({"type": "http.response.body", "body": block, "more_body": True})

    async def last(self, block: bytes) -> None:
        """The last piece of a stream."""
        self._ended = True
        await self.send({"type": "http.response.body", "body": block})

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
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})
