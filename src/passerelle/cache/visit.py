"""`Visit`: one request's dealings with the cache: it looks once, tells what was answered, and is closed always.

Whatever goes wrong with the cache is a miss, never an error, and never costs more than `DEADLINE`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import structlog

from passerelle.cache.eligible import Eligibility, eligible
from passerelle.cache.entry import Kept, Spot
from passerelle.cache.flights import Flight
from passerelle.cache.keeping import Asked, Given, Keeping, Origin
from passerelle.cache.key import Ground, alike, labels_of, person_of, same, whose
from passerelle.cache.semantics import Embedding, Sight
from passerelle.domain.ask import Ask, Route
from passerelle.domain.cache import Caching, Reason
from passerelle.domain.catalog import Tenant

if TYPE_CHECKING:
    from passerelle.cache.commons import Commons
    from passerelle.cache.entry import Vector
    from passerelle.cache.secrets import Secrets
    from passerelle.cache.shelf import Mark

_log = structlog.get_logger(__name__)

DEADLINE = 0.015  # seconds that a miss may cost
WAIT = 30.0  # seconds: whoever asks for the others may read a stream as slowly as he likes
_ROUTES = frozenset({Route.CHAT, Route.COMPLETIONS})

Permits = Callable[[Kept], bool]


@dataclass(frozen=True, slots=True)
class Found:
    """An answer to give, and whether its own question only meant the same."""

    kept: Kept
    at: float  # Unix seconds
    semantic: bool = False


class Visit:
    """What one request wants of the cache, and what it leaves there."""

    __slots__ = (
        "_ask", "_caching", "_commons", "_embedding", "_flight", "_ground", "_key_id", "_model", "_permits", "_sight",
        "_since", "_spot", "_tenant", "_vector", "_verdict", "exact", "keeps", "looked", "reason",
    )  # fmt: skip

    def __init__(self, commons: Commons, tenant: Tenant, ask: Ask, *, model: str, key_id: str) -> None:
        assert tenant.cache is not None  # else nobody visits  # noqa: S101
        self._commons = commons
        self._tenant = tenant
        self._caching: Caching = tenant.cache
        self._ask = ask
        self._model = model
        self._key_id = key_id
        self._ground: Ground | None = None
        self._flight: Flight | None = None
        self._verdict: Eligibility | None = None
        self._embedding: Embedding | None = None
        self._vector: asyncio.Task[Vector] | None = None
        self._sight: Sight | None = None
        self._spot: Spot | None = None
        self._since: Mark | None = None
        self._permits: Permits | None = None
        self.exact = ""  # the key of the very same question
        self.looked = False  # was it looked for, and not found?
        self.keeps = False  # may its answer be kept?
        self.reason: Reason | None = None

    async def look(self, ground: Ground, permits: Permits, *, patience: float | None = None) -> Found | None:
        """An answer that may be given now; None to ask a model. Never raises for what goes wrong here.

        Where the same question is being asked already, its answer is waited for, for `patience` seconds at most.
        """
        try:
            return await self._looked(ground, permits, patience)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here, a model answers
            self.reason = Reason.AWAY
            self.keeps = False
            self._failed(error)
        except BaseException:
            self.close()
            raise
        self.close(alone=True)
        return None

    async def _looked(self, ground: Ground, permits: Permits, patience: float | None) -> Found | None:
        if not self.place(ground, permits):
            return None
        told, tenant, wishes = self._commons.told, self._tenant.name, self._ask.wishes
        kept = self._commons.shelf.here(self.exact) if wishes.look and self._caching.exact else None
        if kept is not None and self.fits(kept):
            told.looked(tenant, "exact")
            return Found(kept, self._commons.clock())
        verdict = self.judge()
        if not verdict.exact and not verdict.semantic:
            told.bypassed(tenant, self.reason.value if self.reason else None)
            return None
        self.keeps = wishes.keep and not wishes.only_kept
        if not wishes.look:
            self.reason = Reason.UNASKED
            return None
        self.looked = True
        found = await self._wait_or_look(patience)
        told.looked(tenant, "miss" if found is None else "semantic" if found.semantic else "exact")
        return found

    def place(self, ground: Ground, permits: Permits) -> bool:
        """Work out where the question stands; False where nothing is kept for it, and `reason` says why."""
        caching, ask = self._caching, self._ask
        self._permits, self._ground = permits, ground
        if ask.route not in _ROUTES:
            self.reason = Reason.ROUTE
        elif not caching.exact and caching.semantic is None:
            self.reason = Reason.OFF
        elif not ask.wishes.look and not ask.wishes.keep:
            self.reason = Reason.UNASKED
        else:
            self._since = self._commons.shelf.mark()
            key = self._exact_key()
            if key is not None:
                self.exact = key
                return True
            self.reason = Reason.SHAPE
        return False

    def judge(self) -> Eligibility:
        """What the question's own words say about giving answers again."""
        self._verdict = eligible(self._ask, self._caching)
        self.reason = self._verdict.reason
        return self._verdict

    def answered(self, origin: Origin, blocks: Sequence[bytes], *, used: Sequence[Any] = ()) -> None:
        """What was answered, all of it: a body, or a stream's blocks and the usage that its engine said."""
        if not self.keeps or self._verdict is None:
            return
        flight, self._flight = self._flight, None
        try:
            given = Given(origin, tuple(blocks), self._ask.stream, tuple(used))
            keeping = Keeping(self._asked(), given, self._sight, self._vector)
            self._commons.keeper.keep(keeping, flight)
        except Exception as error:  # noqa: BLE001 - the caller has his answer, whatever becomes of it here
            self._failed(error)
            if flight is not None:
                flight.fail(alone=True)

    def close(self, *, alone: bool = False) -> None:
        """It is over. One of those who wait for its answer asks for the others; `alone`: each asks for itself.

        What was refused, failed, or may not be kept would else let them wait one after the other. Idempotent.
        """
        flight, self._flight = self._flight, None
        if flight is not None:
            flight.fail(alone=alone)

    async def _wait_or_look(self, patience: float | None) -> Found | None:
        if self.keeps and self._caching.exact:
            found = await self._aboard(WAIT if patience is None else min(patience, WAIT))
            if found is not None or self._flight is None:
                return found
        found = await self._look()
        flight, self._flight = (None, self._flight) if found is None else (self._flight, None)
        if found is not None and flight is not None:
            flight.land(found.kept, self._sight if found.semantic else None)
        return found

    async def _aboard(self, seconds: float) -> Found | None:
        """What somebody else is answered who asks the same; else it is ours to ask, with `_flight` for others."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while True:
            flight, leads = self._commons.flights.board(self.exact)
            if leads:
                self._flight = flight
                return None
            kept = await flight.wait(max(0.0, until - loop.time()))
            if kept is not None and self.fits(kept):
                if flight.sight is not None:
                    self._commons.keeper.served(self._asked(), flight.sight)
                return Found(kept, self._commons.clock(), semantic=flight.sight is not None)
            if flight.alone or loop.time() >= until:
                self.keeps = False  # it would not be kept from us either
                self.reason = self.reason or Reason.NEW
                return None

    async def _look(self) -> Found | None:
        """In the shared store, and among questions that mean the same."""
        assert self._verdict is not None  # noqa: S101 - set by `judge`
        semantic = bool(self._verdict.semantic and self.spot().partition)
        began = perf_counter()
        try:
            async with asyncio.timeout(DEADLINE):
                if semantic and self._embedding is not None:
                    self._vector = self._commons.semantics.begin(self._embedding, self._verdict.text)
                if self._caching.exact:
                    kept = await self._commons.shelf.find(self._tenant.name, self.exact)
                    if kept is not None and self.fits(kept):
                        return Found(kept, self._commons.clock())
                if self._vector is None:
                    self.reason = Reason.AWAY if semantic else self.reason or Reason.NEW
                    return None
                # A vector that comes too late to be looked up is still learned from.
                vector = await asyncio.shield(self._vector)
                sight = self._sight = await self._commons.semantics.beside(self._tenant, self.spot(), vector)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here, a model answers
            self.reason = Reason.AWAY
            self._failed(error)
            return None
        finally:
            self._commons.told.took(perf_counter() - began)
        return self._given(sight)

    def _given(self, sight: Sight) -> Found | None:
        """What was seen, where it may be given; else why not."""
        self.reason = sight.reason
        if sight.kept is None:
            return None
        if not self.fits(sight.kept):
            return None
        self._commons.keeper.served(self._asked(), sight)
        self.reason = None
        return Found(sight.kept, self._commons.clock(), semantic=True)

    def _failed(self, error: Exception) -> None:
        self._commons.told.failed(type(error).__name__)
        _log.debug("cache_failed", error=type(error).__name__)

    def fits(self, kept: Kept) -> bool:
        """May it be given to this caller, now?"""
        now = self._commons.clock()
        limit = self._ask.wishes.max_age
        if kept.expires <= now or (limit is not None and now - kept.created > limit):
            self.reason = Reason.STALE
            return False
        if self._permits is None or not self._permits(kept):
            self.reason = Reason.POLICY
            return False
        return True

    def _exact_key(self) -> str | None:
        assert self._ground is not None  # noqa: S101 - set by `place`
        shared = whose(self._ask, self._caching, self._key_id)
        said = same(self._ground, self._ask, whose=shared, generation=self._generation())
        return self._commons.secrets.hmac(self._tenant.name, "exact", said) if said is not None else None

    def _generation(self) -> str:
        return self._commons.shelf.generation(self._tenant.name, labels_of(self._ask, self._model))

    def _asked(self) -> Asked:
        assert self._since is not None  # noqa: S101 - set by `place`
        return Asked(self._tenant, self._ask, self.spot(), self._key_id, self._since)

    def spot(self) -> Spot:
        """Where the question stands; worked out once."""
        if self._spot is None:
            assert self._verdict is not None  # noqa: S101 - set by `place`
            verdict, name = self._verdict, self._tenant.name
            user = person_of(self._ask)
            # Whose question it is: nobody has more than one voice where others ask, and no key has more than one
            # where other keys do, whatever users it names.
            key = self._commons.secrets.hmac(name, "author", self._key_id.encode())
            authors = (subject_of(self._commons.secrets, name, user), key) if user else (key,)
            self._spot = Spot(
                name,
                self._partition(verdict),
                self.exact,
                verdict.text,
                verdict.language,
                self._model,
                authors,
            )
        return self._spot

    def _partition(self, verdict: Eligibility) -> str:
        """Of questions that may be answered alike; "" for one that may not."""
        assert self._ground is not None  # noqa: S101 - set by `place`
        if not verdict.semantic or self._caching.semantic is None:
            return ""
        # The same one for the partition and for the vector: a reload between them would mix two models.
        self._embedding = self._commons.semantics.embedding(self._tenant)
        if self._embedding is None:
            return ""
        said = alike(
            self._ground,
            self._ask,
            whose=whose(self._ask, self._caching, self._key_id),
            generation=self._generation(),
            embedder=self._embedding.version,
            language=verdict.language,
        )
        return self._commons.secrets.hmac(self._tenant.name, "alike", said) if said is not None else ""


def subject_of(secrets: Secrets, tenant: str, user: str) -> str:
    """The pseudonym under which what belongs to a user is found."""
    return secrets.hmac(tenant, "subject", user.encode())
