"""What people may ask of the cache, answered on the configuration in force."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from passerelle.cache.desk import Entry, Explained, Promise, Purge, Stats
from passerelle.cache.entry import Kept
from passerelle.cache.explaining import explain
from passerelle.cache.key import Ground
from passerelle.cache.visit import subject_of
from passerelle.domain.ask import Ask
from passerelle.domain.cache import Reason
from passerelle.domain.errors import Forbidden
from passerelle.gateway.edition import Editions
from passerelle.gateway.recall import origin
from passerelle.redaction.redactor import Redactors
from passerelle.routing.plan import find_model, refuse_empty
from passerelle.subjects.people import People
from passerelle.telemetry.cache_metrics import CacheMetrics

if TYPE_CHECKING:
    from passerelle.cache.opening import Opened


class Caretaker:
    """A `Desk`, over a cache that may not be open yet."""

    def __init__(
        self,
        opened: Callable[[], Opened | None],
        to_erase: Callable[[], Awaitable[Opened | None]],
        editions: Editions,
        told: CacheMetrics,
        *,
        people: People,
        since: float,
    ) -> None:
        """`to_erase` opens it where something may be kept that this process knows nothing of."""
        self._opened = opened
        self._to_erase = to_erase
        self._editions = editions
        self._told = told
        self._people = people
        self._since = since
        self._redactors = Redactors()

    async def stats(self, tenant: str) -> Stats:
        """As `Desk`."""
        known = self._editions.catalog.tenants.get(tenant)
        caching = known.cache if known is not None else None
        opened = self._opened()
        answers, size = opened.commons.shelf.held if opened is not None else (0, 0)
        promise = None
        if known is not None and caching is not None and caching.semantic is not None and opened is not None:
            standing = opened.trust.of(known).standing()
            promise = Promise(
                promised=standing.promised,
                bound=standing.bound,
                rule=standing.rule.name,
                notch=standing.notch,
                served=standing.served,
                checked=standing.checked,
                wrong=standing.wrong,
                next_bound=standing.next_bound,
            )
        return Stats(
            tenant,
            since=self._since,
            exact=caching is not None and caching.exact,
            semantic=caching is not None and caching.semantic is not None,
            looks=self._told.counts(tenant, "looks"),
            bypassed=self._told.counts(tenant, "bypassed"),
            answers=answers,
            bytes=size,
            promise=promise,
        )

    async def purge(self, tenant: str, what: Purge) -> int | None:
        """As `Desk`."""
        opened = await self._to_erase()
        if opened is None:
            return 0
        shelf = opened.commons.shelf
        if what.everything:
            # The generation too: what is under way now is kept under a number that nobody asks for any more.
            return await shelf.purge(tenant, everything=True, label="tenant")
        if what.tag is not None:
            return await shelf.purge(tenant, tag=what.tag)
        for name, value in (("model", what.model), ("collection", what.collection), ("prompt", what.prompt)):
            if value is not None:
                await shelf.bump(tenant, f"{name}:{value}")
        return None

    async def entry(self, tenant: str, answer: str) -> Entry | None:
        """As `Desk`."""
        kept = await self._kept(tenant, answer)
        if kept is None:
            return None
        return Entry(
            kept.id,
            model=kept.name,
            route=kept.route,
            created=kept.created,
            expires=kept.expires,
            backend=kept.backend,
            target=kept.target,
            provider=kept.provider,
            country=kept.country,
            tags=kept.tags,
        )

    async def drop(self, tenant: str, answer: str) -> bool:
        """As `Desk`."""
        opened = await self._to_erase()
        if opened is None or await self._kept(tenant, answer) is None:
            return False
        await opened.commons.shelf.purge(tenant, answer=answer)
        return True

    async def feedback(self, tenant: str, answer: str, *, wrong: bool) -> bool:
        """As `Desk`. A wrong answer goes, with every question that shares it: what they have in common is in doubt."""
        if wrong:
            return await self.drop(tenant, answer)
        return await self._kept(tenant, answer) is not None

    async def explain(self, tenant: str, ask: Ask, *, key_id: str) -> Explained:
        """As `Desk`."""
        edition = self._editions.current
        known = edition.catalog.tenants.get(tenant)
        if known is None:
            raise Forbidden(f"The tenant {tenant!r} is not configured any more.", code="tenant_removed")
        ask, _ = self._people.named(known, ask)
        ask, _ = await self._redactors.redact(known.privacy.redaction, ask)
        model = find_model(edition.catalog, known, ask.model, ask.route.task)
        opened = self._opened()
        visit = (
            opened.cache.visit(known, ask, model=model.name, key_id=key_id) if opened is not None else None
        )
        if opened is None or visit is None:
            return Explained("bypass", Reason.OFF)
        plan = edition.plan(known, model, ask.needs)
        refuse_empty(plan, known)
        return await explain(
            opened.commons,
            opened.trust,
            visit,
            ground=Ground.of(known, model.name, plan.targets),
            permits=lambda kept: origin(kept, plan, known, edition) is not None,
            tenant=known,
            ask=ask,
        )

    async def forget(self, tenant: str, user: str) -> int:
        """As `Desk`."""
        opened = await self._to_erase()
        if opened is None:
            return 0
        secrets, shelf = opened.commons.secrets, opened.commons.shelf
        # As it stands, it may be a pseudonym, or a name from before names were replaced.
        found = [subject_of(secrets, tenant, each) for each in (self._people.of(tenant, user), user)]
        return sum([await shelf.purge(tenant, subject=subject) for subject in found])

    async def about(self, tenant: str, user: str | None) -> tuple[int, int]:
        """How many answers and how many questions there are of a `user`; None: of the tenant. Raises Unavailable."""
        opened = await self._to_erase()
        if opened is None:
            return 0, 0
        subject = None if user is None else subject_of(opened.commons.secrets, tenant, user)
        return await opened.commons.shelf.about(tenant, subject)

    async def _kept(self, tenant: str, answer: str) -> Kept | None:
        opened = await self._to_erase()
        return await opened.commons.shelf.by_id(tenant, answer) if opened is not None else None
