"""What a job's owner may ask, wherever its workers are: how it stands, its items, its events, and changes of mind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from passerelle.domain.jobs import Event, Item, ItemState, Job
from passerelle.jobs.desk import Desk
from passerelle.jobs.events import Events
from passerelle.stores.database import Database


class JobsDesk(Protocol):
    """Jobs of tenants. A job of another tenant is not found (NotFound `job_not_found`)."""

    async def look(self, tenant: str, job: str) -> Job:
        """How a job stands."""

    async def list(
        self, tenant: str, *, kind: str | None = None, before: str | None = None, most: int = 50
    ) -> Sequence[Job]:
        """A tenant's jobs, the newest first; those made before that one."""

    async def items(
        self, tenant: str, job: str, *, state: ItemState | None = None, after: int = 0, most: int = 100
    ) -> Sequence[Item]:
        """A job's items by number, after that one."""

    async def cancel(self, tenant: str, job: str) -> Job:
        """Stop it. Raises Conflict where it has finished otherwise."""

    async def pause(self, tenant: str, job: str) -> Job:
        """Begin nothing more of it. Raises Conflict when it is over."""

    async def resume(self, tenant: str, job: str) -> Job:
        """Go on with a paused one. Raises Conflict when it is over."""

    async def retry(self, tenant: str, job: str, *, keys: Sequence[str] | None = None) -> Job:
        """Try failed items again, all or those. Raises Conflict where that is too late."""

    async def delete(self, tenant: str, job: str | None = None) -> int:
        """Delete a job, or all of a tenant's; how many."""

    def follow(self, tenant: str, job: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Every event after that number, until the job is over."""


class Owners(Desk):
    """A desk that tells events too."""

    def __init__(self, database: Database, events: Events) -> None:
        super().__init__(database)
        self._events = events

    def follow(self, tenant: str, job: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Every event after that number, until the job is over. Raises NotFound, also when it is deleted."""
        return self._events.follow(tenant, job, after=after)
