"""Answers and questions to keep, and how to wait for what happens soon."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np

from passerelle.cache.entry import Kept, Member

PEPPER = b"p" * 32
TENANT = "client-a"


def kept(number: int = 1, **changed: Any) -> Kept:
    """An answer that lives for a minute and a half."""
    now = changed.pop("now", None) or time.time()
    words: dict[str, Any] = {
        "id": f"ca_{number:024x}",
        "tenant": TENANT,
        "partition": "a" * 64,
        "exact": f"{number:064x}",
        "message": {"role": "assistant", "content": "Ouvert de 9 h à 18 h."},
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12},
        "model": "tiny",
        "backend": "local",
        "target": "tiny",
        "provider": "local",
        "country": "FR",
        "created": now,
        "expires": now + 90.0,
        "asked": "Quand êtes-vous ouverts ?",
    }
    return Kept(**words | changed)


def member(number: int = 1, **changed: Any) -> Member:
    """A question that has the first answer."""
    now = time.time()
    vector = np.random.default_rng(number).normal(size=384).astype(np.float32)
    words: dict[str, Any] = {
        "id": f"cq_{number:024x}",
        "tenant": TENANT,
        "partition": "a" * 64,
        "cluster": f"ca_{1:024x}",
        "text": "Vous ouvrez à quelle heure ?",
        "vector": vector / np.linalg.norm(vector),
        "language": "fr",
        "created": now,
        "expires": now + 90.0,
    }
    return Member(**words | changed)


def same(one: Member, other: Member) -> bool:
    """Are they alike in all that is kept?"""
    names = [name for name in Member.__slots__ if name not in {"vector", "features", "__weakref__"}]
    return np.array_equal(one.vector, other.vector) and all(
        getattr(one, name) == getattr(other, name) for name in names
    )


class Ears:
    """Remembers what an index would hear."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.emptied = 0
        self.dropped: set[str] = set()

    def hear(self, member: Member) -> None:
        self.members[member.id] = member

    def drop(self, tenant: str, *, members: Sequence[str] = (), partition: str | None = None) -> None:
        self.dropped.update(members)
        everything = not members and partition is None
        for name in list(self.members) if everything else members:
            self.members.pop(name, None)

    def clear(self) -> None:
        self.members.clear()
        self.emptied += 1


async def until(
    condition: Callable[[], bool] | Callable[[], Awaitable[bool]], *, seconds: float = 20.0
) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.005)
