"""Holds a stream back to so many tokens a second; what a pause has left over counts for one second."""

from __future__ import annotations

import asyncio

_BURST = 1.0  # seconds


class Pace:
    """The pace of one stream. An event counts as a token: engines send about one with each."""

    __slots__ = ("_due", "_every", "_loop")

    def __init__(self, tokens_per_second: int) -> None:
        self._every = 1 / tokens_per_second
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() - _BURST  # when all that was sent would have been

    async def sent(self, events: int) -> None:
        """These events have gone out: wait until more may."""
        now = self._loop.time()
        self._due = max(self._due, now - _BURST) + events * self._every
        if self._due > now:
            await asyncio.sleep(self._due - now)
