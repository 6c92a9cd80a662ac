"""What takes its time is made once, whoever waits for it, and the last few are kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable, Iterator
from typing import Any, Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class Once(Generic[_K, _V]):
    """Values by what they are made of. What could not be made is made anew when it is asked for again."""

    def __init__(self, name: str, *, kept: int) -> None:
        self._name, self._kept = name, kept
        self._made: OrderedDict[_K, asyncio.Task[_V]] = OrderedDict()

    async def get(self, key: _K, make: Callable[[], Coroutine[Any, Any, _V]]) -> _V:
        """That value. Raises what making it raises."""
        task = self._made.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = asyncio.create_task(make(), name=self._name)
            self._made[key] = task
            task.add_done_callback(_heard)
        self._made.move_to_end(key)
        while len(self._made) > self._kept:
            self._made.popitem(last=False)
        return await asyncio.shield(task)  # others may wait for it too

    def __iter__(self) -> Iterator[_K]:
        """What is kept, that asked for last at the end."""
        return iter(self._made)

    def drop(self, where: Callable[[_K], bool]) -> None:
        """Keep those no longer."""
        for key in [key for key in self._made if where(key)]:
            del self._made[key]


def _heard(task: asyncio.Task[Any]) -> None:
    """Its error was told to whoever waited; nobody need have."""
    if not task.cancelled():
        task.exception()
