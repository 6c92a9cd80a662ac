"""The side of a process that knows of people: their pseudonyms, whose data may not be used, what is kept of prompts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

from passerelle.domain.catalog import Catalog
from passerelle.domain.privacy import Holding, PromptLog
from passerelle.jobs.periodic import Periodic
from passerelle.stores.database import Database
from passerelle.subjects.holdings import PromptsHolding, RestrictionsHolding, SightingsHolding
from passerelle.subjects.people import People
from passerelle.subjects.prompts import Prompts
from passerelle.subjects.prompts_store import PromptStore
from passerelle.subjects.pseudonyms import Pseudonyms
from passerelle.subjects.restrictions import Restrictions
from passerelle.subjects.seams import Seal
from passerelle.subjects.sightings import Sightings
from passerelle.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Subjecting:
    """The open parts. `prompts`: None where nothing can be sealed, so that nothing is kept."""

    pseudonyms: Pseudonyms
    restrictions: Restrictions
    people: People
    sightings: Sightings
    prompts: Prompts | None

    def holdings(self) -> Sequence[Holding]:
        """What is kept of people here."""
        found: list[Holding] = [SightingsHolding(self.sightings), RestrictionsHolding(self.restrictions)]
        if self.prompts is not None:
            found.append(PromptsHolding(self.prompts.store))
        return found

    def periodic(self) -> Sequence[Periodic]:
        """What is done at times."""
        found = [Periodic("sightings-forget", "37 3 * * *", self._forget_sightings)]
        if self.prompts is not None:
            found.append(Periodic("prompts-forget", "23 * * * *", self._forget))
        return found

    async def run(self, seconds: float) -> None:
        """Learn every so many seconds what others have restricted, and write prompts as they come; for ever."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self.restrictions.run(seconds))
            if self.prompts is not None:
                both.create_task(self.prompts.run())

    async def _forget_sightings(self, at: datetime) -> None:
        await self.sightings.purge(at)

    async def _forget(self, at: datetime) -> None:
        if self.prompts is not None:
            await self.prompts.forget(at)


async def open_subjecting(
    stack: AsyncExitStack,
    database: Database,
    pepper: bytes,
    *,
    seal: Seal | None,
    catalog: Callable[[], Catalog],
    metrics: Metrics,
) -> Subjecting:
    """Open the parts. Raises what the database raises."""
    pseudonyms, restrictions = Pseudonyms(pepper), Restrictions(database)
    await restrictions.refresh()

    def rules() -> Mapping[str, PromptLog | None]:
        return {name: tenant.privacy.prompt_log for name, tenant in catalog().tenants.items()}

    prompts = None
    if seal is not None:
        prompts = Prompts(PromptStore(database, seal), rules=rules, told=metrics.subjects.logged)
        stack.push_async_callback(prompts.aclose)
    people = People(pseudonyms, restrictions, told=metrics.subjects.refused)
    return Subjecting(pseudonyms, restrictions, people, Sightings(database), prompts)
