"""`surveys-import`: the job that reads the file of a survey. One item, one file; all of it is kept, or nothing.

Rows are written in many short transactions under the claim of one run, and nobody sees any of them before the last
one says that the survey is ready, with the job's result. A run that begins takes the claim and deletes what another
left, so one that was killed in the middle leaves nothing behind, and one that was only thought to be lost writes no more.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Refused
from passerelle.domain.jobs import Item, Values
from passerelle.domain.survey_data import Answer, Columns, RowTrouble, Tally
from passerelle.jobs.kinds import Context, ItemFailed, Later
from passerelle.pipelines.surveys.archive_rows import (
    answer_row,
    as_json,
    comment_row,
    tally_json,
    trouble_row,
)
from passerelle.pipelines.surveys.importing import Rules
from passerelle.pipelines.surveys.importing_apart import read_apart
from passerelle.pipelines.surveys.importing_wire import columns_from
from passerelle.pipelines.surveys.sealed import BOUND
from passerelle.sealing.values import Sealing, Unsealed
from passerelle.stores.database import Database, Outage, carried

KIND = "surveys-import"
PATIENT = text("SET LOCAL statement_timeout = 120000")  # milliseconds: a hundred thousand rows may go at once
_ROWS, _CHARACTERS = 1_000, 1_000_000  # of what is written at once
_TOLD = 20_000  # rows after which it is said how far the reading is

_CLAIM = text("""
UPDATE survey SET claim = :claim WHERE tenant = :tenant AND id = :id AND state = 'reading'
RETURNING columns, sheet, (SELECT content FROM survey_content WHERE survey = :id)
""")
_CLEAR = tuple(
    text(f"DELETE FROM survey_{table} WHERE tenant = :tenant AND survey = :id")  # noqa: S608 - constants
    for table in ("answer", "comment", "trouble")
)
_OURS = text("SELECT claim FROM survey WHERE tenant = :tenant AND id = :id AND state = 'reading' FOR SHARE")
_ANSWERS = text("""
INSERT INTO survey_answer (survey, tenant, "row", id, answer)
SELECT :id, :tenant, new."row", new.id, new.answer
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS new("row" int, id text, answer jsonb)
""")
_COMMENTS = text("""
INSERT INTO survey_comment (survey, tenant, number, id, answer, "row", "column", text, language, masked, cut)
SELECT :id, :tenant, new.number, new.id, new.answer, new."row", new."column", new.text, new.language, new.masked, new.cut
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS new(number int, id text, answer text, "row" int, "column" text,
    text text, language text, masked jsonb, cut boolean)
""")
_TROUBLES = text("""
INSERT INTO survey_trouble (survey, tenant, number, "row", "last", trouble, "column", detail)
SELECT :id, :tenant, new.number, new."row", new."last", new.trouble, new."column", new.detail
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS new(number int, "row" int, "last" int, trouble text, "column" text,
    detail text)
""")
_READY = text("""
UPDATE survey SET state = 'ready', tally = CAST(:tally AS jsonb), claim = NULL, code = NULL, message = NULL,
    updated_at = clock_timestamp()
WHERE tenant = :tenant AND id = :id AND claim = :claim AND state = 'reading' RETURNING id
""")
_FAILED = text("""
UPDATE survey SET state = 'failed', code = :code, message = :message, claim = NULL, tally = '{}',
    updated_at = clock_timestamp()
WHERE tenant = :tenant AND id = :id AND claim = :claim AND state = 'reading' RETURNING id
""")
_EMPTY = text("""
DELETE FROM survey_content USING survey WHERE id = survey_content.survey AND tenant = :tenant AND id = :id
""")


class _Overtaken(Exception):
    """Another run reads the file, or nobody wants it any more."""


@dataclass(frozen=True, slots=True)
class _Claimed:
    """What a run is to read."""

    named: Mapping[str, Any]  # for statements: whose, which, and the claim
    content: bytes
    columns: Columns
    sheet: str


@dataclass(slots=True)
class _Batch:
    """What was read and is not written yet."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    troubles: list[dict[str, Any]] = field(default_factory=list)
    characters: int = 0

    @property
    def full(self) -> bool:
        """Is it time to write it?"""
        return len(self.answers) >= _ROWS or len(self.troubles) >= _ROWS or self.characters >= _CHARACTERS


