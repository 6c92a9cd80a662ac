"""Runs over a survey's comments: begun, looked at, compared, deleted. What they read is in their table, comment by comment.

A run is made with its job in one transaction, and says for good what it reads by: the codebook's version, the revision of
its corrections, the model.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import BadRequest, Conflict
from passerelle.domain.jobs import JobState, NewItem
from passerelle.domain.survey_work import Asked, Difference, Edition, Looked, Reading, Run
from passerelle.gateway.edition import Editions
from passerelle.jobs.desk import Desk
from passerelle.pipelines.surveys import runs_tables as tables
from passerelle.pipelines.surveys.archive_rows import survey_there
from passerelle.pipelines.surveys.corrections_rows import newest_revision
from passerelle.pipelines.surveys.desk import Codebooks
from passerelle.pipelines.surveys.diffing import MOST_CHANGES, Pair, differ
from passerelle.pipelines.surveys.running_models import Reads, who_reads
from passerelle.pipelines.surveys.runs_queue import MOST_DOUBTFUL, Doubtful, next_ones
from passerelle.pipelines.surveys.sealed import BOUND, opened
from passerelle.sealing.values import Opener, Sealing, Unsealed
from passerelle.stores.database import Database

MOST_LISTED = 1_000
_BLOCK = 1_000  # comments among which words are looked for at once
OFFLINE_BATCH, ONLINE_BATCH = 250, 8  # comments of one item
_OFFLINE_COST, _ONLINE_COST = 4, 2  # an item's part of the workers' time

_BATCHES = text("""
SELECT min(number) AS first, max(number) AS last, count(*) AS comments FROM (
    SELECT number, (row_number() OVER (ORDER BY number) - 1) / :size AS batch
    FROM survey_comment WHERE tenant = :tenant AND survey = :survey) AS each
GROUP BY batch ORDER BY batch
""")
_MAKE = text("""
INSERT INTO survey_run (id, tenant, survey, number, codebook, version, revision, model, engine, offline, job, state,
    comments, created_by)
SELECT :id, :tenant, :survey, coalesce(max(number), 0) + 1, :codebook, :version, :revision, :model, :engine, :offline,
    :job, :state, :comments, :by
FROM survey_run WHERE tenant = :tenant AND survey = :survey
""")
_AFTER = """(CAST(:after AS text) IS NULL OR comment.number > (
    SELECT number FROM survey_comment WHERE tenant = :tenant AND survey = :survey AND id = :after))"""
_FINDABLE = text("SELECT id FROM survey_comment WHERE tenant = :tenant AND survey = :survey AND id = :after")
_READINGS = text(f"""
SELECT {tables.READING} FROM {tables.JOINED}
WHERE run.tenant = :tenant AND run.survey = :survey AND run.id = :run AND {_AFTER}
    AND (CAST(:review AS text) IS NULL OR :review = ANY(reading.review))
    AND (NOT :to_review OR (reading.review <> '{{}}' AND NOT {tables.LOOKED_AT}))
    AND (CAST(:category AS text) IS NULL OR :category = ANY(reading.categories))
    AND (CAST(:polarity AS text) IS NULL OR reading.polarity = :polarity)
    AND (CAST(:language AS text) IS NULL OR comment.language = :language)
ORDER BY comment.number LIMIT :most
""")  # noqa: S608 - constants
_DOUBTFUL = text(f"""
SELECT reading.number, comment.text, reading.review, reading.categories, reading.polarity, reading.doubt
FROM survey_run AS run JOIN survey_reading AS reading ON reading.run = run.id AND reading.tenant = run.tenant
    JOIN survey_comment AS comment ON comment.survey = run.survey AND comment.number = reading.number
        AND comment.tenant = run.tenant
WHERE run.tenant = :tenant AND run.survey = :survey AND run.id = :run AND reading.review <> '{{}}'
    AND NOT {tables.LOOKED_AT}
