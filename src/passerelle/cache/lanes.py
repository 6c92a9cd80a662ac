"""Two ways to Redis: questions that somebody waits for, for milliseconds, and writes that nobody does.

Each has a connection of its own at most, so that no question stands behind a large write.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from passerelle.stores.redis import Call, Outage, Redis, Refusal, Script

_BATCH = 64  # runs of the script
_LINE = 1_000  # questions that wait; whoever comes then hears at once that it is too many
_BATCH_BYTES = 1024 * 1024
_GATHER = 0.002  # seconds for which writes wait for company
_PAUSE = 0.5  # seconds before writes are tried again
_STALE = 60.0  # seconds; what has waited longer is not worth writing any more
_FAILURES = 3  # in a row: then nobody asks
_REST = 1.0  # second

_log = structlog.get_logger(__name__)


class Asking:
    """Questions in batches, one batch after another. `resting`: too many went unanswered; nobody should ask now."""

    def __init__(self, redis: Redis, script: Script, *, patience: float) -> None:
        """`patience` in seconds: after it a batch is given up, and its connection with it."""
        self._redis = redis
        self._script = script
        self._patience = patience
        self._asked: deque[tuple[Call, asyncio.Future[Any]]] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._failures = 0
        self._failed_at = 0.0
        self._until = 0.0

    @property
    def resting(self) -> bool:
        """Is Redis left alone for a moment? Then each question would only cost time."""
        return self._until > 0.0 and asyncio.get_running_loop().time() < self._until

    async def ask(self, call: Call, *, within: float) -> Any:
        """Its answer. Raises one of `Outage`, after `within` seconds at the latest."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if len(self._asked) >= _LINE:
            raise TimeoutError
        answer: asyncio.Future[Any] = loop.create_future()
        self._asked.append((call, answer))
        if self._sending is None:
            self._sending = loop.create_task(self._send())
        try:
            async with asyncio.timeout(within):
                found = await answer
        except Outage:
            self._failed(began)
            raise
        self._failures, self._until = 0, 0.0
        return found

    async def quiet(self) -> None:
        """Wait until nothing is under way."""
        while self._sending is not None:
            await asyncio.wait({self._sending})

    def _failed(self, began: float) -> None:
        if began < self._failed_at:
            return  # many that wait for the same silence are one failure
        self._failed_at = asyncio.get_running_loop().time()
        self._failures += 1
        if self._failures >= _FAILURES:
            self._until = self._failed_at + _REST

    async def _send(self) -> None:
        batch: list[tuple[Call, asyncio.Future[Any]]] = []
        try:
            while self._asked:
                some = [self._asked.popleft() for _ in range(min(_BATCH, len(self._asked)))]
                batch = [(call, answer) for call, answer in some if not answer.done()]
                if not batch:
                    continue
                async with asyncio.timeout(self._patience):
                    answers = await self._redis.run(self._script, [call for call, _ in batch])
                for (_, waiting), answer in zip(batch, answers, strict=True):
                    if not waiting.done():
                        waiting.set_result(answer)
        except Outage as error:
            for _, waiting in (*batch, *self._asked):
                if not waiting.done():
                    waiting.set_exception(error)
            self._asked.clear()
        finally:
            self._sending = None


@dataclass(frozen=True, slots=True)
class Write:
    """One run of the script. `again`: it may run twice without harm."""

    call: Call
    size: int
    heard: Callable[[Any], None]
    since: float  # on the loop's clock
    again: bool = True


class Writing:
    """Writes in their order, bounded: what finds no room is not written, and `lost` counts it."""

    def __init__(
        self,
        redis: Redis,
        script: Script,
        *,
        most: int,
        size: int,
        patience: float,
        lost: Callable[[int], None],
    ) -> None:
        """At most so many writes wait, of so many bytes together."""
        self._redis = redis
        self._script = script
        self._most = most
        self._size = size
        self._patience = patience
        self._lost = lost
        self._waiting: deque[Write] = deque()
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._paused = False
        self._closed = False

    def put(self, call: Call, size: int, heard: Callable[[Any], None], *, again: bool = True) -> None:
        """Write it soon; `heard` hears the answer."""
        if self._closed or len(self._waiting) >= self._most or self._bytes + size > self._size:
            self._lost(1)
            return
        self._waiting.append(Write(call, size, heard, asyncio.get_running_loop().time(), again))
        self._bytes += size
        if self._task is None and not self._paused:
            self._task = asyncio.get_running_loop().create_task(self._send())

    def pause(self) -> None:
        """Redis is away: writes wait for `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Redis is back."""
        self._paused = False
        if self._task is None and self._waiting:
            self._task = asyncio.get_running_loop().create_task(self._send())

    def forget(self) -> None:
        """What waits is for nobody any more."""
        self._waiting.clear()
        self._bytes = 0

    async def quiet(self) -> None:
        """Wait until what waits is written, or Redis is away."""
        while self._task is not None and not self._paused:
            await asyncio.wait({self._task})

    async def aclose(self, *, within: float = 1.0) -> None:
        """Write what waits, for so many seconds."""
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self.quiet()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _send(self) -> None:
        try:
            await asyncio.sleep(_GATHER)
            while not self._paused and (batch := self._batch()):
                try:
                    async with asyncio.timeout(self._patience):
                        answers = await self._redis.run(self._script, [write.call for write in batch])
                except Refusal as error:  # it is there, and will not: full, or only to be read
                    self._lost(len(batch))
                    _log.warning("cache_write_refused", error=type(error).__name__)
                    continue
                except Outage:
                    self._back(batch)
                    await asyncio.sleep(_PAUSE)
                    continue
                for write, answer in zip(batch, answers, strict=True):
                    write.heard(answer)
        finally:
            self._task = None

    def _batch(self) -> list[Write]:
        batch: list[Write] = []
        size = 0
        oldest = asyncio.get_running_loop().time() - _STALE
        while self._waiting and len(batch) < _BATCH and size < _BATCH_BYTES:
            write = self._waiting.popleft()
            self._bytes -= write.size
            if write.since < oldest:
                self._lost(1)
                continue
            batch.append(write)
            size += write.size
        return batch

    def _back(self, batch: list[Write]) -> None:
        """Whether these have happened nobody knows."""
        kept = [write for write in batch if write.again]
        self._lost(len(batch) - len(kept))
        self._waiting.extendleft(reversed(kept))
        self._bytes += sum(write.size for write in kept)
