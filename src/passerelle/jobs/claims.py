"""An item's way through the database: claimed by one run, kept alive by its worker, settled once.

A claim is a lease under a name of its own. Whoever settles an item names the claim, so that a run which was given up
for lost can no longer write; and a result is in our tables before the turn that brought it is acknowledged.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Row, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.jobs import Happening, Item, ItemState, Job, Trouble, Values, Wish
from passerelle.jobs.fair import Choice, Waiting, choose
from passerelle.jobs.kinds import Verdict, Write
from passerelle.jobs.tables import CLOCK, ITEM, QUEUE, Book, as_json, enqueue, item_of, locked
from passerelle.stores.database import Database

MOST_LOSSES = 3  # workers that may be lost under an item; then it is taken for the reason
_GATE = 0x6A6F6273  # advisory: one decision at a time about whose item is next
_AT_ONCE = 100

_log = structlog.get_logger(__name__)

# A claim that a loss of power undoes is made again: nobody need wait at the gate for the disk.
_ENTER = text("SELECT pg_advisory_xact_lock(:gate), set_config('synchronous_commit', 'off', true)")
# For each tenant who waits, one index entry; then of its jobs the one served longest ago that has an item ready.
_WAITING = text("""
WITH RECURSIVE each(tenant) AS (
    (SELECT tenant FROM job WHERE wish = 'run' AND queued > 0 ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT (SELECT tenant FROM job WHERE wish = 'run' AND queued > 0 AND tenant > each.tenant ORDER BY tenant LIMIT 1)
    FROM each WHERE each.tenant IS NOT NULL
)
SELECT each.tenant, head.job_id, head.number, head.cost, turn.place, turn.credit, turn.visited
FROM each CROSS JOIN LATERAL (
    SELECT first.* FROM job CROSS JOIN LATERAL (
        SELECT job_id, number, cost FROM job_item
        WHERE job_id = job.id AND state = 'queued' AND ready_at <= statement_timestamp()
        ORDER BY ready_at, number LIMIT 1
    ) AS first
    WHERE job.tenant = each.tenant AND job.wish = 'run' AND job.queued > 0 AND job.kind = ANY(CAST(:kinds AS text[]))
    ORDER BY job.served_at LIMIT 1
) AS head LEFT JOIN job_turn AS turn ON turn.tenant = each.tenant
WHERE each.tenant IS NOT NULL
""")
_CLAIM = text(f"""
UPDATE job_item SET state = 'running', claim = :claim, attempts = attempts + 1, started_at = clock_timestamp(),
    leased_until = clock_timestamp() + make_interval(secs => :lease)
WHERE job_id = :id AND number = :number AND state = 'queued'
RETURNING {ITEM}, delays
""")  # noqa: S608 - constants
_STAND = text("""
WITH left_ AS (DELETE FROM job_turn WHERE tenant <> ALL(CAST(:waiting AS text[])))
INSERT INTO job_turn (tenant, place, credit, visited)
SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:places AS bigint[]), CAST(:credits AS bigint[]),
    CAST(:visiteds AS boolean[]))
ON CONFLICT (tenant) DO UPDATE SET place = excluded.place, credit = excluded.credit, visited = excluded.visited
""")
_SETTLE = text("""
UPDATE job_item SET state = :state, result = CAST(:result AS jsonb), code = :code, message = :message,
    attempts = attempts - :back, losses = CASE WHEN :lost THEN losses + 1 ELSE losses END,
    delays = CASE WHEN :delayed THEN delays + 1 ELSE delays END,
    ready_at = clock_timestamp() + make_interval(secs => :seconds), claim = NULL, leased_until = NULL,
    finished_at = CASE WHEN :state <> 'queued' THEN clock_timestamp() END
