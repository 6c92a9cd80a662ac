"""What happened to a job, from any number on, as it happens; for one reader or many, in any process.

Events are numbered from 1 without a gap, in the order in which they became visible, so that a reader who names the last
one he has seen misses none and sees none twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import text

from passerelle.domain.errors import NotFound, Unavailable
from passerelle.domain.jobs import Event, Happening
from passerelle.jobs.bell import Bell
from passerelle.jobs.tables import JOB, job_of
from passerelle.stores.database import Database, Outage

_LOOK_SECONDS = 2.0  # where nothing is heard
_MOST = 200

_READ = text("""
SELECT number, at, what, data FROM job_event WHERE job_id = :id AND number > :after ORDER BY number LIMIT :most
""")
_STANDS = text(f"SELECT {JOB} FROM job WHERE id = :id AND tenant = :tenant")  # noqa: S608 - constants


class Events:
    """The events of jobs. The bell is run by whoever made it."""

    def __init__(self, database: Database, bell: Bell, *, look: float = _LOOK_SECONDS) -> None:
        self._database = database
        self._bell = bell
        self._look = look
        self._leaves = False
        self._following: set[asyncio.Event] = set()

    def leave(self) -> None:
        """The process stops: whoever follows a job, which may go on for hours, is told so, and goes on elsewhere."""
        self._leaves = True
        for rung in self._following:
            rung.set()

    async def read(self, tenant: str, job: str, *, after: int = 0, most: int = _MOST) -> Sequence[Event]:
        """The next events after that number. Raises NotFound."""
        events, _ = await self._read(tenant, job, after, most)
        return events

    async def follow(self, tenant: str, job: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Every event after that number, until the job is over.

        Raises NotFound, also when the job is deleted, and Unavailable when the process stops.
        """
        rung = asyncio.Event()

        def hear(about: str | None, _: bool) -> None:  # noqa: FBT001 - as the bell tells it
            if about is None or about == job:
                rung.set()

        with self._bell.heard_by(hear), self._told(rung):
            begun = False
            while True:
                rung.clear()
                try:
                    events, more = await self._read(tenant, job, after, _MOST)
                except Outage:
                    if not begun:
                        raise
                    await asyncio.sleep(self._look)  # what happens meanwhile is told afterwards
                    continue
                begun = True
                for event in events:
                    after = event.number
                    yield event
                if events:
                    continue  # they may have been more than fit, or more have come
                if not more:
                    return
                if self._leaves:
                    raise Unavailable("The service stops.", code="stopping")
                try:
                    async with asyncio.timeout(self._look):
                        await rung.wait()
                except TimeoutError:
                    pass

    @contextmanager
    def _told(self, rung: asyncio.Event) -> Iterator[None]:
        self._following.add(rung)
        try:
            yield
        finally:
            self._following.discard(rung)

    async def _read(self, tenant: str, job: str, after: int, most: int) -> tuple[Sequence[Event], bool]:
        """Events, and whether more may come after them."""
        async with self._database.begin() as connection:
            row = (await connection.execute(_STANDS, {"id": job, "tenant": tenant})).one_or_none()
            if row is None:
                raise NotFound(f"There is no job {job[:64]!r}.", code="job_not_found")
            stands = job_of(row)
            if stands.news <= after:
                return [], not stands.state.over
            rows = await connection.execute(_READ, {"id": job, "after": after, "most": most})
            return [Event(job, each.number, each.at, Happening(each.what), each.data) for each in rows], True
