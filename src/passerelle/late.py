"""What a process opens when somebody first asks for it, once, and closes if it was opened."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar


class Closes(Protocol):
    """Has an end."""

    async def aclose(self) -> None:
        """Close what is open."""


_Ground = TypeVar("_Ground")
_Opened = TypeVar("_Opened", bound=Closes)


class Late(ABC, Generic[_Ground, _Opened]):
    """A side of a process, which may not be open. Whoever makes it, closes it."""

    def __init__(self, ground: _Ground) -> None:
        self._ground = ground
        self._opening = asyncio.Lock()
        self._opened: _Opened | None = None

    async def aclose(self) -> None:
        """Close what is open."""
        if self._opened is not None:
            await self._opened.aclose()

    async def _open(self) -> _Opened:
        """It, opened by whoever asks first."""
        async with self._opening:
            if self._opened is None:
                self._opened = await self._make()
            return self._opened

    @abstractmethod
    async def _make(self) -> _Opened:
        """Make it: its imports take a while, and are for a thread."""