WHERE job_id = :id AND number = :number AND claim = :claim AND (NOT :lost OR leased_until < clock_timestamp())
""")
_HOLDS = text("SELECT FROM job_item WHERE job_id = :id AND number = :number AND claim = :claim")
_RENEW = text("""
WITH mine AS (
    UPDATE job_item SET leased_until = clock_timestamp() + make_interval(secs => :lease)
    WHERE (job_id, number) IN (SELECT * FROM unnest(CAST(:jobs AS text[]), CAST(:numbers AS int[])))
        AND claim = ANY(CAST(:claims AS text[]))
    RETURNING claim, job_id
)
SELECT mine.claim, job.wish FROM mine JOIN job ON job.id = mine.job_id
""")
_LAPSED = text("""
SELECT job_id, number, key, claim, losses FROM job_item
WHERE state = 'running' AND leased_until < clock_timestamp() ORDER BY leased_until LIMIT :most
""")
_STALLED = text("""
SELECT procrastinate_retry_job_v2(id, NULL, NULL, NULL, NULL) FROM (
    SELECT job.id FROM procrastinate_jobs AS job
        LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
    WHERE job.status = 'doing' AND job.queue_name = ANY(CAST(:queues AS text[])) AND (worker.id IS NULL
        OR worker.last_heartbeat < clock_timestamp() - make_interval(secs => :seconds))
    FOR UPDATE OF job SKIP LOCKED
) AS stalled
""")
_STALE = text("""
SELECT relname FROM pg_stat_user_tables WHERE relname IN ('job', 'job_item', 'procrastinate_jobs')
    AND n_mod_since_analyze > 1000 + 0.2 * n_live_tup
""")


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run an item, for as long as it is renewed."""

    name: str
    job: Job
    item: Item
    delays: int = 0


class Lost(Exception):
    """The item is no longer this run's: it was given up for lost, or its job was deleted."""


class NotWritten(Exception):
    """What was to be written along with a result failed; the cause says how."""


