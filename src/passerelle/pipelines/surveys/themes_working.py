"""`surveys-themes`: the job that looks for themes in a survey's comments. One item is one look at all of them.

What is found takes the place of what was found before in the transaction that keeps the item's result, but for themes that
somebody has taken up.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import NotFound, PasserelleError
from passerelle.domain.jobs import Item, Values
from passerelle.domain.survey_work import Theme
from passerelle.jobs.kinds import Context, ItemFailed, Later
from passerelle.jobs.tables import as_json
from passerelle.pipelines.models.absent import absent
from passerelle.pipelines.rag.fencing import mark_of
from passerelle.pipelines.surveys import runs_tables
from passerelle.pipelines.surveys.running import Ground
from passerelle.pipelines.surveys.running_models import is_packaged, who_reads
from passerelle.pipelines.surveys.sealed import BOUND, opened
from passerelle.pipelines.surveys.themes_pieces import Piece, pieces
from passerelle.pipelines.surveys.themes_tables import theme_json
from passerelle.stores.database import Outage

if TYPE_CHECKING:
    from passerelle.pipelines.surveys.themes_finding import Finding, Found

KIND = "surveys-themes"
_BLOCK = 2_000  # comments read from the database at once
_NAMED = 3  # keywords that make a name

_SURVEY = text("SELECT language FROM survey WHERE tenant = :tenant AND id = :survey")
_COMMENTS = text("""
SELECT comment.number, comment.id, comment.text, comment.language, reading.analysed
FROM survey_comment AS comment LEFT JOIN survey_reading AS reading
    ON reading.run = CAST(:run AS text) AND reading.number = comment.number AND reading.tenant = comment.tenant
WHERE comment.tenant = :tenant AND comment.survey = :survey AND comment.number > :after
ORDER BY comment.number LIMIT :most
""")
_CLEAR = text("DELETE FROM survey_theme WHERE tenant = :tenant AND survey = :survey AND merged IS NULL")
_PUT = text("""
INSERT INTO survey_theme (id, tenant, survey, theme, size)
SELECT :id, tenant, id, CAST(:theme AS jsonb), :size FROM survey WHERE tenant = :tenant AND id = :survey
""")


class Discovering:
    """The kind of job."""

    name = KIND
    attempts = 5
    seconds = 3_600.0

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._gate = asyncio.Semaphore(1)  # tens of megabytes each

    async def run(self, item: Item, context: Context) -> Values:
        """Look for themes."""
        tenant = self._ground.tenant_of(context.tenant)
        if tenant is None or tenant.surveys is None:
            raise ItemFailed("no_surveys", "The file has no surveys for this tenant any more.")
        survey, wanted = str(context.params["survey"]), context.params.get("themes")
        try:
            async with self._gate:
                return await self._run(tenant, survey, wanted, context)
        except Outage as error:
            raise Later("The database cannot be reached now.", code="database_unavailable") from error
        except PasserelleError as error:
            if later := absent(error):
                raise later from error
            raise

    async def _run(self, tenant: Tenant, survey: str, wanted: int | None, context: Context) -> Values:
        named = {"tenant": tenant.name, "survey": survey}
        async with self._ground.database.begin() as connection:
            row = (await connection.execute(_SURVEY, named)).one_or_none()
        if row is None:
            return {"skipped": "deleted"}
        comments, found = await self._find(tenant, survey, wanted)
        themes = await self._named(tenant, survey, row.language, found.themes)
        seal = await self._ground.seals.of(tenant.name)
        rows = [
            {
                **named,
                "id": theme.id,
                "theme": as_json(seal.seal_json(theme_json(theme), BOUND)),
                "size": len(theme.comments),
            }
            for theme in themes
        ]

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(_CLEAR, named)
            if rows:
                await connection.execute(_PUT, rows)

        context.along(write)
        silent = comments - found.comments
        return {"themes": len(themes), "comments": comments, "left_out": found.left_out, "silent": silent}

    async def _find(self, tenant: Tenant, survey: str, wanted: int | None) -> tuple[int, Finding]:
        """How many comments there are, and their themes."""
        count, found = 0, list[Piece]()
        async for block in self._blocks(tenant.name, survey):
            count += len(block)
            found += await asyncio.to_thread(_pieces, block)
        reader = self._ground.readers.reader(tenant)
        embed = None if reader.model is None else reader.embed
        return count, await asyncio.to_thread(_find, found, embed, wanted)

    async def _blocks(self, tenant: str, survey: str) -> Any:
        """Comments with what the newest run that has finished read in them, some at a time."""
        async with self._ground.database.begin() as connection:
            try:
                run = (await runs_tables.run_of(connection, tenant, survey)).id
            except NotFound:
                run = None
        after = -1
        while True:
            values = {"tenant": tenant, "survey": survey, "run": run, "after": after, "most": _BLOCK}
            async with self._ground.database.begin() as connection:
                rows = (await connection.execute(_COMMENTS, values)).all()
            if not rows:
                return
            yield opened(await self._ground.seals.opener(tenant), rows)
            after = rows[-1].number

    async def _named(self, tenant: Tenant, survey: str, language: str, found: Sequence[Found]) -> list[Theme]:
        """By a language model where one may be asked; by its keywords, and saying so, where none gave a name."""
        themes = [_by_keywords(survey, one) for one in found]
        try:
            reads = who_reads(self._ground.editions, tenant)
        except PasserelleError:  # it may ask none, or none is switched on
            return themes
        if reads.offline or not themes:
            return themes
        name = await asyncio.to_thread(_naming)
        names = await name(
            self._ground.asker(tenant.name),
            reads.model,
            [(theme.keywords, [quote for _, quote in theme.quotes]) for theme in themes],
            language=language,
            mark=mark_of(self._ground.secret, ("survey themes", tenant.name, survey)),
            packaged=lambda backend: is_packaged(self._ground.editions, backend),
        )
        return [
            theme if said is None else replace(theme, name=said, offline=False)
            for theme, said in zip(themes, names, strict=True)
        ]


def _by_keywords(survey: str, found: Found) -> Theme:
    words = ", ".join(found.keywords[:_NAMED]) or found.quotes[0][1][:60]
    return Theme(
        id=f"thm_{secrets.token_hex(12)}",
        survey=survey,
        name=words[:1].upper() + words[1:],
        keywords=found.keywords,
        comments=found.comments,
        quotes=found.quotes,
        cohesion=found.cohesion,
        offline=True,
    )


def _pieces(rows: Sequence[Row[Any]]) -> list[Piece]:
    return [
        piece
        for row in rows
        for piece in pieces(
            row.id,
            row.text,
            None if row.analysed is None else runs_tables.analysed_of(row.text, row.language, row.analysed),
        )
    ]


def _find(found: Sequence[Piece], embed: Any, wanted: int | None) -> Finding:
    from passerelle.pipelines.surveys.themes_finding import find  # noqa: PLC0415 - brings numpy

    return find(found, embed, groups=wanted)


def _naming() -> Any:
    from passerelle.pipelines.surveys.themes_naming import named  # noqa: PLC0415 - brings LangChain

    return named
