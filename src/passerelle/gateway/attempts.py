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
from passerelle.gateway.bill import Bill
from passerelle.gateway.edition import Edition
from passerelle.gateway.record import HANGUP, Attempt
from passerelle.gateway.relay import Relay
from passerelle.gateway.tries import Next, Tries
from passerelle.gateway.watch import Engagement, Watch
from passerelle.policy.judge import Verdict, judged

_log = structlog.get_logger(__name__)

_QUEUED = 3  # one part in so many of the time that is left may go by before an engine is asked


@dataclass(frozen=True, slots=True)
class Started:
    """A target's answer, begun. `head` is what its stream gave up to its first content."""

    target: Target
    spec: BackendSpec
    reply: Reply
    relay: Relay | None
    head: bytes
    engaged: Engagement
    deadline: float  # on the loop's clock, for the whole answer


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


async def start(
    ask: Ask, tries: Tries, *, edition: Edition, tenant: Tenant, bill: Bill, watch: Watch
) -> Started:
    """The first answer that begins, engaged with its target. Raises the failure most worth telling if none does."""
    opened = asyncio.get_running_loop().time()
    refused: Verdict | None = None
    while (turn := tries.next()) is not None:
        if turn.pause:
            await asyncio.sleep(turn.pause)
        target = turn.target
        spec = edition.catalog.backends[target.backend]
        # The plan has asked already. Asked again because nothing else stands between a tenant's data and a party.
        if (verdict := judged(tenant, spec.parties_of(target))) is not None:
            refused = refused or verdict
            continue
        deadline = opened + spec.limits.total
        first = min(deadline, opened + ask.patience) if ask.patience else deadline
        if first <= asyncio.get_running_loop().time():
            # Asked now, it could only be late, and would be blamed for what the others took.
            if not tries.failures:
                tries.failed(turn, UpstreamFailed(Fault.TIMEOUT_TOTAL, _SLOW[Fault.TIMEOUT_TOTAL]))
            continue
        try:
            engaged = await watch.engage(
                target,
                spec,
                tenant,
                cost=sum(bill.sizes),
                patience=_patience(first, turn),
                aside=bool(ask.use),
            )
        except UpstreamFailed as failure:  # it was not asked, so there is no try to write down
            tries.failed(turn, failure)
            continue
        started = await _attend(ask, turn, engaged, edition=edition, bill=bill, until=(first, deadline))
        if isinstance(started, Started):
            return started
        tries.failed(turn, started, patient=spec.patient)
    if not tries.failures:
        told = f": {refused.reason}" if refused else ""
        raise PolicyRefused(
            f"The policy of {tenant.name} permits no target of {ask.model!r} any more{told}.",
            code=refused.rule if refused else "R01",
        )
    raise tries.verdict()


def _patience(first: float, turn: Next) -> float:
    """Seconds that may be spent on waiting for a place: most of the time is the engine's."""
    left = first - asyncio.get_running_loop().time()
    return max(0.0, left / _QUEUED)


async def _attend(
    ask: Ask,
    turn: Next,
    engaged: Engagement,
    *,
    edition: Edition,
    bill: Bill,
    until: tuple[float, float],
) -> Started | UpstreamFailed:
    """One try, written down before it is made and when it is over; its answer, or why it gave none."""
    loop = asyncio.get_running_loop()
    target, spec = turn.target, edition.catalog.backends[turn.target.backend]
    began = loop.time()
    try:
        bill.begin(target)
        started = await _start_one(ask, turn, engaged, spec=spec, edition=edition, until=until)
    except UpstreamFailed as failure:
        engaged.leave()
        if failure.fault is Fault.TIMEOUT_TOTAL and until[0] < until[1]:
            # The caller's patience was over, as if it had hung up: nobody else is to blame, or to pay.
            engaged.unsure()
            bill.left(by_caller=True)
        else:
            engaged.failed(failure)
            bill.failed(failure)
        bill.attempts.append(_attempt(target, spec, loop.time() - began, engaged, fault=failure.fault))
        return failure
    except BaseException as error:
        engaged.leave()
        engaged.unsure()
        bill.left(by_caller=isinstance(error, asyncio.CancelledError) and HANGUP in error.args)
        raise
    engaged.answered()
    if started.relay is None:
        engaged.leave()  # the engine has done all: how long its answer travels to the caller is no concern of it
    bill.answered(started.reply.provider, started.reply.upstream_id)
    bill.attempts.append(_attempt(target, spec, loop.time() - began, engaged, reply=started.reply))
    bill.usage = started.reply.usage
    return started


def _attempt(
    target: Target,
    spec: BackendSpec,
    seconds: float,
    engaged: Engagement,
    *,
    fault: Fault | None = None,
    reply: Reply | None = None,
) -> Attempt:
    provider, upstream_id = (reply.provider, reply.upstream_id) if reply else (None, None)
    country = spec.place_of(target).country
    return Attempt(
        target.backend, target.model, country, seconds, fault, provider, upstream_id, engaged.waited
    )


async def _start_one(
    ask: Ask,
    turn: Next,
    engaged: Engagement,
    *,
    spec: BackendSpec,
    edition: Edition,
    until: tuple[float, float],
) -> Started:
    target = turn.target
    backend = edition.backend(target.backend)
    now = asyncio.get_running_loop().time()
    # A caller that says how long it waits for a reply is not answered later than that; a stream may then go on.
    first, deadline = until
    wait = min(spec.wake, max(0.0, first - now)) if turn.waking else 0.0
    try:
        if not ask.stream:
            async with within(Fault.TIMEOUT_TOTAL, first):
                reply = await backend.start(ask, target, wait)
            return Started(target, spec, reply, None, b"", engaged, deadline)
        content = now + wait + spec.limits.first_content
        fault = Fault.TIMEOUT_FIRST_CONTENT if content <= first else Fault.TIMEOUT_TOTAL
        async with within(fault, min(content, first)):
            reply = await backend.start(ask, target, wait)
            if reply.stream is None:
                raise UpstreamFailed(
                    Fault.BROKEN, "The backend gave a whole answer where a stream was asked for."
                )
            relay = Relay(ask)
            head = await _first_content(reply.stream, relay)
            return Started(target, spec, reply, relay, head, engaged, deadline)
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
