"""`Filing`: the files of answers of every tenant, and what was read of them; the seam `Archive`.

A survey, its file and the job that reads it are made in one transaction. Nobody sees an answer before all of them are
there, and what somebody has seen never changes.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import BadRequest, Conflict, Forbidden, NotFound
from passerelle.domain.jobs import NewItem
from passerelle.domain.survey_data import Answer, RowTrouble
from passerelle.domain.survey_work import Survey, SurveyState
from passerelle.jobs.desk import Desk
from passerelle.pipelines.surveys.archive_reading import KIND, Importing
from passerelle.pipelines.surveys.archive_removing import Removing
from passerelle.pipelines.surveys.archive_rows import (
    ANSWER,
    COMMENT,
    SURVEY,
    TROUBLE,
    answer_of,
    columns_json,
    comments_by_answer,
    survey_of,
    trouble_of,
    unknown,
)
from passerelle.pipelines.surveys.archive_rules import (
    columns_of,
    digest_of,
    language_of,
    must_fit,
    name_of,
    reading_rules,
    rules_of,
    title_of,
)
from passerelle.pipelines.surveys.desk import NewSurvey
from passerelle.pipelines.surveys.importing import Opened, Rules
from passerelle.pipelines.surveys.importing_apart import opened_apart
from passerelle.pipelines.surveys.sealed import BOUND
from passerelle.sealing.values import Sealing, Unsealed
from passerelle.stores.database import Database, carried

MOST_LISTED = 500
MOST_TROUBLES = 1_000
_ANSWERS_AT_ONCE = 250  # others of the event loop wait for so many
_LOOKS_AT_ONCE = 4  # processes that look into files
_COST_BYTES = 262_144  # of a file, for one unit of the workers' time
_MOST_COST = 64

_ENTER = text("SELECT pg_advisory_xact_lock(:key)")
_ONE = text(f"""
SELECT {SURVEY} FROM survey WHERE tenant = :tenant AND id = :id AND state <> 'deleting'
""")  # noqa: S608 - constants
_LIST = text(f"""
SELECT {SURVEY} FROM survey WHERE tenant = :tenant AND state <> 'deleting'
    AND (CAST(:before AS text) IS NULL
        OR (created_at, id) < (SELECT created_at, id FROM survey WHERE tenant = :tenant AND id = :before))
ORDER BY created_at DESC, id DESC LIMIT :most
""")  # noqa: S608 - constants
_SAME = text("""
SELECT id, state FROM survey WHERE tenant = :tenant AND digest = :digest AND state <> 'deleting'
ORDER BY created_at LIMIT 1
""")
_COUNT = text("SELECT count(*) FROM survey WHERE tenant = :tenant AND state <> 'deleting'")
_CODEBOOK = text("SELECT EXISTS (SELECT FROM survey_codebook WHERE tenant = :tenant AND name = :codebook)")
_PUT = text("""
INSERT INTO survey (id, tenant, title, name, language, state, columns, sheet, codebook, job, digest, created_by)
VALUES (:id, :tenant, :title, :name, :language, 'reading', CAST(:columns AS jsonb), :sheet, :codebook, :job, :digest, :by)
ON CONFLICT (id) DO UPDATE SET title = excluded.title, name = excluded.name, language = excluded.language,
    state = 'reading', codebook = excluded.codebook, job = excluded.job, code = NULL, message = NULL, claim = NULL,
    updated_at = clock_timestamp()
""")
_KEEP = text("""
INSERT INTO survey_content (survey, content) SELECT id, :content FROM survey WHERE tenant = :tenant AND id = :id
ON CONFLICT (survey) DO UPDATE SET content = excluded.content
""")
_DESCRIBE = text(f"""
UPDATE survey SET title = coalesce(:title, title), language = coalesce(:language, language),
    codebook = nullif(coalesce(CAST(:codebook AS text), codebook), ''), updated_at = clock_timestamp()
