"""`Answer`: read it once, close it always. Whoever holds it closes it, also when nobody reads any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from passerelle.domain.ask import Ask
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.gateway.attempts import Started, within
from passerelle.gateway.bill import Bill
from passerelle.gateway.record import Outcome

_LINGER = (
    0.1  # seconds an engine is given to close a finished stream, so that its connection can be used again
)


class Answer:
    """An answer that has begun: a whole body, or a stream past its first content."""

    def __init__(self, ask: Ask, started: Started, *, bill: Bill, leave: Callable[[], None]) -> None:
        self._ask = ask
        self._started = started
        self._bill = bill
        self._leave = leave
        self._head = started.head
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + started.spec.limits.total
        self.overhead = monotonic() - ask.arrived - sum(attempt.seconds for attempt in bill.attempts)
        self.facts = _facts(started, len(bill.attempts))

    @property
    def body(self) -> bytes:
        """The whole body; empty for a stream."""
        return self._started.reply.body

    @property
    def streams(self) -> bool:
        """Whether this is a stream."""
        return self._started.reply.stream is not None

    async def read(self) -> bytes:
        """The next block of events for the caller; b"" once the engine has finished. Raises UpstreamFailed."""
        relay, stream = self._started.relay, self._started.reply.stream
        assert relay is not None  # only streams are read  # noqa: S101
        assert stream is not None  # noqa: S101
        if self._head:
            head, self._head = self._head, b""
            return head
        while not relay.done:
            idle = self._loop.time() + self._started.spec.limits.between_chunks
            fault = Fault.TIMEOUT_BETWEEN_CHUNKS if idle <= self._deadline else Fault.TIMEOUT_TOTAL
            async with within(fault, min(idle, self._deadline)):
                block = await stream.read()
            if not block:
                relay.end()
            elif out := relay.take(block):
                return out
        return b""

    def closing(self) -> bytes:
        """The last bytes of a finished stream: usage if it was asked for, our own figures, the end mark."""
        relay = self._started.relay
        usage = relay.closing() if relay else b""
        figures = b": passerelle overhead-ms=%.2f attempts=%d\n\n" % (
            self.overhead * 1000,
            len(self._bill.attempts),
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

    def settle(self, outcome: Outcome, code: str | None = None) -> None:
        """Settle the bill with what is known now; the first call counts."""
        relay = self._started.relay
        if relay is not None:
            self._bill.usage = relay.usage
        self._bill.settle(outcome, code)

    def close(self) -> None:
        """Hang up on an engine still at work and settle. Idempotent; never waits, so it cannot be cancelled."""
        if self._closed:
            return
        self._closed = True
        stream = self._started.reply.stream
        try:
            if stream is not None:
                stream.close()
        finally:
            try:
                self.settle(Outcome.HUNG_UP)
            finally:
                self._leave()


def _facts(started: Started, attempts: int) -> list[tuple[bytes, bytes]]:
    """The headers that say who answered."""
    target, spec = started.target, started.spec
    facts = [
        (b"x-passerelle-backend", _header(target.backend)),
        (b"x-passerelle-provider", _header(started.reply.provider)),
        (b"x-passerelle-model", _header(target.model)),
        (b"x-passerelle-cache", b"bypass"),
        (b"x-passerelle-attempts", b"%d" % attempts),
        (b"x-passerelle-country", _header(spec.place_of(target).country or "unknown")),
    ]
    if target.degraded:
        facts.append((b"x-passerelle-degraded", b"true"))
    if started.reply.ignored:
        facts.append((b"x-passerelle-ignored", _header(", ".join(started.reply.ignored))))
    return facts


def _header(text: str) -> bytes:
    """Text as a header value: what is not printable ASCII becomes a question mark."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(char if " " <= char <= "~" else "?" for char in text)
    return text.encode("ascii")
