"""An archive and a library on real parts, and what is made of both; runs and codebooks are as a test has written them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import NotFound
from passerelle.domain.survey_data import Answer, Comment
from passerelle.domain.survey_report import SurveyReport
from passerelle.domain.survey_work import Edition, Kept, Reading, Run, Survey
from passerelle.domain.surveys import (
    Analysed,
    Category,
    Codebook,
    Correction,
    Label,
    Opinion,
    Polarity,
    Review,
)
from passerelle.pipelines.surveys.archive_removing import Removing
from passerelle.pipelines.surveys.findings import Reporting
from passerelle.pipelines.surveys.findings_collection import Collections, Patience
from passerelle.stores.database import Database
from tests.passages import store
from tests.unit.jobs.scene import working
from tests.unit.pipelines.rag import library_scene
from tests.unit.pipelines.surveys import archive_scene
from tests.unit.pipelines.surveys.archive_scene import PATIENCE, QUICK, read_here

__all__ = ["read_here"]


BAD, GOOD = Polarity.NEGATIVE, Polarity.POSITIVE


BOOK = Codebook(
    "cours", 2, "fr", (Category("pace", "Rythme"), Category("room", "Salle"), Category("food", "Repas"))
)


ROLES = {"Commentaire": {"role": "comment"}, "NPS": {"role": "nps"}, "Formateur": {"role": "segment"}}


def file(count: int, word: str = "rythme") -> bytes:
    """One in five speaks badly of the pace; `word` is in all comments."""
    rows = [
        f"Le {word} est trop rapide, avis {index}.;3;Petit"
        if index % 5 == 0
        else f"Le {word} est bon, avis {index}.;9;Roy"
        for index in range(count)
    ]
    return "\n".join(["Commentaire;NPS;Formateur", *rows]).encode()


def read(comment: Comment) -> Analysed:
    bad = "trop" in comment.text
    tone = Polarity.NEGATIVE if bad else Polarity.POSITIVE
    opinion = Opinion(comment.text, 0, len(comment.text), (Label("pace", 0.8),), tone, 0.9)
    return Analysed(comment.text, "fr", (opinion,), tone, 0.9, (Review.UNCERTAIN,) if bad else ())


@dataclass
class Scripted:
    """Runs and codebooks as a test has written them; remembers which pages were asked for."""

    run_: Run | None = None
    readings_: list[Reading] = field(default_factory=list)
    books: Sequence[Edition] = (Edition(BOOK),)
    pages: int = 0

    async def run(self, tenant: str, survey: str, run: str | None = None) -> Run:
        if self.run_ is None or (run is not None and run != self.run_.id) or self.run_.survey != survey:
            raise NotFound("There is no such run.", code="run_not_found")
        return self.run_

    async def readings(
        self, tenant: str, survey: str, run: str, *, after: str | None = None, most: int = 100
    ) -> Sequence[Reading]:
        self.pages += 1
        ids = [each.comment.id for each in self.readings_]
        start = 0 if after is None else ids.index(after) + 1
        return self.readings_[start : start + min(most, 60)]

    async def editions(self, tenant: str, name: str) -> Sequence[Edition]:
        if not self.books:
            raise NotFound("There is no such codebook.", code="codebook_not_found")
        return self.books

    def ran(self, survey: Survey, answers: Sequence[Answer], number: int = 1) -> None:
        """A run has read them."""
        self.run_ = Run(
            f"run_{number}", survey.tenant, survey.id, number, "cours", 2, 0, "assistant", "builtin", True, "done",
            "job_1", len(answers), len(answers), 0, 0,
        )  # fmt: skip
        self.readings_ = [
            Reading(comment, answer.id, answer.row, read(comment))
            for answer in answers
            for comment in answer.comments
        ]


@dataclass
class Scene:
    """An archive, a library and what is made of both."""

    archive: archive_scene.Scene
    rag: library_scene.Scene
    scripted: Scripted
    findings: Reporting
    removing: Removing

    def caller(self, tenant: str = "acme") -> Caller:
        return Caller("key_1", tenant, Role.MEMBER)

    async def collection(self, survey: Survey) -> str:
        return await self.findings.collection(
            self.caller(survey.tenant), self.archive.tenants[survey.tenant], survey.id
        )

    async def report(self, survey: Survey, run: str | None = None) -> SurveyReport:
        return await self.findings.report(self.archive.tenants[survey.tenant], survey.id, run)

    async def kept(self, survey: Survey) -> Survey:
        return await self.archive.settled(survey)

    @asynccontextmanager
    async def workers(self) -> AsyncIterator[None]:
        kinds = (self.archive.filing.importing(), self.rag.library.ingesting())
        async with working(self.archive.database, *kinds, pace=QUICK):
            yield


def scene(database: Database, chunks: Any, *, patience: Patience | None = None) -> Scene:
    archive = archive_scene.scene(database)
    rag = library_scene.scene(database, chunks)
    for name in archive.tenants:
        archive.tenants[name] = replace(archive.tenants[name], rag=rag.tenants[name].rag)

    async def library() -> Any:
        return rag.library

    removing = Removing(
        database, archive.removing._desk, library, forget=archive.collections.forget, keep_of=dict
    )
    archive.filing._removing = removing
    scripted = Scripted()
    findings = Reporting(
        archive.filing,
        scripted,  # type: ignore[arg-type]
        scripted,  # type: ignore[arg-type]
        collections=Collections(database, library, patience=patience or Patience(PATIENCE, 0.02)),
        removing=removing,
        operator=lambda: "Formation SAS",
    )
    return Scene(archive, rag, scripted, findings, removing)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: its owner stays from test to test."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
async def here(database: Database, folder: Path, read_here: None) -> AsyncIterator[Scene]:
    async with store("embedded", folder) as chunks:
        made = scene(database, chunks)
        for tenant in made.archive.tenants:
            await chunks.erase(tenant)
        yield made


@pytest.fixture
def bare(database: Database, read_here: None) -> Scene:
    """Without a store of passages, for reports."""
    return scene(database, None)


def kept(of: int = 2, revoked: bool = False, **said: Any) -> Kept:
    correction = Correction("x", "fr", codebook=of, **said)
    return Kept("corr_1", "cours", correction, 1, revoked_at=datetime.now(UTC) if revoked else None)
