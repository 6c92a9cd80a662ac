"""Jobs of texts and their pieces as rows: how each stands, read from what was written and from the items under way.

A piece that was not written stands as its item does, so that nothing has to be told twice when a worker is lost, a job
is cancelled or items are tried again. What items said is copied once their job is over, because it is forgotten before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.content import Choice, ContentJob, Decision, Standing, Worked
from passerelle.domain.errors import BadRequest, NotFound
from passerelle.domain.jobs import JobState, Progress, Trouble, Wish
from passerelle.pipelines.enrichment.tables import piece_in, value_in, written_in
from passerelle.sealing.values import Opener

MOST_LISTED = 500
_DONE = "('written', 'flawed', 'reused')"
_ITEMS = f"""content_piece AS piece LEFT JOIN job_item AS item ON piece.standing NOT IN {_DONE}
    AND item.job_id = piece.job AND item.key = piece.key"""
_STANDS = """CASE WHEN item.state IS NULL THEN piece.standing WHEN item.state <> 'failed' THEN 'queued'
    WHEN item.code = 'over_budget' THEN 'over_budget' ELSE 'failed' END"""
_JOB = """mine.id, mine.tenant, mine.recipe ->> 'name' AS recipe, CAST(mine.recipe ->> 'version' AS int) AS version,
    CAST(mine.brand ->> 'version' AS int) AS brand, mine.model, mine.preview, mine.budget, mine.spent, mine.currency,
    mine.unpriced, mine.estimate, mine.created_at, coalesce(mine.finished_at, work.finished_at) AS finished_at,
    work.id AS work, work.wish, work.queued, work.running, work.done, work.failed, work.cancelled,
    work.finished_at AS work_finished_at"""
_FROM = "content_job AS mine LEFT JOIN job AS work ON work.id = mine.id AND work.tenant = mine.tenant"
_PIECE = f"""piece.job, piece.number, piece.piece, piece.written, {_STANDS} AS standing,
    CASE WHEN item.state IS NULL THEN piece.code WHEN item.state = 'failed' THEN item.code END AS code,
    CASE WHEN item.state IS NULL THEN piece.message WHEN item.state = 'failed' THEN item.message END AS message"""

_LOOK = text(f"SELECT {_JOB} FROM {_FROM} WHERE mine.tenant = :tenant AND mine.id = :job")  # noqa: S608 - constants
_LIST = text(f"""
SELECT {_JOB} FROM {_FROM} WHERE mine.tenant = :tenant AND (CAST(:before AS text) IS NULL
    OR (mine.created_at, mine.id) < (SELECT created_at, id FROM content_job WHERE tenant = :tenant AND id = :before))
ORDER BY mine.created_at DESC, mine.id DESC LIMIT :most
""")  # noqa: S608 - constants
_COUNTS = text(f"""
SELECT piece.job, {_STANDS} AS standing, count(*) AS count FROM {_ITEMS}
WHERE piece.tenant = :tenant AND piece.job = ANY(CAST(:jobs AS text[])) GROUP BY 1, 2
""")  # noqa: S608 - constants
_WORKED = text(f"""
SELECT {_PIECE} FROM {_ITEMS} WHERE piece.tenant = :tenant AND piece.job = :job AND piece.number > :after
    AND (CAST(:standing AS text) IS NULL OR {_STANDS} = :standing)