WHERE tenant = :tenant AND id = :id AND state <> 'deleting' RETURNING {SURVEY}
""")  # noqa: S608 - constants
_TROUBLES = text(f"""
SELECT {TROUBLE} FROM survey_trouble WHERE tenant = :tenant AND survey = :id AND number > :after
ORDER BY number LIMIT :most
""")  # noqa: S608 - constants
_ANSWERS = text(f"""
SELECT {ANSWER} FROM survey_answer WHERE tenant = :tenant AND survey = :id AND "row" > :after
ORDER BY "row" LIMIT :most
""")  # noqa: S608 - constants
_COMMENTS = text(f"""
SELECT {COMMENT} FROM survey_comment
WHERE tenant = :tenant AND survey = :id AND number > :number AND "row" <= :last ORDER BY number
""")  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Ground:
    """What the archive stands on. `desk` has the jobs worked on that it makes; `secret` is of this installation."""

    database: Database
    desk: Desk
    tenant_of: Callable[[str], Tenant | None]
    secret: bytes
    seals: Sealing = field(default_factory=Unsealed)


class Filing:
    """The seam `Archive`. `removing` deletes; holds nothing open."""

    def __init__(self, ground: Ground, removing: Removing) -> None:
        self._ground = ground
        self._database = ground.database
        self._removing = removing
        self._gate = asyncio.Semaphore(_LOOKS_AT_ONCE)

    def importing(self) -> Importing:
        """The kind of job that reads files. One for each process."""
        ground = self._ground

        def reading(tenant: Tenant, sheet: str) -> Rules:
            return reading_rules(ground.secret, tenant, sheet)

        return Importing(self._database, tenant_of=ground.tenant_of, rules_of=reading, seals=ground.seals)

    async def look(self, tenant: Tenant, content: bytes, *, sheet: str = "") -> Opened:
        """What each column of a file seems to be; nothing is kept. Raises Refused where it is no table."""
        rules = reading_rules(self._ground.secret, tenant, sheet)
        must_fit(content)
        async with self._gate:
            return await opened_apart(content, rules)

    async def make(self, tenant: Tenant, new: NewSurvey) -> Survey:
        """Keep a survey, whose file is then read by a job. The same file again, unchanged, is the same survey.

        One that failed is read again. Raises Refused where the file is no table or its columns are not what is said,
        NotFound `codebook_not_found`, Forbidden where there is no room.
        """
        title, language = title_of(new.title), language_of(new.language)
        opened = await self.look(tenant, new.content, sheet=new.sheet)
        columns = columns_of(opened, new.columns)
        digest = await asyncio.to_thread(digest_of, new.content, columns, new.sheet)
        values = {
            "tenant": tenant.name,
            "title": title,
            "name": name_of(new.name),
            "language": language,
            "columns": columns_json(columns),
            "sheet": new.sheet,
            "codebook": new.codebook or None,
            "digest": digest,
            "by": new.by,
        }
        seal = await self._ground.seals.of(tenant.name)
        content = await asyncio.to_thread(seal.seal_bytes, new.content, BOUND)
        async with self._database.begin() as connection:
            await connection.execute(_ENTER, {"key": _key(tenant.name)})
            await _must_know(connection, tenant.name, new.codebook)
            same = (await connection.execute(_SAME, values)).one_or_none()
            if same is not None and same.state != SurveyState.FAILED:
                return await _survey(connection, tenant.name, same.id)
            if same is None:
                await self._must_have_room(connection, tenant)
            survey = same.id if same is not None else f"survey_{secrets.token_hex(12)}"
            job = await self._job(connection, tenant.name, survey, len(new.content))
            await connection.execute(_PUT, {**values, "id": survey, "job": job})
            await connection.execute(_KEEP, {"tenant": tenant.name, "id": survey, "content": content})
            carried(connection, len(content))
            return await _survey(connection, tenant.name, survey)

    async def surveys(self, tenant: str, *, before: str | None = None, most: int = 50) -> Sequence[Survey]:
        """The newest first. Raises BadRequest where the one to go on from is gone."""
        values = {"tenant": tenant, "before": before, "most": max(1, min(most, MOST_LISTED))}
        async with self._database.begin() as connection:
            if before is not None and await _row(connection, tenant, before) is None:
                message = f"There is no survey {before[:64]!r} to go on from. Begin again without `before`."
                raise BadRequest(message, code="survey_gone", param="before")
            return [survey_of(row) for row in await connection.execute(_LIST, values)]

    async def survey(self, tenant: str, survey: str) -> Survey:
        """One of them. Raises NotFound `survey_not_found`."""
        async with self._database.begin() as connection:
            return await _survey(connection, tenant, survey)

    async def troubles(
        self, tenant: str, survey: str, *, after: int = 0, most: int = 200
    ) -> Sequence[RowTrouble]:
        """What was wrong with rows, in the file's order; those after so many. None before all rows are read."""
        values = {
            "tenant": tenant,
            "id": survey,
            "after": max(0, min(after, 2**31 - 1)),
            "most": max(1, min(most, MOST_TROUBLES)),
        }
        async with self._database.begin() as connection:
            if (await _survey(connection, tenant, survey)).state is not SurveyState.READY:
                return []
            return [trouble_of(row) for row in await connection.execute(_TROUBLES, values)]

    async def answers(self, tenant: str, survey: str) -> AsyncIterator[Answer]:
        """All answers, in the file's order, read from the database some at a time.

        Raises NotFound, also where it is deleted meanwhile, and Conflict `survey_not_ready`.
        """
        after = number = 0
        while True:
            opener = await self._ground.seals.opener(tenant)
            async with self._database.begin() as connection:
                await must_be_ready(connection, tenant, survey)
                values = {"tenant": tenant, "id": survey, "after": after, "most": _ANSWERS_AT_ONCE}
                rows = (await connection.execute(_ANSWERS, values)).all()
                if not rows:
                    return
                after = rows[-1].row
                named = {**values, "number": number, "last": after}
                said = comments_by_answer((await connection.execute(_COMMENTS, named)).all(), opener)
            for row in rows:
                comments = said.get(row.row, [])
                number += len(comments)
                yield answer_of(row, comments, opener)

    async def describe(
        self,
        tenant: str,
        survey: str,
        *,
        title: str | None = None,
        language: str | None = None,
        codebook: str | None = None,
    ) -> Survey:
        """What is said of it, anew; an empty codebook: none. Raises NotFound, BadRequest."""
        values = {
            "tenant": tenant,
            "id": survey,
            "title": None if title is None else title_of(title),
            "language": None if language is None else language_of(language),
            "codebook": codebook,
        }
        async with self._database.begin() as connection:
            await _survey(connection, tenant, survey)
            await _must_know(connection, tenant, codebook)
            row = (await connection.execute(_DESCRIBE, values)).one_or_none()
        if row is None:
            raise unknown(survey)
        return survey_of(row)

    async def drop(self, tenant: str, survey: str) -> None:
        """Delete a survey with its answers, runs and themes. Raises NotFound."""
        if "\0" in survey:
            raise unknown(survey)
        await self._removing.drop(tenant, survey)

    async def _must_have_room(self, connection: AsyncConnection, tenant: Tenant) -> None:
        most = rules_of(tenant).surveys
        if (await connection.execute(_COUNT, {"tenant": tenant.name})).scalar_one() >= most:
            message = f"This tenant has {most} surveys, which is all it may have. Delete one."
            raise Forbidden(message, code="too_many_surveys")

    async def _job(self, connection: AsyncConnection, tenant: str, survey: str, size: int) -> str:
        cost = min(_MOST_COST, 1 + size // _COST_BYTES)
        return await self._ground.desk.create(
            connection, tenant=tenant, kind=KIND, items=[NewItem(survey, {"survey": survey}, cost=cost)]
        )


async def must_be_ready(connection: AsyncConnection, tenant: str, survey: str) -> Survey:
    """A survey whose answers can be looked at. Raises NotFound, and Conflict `survey_not_ready`."""
    found = await _survey(connection, tenant, survey)
    if found.state is SurveyState.READING:
        raise Conflict(
            "The survey's file is still being read. Try again in a moment.", code="survey_not_ready"
        )
    if found.state is SurveyState.FAILED:
        raise Conflict("The survey's file could not be read; the survey says why.", code="survey_not_ready")
    return found


async def _survey(connection: AsyncConnection, tenant: str, survey: str) -> Survey:
    row = await _row(connection, tenant, survey)
    if row is None:
        raise unknown(survey)
    return survey_of(row)


async def _row(connection: AsyncConnection, tenant: str, survey: str) -> Row[Any] | None:
    if "\0" in survey:
        return None
    return (await connection.execute(_ONE, {"tenant": tenant, "id": survey})).one_or_none()


async def _must_know(connection: AsyncConnection, tenant: str, codebook: str | None) -> None:
    if not codebook:
        return
    named = {"tenant": tenant, "codebook": codebook}
    if "\0" in codebook or not (await connection.execute(_CODEBOOK, named)).scalar():
        raise NotFound(
            f"There is no codebook {codebook[:64]!r}.", code="codebook_not_found", param="codebook"
        )


def _key(tenant: str) -> int:
    """For PostgreSQL's advisory locks: one maker of a tenant's surveys at a time."""
    digest = hashlib.sha256(b"surveys\0" + tenant.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
