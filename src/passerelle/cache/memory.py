"""Answers in this process: bounded by number and by bytes, each for its time, the one not used for longest goes first.

Where there is no room, whoever has more than an equal part gives some of it: no tenant drives out what others have.

A hit never makes an answer live longer: what is asked every minute would otherwise never be asked of a model again.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from passerelle.cache.entry import Kept
from passerelle.cache.seams import Clock

ENTRIES = 10_000
BYTES = 64 * 1024 * 1024
_OVERHEAD = 2_500  # bytes of an entry's own objects beside its text, about
_PART = 8  # nothing that takes more than this part of all the room is kept
_JITTER = 0.1  # of the time: what was kept together does not end together


@dataclass(slots=True)
class _Held:
    kept: Kept
    ends: float
    size: int


@dataclass(slots=True)
class _Part:
    """What one tenant has."""

    names: OrderedDict[str, None] = field(default_factory=OrderedDict)  # the one used longest ago first
    size: int = 0


class Memory:
    """Answers by exact key and by id."""

    def __init__(
        self,
        clock: Clock,
        *,
        entries: int = ENTRIES,
        size: int = BYTES,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """At most so many answers, and of so many bytes. `draw` gives numbers from 0 to 1."""
        self.size = 0  # bytes, about
        self._clock = clock
        self._entries = entries
        self._most = size
        self._draw = draw
        self._held: dict[str, _Held] = {}  # by id
        self._tenants: dict[str, _Part] = {}
        self._exact: dict[str, str] = {}  # exact key -> id

    def __len__(self) -> int:
        return len(self._held)

    def get(self, exact: str) -> Kept | None:
        """The answer of that exact key."""
        name = self._exact.get(exact)
        return None if name is None else self.by_id(name)

    def by_id(self, name: str) -> Kept | None:
        """The answer of that id."""
        held = self._held.get(name)
        if held is None:
            return None
        if held.ends <= self._clock():
            self.drop(name)
            return None
        self._tenants[held.kept.tenant].names.move_to_end(name)
        return held.kept

    def put(self, kept: Kept, size: int) -> None:
        """Keep an answer of so many bytes, in place of what had its exact key or its id.

        What was found under an exact key keeps its id while it lives: questions elsewhere may lead to it.
        """
        size += _OVERHEAD
        life = kept.expires - self._clock()
        if life <= 0 or size > self._most // _PART:
            return
        self.drop(kept.id)
        self._held[kept.id] = _Held(kept, kept.expires - life * _JITTER * self._draw(), size)
        self._exact[kept.exact] = kept.id
        part = self._tenants.setdefault(kept.tenant, _Part())
        part.names[kept.id] = None
        part.size += size
        self.size += size
        while len(self._held) > self._entries or self.size > self._most:
            self.drop(next(iter(self._yields(part).names)))

    def drop(self, name: str) -> bool:
        """Forget the answer of that id. Was it here?"""
        held = self._held.pop(name, None)
        if held is None:
            return False
        self.size -= held.size
        part = self._tenants[held.kept.tenant]
        part.size -= held.size
        del part.names[name]
        if not part.names:
            del self._tenants[held.kept.tenant]
        if self._exact.get(held.kept.exact) == name:
            del self._exact[held.kept.exact]
        return True

    def drop_where(self, gone: Callable[[Kept], bool]) -> int:
        """Forget all of which that is true: how many."""
        return self._drop_all([name for name, held in self._held.items() if gone(held.kept)])

    def ids_where(self, wanted: Callable[[Kept], bool]) -> set[str]:
        """Ids of all of which that is true and that have not expired."""
        now = self._clock()
        return {name for name, held in self._held.items() if held.ends > now and wanted(held.kept)}

    def count(self, tenant: str) -> int:
        """How many answers of the tenant are here and have not expired."""
        now = self._clock()
        return sum(held.kept.tenant == tenant and held.ends > now for held in self._held.values())

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        self._tenants.clear()
        self._exact.clear()
        self.size = 0

    def _yields(self, part: _Part) -> _Part:
        """Who gives way to an answer of this part's tenant: itself, unless it has less than an equal part."""
        if part.size * len(self._tenants) >= self.size:
            return part
        return max(self._tenants.values(), key=lambda each: each.size)

    def _drop_all(self, names: Iterable[str]) -> int:
        return sum(self.drop(name) for name in names)
