"""What this room keeps of people, as every receipt lists it: who has seen what they sent, prompts, restrictions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, time

from passerelle.domain.privacy import Held, Subject, Values
from passerelle.subjects.prompts_store import PromptStore
from passerelle.subjects.restrictions import Restrictions
from passerelle.subjects.sightings import Sightings


class SightingsHolding:
    """Who upstream has seen what a person sent. A receipt names them before they are erased here."""

    name = "sightings"

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings

    async def find(self, subject: Subject) -> Held:
        """Days on which an engine has seen something."""
        count = await self._sightings.count(subject.tenant, subject.pseudonym)
        return Held({"sightings": count})

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """Each of them."""
        for each in await self._sightings.seen(subject.tenant, subject.pseudonym):
            yield {
                "day": each.day.isoformat(),
                "backend": each.backend,
                "provider": each.provider,
                "country": each.country,
                "calls": each.calls,
            }

    async def erase(self, subject: Subject) -> Held:
        """Forget who has seen it. What they keep is theirs to erase."""
        gone = await self._sightings.forget(subject.tenant, subject.pseudonym)
        return Held({"sightings": gone}, "Providers are asked themselves; the receipt names them.")

    async def held(self, tenant: str) -> Held:
        """How much there is of a tenant."""
        return Held({"sightings": await self._sightings.held(tenant)})

    async def wipe(self, tenant: str) -> Held:
        """Everything of a tenant."""
        return Held({"sightings": await self._sightings.wipe(tenant)})

    async def oldest(self, tenant: str) -> datetime | None:
        """The first day."""
        day = await self._sightings.oldest(tenant)
        return None if day is None else datetime.combine(day, time(), UTC)


class PromptsHolding:
    """Prompts and answers, of tenants that keep them."""

    name = "prompts"

    def __init__(self, store: PromptStore) -> None:
        self._store = store

    async def find(self, subject: Subject) -> Held:
        """Calls that are kept."""
        return Held({"prompts": await self._store.count(subject.tenant, subject.pseudonym)})

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """What was asked and answered, the newest first."""
        async for each in self._store.all_of(subject.tenant, subject.pseudonym):
            yield {
                "id": each.id,
                "request_id": each.request_id,
                "model": each.model,
                "at": each.at.isoformat(),
                "ends_at": each.ends_at.isoformat(),
                "content": each.content,
            }

    async def erase(self, subject: Subject) -> Held:
        """Delete them."""
        return Held({"prompts": await self._store.erase(subject.tenant, subject.pseudonym)})

    async def held(self, tenant: str) -> Held:
        """How much there is of a tenant."""
        return Held({"prompts": await self._store.held(tenant)})

    async def wipe(self, tenant: str) -> Held:
        """Everything of a tenant."""
        return Held({"prompts": await self._store.wipe(tenant)})

    async def oldest(self, tenant: str) -> datetime | None:
        """When the first of them was asked."""
        return await self._store.oldest(tenant)


class RestrictionsHolding:
    """That a person's data may not be used."""

    name = "restrictions"

    def __init__(self, restrictions: Restrictions) -> None:
        self._restrictions = restrictions

    async def find(self, subject: Subject) -> Held:
        """One, or none."""
        found = await self._restrictions.find(subject.tenant, subject.pseudonym)
        return Held({"restrictions": int(found is not None)})

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """Since when."""
        found = await self._restrictions.find(subject.tenant, subject.pseudonym)
        if found is not None:
            yield {"since": found.since.isoformat()}

    async def erase(self, subject: Subject) -> Held:
        """There is nothing left that it would restrict."""
        return Held({"restrictions": int(await self._restrictions.lift(subject.tenant, subject.pseudonym))})

    async def held(self, tenant: str) -> Held:
        """How much there is of a tenant."""
        return Held({"restrictions": len(await self._restrictions.listed(tenant))})

    async def wipe(self, tenant: str) -> Held:
        """Everything of a tenant."""
        return Held({"restrictions": await self._restrictions.wipe(tenant)})

    async def oldest(self, tenant: str) -> datetime | None:
        """A restriction has no end but that it is lifted."""
        return None
