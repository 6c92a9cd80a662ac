"""Members for tests of the index: their vectors, and a store that keeps them as processes share it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from passerelle.cache.entry import Member

WIDTH = 24
NOW = 1_790_000_000.0


class Clock:
    """The time, as the test says."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def vector(seed: int, width: int = WIDTH) -> Any:
    """Of length 1, the same for the same seed."""
    drawn = np.random.default_rng(seed).standard_normal(width).astype(np.float32)
    return drawn / np.linalg.norm(drawn)


def member(number: int, *, tenant: str = "a", partition: str = "p", **given: Any) -> Member:
    """The member of that number; its vector is `vector(number)`."""
    plain = Member(
        id=f"cq_{number:024d}",
        tenant=tenant,
        partition=partition,
        cluster="ca_1",
        text=f"Où est le dossier {number} ?",
        vector=vector(number),
        language="fr",
        created=NOW + number / 1000,
        expires=NOW + 3600,
        tags=("tag",),
        subjects=("somebody",),
    )
    return replace(plain, **given)


class Shared:
    """`Members` of a dictionary. `hold` keeps loads waiting; `away` fails them."""

    def __init__(self, members: Sequence[Member] = ()) -> None:
        self.members = list(members)
        self.loads = 0
        self.away = False
        self.hold: asyncio.Event | None = None

    async def load(self, tenant: str, partition: str) -> Sequence[Member]:
        self.loads += 1
        found = [one for one in self.members if (one.tenant, one.partition) == (tenant, partition)]
        if self.hold is not None:
            await self.hold.wait()
        if self.away:
            raise ConnectionError("the store is away")
        return found

    def save(self, member: Member) -> None:
        self.members.append(member)


async def until(
    condition: Callable[[], Awaitable[object]] | Callable[[], object], within: float = 10.0
) -> None:
    """Return as soon as it holds. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while True:
            holds = condition()
            if await holds if isinstance(holds, Awaitable) else holds:
                return
            await asyncio.sleep(0.002)
