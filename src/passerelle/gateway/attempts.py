"""The tries of one request: the first target that gives content wins; until then nothing was promised."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType

import structlog

from passerelle.backends.base import Reply, Stream
from passerelle.domain.ask import Ask
from passerelle.domain.catalog import BackendSpec, Target, Tenant
from passerelle.domain.errors import Fault, PolicyRefused, UpstreamFailed
from passerelle.gateway.accounts import Accounts
from passerelle.gateway.affinity import Flight
from passerelle.gateway.bill import Bill
from passerelle.gateway.edition import Edition
from passerelle.gateway.record import HANGUP, Attempt
from passerelle.gateway.relay import Relay
from passerelle.gateway.tries import Next, Tries
from passerelle.policy.judge import judge

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Started:
    """A target's answer, begun. `head` is what its stream gave up to its first content."""

    target: Target
    spec: BackendSpec
    reply: Reply
    relay: Relay | None
    head: bytes


class within:  # noqa: N801 - reads as a word: `async with within(...)`
    """Give the block until `at` on the loop's clock, then raise UpstreamFailed(fault)."""

    __slots__ = ("_fault", "_timeout")

    def __init__(self, fault: Fault, at: float) -> None:
        self._fault = fault
        self._timeout = asyncio.timeout_at(at)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise UpstreamFailed(self._fault, _SLOW[self._fault]) from late


_SLOW = {
    Fault.TIMEOUT_FIRST_CONTENT: "The engine gave no content within the limit.",
    Fault.TIMEOUT_BETWEEN_CHUNKS: "The engine fell silent in the middle of its answer.",
    Fault.TIMEOUT_TOTAL: "The engine took longer than the limit.",
}


@dataclass(frozen=True, slots=True)
class Watch:
    """What tries of all requests have in common: who has no credits, and what is in flight."""

    accounts: Accounts
    flight: Flight


async def start(
    ask: Ask, tries: Tries, *, edition: Edition, tenant: Tenant, bill: Bill, watch: Watch
) -> Started:
    """The first answer that begins, in flight on its target. Raises the failure most worth telling if none does."""
    loop = asyncio.get_running_loop()
    opened = loop.time()
    while (turn := tries.next()) is not None:
        if turn.pause:
            await asyncio.sleep(turn.pause)
        target = turn.target
        spec = edition.catalog.backends[target.backend]
        # The plan has asked already. Asked again because nothing else stands between a tenant's data and a party.
        if judge(tenant.policy, spec.parties_of(target)) is not None:
            continue
        account = spec.account_of(target)
        if watch.accounts.rests(account):
            tries.failed(turn, UpstreamFailed(Fault.CREDITS, "The account has no credits left."))
            continue
        began = loop.time()
        bill.begin(target)
        watch.flight.begin(target)
        try:
            started = await _start_one(ask, turn, spec=spec, edition=edition, opened=opened)
        except UpstreamFailed as failure:
            watch.flight.end(target)
            bill.failed(failure)
            bill.attempts.append(_attempt(target, spec, loop.time() - began, fault=failure.fault))
            if failure.fault is Fault.CREDITS:
                watch.accounts.refused(account, backend=spec.name)
            else:
                watch.accounts.unsure(account)
            tries.failed(turn, failure, patient=spec.patient)
        except BaseException as error:
            watch.flight.end(target)
            bill.left(by_caller=isinstance(error, asyncio.CancelledError) and HANGUP in error.args)
            watch.accounts.unsure(account)
            raise
        else:
            bill.answered(started.reply.provider, started.reply.upstream_id)
            watch.accounts.answered(account)
            bill.attempts.append(_attempt(target, spec, loop.time() - began, reply=started.reply))
            bill.usage = started.reply.usage
            return started
    if not tries.failures:
        raise PolicyRefused(
            f"The policy of {tenant.name} permits no target of {ask.model!r} any more.", code="R01"
        )
    raise tries.verdict()


def _attempt(
    target: Target,
    spec: BackendSpec,
    seconds: float,
    *,
    fault: Fault | None = None,
    reply: Reply | None = None,
) -> Attempt:
    provider, upstream_id = (reply.provider, reply.upstream_id) if reply else (None, None)
    country = spec.place_of(target).country
    return Attempt(target.backend, target.model, country, seconds, fault, provider, upstream_id)


async def _start_one(ask: Ask, turn: Next, *, spec: BackendSpec, edition: Edition, opened: float) -> Started:
    target = turn.target
    backend = edition.backend(target.backend)
    now = asyncio.get_running_loop().time()
    # A caller that says how long it waits for a reply is not answered later than that; a stream may then go on.
    deadline = opened + min(spec.limits.total, ask.patience or spec.limits.total)
    wait = min(spec.wake, max(0.0, deadline - now)) if turn.waking else 0.0
    try:
        if not ask.stream:
            async with within(Fault.TIMEOUT_TOTAL, deadline):
                return Started(target, spec, await backend.start(ask, target, wait), None, b"")
        first = now + wait + spec.limits.first_content
        fault = Fault.TIMEOUT_FIRST_CONTENT if first <= deadline else Fault.TIMEOUT_TOTAL
        async with within(fault, min(first, deadline)):
            reply = await backend.start(ask, target, wait)
            if reply.stream is None:
                raise UpstreamFailed(
                    Fault.BROKEN, "The backend gave a whole answer where a stream was asked for."
                )
            relay = Relay(ask)
            return Started(target, spec, reply, relay, await _first_content(reply.stream, relay))
    except UpstreamFailed:
        raise
    except Exception as error:
        _log.warning("reply_not_understood", backend=spec.name, error=type(error).__name__)
        raise UpstreamFailed(Fault.BROKEN, "The engine's answer was not understood.") from error


async def _first_content(stream: Stream, relay: Relay) -> bytes:
    """Read up to the first content. The stream is closed unless there is some."""
    head: list[bytes] = []
    try:
        while not relay.content:
            block = await stream.read()
            if block:
                head.append(relay.take(block))
            if not relay.content and (relay.done or not block):
                raise UpstreamFailed(Fault.BROKEN, "The engine's stream ended before it gave content.")
    except BaseException:
        stream.close()
        raise
    return b"".join(head)
