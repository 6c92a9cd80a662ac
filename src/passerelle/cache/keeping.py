"""An answer on its way into the cache, and the question it belongs to: values."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from passerelle.cache.entry import Kept, Spot
from passerelle.cache.replay import Said, said_streamed, said_whole
from passerelle.domain.ask import Ask, Route
from passerelle.domain.catalog import Tenant

if TYPE_CHECKING:
    from passerelle.cache.entry import Vector
    from passerelle.cache.semantics import Sight
    from passerelle.cache.shelf import Mark


@dataclass(frozen=True, slots=True)
class Origin:
    """Who answered."""

    backend: str
    target: str
    provider: str
    country: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was or is being asked, with all that is needed to keep an answer to it."""

    tenant: Tenant
    ask: Ask
    spot: Spot
    key_id: str
    since: Mark  # when it was asked, among deletions


@dataclass(frozen=True, slots=True)
class Given:
    """What was answered: a body, or a stream's blocks and the usage that its engine said."""

    origin: Origin
    blocks: tuple[bytes, ...]
    streamed: bool = False
    used: tuple[Any, ...] = ()

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(map(len, self.blocks))

    def said(self, route: Route) -> Said | None:
        """What it says; None for what cannot be given again as it was."""
        if not self.streamed:
            return said_whole(b"".join(self.blocks), route)
        last = self.used[-1] if self.used else None
        return said_streamed(self.blocks, route, usage=last if isinstance(last, dict) else None)


@dataclass(frozen=True, slots=True)
class Keeping:
    """An answer that may be kept, with what was seen of its question beforehand.

    `vector` is the question's, perhaps still being worked out; None for one that is never found by what it means.
    """

    asked: Asked
    given: Given
    sight: Sight | None = None
    vector: asyncio.Task[Vector] | None = None


def made(asked: Asked, given: Given, said: Said, *, now: float) -> Kept:
    """The answer as it is kept for the very same question."""
    caching, wishes, spot = asked.tenant.cache, asked.ask.wishes, asked.spot
    assert caching is not None  # else nothing is kept  # noqa: S101
    ttl = caching.ttl if wishes.ttl is None else min(caching.ttl, wishes.ttl)
    return Kept(
        id=fresh_id(),
        tenant=spot.tenant,
        partition=spot.partition,
        exact=spot.exact,
        message=said.message,
        finish_reason=said.finish_reason,
        usage=said.usage,
        model=said.model,
        backend=given.origin.backend,
        target=given.origin.target,
        provider=given.origin.provider,
        country=given.origin.country,
        created=now,
        expires=now + ttl,
        asked=spot.text,
        tags=wishes.tags,
        subjects=spot.subjects,
        route=asked.ask.route.value,
        name=spot.model,
    )


def fresh_id(prefix: str = "ca") -> str:
    """An id that nothing else has."""
    return f"{prefix}_{os.urandom(12).hex()}"