ORDER BY reading.doubt DESC, reading.number LIMIT :most
""")  # noqa: S608 - constants
_SOME = text(f"""
SELECT {tables.READING} FROM {tables.JOINED}
WHERE run.tenant = :tenant AND run.survey = :survey AND run.id = :run
    AND comment.number = ANY(CAST(:numbers AS int[]))
""")  # noqa: S608 - constants
_LOOKED = text(f"""
UPDATE survey_reading AS reading SET reviewed_by = :by FROM survey_run AS run
WHERE run.id = reading.run AND run.tenant = :tenant AND reading.tenant = :tenant AND run.survey = :survey
    AND run.id = :run AND reading.comment = ANY(CAST(:comments AS text[])) AND reading.review <> '{{}}'
    AND NOT {tables.LOOKED_AT}
""")  # noqa: S608 - constants
_THERE = text("""
SELECT id FROM survey_comment
WHERE tenant = :tenant AND survey = :survey AND id = ANY(CAST(:comments AS text[]))
""")
_BOTH = """
survey_reading AS one JOIN survey_reading AS two ON two.run = :after AND two.number = one.number
WHERE one.run = :before AND one.tenant = :tenant AND two.tenant = :tenant AND one.analysed IS NOT NULL
    AND two.analysed IS NOT NULL
"""
_PAIRS = text(f"""
SELECT one.number, one.categories AS before, two.categories AS after, one.polarity AS polarity_before,
    two.polarity AS polarity_after, greatest(one.doubt, two.doubt) AS doubt
FROM {_BOTH} AND (one.categories <> two.categories OR one.polarity IS DISTINCT FROM two.polarity)
ORDER BY one.number
""")  # noqa: S608 - constants
_COMPARED = text(f"SELECT count(*) FROM {_BOTH}")  # noqa: S608 - constants
_COUNTS = text(f"""
SELECT category, count(*) FILTER (WHERE earlier) AS before, count(*) FILTER (WHERE NOT earlier) AS after
FROM (SELECT unnest(one.categories) AS category, true AS earlier FROM {_BOTH}
    UNION ALL SELECT unnest(two.categories), false FROM {_BOTH}) AS each
