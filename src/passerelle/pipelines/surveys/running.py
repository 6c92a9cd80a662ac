"""`surveys-read`: the job that reads comments. One item is some of them in the file's order.

With a language model each comment is asked about by itself, and kept as soon as it is read: whatever ends a worker costs at
most the comments under way. A comment that cannot be read says why, and the others are read. Without one a batch is read
at once, and kept with the item. What degraded mode says is never kept as if a language model had said it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import PasserelleError
from passerelle.domain.jobs import Item, Trouble, Values
from passerelle.domain.survey_work import SurveyRules
from passerelle.domain.surveys import Analysed, Codebook, Correction
from passerelle.gateway.edition import Editions
from passerelle.jobs.kinds import Context, ItemFailed, Later, judge
from passerelle.pipelines.models.absent import absent
from passerelle.pipelines.surveys import runs_tables as tables
from passerelle.pipelines.surveys.asking_checks import compared
from passerelle.pipelines.surveys.asking_prompts import mark_for
from passerelle.pipelines.surveys.asking_seams import Remembers, Spent
from passerelle.pipelines.surveys.desk import Codebooks
from passerelle.pipelines.surveys.running_failures import of_the_comment
from passerelle.pipelines.surveys.running_learned import Teaching
from passerelle.pipelines.surveys.running_models import is_packaged, who_reads
from passerelle.pipelines.surveys.running_reader import Askers, Readers
from passerelle.pipelines.surveys.runs_tables import BUILTIN, KIND, Done, doubt_of
from passerelle.pipelines.surveys.sealed import opened
from passerelle.sealing.values import Sealing, Unsealed
from passerelle.stores.database import Database, Outage
from passerelle.text.words import language_of

if TYPE_CHECKING:
    from passerelle.pipelines.surveys.asking import Asking

_AT_ONCE = 4  # comments of one item that models are asked about
_ENOUGH = 10  # corrections, before the learner's voice is heard beside a language model's

_RUN = text("""
SELECT id, survey, codebook, version, revision, model, offline, job FROM survey_run
WHERE tenant = :tenant AND id = :run
""")
_LEFT = text("""
SELECT comment.number, comment.id, comment.text, comment.language
FROM survey_comment AS comment LEFT JOIN survey_reading AS reading ON reading.run = :run
    AND reading.number = comment.number AND reading.tenant = comment.tenant
WHERE comment.tenant = :tenant AND comment.survey = :survey AND comment.number BETWEEN :first AND :last
    AND (reading.run IS NULL OR reading.analysed IS NULL)
ORDER BY comment.number
""")
# Seen under the job's lock, after this item's own end.
_FINISHED = text("""
UPDATE survey_run AS run SET finished_at = clock_timestamp(), state = CASE WHEN EXISTS (
        SELECT FROM job_item WHERE job_id = run.job AND state = 'failed') THEN 'partly-failed' ELSE 'done' END
WHERE tenant = :tenant AND id = :run AND NOT EXISTS (
    SELECT FROM job_item WHERE job_id = run.job AND state IN ('queued', 'running'))
