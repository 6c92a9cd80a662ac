"""Runs on real parts: a database, a worker, a gateway, and a model that reads by rules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import text

from passerelle.domain.catalog import Tenant
from passerelle.domain.survey_work import Kept, Run
from passerelle.domain.survey_work import Reading as Read
from passerelle.domain.surveys import Category, Codebook, Correction
from passerelle.jobs.desk import Desk
from passerelle.pipelines.models.asker import Asker
from passerelle.pipelines.surveys.asking_seams import Embed
from passerelle.pipelines.surveys.codebooks import KeptCodebooks
from passerelle.pipelines.surveys.memory import Memory
from passerelle.pipelines.surveys.memory_choice import Candidate, choose
from passerelle.pipelines.surveys.running import Ground, Reading
from passerelle.pipelines.surveys.running_learned import Teaching
from passerelle.pipelines.surveys.running_reader import Readers
from passerelle.pipelines.surveys.runs import SurveyRuns
from passerelle.pipelines.surveys.themes import SurveyThemes
from passerelle.pipelines.surveys.themes_working import Discovering
from passerelle.stores.database import Database
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.surveyor import Means as Word
from tests.fakes.surveyor import Surveyor
from tests.serving import one_backend
from tests.unit.gateway.internal import Inside, inside
from tests.unit.jobs.scene import QUICK, over, working

SECRET = b"s" * 32
CATEGORIES = (
    Category("pace", "Pace", "how fast it goes", "too fast, too slow, rushed"),
    Category("price", "Price", "what it costs", "expensive, cheap, worth the money"),
    Category("trainer", "Trainer", "the trainer and how they explain", "clear explanations"),
)
WORDS = {
    "trainer": Word("trainer", "positive"),
    "rushed": Word("pace", "negative"),
    "invoice": Word("price", "negative"),
    "parking": Word("", "negative"),
}
PACKAGED: dict[str, object] = {
    "backends": {"offline": {"kind": "builtin"}},
    "models": {"assistant": {"task": "chat", "targets": [{"backend": "offline", "model": "extractive"}]}},
    "tenants": {"acme": {}, "globex": {}},
}


@dataclass
class Told:
    """What corrections teach, in memory, chosen as in service."""

    corrections: list[Correction] = field(default_factory=list)

    async def taught(
        self, tenant: str, codebook: Codebook, revision: int | None = None
    ) -> Sequence[Correction]:
        return [one for one in self.corrections if not one.revoked]

    async def examples(
        self,
        tenant: str,
        codebook: Codebook,
        text: str,
        language: str,
        *,
        revision: int,
        k: int,
        embed: Embed | None = None,
        taken_for: Collection[str] = (),
    ) -> Sequence[Correction]:
        candidates = [
            Candidate(Kept(f"cor_{at}", codebook.name, one, at), one)
            for at, one in enumerate(self.corrections)
            if not one.revoked
        ]
        return choose(text, language, candidates, k, taken_for=taken_for)


@dataclass
class Scene:
    """Runs and themes, and what stands behind them."""

    database: Database
    gateway: Inside
    runs: SurveyRuns
    themes: SurveyThemes
    codebooks: KeptCodebooks
    reading: Reading
    discovering: Discovering
    memory: Any

    def tenant(self, name: str = "acme") -> Tenant:
        return self.gateway.editions.catalog.tenants[name]

    async def survey(
        self,
        comments: Sequence[str],
        tenant: str = "acme",
        *,
        name: str = "svy_1",
        state: str = "ready",
        codebook: str | None = "training",
        language: str = "en",
    ) -> str:
        """A survey of comments, as an import leaves it."""
        values = {"id": name, "tenant": tenant, "state": state, "codebook": codebook, "language": language}
        rows = [
            {
                "survey": name,
                "tenant": tenant,
                "number": at,
                "id": f"c{at}",
                "answer": f"a{at}",
                "row": at + 1,
                "text": said,
                "language": language,
            }
            for at, said in enumerate(comments, 1)
        ]
        async with self.database.begin() as connection:
            await connection.execute(_SURVEY, values)
            if rows:
                await connection.execute(_COMMENT, rows)
        return name

    async def codebook(self, categories: Sequence[Category] = CATEGORIES, tenant: str = "acme") -> None:
        await self.codebooks.write(tenant, "training", language="en", categories=list(categories))

    async def read(self, survey: str = "svy_1", tenant: str = "acme", **named: Any) -> Run:
        """Read by a worker, to the end."""
        begun = await self.runs.start(self.tenant(tenant), survey, **named)
        async with self.workers():
            await over(self.database, begun.job, tenant, within=60.0)
        return await self.runs.run(tenant, survey, begun.id)

    async def readings(self, run: Run, **named: Any) -> dict[str, Read]:
        found = await self.runs.readings(run.tenant, run.survey, run.id, **named)
        return {one.comment.id: one for one in found}

    @asynccontextmanager
    async def workers(self, *, grace: float = 5.0) -> AsyncIterator[None]:
        pace = replace(QUICK, grace=grace)
        async with working(self.database, self.reading, self.discovering, pace=pace):
            yield

    async def sql(self, statement: str, **values: Any) -> Sequence[Any]:
        async with self.database.begin() as connection:
            result = await connection.execute(text(statement), values)
            return result.all() if result.returns_rows else []


_SURVEY = text("""
INSERT INTO survey (id, tenant, title, language, state, columns, codebook, digest)
VALUES (:id, :tenant, 'Survey', :language, :state, '{}', :codebook, '')
""")
_COMMENT = text("""
INSERT INTO survey_comment (survey, tenant, number, id, answer, "row", "column", text, language)
VALUES (:survey, :tenant, :number, :id, :answer, :row, 'Comment', :text, :language)
""")


@asynccontextmanager
async def scene(
    database: Database, configuration: Mapping[str, object], *, memory: Any = None
) -> AsyncIterator[Scene]:
    """Runs of two tenants over a configuration."""
    async with inside(configuration) as gateway:
        editions = gateway.editions

        def asker(tenant: str) -> Asker:
            return Asker.within(gateway.gateway.ask, editions, tenant=tenant, pipeline="surveys")

        async def chunks() -> Any:
            raise AssertionError("nothing was corrected")

        remembers = memory or Memory(database=database, chunks=chunks)
        readers = Readers(asker)
        codebooks = KeptCodebooks(
            database=database,
            memory=Memory(database=database, chunks=chunks),
            reader=readers.reader,
        )
        desk = Desk(database)
        ground = Ground(
            database=database,
            editions=editions,
            codebooks=codebooks,
            teaching=Teaching(readers),
            asker=asker,
            tenant_of=lambda name: editions.catalog.tenants.get(name),  # noqa: PLW0108 - of the catalog of then
            memory=remembers,
            readers=readers,
            secret=SECRET,
        )
        yield Scene(
            database,
            gateway,
            SurveyRuns(database, desk, editions, codebooks),
            SurveyThemes(database, desk, codebooks),
            codebooks,
            Reading(ground),
            Discovering(ground),
            remembers,
        )


@asynccontextmanager
async def with_model(
    database: Database, surveyor: Surveyor, *, memory: Any = None, **more: Any
) -> AsyncIterator[tuple[Scene, OpenAiLike]]:
    """The same over a model that reads by rules."""
    async with OpenAiLike(OPENAI, answer=surveyor) as engine:
        configuration = one_backend("openai", engine.url, model=engine.model)
        configuration["tenants"] = {"acme": {}, "globex": {}}
        configuration |= more
        async with scene(database, configuration, memory=memory) as made:
            yield made, engine