GROUP BY category ORDER BY category
""")  # noqa: S608 - constants
_DROP = text("DELETE FROM survey_run WHERE tenant = :tenant AND survey = :survey AND id = :run")
_FORGOTTEN = text("UPDATE survey_correction SET run = NULL WHERE tenant = :tenant AND run = :run")


class SurveyRuns:
    """The seam `Runs`."""

    def __init__(
        self,
        database: Database,
        desk: Desk,
        editions: Editions,
        codebooks: Codebooks,
        seals: Sealing | None = None,
    ) -> None:
        self._seals: Sealing = seals or Unsealed()
        self._database = database
        self._desk = desk
        self._editions = editions
        self._codebooks = codebooks

    async def start(
        self,
        tenant: Tenant,
        survey: str,
        *,
        codebook: str | None = None,
        version: int | None = None,
        revision: int | None = None,
        model: str | None = None,
        by: str = "",
    ) -> Run:
        """Read all comments of a survey by a job. See the seam."""
        reads = who_reads(self._editions, tenant, model)
        async with self._database.begin() as connection:
            named = codebook or (await survey_there(connection, tenant.name, survey, locked=True)).codebook
        if not named:
            message = "Say by which codebook the comments are to be read: this survey names none."
            raise BadRequest(message, code="no_codebook", param="codebook")
        edition = await self._codebooks.edition(tenant.name, named, version)
        async with self._database.begin() as connection:
            row = await survey_there(connection, tenant.name, survey, locked=True)
            if row.state != "ready":
                message = "The survey's file is not read yet, or could not be."
                raise Conflict(message, code="survey_not_ready")
            made = await self._make(connection, tenant.name, survey, edition, reads, revision=revision, by=by)
            return await tables.run_of(connection, tenant.name, survey, made)

    async def runs(self, tenant: str, survey: str) -> Sequence[Run]:
        """A survey's, the newest first."""
        async with self._database.begin() as connection:
            await survey_there(connection, tenant, survey)
            return await tables.runs_of(connection, tenant, survey)

    async def run(self, tenant: str, survey: str, run: str | None = None) -> Run:
        """One of them; None: the newest that has finished. Raises NotFound `run_not_found`."""
        async with self._database.begin() as connection:
            await survey_there(connection, tenant, survey)
            return await tables.run_of(connection, tenant, survey, run)

    async def readings(
        self,
        tenant: str,
        survey: str,
        run: str | None = None,
        *,
        asked: Asked | None = None,
        after: str | None = None,
        most: int = 100,
    ) -> Sequence[Reading]:
        """Comments with what was read in them, in the file's order. Raises BadRequest where the one to go on from is gone."""
        wanted = asked or Asked()
        opener = await self._seals.opener(tenant)
        async with self._database.begin() as connection:
            found = await self._found(connection, tenant, survey, run)
            values = {
                **_place(found),
                "after": after,
                "review": wanted.review,
                "to_review": wanted.to_review,
                "category": wanted.category,
                "polarity": wanted.polarity,
                "language": wanted.language,
                "most": max(1, min(most, MOST_LISTED)),
            }
            if any("\0" in each for each in (*values.values(), wanted.text) if isinstance(each, str)):
                return []  # no comment holds one
            if after is not None and (await connection.execute(_FINDABLE, values)).first() is None:
                message = f"There is no comment {after[:64]!r} to go on from. Begin again without `after`."
                raise BadRequest(message, code="comment_gone", param="after")
            rows = await _said(connection, values, wanted.text, opener)
            return await tables.readings_of(connection, found, rows, opener)

    async def queue(
        self, tenant: str, survey: str, run: str | None = None, *, most: int = 50
    ) -> Sequence[Reading]:
        """What people should look at next: different things, the most doubtful of each first."""
        opener = await self._seals.opener(tenant)
        async with self._database.begin() as connection:
            found = await self._found(connection, tenant, survey, run)
            rows = await connection.execute(_DOUBTFUL, {**_place(found), "most": MOST_DOUBTFUL})
            chosen = next_ones(
                [
                    Doubtful(
                        row.number,
                        row.text,
                        tuple(row.review),
                        tuple(row.categories),
                        row.polarity,
                        row.doubt,
                    )
                    for row in opened(opener, rows)
                ],
                max(1, min(most, MOST_LISTED)),
            )
            return [reading for _, reading in await self._some(connection, found, chosen)]

    async def reviewed(
        self, tenant: str, survey: str, run: str, comments: Sequence[str], *, by: str = ""
    ) -> Looked:
        """Somebody has looked at them, and leaves them as they are."""
        async with self._database.begin() as connection:
            found = await self._found(connection, tenant, survey, run)
            values = {**_place(found), "by": by, "comments": [one for one in comments if "\0" not in one]}
            reviewed = (await connection.execute(_LOOKED, values)).rowcount
            there = {row.id for row in await connection.execute(_THERE, values)}
        return Looked(reviewed, tuple(dict.fromkeys(one for one in comments if one not in there)))

    async def difference(self, tenant: str, survey: str, before: str, after: str) -> Difference:
        """What changed from one run to another."""
        async with self._database.begin() as connection:
            one = await self._found(connection, tenant, survey, before)
            two = await self._found(connection, tenant, survey, after)
            values = {"tenant": tenant, "before": one.id, "after": two.id}
            pairs = [
                Pair(
                    row.number,
                    tuple(row.before),
                    tuple(row.after),
                    row.polarity_before,
                    row.polarity_after,
                    row.doubt,
                )
                for row in await connection.execute(_PAIRS, values)
            ]
            compared = (await connection.execute(_COMPARED, values)).scalar_one()
            counts = {
                row.category: (row.before, row.after) for row in await connection.execute(_COUNTS, values)
            }
            differing = differ(pairs, comments=compared, counts=counts)
            shown = differing.clearest(MOST_CHANGES)
            some = await self._some(connection, two, [pair.number for pair in shown])
        comments = {number: reading.comment for number, reading in some}
        return differing.told(one, two, comments)

    async def drop(self, tenant: str, survey: str, run: str) -> None:
        """Delete a run with its readings. Raises Conflict `run_not_over`."""
        async with self._database.begin() as connection:
            await survey_there(connection, tenant, survey, locked=True)
            found = await tables.run_of(connection, tenant, survey, run)
            if not JobState(found.state).over:
                message = "The run goes on. Cancel its job, or wait for its end."
                raise Conflict(message, code="run_not_over")
            await connection.execute(_FORGOTTEN, {"tenant": tenant, "run": run})
            await connection.execute(_DROP, {"tenant": tenant, "survey": survey, "run": run})

    async def _make(
        self,
        connection: AsyncConnection,
        tenant: str,
        survey: str,
        edition: Edition,
        reads: Reads,
        *,
        revision: int | None,
        by: str,
    ) -> str:
        """The run and its job; its id."""
        book = edition.codebook
        now = await newest_revision(connection, tenant, book.name)
        if revision is not None and not 0 <= revision <= now:
            message = f"The corrections of this codebook stand at revision {now}."
            raise BadRequest(message, code="unknown_revision", param="revision")
        size = OFFLINE_BATCH if reads.offline else ONLINE_BATCH
        place = {"tenant": tenant, "survey": survey}
        batches = (await connection.execute(_BATCHES, {**place, "size": size})).all()
        made = f"run_{secrets.token_hex(12)}"
        cost = _OFFLINE_COST if reads.offline else _ONLINE_COST
        items = [
            NewItem(f"{batch.first}-{batch.last}", {"first": batch.first, "last": batch.last}, cost)
            for batch in batches
        ]
        job = await self._desk.create(
            connection, tenant=tenant, kind=tables.KIND, items=items, params={"survey": survey, "run": made}
        )
        values = {
            **place,
            "id": made,
            "codebook": book.name,
            "version": book.version,
            "revision": now if revision is None else revision,
            "model": reads.model,
            "engine": tables.BUILTIN if reads.offline else "",
            "offline": reads.offline,
            "job": job,
            "state": JobState.QUEUED,
            "comments": sum(batch.comments for batch in batches),
            "by": by,
        }
        await connection.execute(_MAKE, values)
        return made

    async def _some(
        self, connection: AsyncConnection, run: Run, numbers: Sequence[int]
    ) -> list[tuple[int, Reading]]:
        """Comments of these numbers with what was read in them, in this order."""
        rows = (await connection.execute(_SOME, {**_place(run), "numbers": list(numbers)})).all()
        opener = await self._seals.opener(run.tenant)
        readings = await tables.readings_of(connection, run, rows, opener)
        by_number = {row.number: reading for row, reading in zip(rows, readings, strict=True)}
        return [(number, by_number[number]) for number in numbers if number in by_number]

    async def _found(self, connection: AsyncConnection, tenant: str, survey: str, run: str | None) -> Run:
        await survey_there(connection, tenant, survey)
        return await tables.run_of(connection, tenant, survey, run)


async def _said(
    connection: AsyncConnection, values: Mapping[str, Any], words: str, opener: Opener
) -> list[Row[Any]]:
    """Rows of `_READINGS` whose comment says these words. The database cannot read them, so that they are looked for here."""
    if not words:
        return list((await connection.execute(_READINGS, values)).all())
    wanted, most, after = words.lower(), values["most"], values["after"]
    found: list[Row[Any]] = []
    while True:
        rows = (await connection.execute(_READINGS, {**values, "after": after, "most": _BLOCK})).all()
        found += [row for row in rows if wanted in opener.open_text(row.text, BOUND).lower()]
        if len(found) >= most or len(rows) < _BLOCK:
            return found[:most]
        after = rows[-1].id


def _place(run: Run) -> dict[str, str]:
    return {"tenant": run.tenant, "survey": run.survey, "run": run.id}