class Claims:
    """Items as workers see them. `share_of`: a tenant's part of the workers beside others'."""

    def __init__(
        self,
        database: Database,
        *,
        kinds: Sequence[str],
        lease: float,
        share_of: Callable[[str], int] = lambda _: 1,
    ) -> None:
        self._database = database
        self._kinds = list(kinds)
        self._lease = lease
        self._share_of = share_of

    async def next(self) -> Claim | None:
        """The item whose turn it is, now ours; None where none of our kinds waits."""
        while True:
            async with self._database.begin() as connection:
                await connection.execute(_ENTER, {"gate": _GATE})
                rows = (await connection.execute(_WAITING, {"kinds": self._kinds})).all()
                if not rows:
                    return None
                claim = await self._take(connection, rows)
                if claim is not None:
                    return claim

    async def done(self, claim: Claim, result: Values, writes: Sequence[Write] = ()) -> None:
        """Keep an item's result, with what is to be written along: both or neither.

        Raises Lost, NotWritten, and TypeError for what JSON cannot say.
        """
        kept = as_json(result)

        async def write(connection: AsyncConnection, book: Book) -> None:
            for each in writes:
                try:
                    await each(connection)
                except (OperationalError, InterfaceError):
                    raise
                except Exception as error:
                    raise NotWritten from error
            book.tell(Happening.ITEM_DONE, **_of(claim.item), **_standing(book))

        await self._settle(claim, ItemState.DONE, write, result=kept)

    async def failed(self, claim: Claim, verdict: Verdict) -> None:
        """Keep why an item was not done; it fails, or is tried again. Raises Lost."""
        trouble = verdict.trouble
        told = {"code": trouble.code, "message": trouble.message}

        async def write(connection: AsyncConnection, book: Book) -> None:
            if verdict.again is None:
                book.tell(Happening.ITEM_FAILED, **_of(claim.item), **told, **_standing(book))
                return
            what = Happening.ITEM_RETRIED if verdict.counts else Happening.ITEM_POSTPONED
            book.tell(what, **_of(claim.item), **told, seconds=round(verdict.again, 3))
            await enqueue(connection, 1, seconds=verdict.again)

        state = ItemState.FAILED if verdict.again is None else ItemState.QUEUED
        await self._settle(
            claim, state, write, trouble=trouble, seconds=verdict.again or 0.0, uncounted=not verdict.counts
        )

    async def stopped(self, claim: Claim) -> None:
        """The item was stopped because its job was cancelled. Raises Lost."""

        async def write(connection: AsyncConnection, book: Book) -> None:
            book.tell(Happening.ITEM_CANCELLED, **_of(claim.item))

        await self._settle(claim, ItemState.CANCELLED, write)

    async def give_back(self, claim: Claim) -> None:
        """The worker stops: another one shall do it, and this was no attempt. Raises Lost."""

        async def write(connection: AsyncConnection, book: Book) -> None:
            await enqueue(connection, 1)

        await self._settle(claim, ItemState.QUEUED, write, back=1)

    async def note(self, claim: Claim, data: Values) -> None:
        """Tell those who follow the job of an item under way. Raises Lost."""
        named = {"id": claim.job.id, "number": claim.item.number, "claim": claim.name}
        async with self._database.begin() as connection, locked(connection, claim.job.id) as book:
            if book is None or not (await connection.execute(_HOLDS, named)).all():
                raise Lost
            book.tell(Happening.NOTED, **_of(claim.item), data=dict(data))

    async def renew(self, claims: Sequence[Claim]) -> Mapping[str, Wish]:
        """Put off the end of claims; of those that are still ours, what is wished of their jobs, by name."""
        values = {
            "lease": self._lease,
            "jobs": [claim.job.id for claim in claims],
            "numbers": [claim.item.number for claim in claims],
            "claims": [claim.name for claim in claims],
        }
        async with self._database.begin() as connection:
            return {name: Wish(wish) for name, wish in await connection.execute(_RENEW, values)}

    async def sweep(self, *, free: int) -> int:
        """Queue again what dead workers left; how many items that were.

        `free`: how many more items this worker could take. That it takes none while some wait means that turns were
        lost: by a restored table, an outage at the wrong moment, somebody's hand.
        """
        async with self._database.begin() as connection:
            lapsed = (await connection.execute(_LAPSED, {"most": _AT_ONCE})).all()
        for row in lapsed:
            await self._reclaim(row)
        async with self._database.begin() as connection:
            # procrastinate's own way finds them first and moves them later, so that two sweepers move one twice.
            await connection.execute(_STALLED, {"queues": [QUEUE, CLOCK], "seconds": self._lease})
            if free > 0 and (await connection.execute(_WAITING, {"kinds": self._kinds})).all():
                await enqueue(connection, free)
        await self._learn_sizes()
        return len(lapsed)

    async def another_turn(self) -> None:
        """Have this or another worker go on taking items."""
        async with self._database.begin() as connection:
            await enqueue(connection, 1)

    async def _learn_sizes(self) -> None:
        """After many new rows the server's plans are those of an empty table: ten times slower, until it knows."""
        async with self._database.begin() as connection:
            for (table,) in (await connection.execute(_STALE)).all():
                await connection.execute(text(f"ANALYZE {table}"))

    async def _take(self, connection: AsyncConnection, rows: Sequence[Row[Any]]) -> Claim | None:
        """Claim the item of whoever's turn it is; None where it was taken back at this moment."""
        heads = {row.tenant: row for row in rows}
        choice = choose([self._waiting(row) for row in rows])
        head = heads[choice.tenant]
        name = secrets.token_hex(12)
        async with locked(connection, head.job_id) as book:
            if book is None:
                return None
            values = {"id": head.job_id, "number": head.number, "claim": name, "lease": self._lease}
            row = (
                (await connection.execute(_CLAIM, values)).one_or_none()
                if book.job.wish is Wish.RUN
                else None
            )
            if row is None:
                return None
            book.move(ItemState.QUEUED, ItemState.RUNNING)
            if book.job.started_at is None:
                book.tell(Happening.STARTED)
            book.started = book.served = True
        await connection.execute(_STAND, _changed(rows, choice))
        return Claim(name, book.job, item_of(row), row._mapping["delays"])

    def _waiting(self, row: Row[Any]) -> Waiting:
        return Waiting(
            row.tenant,
            row.cost,
            row.place,
            row.credit or 0,
            bool(row.visited),
            max(1, self._share_of(row.tenant)),
        )

    async def _reclaim(self, row: Row[Any]) -> None:
        """One item whose worker is gone: queued again, failed when it was the third, cancelled with its job."""
        item = {"item": row.key, "number": row.number}
        async with self._database.begin() as connection, locked(connection, row.job_id) as book:
            if book is None:
                return
            trouble = None
            if book.job.wish is Wish.CANCEL:
                state = ItemState.CANCELLED
            elif row.losses + 1 >= MOST_LOSSES:
                state = ItemState.FAILED
                trouble = Trouble("worker_lost", f"{MOST_LOSSES} workers were lost while they worked on it.")
            else:
                state = ItemState.QUEUED
            values = _settling(row.job_id, row.number, row.claim, state, trouble)
            if not (await connection.execute(_SETTLE, {**values, "lost": True, "back": 1})).rowcount:
                return  # it lives after all, or another sweep was faster
            book.move(ItemState.RUNNING, state)
            if state is ItemState.QUEUED:
                book.tell(Happening.ITEM_LOST, **item)
                await enqueue(connection, 1)
            elif trouble is not None:
                told = {"code": trouble.code, "message": trouble.message}
                book.tell(Happening.ITEM_FAILED, **item, **told, **_standing(book))
            else:
                book.tell(Happening.ITEM_CANCELLED, **item)
        _log.warning("job_item_lost", job=row.job_id, item=row.number, becomes=state.value)

    async def _settle(
        self,
        claim: Claim,
        state: ItemState,
        write: Callable[[AsyncConnection, Book], Awaitable[None]],
        *,
        result: str | None = None,
        trouble: Trouble | None = None,
        seconds: float = 0.0,
        uncounted: bool = False,
        back: int = 0,
    ) -> None:
        async with self._database.begin() as connection, locked(connection, claim.job.id) as book:
            if book is None:
                raise Lost
            if state is ItemState.QUEUED and book.job.wish is Wish.CANCEL:
                state = ItemState.CANCELLED
            values = _settling(claim.job.id, claim.item.number, claim.name, state, trouble)
            values |= {
                "result": result,
                "seconds": seconds,
                "delayed": uncounted,
                "back": back or int(uncounted),
            }
            if not (await connection.execute(_SETTLE, values)).rowcount:
                raise Lost
            book.move(ItemState.RUNNING, state)
            if state is ItemState.CANCELLED:
                book.tell(Happening.ITEM_CANCELLED, **_of(claim.item))
            else:
                await write(connection, book)


def _settling(job: str, number: int, claim: str, state: ItemState, trouble: Trouble | None) -> dict[str, Any]:
    return {
        "id": job,
        "number": number,
        "claim": claim,
        "state": state.value,
        "result": None,
        "code": trouble.code if trouble else None,
        "message": trouble.message if trouble else None,
        "seconds": 0.0,
        "lost": False,
        "delayed": False,
        "back": 0,
    }


def _of(item: Item) -> dict[str, Any]:
    return {"item": item.key, "number": item.number}


def _standing(book: Book) -> dict[str, Any]:
    progress = book.job.progress
    return {"done": progress.done, "failed": progress.failed, "total": progress.total}


def _changed(rows: Sequence[Row[Any]], choice: Choice) -> dict[str, Any]:
    """Those of the circle who stand otherwise than before, and everybody who waits."""
    before = {row.tenant: (row.place, row.credit, row.visited) for row in rows}
    changed = [
        each for each in choice.circle if before[each.tenant] != (each.place, each.credit, each.visited)
    ]
    return {
        "waiting": list(before),
        "tenants": [each.tenant for each in changed],
        "places": [each.place for each in changed],
        "credits": [each.credit for each in changed],
        "visiteds": [each.visited for each in changed],
    }
