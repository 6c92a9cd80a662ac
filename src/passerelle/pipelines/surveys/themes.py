"""Themes of a survey: looked for by a job, looked through by a person, taken up into a codebook's next version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import BadRequest, Conflict, NotFound
from passerelle.domain.jobs import NewItem
from passerelle.domain.survey_work import Edition, Theme, base_of
from passerelle.domain.surveys import Category
from passerelle.jobs.desk import Desk
from passerelle.jobs.tables import as_json
from passerelle.pipelines.surveys.archive_rows import survey_there
from passerelle.pipelines.surveys.desk import Codebooks
from passerelle.pipelines.surveys.themes_tables import THEME, theme_of
from passerelle.pipelines.surveys.themes_working import KIND
from passerelle.sealing.values import Sealing, Unsealed
from passerelle.stores.database import Database

MOST_THEMES = 25
MOST_EXAMPLES = 20  # of a category
_COST = 16  # of the workers' time
_LANGUAGES = ("fr", "en")  # of codebooks

_ALL = text(f"""
SELECT {THEME} FROM survey_theme WHERE tenant = :tenant AND survey = :survey ORDER BY size DESC, id
""")  # noqa: S608 - constants
_ONE = text(f"""
SELECT {THEME} FROM survey_theme WHERE tenant = :tenant AND survey = :survey AND id = :theme
""")  # noqa: S608 - constants
_MERGED = text("""
UPDATE survey_theme SET merged = CAST(:merged AS jsonb) WHERE tenant = :tenant AND survey = :survey AND id = :theme
""")


class SurveyThemes:
    """The seam `Themes`."""

    def __init__(
        self, database: Database, desk: Desk, codebooks: Codebooks, seals: Sealing | None = None
    ) -> None:
        self._seals: Sealing = seals or Unsealed()
        self._database = database
        self._desk = desk
        self._codebooks = codebooks

    async def discover(self, tenant: Tenant, survey: str, *, themes: int | None = None, by: str = "") -> str:
        """Look for themes in a job, whose id is given; while one looks already, that one's. See the seam."""
        if themes is not None and not 2 <= themes <= MOST_THEMES:
            message = f"There can be from 2 to {MOST_THEMES} themes."
            raise BadRequest(message, code="invalid_value", param="themes")
        async with self._database.begin() as connection:
            row = await survey_there(connection, tenant.name, survey, locked=True)
            if row.state != "ready":
                message = "The survey's file is not read yet, or could not be."
                raise Conflict(message, code="survey_not_ready")
            return await self._desk.create(
                connection,
                tenant=tenant.name,
                kind=KIND,
                items=[NewItem("themes", {}, _COST)],
                params={"survey": survey, "themes": themes, "by": by},
                key=survey,
            )

    async def themes(self, tenant: str, survey: str) -> Sequence[Theme]:
        """The largest first."""
        opener = await self._seals.opener(tenant)
        async with self._database.begin() as connection:
            await survey_there(connection, tenant, survey)
            rows = await connection.execute(_ALL, {"tenant": tenant, "survey": survey})
            return [theme_of(row, opener) for row in rows]

    async def merge(
        self,
        tenant: Tenant,
        survey: str,
        theme: str,
        *,
        codebook: str,
        category: Category | str,
        by: str = "",
    ) -> Edition:
        """Take a theme up as a new category, or into an existing one as examples, in the codebook's next version.

        That one is made of the newest version that was not refused, so that several themes can be taken up one after
        another. Raises NotFound, BadRequest `unknown_category`, Conflict `theme_merged`, `category_exists`, and
        `codebook_changed` where somebody wrote another version meanwhile.
        """
        async with self._database.begin() as connection:
            there = await survey_there(connection, tenant.name, survey)
            found = await self._theme(connection, tenant.name, survey, theme)
        if found.merged_into is not None:
            raise Conflict("The theme is in a codebook already.", code="theme_merged")
        base = await self._base(tenant.name, codebook)
        if base is None and isinstance(category, str):
            raise NotFound(f"There is no codebook {codebook[:64]!r}.", code="codebook_not_found")
        now = base.codebook.categories if base is not None else ()
        language = base.codebook.language if base is not None else _of_codebooks(there.language)
        edition = await self._codebooks.write(
            tenant.name,
            codebook,
            language=language,
            categories=_with(now, found, category),
            base=base.codebook.version if base is not None else 0,
            note=f"Theme: {found.name}"[:200],
            by=by,
        )
        name = category if isinstance(category, str) else category.id
        merged = {"codebook": codebook, "version": edition.codebook.version, "category": name}
        async with self._database.begin() as connection:
            values = {"tenant": tenant.name, "survey": survey, "theme": theme, "merged": as_json(merged)}
            await connection.execute(_MERGED, values)
        return edition

    async def _base(self, tenant: str, codebook: str) -> Edition | None:
        """The version that the next one is made of; None: there is no such codebook."""
        try:
            editions = await self._codebooks.editions(tenant, codebook)
        except NotFound:
            return None
        return base_of(editions)

    async def _theme(self, connection: AsyncConnection, tenant: str, survey: str, theme: str) -> Theme:
        values = {"tenant": tenant, "survey": survey, "theme": theme}
        row = None if "\0" in theme else (await connection.execute(_ONE, values)).one_or_none()
        if row is None:
            raise NotFound(f"There is no theme {theme[:64]!r}.", code="theme_not_found")
        return theme_of(row, await self._seals.opener(tenant))


def _of_codebooks(language: str) -> str:
    return language if language in _LANGUAGES else "en"


def _with(now: Sequence[Category], theme: Theme, category: Category | str) -> list[Category]:
    """The categories with the theme among them."""
    quotes = [quote for _, quote in theme.quotes]
    ids = [each.id for each in now]
    if isinstance(category, Category):
        if category.id in ids:
            message = f"The codebook has a category {category.id[:64]!r}: name it to add to it."
            raise Conflict(message, code="category_exists", param="category")
        return [*now, replace(category, examples=_several(category.examples, quotes))]
    if category not in ids:
        message = f"The codebook has no category {category[:64]!r}."
        raise BadRequest(message, code="unknown_category", param="category")
    return [
        replace(each, examples=_several(each.examples, quotes)) if each.id == category else each
        for each in now
    ]


def _several(examples: Sequence[str], quotes: Sequence[str]) -> tuple[str, ...]:
    """What was there stays, as far as there is room."""
    return tuple(dict.fromkeys([*examples, *quotes]))[: max(MOST_EXAMPLES, len(examples))]
