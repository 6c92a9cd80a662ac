"""`Sweeping`: notes that jobs of texts are over, and deletes texts whose time is over by their tenant's rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import text

from passerelle.jobs.desk import Desk
from passerelle.stores.database import Database

_AT_ONCE = 100
_LONGEST = 3e9  # seconds: PostgreSQL's calendar ends somewhere

# Jobs are forgotten a month after their end, so that this comes in time.
_ENDED = text("""
SELECT mine.tenant, mine.id, work.id IS NULL AS gone, work.finished_at FROM content_job AS mine
    LEFT JOIN job AS work ON work.id = mine.id AND work.tenant = mine.tenant
WHERE (work.id IS NULL AND mine.finished_at IS NULL) OR mine.finished_at IS DISTINCT FROM work.finished_at
    AND work.id IS NOT NULL
ORDER BY mine.created_at LIMIT :most
""")
_COPY = text("""
UPDATE content_piece AS piece SET code = item.code, message = item.message,
    standing = CASE WHEN item.code = 'over_budget' THEN 'over_budget' ELSE 'failed' END
FROM job_item AS item WHERE item.job_id = piece.job AND item.key = piece.key AND item.state = 'failed'
    AND piece.tenant = :tenant AND piece.job = :job AND piece.standing NOT IN ('written', 'flawed', 'reused')
""")
_NOTE = text("""
UPDATE content_job SET finished_at = CASE WHEN :gone THEN clock_timestamp()
    ELSE CAST(:finished_at AS timestamptz) END
WHERE tenant = :tenant AND id = :job
""")
_OLD = text("""
SELECT tenant, id FROM content_job WHERE finished_at IS NOT NULL AND EXISTS (
    SELECT FROM unnest(CAST(:tenants AS text[]), CAST(:seconds AS float8[])) AS rule(tenant, seconds)
    WHERE rule.tenant = content_job.tenant AND finished_at + make_interval(secs => rule.seconds) <= :at)
ORDER BY finished_at LIMIT :most
""")
_DROP = text("DELETE FROM content_job WHERE tenant = :tenant AND id = :job AND finished_at IS NOT NULL")
_DROP_OUTPUTS = text("""
DELETE FROM content_output WHERE tenant = :tenant AND at + make_interval(secs => :seconds) <= :at
    AND NOT EXISTS (SELECT FROM content_piece AS piece
        WHERE piece.tenant = :tenant AND piece.digest = content_output.digest)
""")


class Sweeping:
    """`rules` say for each tenant how many seconds texts are kept after their job's end; None: until they are deleted."""

    def __init__(
        self, database: Database, desk: Desk, *, rules: Callable[[], Mapping[str, float | None]]
    ) -> None:
        self._database = database
        self._desk = desk
        self._rules = rules

    async def sweep(self, at: datetime) -> None:
        """Note what is over, then delete what has been over for long enough."""
        while await self._note() == _AT_ONCE:
            pass
        rules = {tenant: keep for tenant, keep in self._rules().items() if keep is not None}
        while await self._drop(at, rules) == _AT_ONCE:
            pass

    async def _note(self) -> int:
        async with self._database.begin() as connection:
            rows = (await connection.execute(_ENDED, {"most": _AT_ONCE})).all()
            for row in rows:
                names = {"tenant": row.tenant, "job": row.id}
                if row.finished_at is not None:
                    await connection.execute(_COPY, names)
                await connection.execute(_NOTE, {**names, "gone": row.gone, "finished_at": row.finished_at})
        return len(rows)

    async def _drop(self, at: datetime, rules: Mapping[str, float]) -> int:
        seconds = {tenant: min(max(keep, 0.0), _LONGEST) for tenant, keep in rules.items()}
        if not seconds:
            return 0
        values = {
            "at": at,
            "tenants": list(seconds),
            "seconds": list(seconds.values()),
            "most": _AT_ONCE,
        }
        async with self._database.begin() as connection:
            rows = (await connection.execute(_OLD, values)).all()
            for row in rows:
                await connection.execute(_DROP, {"tenant": row.tenant, "job": row.id})
            for tenant, keep in seconds.items():
                await connection.execute(_DROP_OUTPUTS, {"tenant": tenant, "seconds": keep, "at": at})
        for row in rows:
            await self._desk.delete(row.tenant, row.id)
        return len(rows)
