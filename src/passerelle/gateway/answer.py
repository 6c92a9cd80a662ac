"""`Answer`: read it once, close it always. Whoever holds it closes it, also when nobody reads any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic

from passerelle.backends.base import Stream
from passerelle.cache.keeping import Origin
from passerelle.cache.visit import Visit
from passerelle.domain.ask import Ask
from passerelle.domain.errors import Blocked, Fault, UpstreamFailed
from passerelle.domain.ledger import Certainty
from passerelle.domain.money import exact
from passerelle.gateway.attempts import Started, within
from passerelle.gateway.bill import Bill
from passerelle.gateway.pace import Pace
from passerelle.gateway.record import Attempt, Outcome
from passerelle.gateway.relay import Relay
from passerelle.gateway.trial import answer_bytes, said_of
from passerelle.guardrails.watch import Watch as OutputWatch
from passerelle.redaction.restore import Restoration, Restoring
from passerelle.subjects.prompts import Listener

LARGEST = (
    2 * 1024 * 1024
)  # bytes of a stream that are held for the cache, some 9,000 tokens in as many events

_NOT_KEPT = (Outcome.BROKEN, Outcome.BLOCKED)

Keep = Callable[[Coroutine[None, None, None]], None]  # runs to its end what a closed answer still has to do

_LINGER = (
    0.1  # seconds an engine is given to close a finished stream, so that its connection can be used again
)


class Answer:
    """An answer that has begun: a whole body, or a stream past its first content."""

    def __init__(  # noqa: PLR0913 - who has a part in it
        self,
        ask: Ask,
        started: Started,
        *,
        bill: Bill,
        leave: Callable[[], None],
        keep: Keep,
        pace: int | None = None,
        watch: OutputWatch | None = None,
        visit: Visit | None = None,
        heard: Listener | None = None,
    ) -> None:
        """`pace` is the most tokens a second of a stream; `watch` looks at what is relayed, and may hold it back.

        `visit` is told what was answered, so that the cache can keep it; `heard` hears what the engine says, as it says it.
        """
        self._ask = ask
        self._started = started
        self._bill = bill
        self._leave = leave
        self._keep = keep
        self._head = started.head
        self._closed = False
        self._delivered: int | None = None  # bytes of text the caller got before it hung up
        self._loop = asyncio.get_running_loop()
        self._deadline = started.deadline
        self._pace = Pace(pace) if pace and started.relay is not None else None
        self.overhead = (
            monotonic() - ask.arrived - sum([each.seconds + each.waited for each in bill.attempts])
        )
        self.facts = _facts(started, bill.attempts, visit)
        if bill.policy is not None:
            self.facts.append((POLICY, header(bill.policy)))
        self.standings = bill.standings
        self._after = started.spec.limits.after_hangup
        self._watch = watch
        self._watched = False  # is what was held back given out?
        self._visit = visit
        self._restored: bytes | None = None  # a whole body, with what was taken out of its request
        self._restoring: Restoring | None = None  # of a stream
        self._heard = heard
        if heard is not None:
            heard.take(started.head if self.streams else started.reply.body)
        # What was given out, where the cache may keep it.
        self._given: list[bytes] | None = None
        self._room = LARGEST
        if visit is not None and started.target.degraded:
            self.unkept()  # what a makeshift says is not worth keeping
        elif visit is not None and visit.keeps and self.streams:
            self._given = []

    @property
    def body(self) -> bytes:
        """The whole body; empty for a stream."""
        return self._started.reply.body if self._restored is None else self._restored

    @property
    def streams(self) -> bool:
        """Whether this is a stream."""
        return self._started.reply.stream is not None

    async def read(self) -> bytes:
        """The next block of events for the caller; b"" once the engine has finished. Raises UpstreamFailed."""
        if self._watch is None and self._pace is None and self._given is None and self._restoring is None:
            return await self._relayed()
        block = await (self._relayed() if self._watch is None else self._released(self._watch))
        if self._given is not None:
            self._given.append(block)
            self._room -= len(block)
            if self._room < 0:
                self.unkept()
        if self._pace is not None and block:
            await self._pace.sent(block.count(b"\n\n"))
        if self._restoring is None:
            return block
        return self._restoring.take(block) if block else self._restoring.finish()

    def restore(self, restoration: Restoration) -> None:
        """Put back what was taken out of the request, in what its caller gets; all else has seen it without."""
        if self.streams:
            self._restoring = restoration.stream()
        else:
            self._restored = restoration.whole(self.body)

    async def check(self) -> None:
        """Have the guardrails look at a whole answer. Raises Blocked."""
        if self._watch is not None:
            try:
                await self._watch.whole(self.body)
            finally:
                self._bill.verdicts += self._watch.verdicts
        if not self.streams:
            self._tell([self.body])

    def unkept(self) -> None:
        """It will not be kept, however it ends: nobody else need wait for that."""
        self._given = None
        visit, self._visit = self._visit, None
        if visit is not None:
            visit.close(alone=True)

    def _tell(self, blocks: list[bytes], used: Sequence[object] = ()) -> None:
        """Tell the cache what was answered."""
        target, reply = self._started.target, self._started.reply
        if self._visit is not None:
            country = self._started.spec.place_of(target).country
            origin = Origin(target.backend, target.model, reply.provider, country)
            self._visit.answered(origin, blocks, used=used)

    async def _released(self, watch: OutputWatch) -> bytes:
        """What guardrails let go out. Raises Blocked."""
        try:
            while block := await self._relayed():
                if out := await watch.take(block):
                    return out
            if self._watched:
                return b""
            self._watched = True
            rest = await watch.finish()
        except Blocked:
            self._bill.verdicts += watch.verdicts
            raise
        self._bill.verdicts += watch.verdicts
        return rest

    async def _relayed(self) -> bytes:
        """The next block as the engine gave it."""
        relay, stream = self._started.relay, self._started.reply.stream
        assert relay is not None  # only streams are read  # noqa: S101
        assert stream is not None  # noqa: S101
        if self._head:
            head, self._head = self._head, b""
            return head
        try:
            return await self._next(relay, stream)
        except UpstreamFailed as failure:
            # The time of a whole stream is also what its caller's reading and our own pace have taken of it.
            if failure.fault is not Fault.TIMEOUT_TOTAL:
                self._started.engaged.broke(failure)
            raise

    async def _next(self, relay: Relay, stream: Stream) -> bytes:
        while not relay.done:
            idle = self._loop.time() + self._started.spec.limits.between_chunks
            fault = Fault.TIMEOUT_BETWEEN_CHUNKS if idle <= self._deadline else Fault.TIMEOUT_TOTAL
            async with within(fault, min(idle, self._deadline)):
                block = await stream.read()
            if not block:
                relay.end()
            elif out := relay.take(block):
                if self._heard is not None:
                    self._heard.take(out)
                return out
        return b""

    def closing(self) -> bytes:
        """The last bytes of a finished stream: usage if it was asked for, our own figures, the end mark."""
        self._started.engaged.leave()
        relay = self._started.relay
        usage = relay.closing() if relay else b""
        given, self._given = self._given, None
        if given is not None and relay is not None:
            self._tell(given, relay.said)
        figures = b": passerelle overhead-ms=%.2f attempts=%d cost=%b\n\n" % (
            self.overhead * 1000,
            len(self._bill.attempts),
            self.cost(),
        )
        return usage + figures + b"data: [DONE]\n\n"

    async def linger(self) -> None:
        """After the caller has everything: let the engine close its stream, so that the connection is kept."""
        stream = self._started.reply.stream
        try:
            async with asyncio.timeout(_LINGER):
                while stream is not None and await stream.read():
                    pass
        except (TimeoutError, UpstreamFailed):
            pass  # the connection is closed instead of kept

    def cost(self) -> bytes:
        """What the tenant is charged for the answer, as the header says it: an amount and a currency."""
        said, received = self._used()
        charged = self._bill.price(said, received)
        if charged is None or charged.exchange is None:
            return b"unknown"
        if any(line.certainty is Certainty.UNPRICED for line in charged.lines):
            return b"unknown"
        return f"{exact(charged.total)} {charged.exchange.currency}".encode("ascii")

    def settle(self, outcome: Outcome, code: str | None = None) -> None:
        """Settle the bill with what is known now; the first call counts."""
        if outcome in _NOT_KEPT:
            self.unkept()
        relay = self._started.relay
        if relay is not None:
            self._bill.usage = relay.usage
        said, received = self._used()
        whole = relay is None or relay.done
        if self._heard is not None:
            self._heard.ends(self._started.target.backend, whole=whole)
        self._bill.settle(outcome, code, said=said, received=received, whole=whole)

    def _used(self) -> tuple[Sequence[object], int]:
        """Every usage the engine sent, and the bytes of text it gave."""
        relay, reply = self._started.relay, self._started.reply
        if relay is not None:
            return relay.said, relay.received if self._delivered is None else self._delivered
        return said_of(reply.usage, reply.said), answer_bytes(self._ask, reply.usage, reply.body)

    def close(self) -> None:
        """Hang up on an engine still at work and settle. Idempotent; never waits, so it cannot be cancelled.

        An engine whose backend says so is listened to a while longer, for the usage at its stream's end.
        """
        if self._closed:
            return
        self._closed = True
        if self._visit is not None:
            self._visit.close()  # whoever waits for it need not wait for what is only listened to
        relay, stream = self._started.relay, self._started.reply.stream
        waits = self._after and not self._bill.settled
        if waits and relay is not None and stream is not None and not relay.done:
            self._keep(self._finish(stream, relay))
        else:
            self._end(stream)

    async def _finish(self, stream: Stream, relay: Relay) -> None:
        """Read what nobody waits for any more, for so long."""
        received = relay.received
        try:
            async with asyncio.timeout(self._after):
                while not relay.done and (block := await stream.read()):
                    relay.take(block)
        except Exception:  # noqa: BLE001, S110 - nobody waits for what is wrong with it
            pass  # what was delivered counts then
        finally:
            self._delivered = received
            self._end(stream)

    def _end(self, stream: Stream | None) -> None:
        try:
            if stream is not None:
                stream.close()
        finally:
            try:
                self.settle(Outcome.HUNG_UP)
            finally:
                self._leave()


POLICY = b"x-passerelle-policy"  # the name and the hash of the rules that permitted it


def _facts(started: Started, attempts: Sequence[Attempt], visit: Visit | None) -> list[tuple[bytes, bytes]]:
    """The headers that say who answered, and why the cache did not."""
    target, spec = started.target, started.spec
    facts = [
        (b"x-passerelle-backend", header(target.backend)),
        (b"x-passerelle-provider", header(started.reply.provider)),
        (b"x-passerelle-model", header(target.model)),
        (b"x-passerelle-cache", b"miss" if visit is not None and visit.looked else b"bypass"),
        (b"x-passerelle-attempts", b"%d" % len(attempts)),
        (b"x-passerelle-country", header(spec.place_of(target).country or "unknown")),
    ]
    if waited := sum([each.waited for each in attempts]):
        facts.append((b"x-passerelle-queue-ms", b"%.1f" % (waited * 1000)))
    if target.degraded:
        facts.append((b"x-passerelle-degraded", b"true"))
    if visit is not None and visit.reason is not None:
        facts.append((b"x-passerelle-cache-reason", visit.reason.value.encode("ascii")))
    if started.reply.ignored:
        facts.append((b"x-passerelle-ignored", header(", ".join(started.reply.ignored))))
    return facts


def header(text: str) -> bytes:
    """Text as a header value: what is not printable ASCII becomes a question mark."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(char if " " <= char <= "~" else "?" for char in text)
    return text.encode("ascii")
