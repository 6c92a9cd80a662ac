"""`Recalled`: an answer from the cache, held and closed like any other. No engine is at work and nothing is left to pay."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

from passerelle.cache.replay import events, whole
from passerelle.cache.visit import Found
from passerelle.domain.ask import Ask
from passerelle.gateway.answer import POLICY, Answer, header
from passerelle.gateway.bill import Bill
from passerelle.gateway.pace import Pace
from passerelle.gateway.record import Outcome
from passerelle.redaction.restore import Restoration, Restoring


class Recalled:
    """An answer that was given before: a whole body, or a stream of the same words."""

    def __init__(self, ask: Ask, found: Found, *, bill: Bill, pace: int | None = None) -> None:
        """`pace` is the most tokens a second of a stream."""
        self.streams = ask.stream
        self._restoring: Restoring | None = None
        self.body = b"" if ask.stream else whole(found.kept, ask, now=found.at)
        self.standings = bill.standings
        self.facts = _facts(found)
        if bill.policy is not None:
            self.facts.append((POLICY, header(bill.policy)))
        self.overhead = monotonic() - ask.arrived
        self._cost = bill.free()
        self._events: Iterator[bytes] = (
            iter(events(found.kept, ask, now=found.at)) if ask.stream else iter(())
        )
        self._pace = Pace(pace) if pace and ask.stream else None

    def restore(self, restoration: Restoration) -> None:
        """Put back what was taken out of the request."""
        if self.streams:
            self._restoring = restoration.stream()
        else:
            self.body = restoration.whole(self.body)

    async def read(self) -> bytes:
        """The next block of events; b"" after the last."""
        block = b"".join(self._events) if self._pace is None else next(self._events, b"")
        if block and self._pace is not None:
            await self._pace.sent(1)
        if self._restoring is None:
            return block
        return self._restoring.take(block) if block else self._restoring.finish()

    async def check(self) -> None:
        """Guardrails have looked at it when it was first given; rules that changed since lead to other answers."""

    def closing(self) -> bytes:
        """The last bytes of a stream."""
        return b": passerelle overhead-ms=%.2f attempts=0 cost=%b\n\ndata: [DONE]\n\n" % (
            self.overhead * 1000,
            self._cost,
        )

    async def linger(self) -> None:
        """No engine has anything to close."""

    def cost(self) -> bytes:
        """Nothing, in the currency of the tenant."""
        return self._cost

    def settle(self, outcome: Outcome, code: str | None = None) -> None:
        """It was settled when it was found."""

    def close(self) -> None:
        """Nothing is open."""


Given = Answer | Recalled  # what a caller is answered with


def _facts(found: Found) -> list[tuple[bytes, bytes]]:
    """The headers that say who answered, when, and how long the cache will go on to say so."""
    kept, now = found.kept, found.at
    return [
        (b"x-passerelle-backend", header(kept.backend)),
        (b"x-passerelle-provider", header(kept.provider)),
        (b"x-passerelle-model", header(kept.target)),
        (b"x-passerelle-cache", b"semantic-hit" if found.semantic else b"hit"),
        (b"x-passerelle-attempts", b"0"),
        (b"x-passerelle-country", header(kept.country or "unknown")),
        (b"x-passerelle-cache-id", header(kept.id)),
        (b"x-passerelle-cache-ttl", b"%d" % max(0, int(kept.expires - now))),
        (b"age", b"%d" % max(0, int(now - kept.created))),
    ]
