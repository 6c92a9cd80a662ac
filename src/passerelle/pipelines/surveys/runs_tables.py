"""Runs and what they read, as rows and as values. Every statement names the tenant.

A kept reading holds no text: its quotes are spans of the comment, which is kept once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.ask import Usage
from passerelle.domain.errors import NotFound
from passerelle.domain.jobs import JobState, Progress, Trouble, Wish
from passerelle.domain.survey_data import Comment
from passerelle.domain.survey_work import Kept, Reading, Run
from passerelle.domain.surveys import Analysed, Label, Opinion, Polarity, Review
from passerelle.jobs.tables import as_json
from passerelle.pipelines.surveys.corrections_rows import CORRECTION, kept_of
from passerelle.pipelines.surveys.sealed import BOUND
from passerelle.sealing.values import Opener

KIND = "surveys-read"
BUILTIN = "builtin"  # the engine that is no language model

# Nobody has looked at it: neither was it left as it is, nor is its comment corrected.
LOOKED_AT = """(reading.reviewed_by IS NOT NULL OR EXISTS (SELECT FROM survey_correction
    WHERE survey_correction.tenant = reading.tenant AND survey_correction.survey = run.survey
        AND survey_correction.comment = reading.comment AND survey_correction.codebook = run.codebook
        AND survey_correction.revoked_at IS NULL))"""
_RUN = f"""
SELECT run.*, job.id AS alive, job.wish, job.queued, job.running, job.done AS items_done, job.failed AS items_failed,
    job.cancelled, job.finished_at AS job_finished_at, counted.read, counted.broken, counted.review, counted.usage,
    counted.cost, counted.unknown, counted.currency
FROM survey_run AS run LEFT JOIN job ON job.id = run.job AND job.tenant = run.tenant
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE analysed IS NOT NULL) AS read,
        count(*) FILTER (WHERE code IS NOT NULL) AS broken,
        count(*) FILTER (WHERE review <> '{{}}' AND NOT {LOOKED_AT}) AS review,
        sum(cost) AS cost, count(*) FILTER (WHERE cost IS NULL) AS unknown, max(currency) AS currency,
        jsonb_build_object(
            'prompt_tokens', coalesce(sum((usage->>'prompt_tokens')::bigint), 0),
            'completion_tokens', coalesce(sum((usage->>'completion_tokens')::bigint), 0),
            'cached_tokens', coalesce(sum((usage->>'cached_tokens')::bigint), 0),
            'cache_write_tokens', coalesce(sum((usage->>'cache_write_tokens')::bigint), 0),
            'reasoning_tokens', coalesce(sum((usage->>'reasoning_tokens')::bigint), 0)) AS usage
    FROM survey_reading AS reading WHERE reading.run = run.id AND reading.tenant = run.tenant
) AS counted
WHERE run.tenant = :tenant AND run.survey = :survey
"""  # noqa: S608 - constants
_ONE = text(f"{_RUN} AND run.id = :run")
_IDS = text("SELECT id FROM survey_run WHERE tenant = :tenant AND survey = :survey ORDER BY number DESC")
_NEWEST = text(f"""{_RUN} AND coalesce(
    CASE WHEN job.id IS NOT NULL THEN CASE
        WHEN job.wish = 'cancel' OR job.queued + job.running > 0 THEN 'no'
        WHEN job.failed > 0 AND job.done = 0 THEN 'no' ELSE 'yes' END END,
    CASE WHEN run.state IN ('done', 'partly-failed') THEN 'yes' ELSE 'no' END) = 'yes'
ORDER BY run.number DESC LIMIT 1""")
_KEEP_STATE = text("""
UPDATE survey_run SET state = :state, finished_at = coalesce(finished_at, :at)
WHERE tenant = :tenant AND id = :run AND state <> :state
""")
_PUT = text("""
INSERT INTO survey_reading (run, number, tenant, comment, analysed, categories, polarity, review, doubt, engine, offline,
    code, message, usage, cost, currency)
SELECT run.id, new.number, run.tenant, new.comment, new.analysed, new.categories, new.polarity, new.review, new.doubt,
    new.engine, new.offline, new.code, new.message, new.usage, new.cost, new.currency
FROM survey_run AS run, jsonb_to_recordset(CAST(:rows AS jsonb)->'rows') AS new(number int, comment text, analysed jsonb,
    categories text[], polarity text, review text[], doubt float, engine text, offline boolean, code text, message text,
    usage jsonb, cost numeric, currency text)
