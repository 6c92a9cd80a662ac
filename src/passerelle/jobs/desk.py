"""What people do with jobs: make them, look, list, cancel, pause, resume, try failed items again, delete.

A job is made in its maker's transaction, with its items and the turns that take them: all of it is there, or nothing.
Everything else is a short transaction of its own, because it holds the job's lock, which workers need.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.errors import BadRequest, Conflict, NotFound
from passerelle.domain.jobs import Happening, Item, ItemState, Job, JobState, NewItem, Values, Wish
from passerelle.jobs.tables import CHANNEL, ITEM, JOB, Book, as_json, enqueue, items_of, job_of, locked
from passerelle.stores.database import Database

MOST_LISTED = 500

_BY_KEY = text(
    "SELECT id FROM job WHERE tenant = :tenant AND kind = :kind AND key = :key AND finished_at IS NULL"
)
_MAKE = text("""
INSERT INTO job (id, tenant, kind, key, params) VALUES (:id, :tenant, :kind, :key, CAST(:params AS jsonb))
ON CONFLICT (tenant, kind, key) WHERE key IS NOT NULL AND finished_at IS NULL DO NOTHING RETURNING id
""")
_FILL = text("""
INSERT INTO job_item (job_id, number, key, cost, payload)
SELECT :id, :first + row_number() OVER (ORDER BY place), key, cost, CAST(payload AS jsonb)
FROM unnest(CAST(:keys AS text[]), CAST(:costs AS int[]), CAST(:payloads AS text[]))
    WITH ORDINALITY AS new(key, cost, payload, place)
WHERE NOT EXISTS (SELECT FROM job_item AS old WHERE old.job_id = :id AND old.key = new.key)
""")
_LOOK = text(f"SELECT {JOB} FROM job WHERE id = :id AND tenant = :tenant")  # noqa: S608 - constants
_LIST = text(f"""
SELECT {JOB} FROM job WHERE tenant = :tenant AND (CAST(:kind AS text) IS NULL OR kind = :kind)
    AND (CAST(:before AS text) IS NULL
        OR (created_at, id) < (SELECT created_at, id FROM job WHERE id = :before AND tenant = :tenant))
ORDER BY created_at DESC, id DESC LIMIT :most
""")  # noqa: S608 - constants
_ITEMS = text(f"""
SELECT {ITEM} FROM job_item WHERE job_id = :id AND number > :after
    AND (CAST(:state AS text) IS NULL OR state = :state)
ORDER BY number LIMIT :most
""")  # noqa: S608 - constants
_STOP_QUEUED = text("""
UPDATE job_item SET state = 'cancelled', finished_at = clock_timestamp() WHERE job_id = :id AND state = 'queued'
""")
_RETRY = text("""
UPDATE job_item SET state = 'queued', attempts = 0, losses = 0, delays = 0, ready_at = clock_timestamp(),
    finished_at = NULL, code = NULL, message = NULL
WHERE job_id = :id AND state = 'failed' AND (CAST(:keys AS text[]) IS NULL OR key = ANY(CAST(:keys AS text[])))
""")
_DELETE = text("""
WITH gone AS (DELETE FROM job WHERE tenant = :tenant AND (CAST(:id AS text) IS NULL OR id = :id) RETURNING id)
SELECT id, pg_notify(:channel, id || ' cancel') FROM gone
""")
_DELETE_TURN = text("DELETE FROM job_turn WHERE tenant = :tenant")
_FORGET = text("""
DELETE FROM job WHERE id IN (
    SELECT id FROM job WHERE finished_at < clock_timestamp() - make_interval(secs => :seconds)
    ORDER BY finished_at LIMIT :most FOR UPDATE SKIP LOCKED)
