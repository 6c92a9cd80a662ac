"""Surveys as a process has them: a file is read, its comments too, reported on and asked, without a language model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import NotFound
from passerelle.domain.rag import Answered, Question, Turn
from passerelle.domain.survey_work import Survey, SurveyState
from passerelle.domain.surveys import Category
from passerelle.gateway.edition import Editions
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Kinds
from passerelle.pipelines.rag import opening as documents
from passerelle.pipelines.rag.library import Shelves
from passerelle.pipelines.rag.reading import Readings
from passerelle.pipelines.surveys.desk import Bureau, NewSurvey
from passerelle.pipelines.surveys.opening import Ground, Opened
from passerelle.stores.database import Database
from tests.unit.gateway.internal import inside
from tests.unit.jobs.scene import over, working
from tests.unit.pipelines.surveys.archive_scene import PATIENCE, QUICK, read_here

__all__ = ["read_here"]

CONFIGURATION: dict[str, object] = {
    "operator": {"name": "Formation SAS"},
    "backends": {"offline": {"kind": "builtin"}},
    "models": {"assistant": {"task": "chat", "targets": [{"backend": "offline", "model": "extractive"}]}},
    "tenants": {"acme": {}, "globex": {}},
}
BOOK = (
    Category("pace", "Rythme", "la vitesse du cours", "trop rapide, trop lent"),
    Category("room", "Salle", "les locaux", "froid, bruit, chaises"),
)


def file(word: str) -> bytes:
    rows = [
        f"Le cours va trop vite pour nous, le {word} numéro {index} ne suit plus.;4"
        if index % 2
        else f"La salle était froide et le {word} numéro {index} manquait de chaises.;8"
        for index in range(12)
    ]
    return "\n".join(["Commentaire;NPS", *rows]).encode()


@dataclass
class Consulting:
    """The seam `Rag`, over documents that are open."""

    opened: documents.Opened

    async def library(self) -> Shelves:
        return self.opened.shelves

    async def reading(self) -> Readings:
        await self.opened.warm()
        return self.opened.readings


@dataclass
class Scene:
    """Everything of a process that surveys need."""

    database: Database
    editions: Editions
    bureau: Bureau
    rag: Consulting
    opened: Opened

    async def made(self, tenant: str, word: str, **said: str) -> Survey:
        new = NewSurvey(f"Enquête {word}", file(word), **said)  # type: ignore[arg-type]
        made = await self.bureau.archive.make(self.editions.catalog.tenants[tenant], new)
        await over(self.database, made.job or "", tenant, within=PATIENCE)
        return await self.bureau.archive.survey(tenant, made.id)

    async def answer(self, survey: Survey, question: str) -> Answered:
        """What somebody of the survey's tenant is told."""
        caller = Caller("key_1", survey.tenant, Role.MEMBER)
        tenant = self.editions.catalog.tenants[survey.tenant]
        name = await self.bureau.findings.collection(caller, tenant, survey.id)
        reading = await self.rag.reading()
        told = [
            each
            async for each in reading.answer(caller, Question(name, (Turn("user", question),)), stream=False)
        ]
        assert isinstance(told[-1], Answered)
        return told[-1]


@asynccontextmanager
async def opened(database: Database, folder: Path) -> AsyncIterator[Scene]:
    async def purge(tenant: str, collection: str) -> None:
        return None

    async with inside(CONFIGURATION) as gateway:
        desk = Desk(database)
        ground = documents.Ground(
            data=folder, alone=True, qdrant=None, database=database, secret=b"r" * 32, editions=gateway.editions,
            gateway=gateway.gateway, purge=purge, desk=desk,
        )  # fmt: skip
        rag = documents.Opened(ground)
        consulting = Consulting(rag)
        surveys = Opened(
            Ground(database, desk, gateway.editions, gateway.gateway, consulting, rag.chunks, b"s" * 32)
        )
        try:
            kinds: Kinds = await surveys.kinds()
            async with working(database, *kinds.values(), rag.shelves.ingesting(), pace=QUICK):
                yield Scene(database, gateway.editions, await surveys.bureau(), consulting, surveys)
        finally:
            await surveys.aclose()
            await rag.aclose()


async def test_a_survey_from_its_file_to_its_report_and_to_answers_about_it(
    database: Database, tmp_path: Path, read_here: None
) -> None:
    async with opened(database, tmp_path) as here:
        tenant = here.editions.catalog.tenants["acme"]
        await here.bureau.codebooks.write("acme", "cours", language="fr", categories=BOOK)
        survey = await here.made("acme", "canari", codebook="cours")
        assert survey.state is SurveyState.READY
        run = await here.bureau.runs.start(tenant, survey.id)
        await over(database, run.job, within=PATIENCE)
        report = await here.bureau.findings.report(tenant, survey.id)

        assert (report.operator, report.answers, report.readers.read) == ("Formation SAS", 12, 12)
        assert report.readers.offline
        assert {each.id for each in report.categories} == {"pace", "room"}

        other = await here.made("acme", "pinson")
        theirs = await here.made("globex", "merle")
        for each, word in ((survey, "canari"), (other, "pinson"), (theirs, "merle")):
            answer = await here.answer(each, f"Pourquoi le {word} ne suit-il plus le cours ?")
            assert answer.refusal is None
            assert word in answer.text
            assert not any(strange in answer.text for strange in {"canari", "pinson", "merle"} - {word})
            sources = await here.bureau.findings.sources(each.tenant, each.id, answer.citations)
            comments = {
                one.id: one.text
                async for row in here.bureau.archive.answers(each.tenant, each.id)
                for one in row.comments
            }
            assert sources.keys() == {cited.number for cited in answer.citations}
            assert all(cited.quote in comments[sources[cited.number]] for cited in answer.citations)

        # Where one asks for another's bird, nothing of it is said.
        for asked, word in ((survey, "pinson"), (survey, "merle"), (theirs, "canari")):
            answer = await here.answer(asked, f"Que dit-on du {word} numéro 3 ?")
            said = answer.text + "".join(each.quote for each in (*answer.citations, *answer.nearest))
            assert word not in said.replace(f"Que dit-on du {word}", "")

        assert await here.bureau.findings.erase("acme") == 24
        with pytest.raises(NotFound):
            await here.bureau.codebooks.edition("acme", "cours")
        assert [each.name for each in await (await here.rag.library()).shelves("acme")] == []
        assert (await here.bureau.archive.survey("globex", theirs.id)).tally == theirs.tally
        await here.opened.sweep(datetime.now(UTC))
