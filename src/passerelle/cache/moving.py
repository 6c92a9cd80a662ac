"""What the Qdrant server is to be told, one thing after the other: what is erased first, then what is new.

One task does it, so that what was dropped is never written after it was erased. A server that is away is tried again
after a while that doubles; meanwhile everything waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from passerelle.cache.entry import Member
from passerelle.cache.erasing import Erasures
from passerelle.stores.qdrant import Refused

if TYPE_CHECKING:
    from passerelle.cache.qdrant import Large

_BATCH = 128  # members in one request: about 800 KB
_SHORTEST, _LONGEST = 0.25, 30.0  # seconds until the next attempt
_SWEEP = 600.0  # seconds between deletions of what has expired
_log = structlog.get_logger(__name__)


class Mover:
    """Begins with the first thing there is to do."""

    def __init__(
        self,
        large: Large,
        following: Callable[[int], list[Member]],
        written: Callable[[Sequence[Member]], None],
    ) -> None:
        """`following` gives the next members to write, so many at most; `written` is told when they are there."""
        self.erasures = Erasures()
        self._large, self._following, self._written = large, following, written
        self._task: asyncio.Task[None] | None = None
        self._work = asyncio.Event()
        self._clean = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._swept = 0.0
        self._closed = False

    def wake(self) -> None:
        """There is something to do."""
        if self._closed:
            return
        if self.erasures:
            self._clean.clear()
        self._idle.clear()
        self._work.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def erased(self, *, within: float) -> bool:
        """Is nothing left to erase? Waits so many seconds at most."""
        if not self.erasures:
            return True
        try:
            async with asyncio.timeout(within):
                await self._clean.wait()
        except TimeoutError:
            return not self.erasures
        return True

    async def aclose(self, *, within: float) -> None:
        """Erase and write what waits, as far as that takes no longer, and end."""
        self._closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._idle.wait()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        pause = 0.0
        while True:
            self._work.clear()
            try:
                while await self._step():
                    pause = 0.0
                if loop.time() >= self._swept + _SWEEP:
                    await self._large.sweep()
                    self._swept = loop.time()
                pause = 0.0
                if not self._work.is_set():
                    self._idle.set()
            except Exception as error:  # noqa: BLE001 - whatever goes wrong there, what waits is tried again
                if not pause:
                    _log.warning("cache_qdrant_away", error=type(error).__name__)
                pause = min(_LONGEST, max(_SHORTEST, 2 * pause))
                await asyncio.sleep(pause)
                continue
            try:
                async with asyncio.timeout(_SWEEP):
                    await self._work.wait()
            except TimeoutError:
                continue

    async def _step(self) -> bool:
        """One request's worth; False when there is nothing to do."""
        erasure = self.erasures.begin()
        if erasure is not None:
            try:
                await self._large.erase(erasure)
            except BaseException:
                self.erasures.failed()
                raise
            self.erasures.done()
            if not self.erasures:
                self._clean.set()
            return True
        members = self._following(_BATCH)
        if not members:
            return False
        try:
            await self._large.write(members)
        except Refused:
            await self._singly(members)
        self._written(members)
        return True

    async def _singly(self, members: Sequence[Member]) -> None:
        """One that the server does not take is let go, and keeps no other waiting."""
        for member in members:
            try:
                await self._large.write([member])
            except Refused:
                _log.warning("cache_member_refused", member=member.id)
