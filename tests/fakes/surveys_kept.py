"""Surveys and codebooks in memory: files are read as they are, in the process that is asked."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import BadRequest, Conflict, NotFound
from passerelle.domain.survey_data import Answer, Comment, RowTrouble, Tally
from passerelle.domain.survey_work import (
    Checked,
    Edition,
    Figures,
    Kept,
    Point,
    Run,
    Survey,
    SurveyState,
    Theme,
)
from passerelle.domain.surveys import Category, Codebook
from passerelle.pipelines.surveys.desk import NewSurvey
from passerelle.pipelines.surveys.importing import Opened, open_survey
from passerelle.pipelines.surveys.importing import Reading as Rows
from passerelle.pipelines.surveys.importing_columns import chosen, proposed

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
_FIGURES = Figures(40, 0.8, 0.7, 0.75)


def missing(what: str) -> NotFound:
    return NotFound(f"There is no such {what}.", code=f"{what}_not_found")


@dataclass
class Held:
    """What is held of a survey."""

    survey: Survey
    answers: list[Answer]
    troubles: list[RowTrouble]
    digest: bytes = b""

    def comments(self) -> Iterator[tuple[Answer, Comment]]:
        for answer in self.answers:
            for comment in answer.comments:
                yield answer, comment


@dataclass
class World:
    """All that is kept; `did` remembers who started what, `new` what was handed in."""

    held: dict[tuple[str, str], Held] = field(default_factory=dict)
    books: dict[tuple[str, str], list[Edition]] = field(default_factory=dict)
    kept: dict[tuple[str, str], Kept] = field(default_factory=dict)
    ran: dict[tuple[str, str], list[Run]] = field(default_factory=dict)
    looked: dict[str, set[str]] = field(default_factory=dict)
    found: dict[tuple[str, str], list[Theme]] = field(default_factory=dict)
    did: list[tuple[str, str]] = field(default_factory=list)
    new: list[NewSurvey] = field(default_factory=list)

    def of(self, tenant: str, survey: str) -> Held:
        if (tenant, survey) not in self.held:
            raise missing("survey")
        return self.held[tenant, survey]


@dataclass
class ArchiveFake:
    """Reads a file at once, and says so when it is asked the next time."""

    all: World

    async def look(self, tenant: Tenant, content: bytes, *, sheet: str = "") -> Opened:
        return open_survey(content)

    async def make(self, tenant: Tenant, new: NewSurvey) -> Survey:
        self.all.new.append(new)
        opened = open_survey(new.content)
        header = opened.header
        columns = proposed(opened.proposals, header) if new.columns is None else chosen(header, new.columns)
        digest = hashlib.sha256(new.content + repr(columns).encode()).digest()
        for (owner, _), held in self.all.held.items():
            if owner == tenant.name and held.digest == digest:
                return held.survey
        rows = Rows(new.content, columns)
        read = list(rows)
        survey = Survey(
            f"sv_{len(self.all.held) + 1}", tenant.name, new.title, new.language, SurveyState.READY, columns,
            rows.tally, new.codebook, None, "job_import", AT, AT,
        )  # fmt: skip
        answers = [each for each in read if isinstance(each, Answer)]
        troubles = [each for each in read if isinstance(each, RowTrouble)]
        self.all.held[tenant.name, survey.id] = Held(survey, answers, troubles, digest)
        return replace(survey, state=SurveyState.READING, tally=Tally())

    async def surveys(self, tenant: str, *, before: str | None = None, most: int = 50) -> Sequence[Survey]:
        found = [held.survey for (owner, _), held in self.all.held.items() if owner == tenant][::-1]
        ids = [each.id for each in found]
        return found[ids.index(before) + 1 if before in ids else 0 :][:most]

    async def survey(self, tenant: str, survey: str) -> Survey:
        return self.all.of(tenant, survey).survey

    async def troubles(
        self, tenant: str, survey: str, *, after: int = 0, most: int = 200
    ) -> Sequence[RowTrouble]:
        return self.all.of(tenant, survey).troubles[after : after + most]

    async def answers(self, tenant: str, survey: str) -> AsyncIterator[Answer]:
        for answer in self.all.of(tenant, survey).answers:
            yield answer

    async def describe(
        self,
        tenant: str,
        survey: str,
        *,
        title: str | None = None,
        language: str | None = None,
        codebook: str | None = None,
    ) -> Survey:
        held = self.all.of(tenant, survey)
        if codebook is not None and (tenant, codebook) not in self.all.books:
            raise missing("codebook")
        said = {"title": title, "language": language, "codebook": codebook}
        held.survey = replace(held.survey, **{name: value for name, value in said.items() if value})  # type: ignore[arg-type]
        return held.survey

    async def drop(self, tenant: str, survey: str) -> None:
        self.all.of(tenant, survey)
        del self.all.held[tenant, survey]


@dataclass
class CodebooksFake:
    """Versions in a list; one whose note is `worse` is, and `few` is too little to tell by."""

    all: World

    async def codebooks(self, tenant: str) -> Sequence[Edition]:
        names = sorted(name for owner, name in self.all.books if owner == tenant)
        return [await self.edition(tenant, name) for name in names]

    async def edition(self, tenant: str, name: str, version: int | None = None) -> Edition:
        for each in await self.editions(tenant, name):
            if each.in_use if version is None else each.codebook.version == version:
                return each
        raise missing("codebook")

    async def editions(self, tenant: str, name: str) -> Sequence[Edition]:
        if (tenant, name) not in self.all.books:
            raise missing("codebook")
        return self.all.books[tenant, name][::-1]

    async def write(
        self,
        tenant: str,
        name: str,
        *,
        language: str,
        categories: Sequence[Category],
        merged: Mapping[str, str] | None = None,
        note: str = "",
        by: str = "",
        base: int | None = None,
    ) -> Edition:
        if len({each.id for each in categories}) < len(categories):
            raise BadRequest("Two categories have one id.", code="codebook_wrong", param="categories")
        editions = self.all.books.setdefault((tenant, name), [])
        codebook = Codebook(name, len(editions) + 1, language, tuple(categories))
        editions.append(Edition(codebook, merged or {}, note, AT, by, in_use=not editions))
        return editions[-1]

    async def check(self, tenant: Tenant, name: str, version: int) -> Checked:
        edition = await self.edition(tenant.name, name, version)
        if edition.note == "few":
            raise Conflict("There are too few corrections.", code="too_few_corrections")
        change = -0.1 if edition.note == "worse" else 0.05
        return Checked(_FIGURES, _FIGURES, change, change - 0.02, change + 0.02, ("c1",), AT)

    async def promote(
        self, tenant: Tenant, name: str, version: int, *, force: bool = False, by: str = ""
    ) -> Edition:
        few = (await self.edition(tenant.name, name, version)).note == "few"
        checked = None if few else await self.check(tenant, name, version)
        if checked is not None and checked.worse:
            if not force:
                raise Conflict("It is worse than the version in use.", code="regression")
            checked = replace(checked, forced=True)
        editions = self.all.books[tenant.name, name]
        for place, each in enumerate(editions):
            mine = each.codebook.version == version
            editions[place] = replace(each, in_use=mine, checked=checked if mine else each.checked)
        editions[version - 1] = replace(editions[version - 1], promoted_at=AT, promoted_by=by)
        return editions[version - 1]

    async def curve(self, tenant: Tenant, name: str) -> Sequence[Point]:
        await self.editions(tenant.name, name)
        return [Point(0, replace(_FIGURES, micro=0.5)), Point(25, _FIGURES)]

    async def drop(self, tenant: str, name: str) -> None:
        await self.editions(tenant, name)
        if any(held.survey.codebook == name for (owner, _), held in self.all.held.items() if owner == tenant):
            raise Conflict("A survey names it.", code="codebook_in_use")
        del self.all.books[tenant, name]
