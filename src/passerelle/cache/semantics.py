"""What a question means beside others: its vector, its neighbours, and whether one of their answers may be given."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from passerelle.cache.decide import Decision, first
from passerelle.cache.entry import Kept, Member, Near, Spot
from passerelle.cache.features import Features, features_of
from passerelle.cache.guard import Objection, objection
from passerelle.cache.seams import Index
from passerelle.cache.second import Check, Pair
from passerelle.domain.cache import Reason, Semantic
from passerelle.domain.catalog import Tenant

if TYPE_CHECKING:
    from passerelle.cache.entry import Vector
    from passerelle.cache.shelf import Shelf
    from passerelle.cache.trust import Trust

_log = structlog.get_logger(__name__)

NEIGHBOURS = 32  # of which some may be one person's: `decide` counts eight
_UNDER_WAY = 256  # vectors that are being worked out; a question that comes then is not compared


class Embedding(Protocol):
    """An embedding model that a tenant may use."""

    @property
    def version(self) -> str:
        """What tells its vectors from those of others."""
        ...

    async def vector(self, text: str) -> Vector:
        """The text's vector, of length 1. Raises whatever went wrong."""
        ...


class Embeddings(Protocol):
    """The embedding model that each tenant has chosen."""

    def of(self, semantic: Semantic, tenant: str) -> Embedding | None:
        """None where it may not be used: then nothing is alike."""
        ...


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of a question. `kept` is the answer to give; `reason` is why there is none."""

    vector: Vector
    near: Sequence[Near]
    decision: Decision
    kept: Kept | None
    reason: Reason | None


class Semantics:
    """Looks at questions."""

    def __init__(
        self,
        embeddings: Embeddings,
        index: Index,
        shelf: Shelf,
        trust: Trust,
        *,
        check: Callable[[str], Check] | None = None,
    ) -> None:
        """`check` gives the second check of a name that the configuration knows."""
        self._embeddings = embeddings
        self._index = index
        self._shelf = shelf
        self._trust = trust
        self._check = check
        self._begun: set[asyncio.Task[Vector]] = set()

    def begin(self, embedding: Embedding, text: str) -> asyncio.Task[Vector] | None:
        """Work out a question's vector, while something else is asked; None where too many are waited for.

        It may be that nobody waits for its end.
        """
        if len(self._begun) >= _UNDER_WAY:
            return None
        task = asyncio.ensure_future(_awaited(embedding.vector(text)))
        self._begun.add(task)
        task.add_done_callback(self._ended)
        return task

    async def aclose(self) -> None:
        """Nobody needs what is still being worked out."""
        for task in self._begun:
            task.cancel()
        await asyncio.gather(*self._begun, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Vector]) -> None:
        self._begun.discard(task)
        if not task.cancelled():
            task.exception()  # nobody else may look at it

    def embedding(self, tenant: Tenant) -> Embedding | None:
        """The tenant's embedding model; None where it may have none."""
        return self._embeddings.of(semantic_of(tenant), tenant.name)

    async def beside(self, tenant: Tenant, spot: Spot, vector: Vector) -> Sight:
        """The question beside its neighbours. Raises whatever went wrong: that is a miss."""
        near = await self._index.near(spot.tenant, spot.partition, vector, most=NEIGHBOURS)
        controller = await self._trust.read(tenant)
        decision = first(controller.rules, near, _Guard(spot), asker=spot.subjects)
        if not decision.serve or decision.cluster is None:
            return Sight(vector, near, decision, None, decision.reason)
        if not controller.gives(decision.notch):
            return Sight(vector, near, decision, None, Reason.UNPROVEN)
        kept = await self._shelf.by_id(spot.tenant, decision.cluster)
        if kept is None:
            return Sight(vector, near, decision, None, Reason.STALE)
        if self._refuses(tenant, Pair(spot.text, vector, near[0], kept)):
            return Sight(vector, near, decision, None, Reason.DOUBTED)
        return Sight(vector, near, decision, kept, None)

    def _refuses(self, tenant: Tenant, pair: Pair) -> bool:
        name = semantic_of(tenant).evaluator
        if name is None:
            return False
        try:
            return self._check is None or not self._check(name)(pair)
        except Exception as error:  # noqa: BLE001 - other people's code: what it raises is a no
            _log.warning("cache_evaluator_failed", evaluator=name, error=type(error).__name__)
            return True


def semantic_of(tenant: Tenant) -> Semantic:
    """The semantic side of a tenant that has one."""
    semantic = tenant.cache.semantic if tenant.cache is not None else None
    assert semantic is not None  # else nobody asks  # noqa: S101
    return semantic


async def _awaited(vector: Awaitable[Vector]) -> Vector:
    return await vector


class _Guard:
    """What sets the question apart from a member's. The question is read once, when first needed."""

    def __init__(self, spot: Spot) -> None:
        self._spot = spot
        self._features: Features | None = None

    def __call__(self, member: Member) -> Objection | None:
        if self._features is None:
            self._features = features_of(self._spot.text, self._spot.language)
        if member.features is None:
            member.features = features_of(member.text, member.language)
        return objection(self._features, member.features)