""")


class Desk:
    """Jobs, for whoever owns them. A job of another tenant is not found."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        connection: AsyncConnection,
        *,
        tenant: str,
        kind: str,
        items: Sequence[NewItem],
        params: Values | None = None,
        key: str | None = None,
    ) -> str:
        """A new job's id, made in the caller's transaction and begun once that is committed.

        `key`: while the tenant has an unfinished job of that kind and key, that one's id is given, and nothing is made.
        Of items with the same key the first counts. Raises TypeError for what JSON cannot say.
        """
        made = f"job_{secrets.token_hex(12)}"
        named = {"tenant": tenant, "kind": kind, "key": key}
        values = {**named, "id": made, "params": as_json(params or {})}
        while (await connection.execute(_MAKE, values)).scalar() is None:
            # It may have finished between the two statements; then this one can be made.
            if (there := (await connection.execute(_BY_KEY, named)).scalar()) is not None:
                return str(there)
        async with locked(connection, made) as book:
            if book is not None:  # it was made in this transaction
                book.tell(Happening.CREATED, items=await _fill(connection, book, items))
        return made

    async def add(self, connection: AsyncConnection, job: str, items: Sequence[NewItem]) -> int:
        """More items for a job that is not over, in the caller's transaction; how many were new.

        Holds the job's lock until that ends. Raises Conflict, and NotFound.
        """
        async with locked(connection, job) as book:
            if book is None:
                raise _unknown(job)
            if book.job.state.over or book.job.wish is Wish.CANCEL:
                raise Conflict("The job is over; make another one.", code="job_over")
            count = await _fill(connection, book, items)
            if count:
                book.tell(Happening.ADDED, items=count)
        return count

    async def look(self, tenant: str, job: str) -> Job:
        """How a job stands. Raises NotFound."""
        async with self._database.begin() as connection:
            row = (await connection.execute(_LOOK, {"id": job, "tenant": tenant})).one_or_none()
        if row is None:
            raise _unknown(job)
        return job_of(row)

    async def list(
        self, tenant: str, *, kind: str | None = None, before: str | None = None, most: int = 50
    ) -> Sequence[Job]:
        """A tenant's jobs, newest first; `before`: those made before that one. Raises BadRequest where that is gone."""
        values = {"tenant": tenant, "kind": kind, "before": before, "most": min(most, MOST_LISTED)}
        async with self._database.begin() as connection:
            if (
                before is not None
                and (await connection.execute(_LOOK, {**values, "id": before})).first() is None
            ):
                message = f"There is no job {before[:64]!r} to go on from. Begin again without `before`."
                raise BadRequest(message, code="job_gone", param="before")
            return [job_of(row) for row in await connection.execute(_LIST, values)]

    async def items(
        self, tenant: str, job: str, *, state: ItemState | None = None, after: int = 0, most: int = 100
    ) -> Sequence[Item]:
        """A job's items by number, after that one; errors and results with them. Raises NotFound."""
        await self.look(tenant, job)
        values = {"id": job, "after": after, "state": state, "most": min(most, MOST_LISTED)}
        async with self._database.begin() as connection:
            return items_of((await connection.execute(_ITEMS, values)).all())

    async def cancel(self, tenant: str, job: str) -> Job:
        """Stop it: what waits is cancelled now, what runs as soon as its worker hears of it. Idempotent.

        Raises Conflict where it has finished otherwise, and NotFound.
        """

        async def change(connection: AsyncConnection, book: Book) -> None:
            if book.job.wish is Wish.CANCEL:
                return
            if book.job.state.over:
                raise Conflict(f"The job is {book.job.state.value}.", code="job_over")
            book.want(Wish.CANCEL)
            stopped = (await connection.execute(_STOP_QUEUED, {"id": job})).rowcount
            book.move(ItemState.QUEUED, ItemState.CANCELLED, stopped)
            book.tell(Happening.CANCELLING, waited=stopped, running=book.job.progress.running)

        return await self._change(tenant, job, change)

    async def pause(self, tenant: str, job: str) -> Job:
        """Begin nothing more of it; what runs is finished. Idempotent. Raises Conflict when it is over, and NotFound."""

        async def change(connection: AsyncConnection, book: Book) -> None:
            _must_go_on(book.job)
            if book.job.wish is Wish.RUN:
                book.want(Wish.PAUSE)
                book.tell(Happening.PAUSED)

        return await self._change(tenant, job, change)

    async def resume(self, tenant: str, job: str) -> Job:
        """Go on with a paused one. Idempotent. Raises Conflict when it is over, and NotFound."""

        async def change(connection: AsyncConnection, book: Book) -> None:
            _must_go_on(book.job)
            if book.job.wish is Wish.PAUSE:
                book.want(Wish.RUN)
                book.tell(Happening.RESUMED)
                await enqueue(connection, book.job.progress.queued)

        return await self._change(tenant, job, change)

    async def retry(self, tenant: str, job: str, *, keys: Sequence[str] | None = None) -> Job:
        """Try its failed items again, all or those; a job that had finished goes on. Raises NotFound.

        Raises Conflict for a cancelled job, and where another job of the same key has taken its place.
        """

        async def change(connection: AsyncConnection, book: Book) -> None:
            if book.job.wish is Wish.CANCEL:
                raise Conflict("The job is cancelled.", code="job_over")
            await self._may_reopen(connection, book.job)
            names = {"id": job, "keys": None if keys is None else list(keys)}
            count = (await connection.execute(_RETRY, names)).rowcount
            if count:
                book.move(ItemState.FAILED, ItemState.QUEUED, count)
                book.tell(Happening.RETRIED, items=count)
                await enqueue(connection, count)

        return await self._change(tenant, job, change)

    async def delete(self, tenant: str, job: str | None = None) -> int:
        """Delete a job, or all of a tenant's, with items, results and events; how many. What runs is stopped."""
        values = {"tenant": tenant, "id": job, "channel": CHANNEL}
        async with self._database.begin() as connection:
            gone = len((await connection.execute(_DELETE, values)).all())
            if job is None:
                await connection.execute(_DELETE_TURN, {"tenant": tenant})
        return gone

    async def forget(self, *, seconds: float, most: int = 100) -> int:
        """Delete jobs that finished so long ago, some at a time; how many."""
        async with self._database.begin() as connection:
            return (await connection.execute(_FORGET, {"seconds": seconds, "most": most})).rowcount

    async def _may_reopen(self, connection: AsyncConnection, job: Job) -> None:
        if job.key is not None and job.state.over:
            named = {"tenant": job.tenant, "kind": job.kind, "key": job.key}
            if (await connection.execute(_BY_KEY, named)).scalar() is not None:
                raise Conflict("Another job of the same key has been started since.", code="job_replaced")

    async def _change(
        self, tenant: str, job: str, change: Callable[[AsyncConnection, Book], Awaitable[Any]]
    ) -> Job:
        async with self._database.begin() as connection, locked(connection, job) as book:
            if book is None or book.job.tenant != tenant:
                raise _unknown(job)
            await change(connection, book)
        return book.job


async def _fill(connection: AsyncConnection, book: Book, items: Sequence[NewItem]) -> int:
    """Write the items that are new, and the turns that take them; how many."""
    once: dict[str, NewItem] = {}
    for item in items:
        once.setdefault(item.key, item)
    values = {
        "id": book.job.id,
        "first": book.job.progress.total,
        "keys": list(once),
        "costs": [max(1, item.cost) for item in once.values()],
        "payloads": [as_json(item.payload) for item in once.values()],
    }
    count = (await connection.execute(_FILL, values)).rowcount
    book.move(None, ItemState.QUEUED, count)
    if count:
        await enqueue(connection, count)
    return count


def _must_go_on(job: Job) -> None:
    if job.state.over or job.state is JobState.CANCELLING:
        raise Conflict(f"The job is {job.state.value}.", code="job_over")


def _unknown(job: str) -> NotFound:
    return NotFound(f"There is no job {job[:64]!r}.", code="job_not_found")