WHERE run.tenant = :tenant AND run.id = :run AND EXISTS (
    SELECT FROM survey_comment AS said WHERE said.tenant = run.tenant AND said.survey = run.survey
        AND said.id = new.comment FOR KEY SHARE)
ON CONFLICT (run, number) DO UPDATE SET analysed = excluded.analysed, categories = excluded.categories,
    polarity = excluded.polarity, review = excluded.review, doubt = excluded.doubt, engine = excluded.engine,
    offline = excluded.offline, code = excluded.code, message = excluded.message, usage = excluded.usage,
    cost = excluded.cost, currency = excluded.currency
""")
_ENGINE = text("UPDATE survey_run SET engine = :engine WHERE tenant = :tenant AND id = :run AND engine = ''")

# A comment with what a run read in it.
READING = """
comment.number, comment.id, comment.answer, comment."row", comment."column", comment.text, comment.language,
comment.masked, comment.cut, reading.analysed, reading.engine, reading.offline, reading.code, reading.message,
reading.reviewed_by, reading.doubt
"""
JOINED = """
survey_run AS run
JOIN survey_comment AS comment ON comment.survey = run.survey AND comment.tenant = run.tenant
LEFT JOIN survey_reading AS reading ON reading.run = run.id AND reading.number = comment.number
    AND reading.tenant = run.tenant
"""
_CORRECTED = text(f"""
SELECT {CORRECTION} FROM survey_correction WHERE tenant = :tenant AND survey = :survey AND codebook = :codebook
    AND comment = ANY(CAST(:comments AS text[])) AND revoked_at IS NULL ORDER BY revision
""")  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one comment: `analysed`, or `trouble`. `doubt` from 0 to 1 is how much a person should look at it."""

    number: int
    comment: str
    analysed: Analysed | None
    engine: str
    offline: bool
    doubt: float = 0.0
    trouble: Trouble | None = None
    usage: Usage = field(default_factory=Usage)
    cost: int | None = 0  # in pico-units; None: not known
    currency: str = ""


async def put(connection: AsyncConnection, tenant: str, run: str, done: Sequence[Done]) -> None:
    """Keep what was read; what was read before of the same comments is replaced."""
    if not done:
        return
    values = {"tenant": tenant, "run": run}
    await connection.execute(_PUT, {**values, "rows": as_json({"rows": [_row(one) for one in done]})})
    engine = next((one.engine for one in done if one.engine and one.analysed is not None), None)
    if engine is not None:
        await connection.execute(_ENGINE, {**values, "engine": engine})


async def run_of(connection: AsyncConnection, tenant: str, survey: str, run: str | None = None) -> Run:
    """A survey's run; None: the newest that has finished. Raises NotFound."""
    named = {"tenant": tenant, "survey": survey}
    if run is None:
        row = (await connection.execute(_NEWEST, named)).one_or_none()
    else:
        row = None if "\0" in run else (await connection.execute(_ONE, {**named, "run": run})).one_or_none()
    if row is None:
        message = f"There is no run {run[:64]!r}." if run is not None else "No run has finished yet."
        raise NotFound(message, code="run_not_found")
    return await _kept(connection, row)


async def runs_of(connection: AsyncConnection, tenant: str, survey: str) -> list[Run]:
    """A survey's runs, the newest first."""
    ids = (await connection.execute(_IDS, {"tenant": tenant, "survey": survey})).scalars().all()
    # One by one: each counts its readings, of which there may be a hundred thousand.
    return [await run_of(connection, tenant, survey, run) for run in ids]


async def _kept(connection: AsyncConnection, row: Row[Any]) -> Run:
    """A row of `_RUN`; that its job is over is written down, for jobs are forgotten."""
    state = _state(row)
    if row.alive is not None and JobState(state).over and row.state != state:
        values = {"tenant": row.tenant, "run": row.id, "state": state, "at": row.job_finished_at}
        await connection.execute(_KEEP_STATE, values)
    return Run(
        id=row.id,
        tenant=row.tenant,
        survey=row.survey,
        number=row.number,
        codebook=row.codebook,
        version=row.version,
        revision=row.revision,
        model=row.model,
        engine=row.engine,
        offline=row.offline,
        state=state,
        job=row.job,
        comments=row.comments,
        read=row.read,
        failed=row.broken,
        review=row.review,
        usage=Usage(**row.usage),
        cost=None if row.unknown else int(row.cost or 0),
        currency=row.currency or "",
        created_at=row.created_at,
        finished_at=row.job_finished_at if row.alive is not None else row.finished_at,
    )


