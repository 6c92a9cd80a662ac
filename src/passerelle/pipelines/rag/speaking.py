"""Answers from documents as chat completions, whole or streamed, held and closed like any other answer.

A stream's answer is made in one task of its own from its beginning to its end, so that whoever holds it can stop it at
any moment without waiting, and what it has open is closed where it was opened.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from time import monotonic

from passerelle.domain.ask import Ask
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.domain.limits import Standing
from passerelle.domain.rag import Answered, Begun, Citation, Happened, Said
from passerelle.gateway.answer import header
from passerelle.gateway.record import Outcome
from passerelle.pipelines.rag.speaking_openai import Chunks, whole
from passerelle.wire.sse import DONE

_MOST_HELD = 64  # events that wait to be read; then the answer waits too
_LINGER = 0.1  # seconds that an answer which has said everything is given to end
_SHUTTING = 2.0  # seconds that answers which were left are waited for

_OURS = b"x-passerelle-"
_NAMES = {"target": "model"}  # `Told` calls so what the header calls otherwise
_ELSEWHERE = ("cost", "overhead-ms", "request_id")  # headers that whoever sends the answer writes


class WholeReply:
    """A whole answer, as one chat completion."""

    streams = False

    def __init__(
        self, ask: Ask, answered: Answered, ignored: Sequence[str], standings: Sequence[Standing] = ()
    ) -> None:
        self.body = whole(ask, answered)
        self.standings = tuple(standings)
        self.facts = [*fact_headers(answered.facts), *_ignored(ignored)]
        self.overhead = _overhead(ask, answered)
        self._cost = answered.cost

    async def read(self) -> bytes:
        """Nothing is left to be read."""
        return b""

    def closing(self) -> bytes:
        """Nothing follows."""
        return b""

    async def linger(self) -> None:
        """No engine has anything to close."""

    def cost(self) -> bytes:
        """What the tenant is charged for all calls together."""
        return header(self._cost)

    def settle(self, outcome: Outcome, code: str | None = None) -> None:
        """Each call that was made for it has its own bill."""

    def close(self) -> None:
        """Nothing is open."""


class StreamReply:
    """An answer on its way, as chunks of a chat completion."""

    streams = True
    body = b""

    def __init__(self, ask: Ask, line: _Line, ignored: Sequence[str]) -> None:
        self._ask = ask
        self._line = line
        self._chunks = Chunks(ask)
        self._answered: Answered | None = None
        begun = line.who
        self.standings = begun.standings if begun is not None else ()
        self.facts = [*fact_headers(begun.facts if begun is not None else {}), *_ignored(ignored)]
        self.overhead = monotonic() - ask.arrived

    async def read(self) -> bytes:
        """The next block of events; b"" after the last. Raises what the answer broke off with."""
        while self._answered is None:
            happened = await self._line.take()
            if not happened:
                raise _unfinished()
            blocks = []
            for event in happened:
                if isinstance(event, Begun):
                    continue  # its head says so
                if isinstance(event, Said):
                    blocks.append(self._chunks.said(event.text))
                elif isinstance(event, Citation):
                    blocks.append(self._chunks.cited([event]))
                else:
                    self._answered = event
                    blocks += self._chunks.ended(event)
                    break
            if block := b"".join(blocks):
                return block
        return b""

    def closing(self) -> bytes:
        """The last bytes: usage if it was asked for, our own figures, the end mark."""
        answered = self._answered
        if answered is None:
            return DONE
        self.overhead = _overhead(self._ask, answered)
        usage = self._chunks.used(answered.usage) if self._ask.wants_usage else b""
        attempts = header(answered.facts.get("attempts", "0"))
        figures = (self.overhead * 1000, attempts, self.cost())
        return usage + b": passerelle overhead-ms=%.2f attempts=%b cost=%b\n\n" % figures + DONE

    async def linger(self) -> None:
        """Let what is done after the last word be done."""
        await self._line.ended(_LINGER)

    def cost(self) -> bytes:
        """What the tenant is charged for all calls together, once that is known."""
        return header(self._answered.cost if self._answered is not None else "unknown")

    def settle(self, outcome: Outcome, code: str | None = None) -> None:
        """Each call that was made for it has its own bill."""

    def close(self) -> None:
        """Stop all that is under way for it. Idempotent, and never waits."""
        self._line.close()


class Speaking:
    """Makes answers into replies, and holds those that are on their way. Whoever makes one, closes it."""

    def __init__(self) -> None:
        self._lines: set[asyncio.Task[None]] = set()

    async def whole(
        self, ask: Ask, happened: AsyncGenerator[Happened, None], ignored: Sequence[str] = ()
    ) -> WholeReply:
        """The whole answer. Raises what it fails with; then, and when the caller leaves, it is closed."""
        standings: Sequence[Standing] = ()
        async with aclosing(happened) as events:
            async for event in events:
                if isinstance(event, Begun):
                    standings = event.standings
                if isinstance(event, Answered):
                    return WholeReply(ask, event, ignored, standings)
        raise _unfinished()

    async def stream(
        self, ask: Ask, happened: AsyncGenerator[Happened, None], ignored: Sequence[str] = ()
    ) -> StreamReply:
        """An answer that has begun, for its holder to close. Raises what it fails with before that."""
        line = _Line(happened)
        self._lines.add(line.task)
        line.task.add_done_callback(self._lines.discard)
        try:
            await line.begun()
        except BaseException:
            line.close()
            raise
        return StreamReply(ask, line, ignored)

    async def aclose(self) -> None:
        """Stop what nobody holds any more."""
        for task in self._lines:
            task.cancel()
        if self._lines:
            await asyncio.wait(set(self._lines), timeout=_SHUTTING)


class _Line:
    """What happens to an answer, from the task it is made in to whoever reads it; a few events wait between them."""

    def __init__(self, happened: AsyncGenerator[Happened, None]) -> None:
        self._held: deque[Happened] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self.task = asyncio.ensure_future(self._make(happened))
        self.task.add_done_callback(self._over)

    @property
    def who(self) -> Begun | None:
        """Who answers, if that is the first that is told."""
        first = self._held[0] if self._held else None
        return first if isinstance(first, Begun) else None

    async def begun(self) -> None:
        """Wait until something has happened. Raises what it failed with before."""
        while not self._held and not self.task.done():
            self._news.clear()
            await self._news.wait()
        if not self._held:
            self._fail()

    async def take(self) -> list[Happened]:
        """All that has happened since; empty after the last. Raises what it broke off with."""
        while not self._held and not self.task.done():
            self._news.clear()
            await self._news.wait()
        taken = list(self._held)
        self._held.clear()
        self._room.set()
        if not taken:
            self._fail()
        return taken

    async def ended(self, seconds: float) -> None:
        """Wait until it has ended, for so long."""
        self._held.clear()
        self._room.set()
        await asyncio.wait({self.task}, timeout=seconds)

    def close(self) -> None:
        """Have it stop."""
        self.task.cancel()

    async def _make(self, happened: AsyncGenerator[Happened, None]) -> None:
        async with aclosing(happened) as events:
            async for event in events:
                while len(self._held) >= _MOST_HELD:
                    self._room.clear()
                    await self._room.wait()
                self._held.append(event)
                self._news.set()

    def _fail(self) -> None:
        """Raises what it ended with, where that was no good end."""
        if self.task.cancelled():
            raise _unfinished()
        if (error := self.task.exception()) is not None:
            raise error

    def _over(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # asked for: whoever was to read it may be gone
        self._news.set()


def fact_headers(facts: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """The headers that say who answered."""
    named = {_NAMES.get(name, name): value for name, value in facts.items()}
    return [
        (_OURS + header(name), header(value))
        for name, value in named.items()
        if name not in _ELSEWHERE and name.isascii()
    ]


def _ignored(names: Sequence[str]) -> list[tuple[bytes, bytes]]:
    return [(b"x-passerelle-ignored", header(", ".join([name[:64] for name in names])))] if names else []


def _overhead(ask: Ask, answered: Answered) -> float:
    """Seconds of ours: those in which no model was waited for."""
    waited = answered.seconds.get("total", 0.0) - answered.overhead
    return max(0.0, monotonic() - ask.arrived - waited)


def _unfinished() -> UpstreamFailed:
    return UpstreamFailed(Fault.BROKEN, "The answer ended before it was whole.")