ORDER BY piece.number LIMIT :most
""")  # noqa: S608 - constants
_ONE = text(f"""
SELECT {_PIECE} FROM {_ITEMS} WHERE piece.tenant = :tenant AND piece.job = :job AND piece.number = :number
""")  # noqa: S608 - constants
_CHOICES = text("""
SELECT number, field, decision, value, by, at FROM content_choice
WHERE tenant = :tenant AND job = :job AND number = ANY(CAST(:numbers AS int[]))
""")


async def look(connection: AsyncConnection, tenant: str, job: str) -> ContentJob:
    """A job as it stands. Raises NotFound `job_not_found`."""
    row = (await connection.execute(_LOOK, {"tenant": tenant, "job": job})).one_or_none()
    if row is None:
        raise unknown_job(job)
    return (await _jobs(connection, tenant, [row]))[0]


async def listed(
    connection: AsyncConnection, tenant: str, *, before: str | None, most: int
) -> Sequence[ContentJob]:
    """The newest first. Raises BadRequest where `before` is gone."""
    if (
        before is not None
        and (await connection.execute(_LOOK, {"tenant": tenant, "job": before})).first() is None
    ):
        message = f"There is no job {before[:64]!r} to go on from. Begin again without `before`."
        raise BadRequest(message, code="job_gone", param="before")
    values = {"tenant": tenant, "before": before, "most": max(1, min(most, MOST_LISTED))}
    return await _jobs(connection, tenant, (await connection.execute(_LIST, values)).all())


async def worked(
    connection: AsyncConnection,
    tenant: str,
    job: str,
    *,
    standing: Standing | None = None,
    after: int = 0,
    most: int = 100,
    opener: Opener,
) -> Sequence[Worked]:
    """Pieces of a job by number, those after that one."""
    values = {
        "tenant": tenant,
        "job": job,
        "after": after,
        "standing": standing.value if standing else None,
        "most": max(1, min(most, MOST_LISTED)),
    }
    rows = (await connection.execute(_WORKED, values)).all()
    return await _pieces(connection, tenant, job, rows, opener)


async def one(connection: AsyncConnection, tenant: str, job: str, number: int, *, opener: Opener) -> Worked:
    """One of them. Raises NotFound `piece_not_found`."""
    values = {"tenant": tenant, "job": job, "number": number}
    rows = (await connection.execute(_ONE, values)).all()
    if not rows:
        raise NotFound(f"The job has no piece {number}.", code="piece_not_found", param="number")
    return (await _pieces(connection, tenant, job, rows, opener))[0]


def unknown_job(job: str) -> NotFound:
    """The error of a job that is not there, or another tenant's."""
    return NotFound(f"There is no job {job[:64]!r}.", code="job_not_found")


async def _jobs(connection: AsyncConnection, tenant: str, rows: Sequence[Row[Any]]) -> list[ContentJob]:
    counts: dict[str, dict[Standing, int]] = {row.id: {} for row in rows}
    if rows:
        values = {"tenant": tenant, "jobs": list(counts)}
        for row in await connection.execute(_COUNTS, values):
            counts[row.job][Standing(row.standing)] = row._mapping["count"]
    return [_job(row, counts[row.id]) for row in rows]


def _job(row: Row[Any], counts: dict[Standing, int]) -> ContentJob:
    return ContentJob(
        id=row.id,
        tenant=row.tenant,
        recipe=row.recipe,
        version=row.version,
        brand=row.brand,
        model=row.model,
        preview=row.preview,
        budget=None if row.budget is None else int(row.budget),
        spent=int(row.spent),
        currency=row.currency,
        unpriced=row.unpriced,
        counts={standing: counts[standing] for standing in Standing if standing in counts},
        estimate=row.estimate,
        state=_state(row, counts).value,
        created_at=row.created_at,
        # A job that goes on again is not over, whatever was noted of it.
        finished_at=row.finished_at if row.work is None else row.work_finished_at,
    )


def _state(row: Row[Any], counts: dict[Standing, int]) -> JobState:
    """As the job says; of one that is forgotten, as its pieces say."""
    if row.work is not None:
        progress = Progress(row.queued, row.running, row.done, row.failed, row.cancelled)
        return progress.state(Wish(row.wish))
    if counts.get(Standing.QUEUED):
        return JobState.CANCELLED
    failed = counts.get(Standing.FAILED, 0) + counts.get(Standing.OVER_BUDGET, 0)
    return Progress(done=sum(counts.values()) - failed, failed=failed).state(Wish.RUN)


async def _pieces(
    connection: AsyncConnection, tenant: str, job: str, rows: Sequence[Row[Any]], opener: Opener
) -> list[Worked]:
    choices: dict[int, dict[str, Choice]] = {row.number: {} for row in rows}
    if rows:
        values = {"tenant": tenant, "job": job, "numbers": list(choices)}
        for row in await connection.execute(_CHOICES, values):
            value = None if row.value is None else value_in(row.field, row.value, opener)
            choices[row.number][row.field] = Choice(Decision(row.decision), value, row.by, row.at)
    return [
        Worked(
            job=row.job,
            number=row.number,
            piece=piece_in(row.piece, opener),
            standing=Standing(row.standing),
            written=None if row.written is None else written_in(row.written, opener),
            choices=choices[row.number],
            trouble=None if row.code is None else Trouble(row.code, row.message or ""),
        )
        for row in rows
    ]