def _state(row: Row[Any]) -> str:
    """Its job's, while that is there. Of one that was forgotten before anybody looked, what it left tells."""
    if row.alive is not None:
        progress = Progress(row.queued, row.running, row.items_done, row.items_failed, row.cancelled)
        return progress.state(Wish(row.wish)).value
    kept = JobState(row.state)
    if kept.over:
        return kept.value
    if row.read + row.broken >= row.comments:
        return JobState.DONE.value
    return JobState.PARTLY_FAILED.value if row.read else JobState.FAILED.value


async def readings_of(
    connection: AsyncConnection, run: Run, rows: Sequence[Row[Any]], opener: Opener
) -> list[Reading]:
    """Rows of `READING` of a run, each with what a person made of its comment since."""
    named = {"tenant": run.tenant, "survey": run.survey, "codebook": run.codebook}
    values = {**named, "comments": [row.id for row in rows]}
    kept = [kept_of(row, opener) for row in await connection.execute(_CORRECTED, values)]
    corrected = {one.comment: one for one in kept}
    return [_reading(row, corrected.get(row.id), opener) for row in rows]


def _reading(row: Row[Any], corrected: Kept | None, opener: Opener) -> Reading:
    at = row._mapping
    said = opener.open_text(at["text"], BOUND)
    comment = Comment(at["id"], at["column"], said, at["language"], at["masked"], at["cut"])
    analysed = None if at["analysed"] is None else analysed_of(said, at["language"], at["analysed"])
    return Reading(
        comment,
        at["answer"],
        at["row"],
        analysed,
        engine=at["engine"] or "",
        offline=bool(at["offline"]),
        trouble=None if at["code"] is None else Trouble(at["code"], at["message"] or ""),
        reviewed=at["reviewed_by"] is not None or corrected is not None,
        corrected=corrected,
    )


def analysed_json(analysed: Analysed) -> dict[str, Any]:
    """For the table; the comment itself is not in it."""
    return {
        "language": analysed.language,
        "polarity": analysed.polarity,
        "confidence": round(analysed.confidence, 6),
        "review": list(analysed.review),
        "opinions": [
            {
                "start": opinion.start,
                "end": opinion.end,
                "labels": [[label.category, round(label.confidence, 6)] for label in opinion.labels],
                "polarity": opinion.polarity,
                "confidence": round(opinion.confidence, 6),
            }
            for opinion in analysed.opinions
        ],
    }


def analysed_of(comment: str, language: str | None, said: Mapping[str, Any]) -> Analysed:
    """Out of the table."""
    return Analysed(
        comment,
        said.get("language") or language or "",
        tuple(
            Opinion(
                comment[each["start"] : each["end"]],
                each["start"],
                each["end"],
                tuple(Label(category, confidence) for category, confidence in each["labels"]),
                Polarity(each["polarity"]),
                each["confidence"],
            )
            for each in said["opinions"]
        ),
        None if said["polarity"] is None else Polarity(said["polarity"]),
        said["confidence"],
        tuple(Review(reason) for reason in said["review"]),
    )


def doubt_of(analysed: Analysed) -> float:
    """How doubtful a reading is, from 0 to 1: its weakest part, more where somebody else says otherwise."""
    sure = min([analysed.confidence, *(label.confidence for label in analysed.labels)])
    told = {Review.DISAGREEING: 0.25, Review.OUT_OF_CODEBOOK: 0.15, Review.UNCERTAIN: 0.1}
    return min(1.0, max(0.0, 1.0 - sure) + sum(told[reason] for reason in analysed.review))


def _row(done: Done) -> dict[str, Any]:
    analysed, used = done.analysed, done.usage
    usage = {
        name: getattr(used, name)
        for name in (
            "prompt_tokens",
            "completion_tokens",
            "cached_tokens",
            "cache_write_tokens",
            "reasoning_tokens",
        )
        if getattr(used, name)
    }
    return {
        "number": done.number,
        "comment": done.comment,
        "analysed": None if analysed is None else analysed_json(analysed),
        "categories": [] if analysed is None else [label.category for label in analysed.labels],
        "polarity": None if analysed is None else analysed.polarity,
        "review": [] if analysed is None else list(analysed.review),
        "doubt": done.doubt,
        "engine": done.engine,
        "offline": done.offline,
        "code": done.trouble.code if done.trouble else None,
        "message": done.trouble.message if done.trouble else None,
        "usage": usage,
        "cost": done.cost,
        "currency": done.currency,
    }