class Importing:
    """The kind of job. `rules_of` says how a tenant's answers are read, `tenant_of` whether there is such a tenant."""

    name = KIND
    attempts = 3
    seconds = 900.0

    def __init__(
        self,
        database: Database,
        *,
        tenant_of: Callable[[str], Tenant | None],
        rules_of: Callable[[Tenant, str], Rules],
        at_once: int = 2,
        seals: Sealing | None = None,
    ) -> None:
        self._seals: Sealing = seals or Unsealed()
        self._database = database
        self._gate = asyncio.Semaphore(at_once)  # a child of the reader takes up to a gigabyte
        self._tenant_of = tenant_of
        self._rules_of = rules_of

    async def run(self, item: Item, context: Context) -> Values:
        """Read one file. Why it was refused, the survey says; the job tells no more than the code."""
        try:
            async with self._gate:
                return await self._run(item, context)
        except _Overtaken:
            return {"skipped": "superseded"}
        except Outage as outage:  # nobody's fault: no file fails for it
            raise Later("The database cannot be reached now.", code="database_unavailable") from outage

    async def _run(self, item: Item, context: Context) -> Values:
        tenant = self._tenant_of(context.tenant)
        if tenant is None or tenant.surveys is None:
            raise ItemFailed("surveys_off", "Surveys are switched off for this tenant.")
        claimed = await self._claim(context.tenant, str(item.payload["survey"]))
        rules = self._rules_of(tenant, claimed.sheet)
        try:
            tally = await self._read(claimed, rules, context)
        except Refused as refused:
            await self._refuse(claimed, refused)
            raise ItemFailed(refused.code, "The file was not read; its survey says why.") from None
        context.along(lambda connection: _ready(connection, claimed, tally))
        return {"rows": tally.rows, "answers": tally.answers, "left_out": tally.left_out}

    async def _claim(self, tenant: str, survey: str) -> _Claimed:
        """Whatever another run has written of it is gone. Raises _Overtaken where there is nothing to read."""
        named = {"tenant": tenant, "id": survey, "claim": secrets.token_hex(12)}
        async with self._database.begin() as connection:
            await connection.execute(PATIENT)
            row = (await connection.execute(_CLAIM, named)).one_or_none()
            if row is None or row.content is None:
                raise _Overtaken
            for statement in _CLEAR:
                await connection.execute(statement, named)
            carried(connection, len(row.content))
        opener = await self._seals.opener(tenant)
        content = await asyncio.to_thread(opener.open_bytes, bytes(row.content), BOUND)
        return _Claimed(named, content, columns_from(row.columns), row.sheet)

    async def _read(self, claimed: _Claimed, rules: Rules, context: Context) -> Tally:
        """All of its rows, written; the tally. Raises Refused, _Overtaken."""
        batch = _Batch()
        answers = comments = troubles = 0
        tally = Tally()
        async with aclosing(read_apart(claimed.content, claimed.columns, rules)) as items:
            async for item in items:
                if isinstance(item, Answer):
                    seal = await self._seals.of(claimed.named["tenant"])
                    answers += 1
                    batch.answers.append(answer_row(item, seal))
                    for comment in item.comments:
                        comments += 1
                        batch.comments.append(comment_row(comments, item, comment, seal))
                        batch.characters += len(comment.text)
                    if answers % _TOLD == 0:
                        await context.note({"survey": claimed.named["id"], "answers": answers})
                elif isinstance(item, RowTrouble):
                    troubles += 1
                    batch.troubles.append(trouble_row(troubles, item))
                else:
                    tally = item
                if batch.full:
                    await self._write(claimed, batch)
                    batch = _Batch()
        await self._write(claimed, batch)
        if (tally.answers, tally.comments) != (answers, comments) or tally.rows != answers + tally.left_out:
            raise ItemFailed("survey_tally_wrong", "The file's rows do not add up.", retry=True)
        return tally

    async def _write(self, claimed: _Claimed, batch: _Batch) -> None:
        """Under the claim: whoever takes it waits for this, and then deletes it."""
        async with self._database.begin() as connection:
            if (await connection.execute(_OURS, claimed.named)).scalar() != claimed.named["claim"]:
                raise _Overtaken
            for statement, rows in (
                (_ANSWERS, batch.answers),
                (_COMMENTS, batch.comments),
                (_TROUBLES, batch.troubles),
            ):
                if rows:
                    written = as_json(rows)
                    await connection.execute(statement, {**claimed.named, "rows": written})
                    carried(connection, len(written))

    async def _refuse(self, claimed: _Claimed, refused: Refused) -> None:
        """The survey says why. Refusals quote nothing of a file."""
        said = {**claimed.named, "code": refused.code, "message": refused.message}
        async with self._database.begin() as connection:
            await connection.execute(PATIENT)
            if (await connection.execute(_FAILED, said)).scalar() is not None:
                for statement in (*_CLEAR, _EMPTY):
                    await connection.execute(statement, claimed.named)


async def _ready(connection: AsyncConnection, claimed: _Claimed, tally: Tally) -> None:
    """It can be seen now, all of it. Where it was deleted meanwhile, or another run has it, nothing is said."""
    said = {**claimed.named, "tally": tally_json(tally)}
    if (await connection.execute(_READY, said)).scalar() is not None:
        await connection.execute(_EMPTY, claimed.named)