""")


@dataclass(frozen=True, slots=True)
class _Work:
    """What one item is to do."""

    tenant: Tenant
    run: Row[Any]
    codebook: Codebook
    corrections: tuple[Correction, ...]
    comments: tuple[Row[Any], ...]
    last_try: bool

    @property
    def rules(self) -> SurveyRules:
        return self.tenant.surveys or SurveyRules()


@dataclass(frozen=True, slots=True)
class Ground:
    """What reading stands on. `asker` gives the calls that surveys make for a tenant."""

    database: Database
    editions: Editions
    codebooks: Codebooks
    teaching: Teaching
    asker: Askers
    tenant_of: Callable[[str], Tenant | None]
    memory: Remembers
    readers: Readers
    secret: bytes
    seals: Sealing = field(default_factory=Unsealed)


class Reading:
    """The kind of job."""

    name = KIND
    attempts = 6
    seconds = 3_600.0

    def __init__(self, ground: Ground, *, at_once: int = _AT_ONCE) -> None:
        self._ground = ground
        self._at_once = at_once

    async def run(self, item: Item, context: Context) -> Values:
        """Read the comments of an item that are not read yet."""
        try:
            return await self._run(item, context)
        except Outage as error:
            raise Later("The database cannot be reached now.", code="database_unavailable") from error
        except (PasserelleError, ItemFailed, Later) as error:
            if later := absent(error):
                raise later from error
            verdict = judge(error, attempts=item.attempts, most=self.attempts)
            if verdict.again is None:
                await self._give_up(item, context, verdict.trouble)
            raise

    async def _run(self, item: Item, context: Context) -> Values:
        tenant = self._ground.tenant_of(context.tenant)
        if tenant is None or tenant.surveys is None:
            raise ItemFailed("no_surveys", "The file has no surveys for this tenant any more.")
        work = await self._work(item, context, tenant)
        if work is None:
            return {"skipped": "deleted"}
        done = await self._offline(work) if work.run.offline else await self._online(work)
        run = {"tenant": tenant.name, "run": work.run.id}
        kept = done if work.run.offline else []

        async def write(connection: AsyncConnection) -> None:
            await tables.put(connection, tenant.name, work.run.id, kept)
            await connection.execute(_FINISHED, run)

        context.along(write)
        failed = sum(one.analysed is None for one in done)
        return {"read": len(done) - failed, "failed": failed}

    async def _work(self, item: Item, context: Context, tenant: Tenant) -> _Work | None:
        """What is left to do; None where the run is gone."""
        named = {"tenant": tenant.name, "run": str(context.params["run"])}
        async with self._ground.database.begin() as connection:
            run = (await connection.execute(_RUN, named)).one_or_none()
            if run is None:
                return None
            payload = item.payload
            values = {**named, "survey": run.survey, "first": payload["first"], "last": payload["last"]}
            left = (await connection.execute(_LEFT, values)).all()
        comments = tuple(opened(await self._ground.seals.opener(tenant.name), left))
        edition = await self._ground.codebooks.edition(tenant.name, run.codebook, run.version)
        book = edition.codebook
        corrections = tuple(await self._ground.memory.taught(tenant.name, book, run.revision))
        return _Work(tenant, run, book, corrections, comments, last_try=item.attempts >= self.attempts)

    async def _offline(self, work: _Work) -> list[Done]:
        found = await self._learned(work)
        return [
            Done(row.number, row.id, analysed, BUILTIN, offline=True, doubt=doubt_of(analysed))
            for row, analysed in zip(work.comments, found, strict=True)
        ]

    async def _learned(self, work: _Work) -> list[Analysed]:
        """What the learner reads in the comments."""
        taught = await self._ground.teaching.taught(work.tenant, work.codebook, work.corrections)
        return await self._ground.teaching.analyse(taught, [row.text for row in work.comments])

    async def _online(self, work: _Work) -> list[Done]:
        """Each comment by itself; what keeps all of them from being read is raised when those under way are done."""
        if not work.comments:
            return []
        if who_reads(self._ground.editions, work.tenant, work.run.model).offline:
            raise Later("No language model may be asked now.", code="no_language_model", seconds=60.0)
        others: Sequence[Analysed | None] = [None] * len(work.comments)
        if sum(one.right is not None for one in work.corrections) >= _ENOUGH:
            others = await self._learned(work)
        asking = await asyncio.to_thread(
            _asking,
            self._ground.asker(work.tenant.name),
            work.run.model,
            work.codebook,
            mark_for(self._ground.secret, work.tenant.name, work.codebook),
        )
        waiting = list(zip(work.comments, others, strict=True))[::-1]
        done: list[Done] = []
        stopped: list[Exception] = []

        async def read() -> None:
            while waiting and not stopped:
                row, other = waiting.pop()
                try:
                    one = await self._one(work, asking, row, other)
                    async with self._ground.database.begin() as connection:
                        await tables.put(connection, work.tenant.name, work.run.id, [one])
                except Exception as error:  # noqa: BLE001 - whatever it is: raised once the others are kept
                    stopped.append(error)
                    return
                done.append(one)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._at_once, len(waiting))):
                group.create_task(read())
        if stopped:
            raise stopped[0]
        return done

    async def _one(self, work: _Work, asking: Asking, row: Row[Any], other: Analysed | None) -> Done:
        """One comment. Raises what is no fault of the comment."""
        language = row.language or language_of(row.text)
        if not any(sign.isalnum() for sign in row.text):
            nothing = Analysed(row.text, language, (), None, 1.0)
            return Done(row.number, row.id, nothing, "", offline=False)
        try:
            examples = await self._ground.memory.examples(
                work.tenant.name,
                work.codebook,
                row.text,
                language,
                revision=work.run.revision,
                k=work.rules.examples,
                embed=self._ground.readers.embed(work.tenant),
                taken_for=() if other is None else [label.category for label in other.labels],
            )
            answered = await asking.read(row.text, language, examples)
        except Spent as spent:
            self._no_degraded(spent.backend)
            trouble = Trouble(spent.code, spent.message)
            failed = _failed(row, trouble)
            return replace(failed, usage=spent.usage, cost=spent.cost, currency=spent.currency)
        except PasserelleError as error:
            if not of_the_comment(error, last_try=work.last_try):
                raise
            told = judge(error, attempts=self.attempts, most=self.attempts).trouble
            return replace(_failed(row, told), cost=None)
        self._no_degraded(answered.backend)
        analysed = compared(answered.analysed, other)
        return Done(
            row.number,
            row.id,
            analysed,
            answered.engine,
            offline=False,
            doubt=doubt_of(analysed),
            usage=answered.usage,
            cost=answered.cost,
            currency=answered.currency,
        )

    def _no_degraded(self, backend: str) -> None:
        """Raises Later for an answer of the packaged engine."""
        if is_packaged(self._ground.editions, backend):
            message = "Only the packaged engine answers now, which is no language model."
            raise Later(message, code="no_language_model", seconds=60.0)

    async def _give_up(self, item: Item, context: Context, trouble: Trouble) -> None:
        """The item fails: its comments that were not read say why."""
        tenant, run = context.tenant, str(context.params["run"])
        values = {"tenant": tenant, "run": run, "first": item.payload["first"], "last": item.payload["last"]}
        async with self._ground.database.begin() as connection:
            row = (await connection.execute(_RUN, values)).one_or_none()
            if row is None:
                return
            left = (await connection.execute(_LEFT, {**values, "survey": row.survey})).all()
            await tables.put(connection, tenant, run, [_failed(one, trouble) for one in left])


def _failed(row: Row[Any], trouble: Trouble) -> Done:
    return Done(row.number, row.id, None, "", offline=False, doubt=1.0, trouble=trouble)


def _asking(asker: Any, model: str, codebook: Codebook, mark: str) -> Asking:
    from passerelle.pipelines.surveys.asking import Asking  # noqa: PLC0415 - brings LangChain

    return Asking(asker, model, codebook, mark=mark)
