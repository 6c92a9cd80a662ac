"""An office on real parts: a database, workers, a gateway over a fake engine. Only who writes is a stand-in, who asks
once for each step of a piece and writes down what came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from passerelle.domain.ask import Route, Usage
from passerelle.domain.catalog import Tenant
from passerelle.domain.content import Brand, ContentJob, Flaw, Piece, Recipe, Standing, Written
from passerelle.jobs.desk import Desk
from passerelle.jobs.worker import Pace
from passerelle.pipelines.enrichment.deciding import Decisions
from passerelle.pipelines.enrichment.desk import Wanted
from passerelle.pipelines.enrichment.estimating_prices import EditionPrices
from passerelle.pipelines.enrichment.kitchen import Recipes
from passerelle.pipelines.enrichment.working import Writing
from passerelle.pipelines.enrichment.works import Ground, Jobs
from passerelle.pipelines.enrichment.writing_prompt import messages
from passerelle.pipelines.enrichment.writing_steps import course_of
from passerelle.pipelines.models.asker import Asker
from passerelle.pipelines.rag.desk import Nowhere
from passerelle.stores.database import Database
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.serving import one_backend
from tests.unit.gateway.internal import Inside, inside
from tests.unit.jobs.scene import over, working

TENANT = "acme"
RECIPE = "rewrite-fr"
QUICK = Pace(concurrency=4, lease=1.0, grace=5.0)
COST = {"input_per_million": 2, "output_per_million": 8, "currency": "EUR"}


@dataclass
class Scribe:
    """Writes what the model says, in as many calls as there are steps and `again` more of each."""

    asker: Callable[[str], Asker]
    scene: Scene

    async def write(
        self,
        tenant: str,
        piece: Piece,
        recipe: Recipe,
        brand: Brand,
        *,
        model: str,
        offline: bool = False,
    ) -> Written:
        self.scene.writing.append(piece.key)
        if error := self.scene.errors.get(piece.key):
            raise error
        said, usage, calls = "", Usage(), 0
        for _, step in course_of(piece, recipe).parts:
            for _ in range(1 + self.scene.again(piece)):
                body = {
                    "model": model,
                    "max_tokens": step.most_tokens,
                    "messages": [
                        {"role": "system" if role == "system" else "user", "content": said_}
                        for role, said_ in messages(step, piece, recipe, brand)
                    ],
                }
                answer, _told = await self.asker(tenant).whole(Route.CHAT, body)
                said, calls = answer["choices"][0]["message"]["content"], calls + 1
                used = answer["usage"]
                usage = Usage(
                    usage.prompt_tokens + used["prompt_tokens"],
                    usage.completion_tokens + used["completion_tokens"],
                )
        flaws = self.scene.flaws.get(piece.key, ())
        return Written(
            {"text": said}, flaws=flaws, usage=usage, calls=calls, engine="engine/fake", offline=offline
        )


@dataclass
class Scene:
    """What a test has of it."""

    database: Database
    desk: Desk
    gateway: Inside
    engine: OpenAiLike
    kitchen: Recipes
    works: Jobs
    deciding: Decisions
    prices: EditionPrices
    writing: list[str] = field(default_factory=list)  # keys, as they are begun
    errors: dict[str, BaseException] = field(default_factory=dict)
    flaws: dict[str, tuple[Flaw, ...]] = field(default_factory=dict)
    again: Callable[[Piece], int] = lambda _: 0
    writer: Callable[[Callable[[str], Asker]], Any] | None = None  # in place of the stand-in

    @property
    def tenant(self) -> Tenant:
        return self.gateway.editions.catalog.tenants[TENANT]

    @property
    def calls(self) -> int:
        """Answers that the engine gave."""
        return len(self.engine.requests)

    @property
    def charged(self) -> int:
        """Pico-units that the gateway has charged."""
        return sum(record.charged for record in self.gateway.records)

    def kind(self) -> Writing:
        return Writing(
            self.database,
            writer=self.writer or (lambda asker: Scribe(asker, self)),
            asker=lambda tenant: Asker.within(
                self.gateway.gateway.ask, self.gateway.editions, tenant=tenant, pipeline="content"
            ),
            prices=self.prices,
            tenant_of=self.gateway.editions.catalog.tenants.get,
        )

    async def start(self, pieces: Sequence[Piece], **wanted: Any) -> ContentJob:
        job, _ = await self.works.start(self.tenant, Wanted(**{"recipe": RECIPE, "pieces": pieces, **wanted}))
        return job

    async def done(self, pieces: Sequence[Piece], pace: Pace = QUICK, **wanted: Any) -> ContentJob:
        """A job of them, once it is over."""
        job = await self.start(pieces, **wanted)
        if job.finished_at is not None:  # nothing of it is new
            return job
        async with self.workers(pace):
            await over(self.database, job.id, TENANT, within=60)
        return await self.works.job(TENANT, job.id)

    def workers(self, pace: Pace = QUICK) -> Any:
        return working(self.database, self.kind(), pace=pace)

    async def over(self, job: str) -> ContentJob:
        await over(self.database, job, TENANT)
        return await self.works.job(TENANT, job)


def pieces(count: int, words: int = 12, first: int = 1) -> list[Piece]:
    return [
        Piece(f"cours-{number}", " ".join(f"mot{number}{place}" for place in range(words + number % 5)))
        for number in range(first, first + count)
    ]


def counted(job: ContentJob) -> dict[str, int]:
    return {standing.value: count for standing, count in job.counts.items()}


def one(**counts: int) -> dict[Standing, int]:
    return {Standing(name): count for name, count in counts.items()}


@asynccontextmanager
async def an_office(
    database: Database, *, cost: dict[str, Any] | None = COST, model: OpenAiLike | None = None, **tenant: Any
) -> AsyncIterator[Scene]:
    """An office whose model has that price."""
    async with model or OpenAiLike(OPENAI, answer="Un texte bien écrit pour tous les stagiaires.") as engine:
        named: dict[str, Any] = {"cost": cost} if cost is not None else {}
        configuration = one_backend("openai", engine.url, model=engine.model, **named)
        configuration["tenants"] = {TENANT: {"models": {"default": "assistant"}, **tenant}, "other": {}}
        async with inside(configuration) as gateway:
            desk = Desk(database)
            prices = EditionPrices(gateway.editions)
            kitchen = Recipes(database)
            works = Jobs(Ground(database, desk, kitchen, prices, Nowhere()))
            yield Scene(database, desk, gateway, engine, kitchen, works, Decisions(database, desk), prices)
            await asyncio.sleep(0)
