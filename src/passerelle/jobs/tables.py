"""The tables of jobs as values, and one way to change a job: under its lock, with its counts and its events.

Whoever changes a job or an item of it locks the job's row first, so that changes of one job happen one after another:
counts are exact, events are numbered without a gap in the order in which they become visible, and nobody waits for
somebody who waits for him.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.jobs import Happening, Item, ItemState, Job, Progress, Trouble, Values, Wish

CHANNEL = "passerelle_jobs"  # says the id of a job that something happened to, and what is wished of it
QUEUE, CLOCK = "passerelle.items", "passerelle.clock"  # of turns, of periodic tasks
TURN = "passerelle.turn"  # the task that takes items while there are any
MOST_TURNS = 64  # that wait for workers; each takes items until there are none

JOB = """id, tenant, kind, key, wish, params, queued, running, done, failed, cancelled, news, created_at, started_at,
    finished_at"""
ITEM = """job_id, number, key, payload, state, attempts, ready_at, result, code, message, started_at, finished_at"""

_LOCK = text(f"SELECT {JOB} FROM job WHERE id = :id FOR UPDATE")  # noqa: S608 - constants
_WRITE = text("""
WITH told AS (
    INSERT INTO job_event (job_id, number, what, data)
    SELECT :id, number, what, CAST(data AS jsonb)
    FROM unnest(CAST(:numbers AS int[]), CAST(:whats AS text[]), CAST(:datas AS text[])) AS new(number, what, data)
)
UPDATE job SET wish = :wish, queued = :queued, running = :running, done = :done, failed = :failed,
    cancelled = :cancelled, news = :news,
    started_at = CASE WHEN :started THEN coalesce(started_at, clock_timestamp()) ELSE started_at END,
    finished_at = CASE WHEN :finished THEN coalesce(finished_at, clock_timestamp()) END,
    served_at = CASE WHEN :served THEN clock_timestamp() ELSE served_at END
WHERE id = :id
RETURNING CASE WHEN :rings THEN pg_notify(:channel, :id || ' ' || :wish) END
""")
# What procrastinate's own `defer` runs, in the transaction of whoever makes the items.
_ENQUEUE = text("""
SELECT procrastinate_defer_jobs_v1(ARRAY(
    SELECT ROW(:queue, :task, 0, NULL, NULL, '{}', CASE WHEN :seconds > 0
        THEN clock_timestamp() + make_interval(secs => :seconds) END)::procrastinate_job_to_defer_v1
    FROM generate_series(1, greatest(1, least(:most, :count, :most + 1 - (SELECT count(*) FROM (
        SELECT FROM procrastinate_jobs WHERE queue_name = :queue AND status = 'todo' AND scheduled_at IS NULL
        LIMIT :most) AS waiting))))
))
""")
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


class Book:
    """One job under its lock: what it is, and what is to be written of it when the lock is let go."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.started = self.served = False
        self._told: list[tuple[Happening, Values]] = []
        self._was_over = job.state.over and job.news > 0  # one without items is over as soon as it is made

    def move(self, before: ItemState | None, after: ItemState | None, count: int = 1) -> None:
        """So many items stand otherwise now; None: they are new, or gone."""
        now = self.job.progress
        if before is not None:
            now = replace(now, **{before.value: getattr(now, before.value) - count})
        if after is not None:
            now = replace(now, **{after.value: getattr(now, after.value) + count})
        self.job = replace(self.job, progress=now)

    def want(self, wish: Wish) -> None:
        """Its owner wants something else of it."""
        self.job = replace(self.job, wish=wish)

    def tell(self, what: Happening, **data: Any) -> None:
        """Something happened to it."""
        self._told.append((what, data))

    async def write(self, connection: AsyncConnection) -> None:
        """Write what was changed, with the event of its end where this was that."""
        state, progress = self.job.state, self.job.progress
        if state.over and not self._was_over:
            self.tell(Happening.FINISHED, state=state.value, **_counts(progress))
        first = self.job.news + 1
        self.job = replace(self.job, news=self.job.news + len(self._told))
        values = {
            "id": self.job.id,
            "wish": self.job.wish.value,
            **_counts(progress),
            "news": self.job.news,
            "started": self.started,
            "finished": state.over,
            "served": self.served,
            "rings": bool(self._told),
            "channel": CHANNEL,
            "numbers": list(range(first, first + len(self._told))),
            "whats": [what.value for what, _ in self._told],
            "datas": [as_json(data) for _, data in self._told],
        }
        await connection.execute(_WRITE, values)


@asynccontextmanager
async def locked(connection: AsyncConnection, job: str) -> AsyncIterator[Book | None]:
    """A job under its lock, written when the block ends well; None where there is none of that id."""
    row = (await connection.execute(_LOCK, {"id": job})).one_or_none()
    if row is None:
        yield None
        return
    book = Book(job_of(row))
    yield book
    await book.write(connection)


async def enqueue(connection: AsyncConnection, count: int, *, seconds: float = 0.0) -> None:
    """Have workers take so many items, in this transaction; at least one turn, and no more than can be of use.

    `seconds`: not before.
    """
    values = {"queue": QUEUE, "task": TURN, "most": MOST_TURNS, "count": count, "seconds": seconds}
    await connection.execute(_ENQUEUE, values)


def as_json(values: Values) -> str:
    """For a JSON column, which cannot hold a NUL. Raises TypeError for what JSON cannot say."""
    said = orjson.dumps(values).decode()
    return _NUL.sub(r"\1\\ufffd", said) if "\\u0000" in said else said


def job_of(row: Row[Any]) -> Job:
    """A row of `JOB`."""
    at = row._mapping
    return Job(
        id=at["id"],
        tenant=at["tenant"],
        kind=at["kind"],
        key=at["key"],
        wish=Wish(at["wish"]),
        progress=Progress(at["queued"], at["running"], at["done"], at["failed"], at["cancelled"]),
        params=at["params"],
        news=at["news"],
        created_at=at["created_at"],
        started_at=at["started_at"],
        finished_at=at["finished_at"],
    )


def item_of(row: Row[Any]) -> Item:
    """A row of `ITEM`."""
    at = row._mapping
    state = ItemState(at["state"])
    return Item(
        job=at["job_id"],
        number=at["number"],
        key=at["key"],
        state=state,
        attempts=at["attempts"],
        payload=at["payload"],
        result=at["result"],
        trouble=Trouble(at["code"], at["message"] or "") if at["code"] is not None else None,
        ready_at=at["ready_at"] if state is ItemState.QUEUED else None,
        started_at=at["started_at"],
        finished_at=at["finished_at"],
    )


def items_of(rows: Sequence[Row[Any]]) -> list[Item]:
    """Rows of `ITEM`."""
    return [item_of(row) for row in rows]


def _counts(progress: Progress) -> Mapping[str, int]:
    return {state.value: getattr(progress, state.value) for state in ItemState}
