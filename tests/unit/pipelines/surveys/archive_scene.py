"""An archive on real parts: a database, a worker, the reading process; collections are a stand-in's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import NotFound, Unavailable
from passerelle.domain.survey_data import Answer, Columns, RowTrouble, Tally
from passerelle.domain.survey_work import Survey, SurveyRules
from passerelle.jobs.desk import Desk
from passerelle.jobs.worker import Pace
from passerelle.pipelines.surveys import archive, archive_reading
from passerelle.pipelines.surveys.archive import Filing, Ground
from passerelle.pipelines.surveys.archive_removing import Removing
from passerelle.pipelines.surveys.desk import NewSurvey
from passerelle.pipelines.surveys.importing import Opened, Reading, Rules, open_survey
from passerelle.stores.database import Database
from tests.unit.jobs.scene import over, working

QUICK = Pace(concurrency=4, lease=2.0, grace=5.0)
PATIENCE = 60.0  # seconds that a test waits on a machine that is busy with others
FILE = (
    "Date;Formateur;NPS;Note /10;Commentaire\n"
    + "".join(
        f"0{index % 9 + 1}/03/2026;F{index % 3};{index % 11};{index % 10},5;"
        f"Le cours {index} était vraiment bien fait, appelez le 06 12 34 56 78.\n"
        for index in range(40)
    )
    + ";;;;\n01/03/2026;X;douze;;=1+1\n"
).encode()


@dataclass
class Collections:
    """Drops collections, or is away."""

    dropped: list[tuple[str, str]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    there: set[str] = field(default_factory=set)
    away: bool = False

    async def library(self) -> Any:
        if self.away:
            raise Unavailable("It is away.")
        return self

    async def forget(self, tenant: str) -> None:
        """A tenant's codebooks and corrections."""
        if self.away:
            raise Unavailable("It is away.")
        self.forgotten.append(tenant)

    async def drop(self, tenant: str, name: str) -> None:
        if name not in self.there:
            raise NotFound("There is none.")
        self.there.discard(name)
        self.dropped.append((tenant, name))


@dataclass
class Scene:
    """An archive and what stands behind it."""

    database: Database
    tenants: dict[str, Tenant]
    collections: Collections
    filing: Filing
    removing: Removing

    async def make(self, content: bytes = FILE, tenant: str = "acme", **said: Any) -> Survey:
        new = NewSurvey(**{"title": "Enquête", "content": content, **said})
        return await self.filing.make(self.tenants[tenant], new)

    async def settled(self, survey: Survey) -> Survey:
        """As it stands once its job is over."""
        assert survey.job is not None
        await over(self.database, survey.job, survey.tenant, within=PATIENCE)
        return await self.filing.survey(survey.tenant, survey.id)

    async def read(self, content: bytes = FILE, tenant: str = "acme", **said: Any) -> Survey:
        """Made, and read by a worker."""
        async with self.workers():
            return await self.settled(await self.make(content, tenant, **said))

    async def answers(self, survey: Survey) -> list[Answer]:
        return [answer async for answer in self.filing.answers(survey.tenant, survey.id)]

    async def troubles(self, survey: Survey) -> list[RowTrouble]:
        found: list[RowTrouble] = []
        while page := await self.filing.troubles(survey.tenant, survey.id, after=len(found)):
            found += page
        return found

    @asynccontextmanager
    async def workers(self, pace: Pace = QUICK) -> AsyncIterator[None]:
        async with working(self.database, self.filing.importing(), pace=pace):
            yield

    async def sql(self, statement: str, **values: Any) -> Sequence[Any]:
        async with self.database.begin() as connection:
            result = await connection.execute(text(statement), values)
            return result.all() if result.returns_rows else []

    async def left(self, survey: str) -> dict[str, int]:
        """How many rows there are of a survey, by table."""
        found = {}
        for table in ("content", "answer", "comment", "trouble", "run", "theme"):
            rows = await self.sql(f"SELECT count(*) FROM survey_{table} WHERE survey = :id", id=survey)
            found[table] = rows[0][0]
        found["survey"] = (await self.sql("SELECT count(*) FROM survey WHERE id = :id", id=survey))[0][0]
        return {table: count for table, count in found.items() if count}


def scene(database: Database, **rules: Any) -> Scene:
    """An archive for two tenants."""
    tenants = {name: Tenant(name, (), surveys=SurveyRules(**rules)) for name in ("acme", "globex")}
    collections = Collections()
    desk = Desk(database)
    removing = Removing(
        database,
        desk,
        collections.library,
        forget=collections.forget,
        keep_of=lambda: {name: each.surveys.keep for name, each in tenants.items() if each.surveys},
    )
    ground = Ground(database, desk, tenants.get, b"secret of this installation")
    return Scene(database, tenants, collections, Filing(ground, removing), removing)


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in this process, which is the same, and cheaper."""

    async def opened(content: bytes, rules: Rules) -> Opened:
        return open_survey(content, rules)

    async def read(
        content: bytes, columns: Columns, rules: Rules
    ) -> AsyncIterator[Answer | RowTrouble | Tally]:
        reading = Reading(content, columns, rules)
        for each in reading:
            yield each
        yield reading.tally

    monkeypatch.setattr(archive, "opened_apart", opened)
    monkeypatch.setattr(archive_reading, "read_apart", read)
