"""Surveys, runs and readings in a real database, to be corrected; and what corrects them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import text

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Unavailable
from passerelle.domain.survey_work import Kept
from passerelle.domain.surveys import Category, Polarity
from passerelle.pipelines.surveys.asking_seams import Embed
from passerelle.pipelines.surveys.codebooks import KeptCodebooks
from passerelle.pipelines.surveys.corrections import KeptCorrections
from passerelle.pipelines.surveys.memory import Memory
from passerelle.retrieval.store import Chunks
from passerelle.sealing.values import Sealing, Unsealed
from passerelle.stores.database import Database
from tests.unit.pipelines.surveys.lessons import CODEBOOK, embed, reader

BOOK = "training"
TENANT = Tenant("acme", models=())
OTHER = Tenant("globex", models=())


async def embedded(texts: Sequence[str]) -> Sequence[Sequence[float]]:
    """The vectors of the lessons, as a gateway would give them."""
    return embed(texts)


async def no_index() -> Chunks:
    """The index is away."""
    raise Unavailable("The index is away.", code="retrieval_unavailable")


@dataclass
class Office:
    """Codebooks and corrections of tenants on one database."""

    database: Database
    chunks: Callable[[], Awaitable[Chunks]] = no_index
    embed: Embed | None = embedded
    mark: str = "bag of stems"
    seals: Sealing = field(default_factory=Unsealed)
    memory: Memory = field(init=False)
    codebooks: KeptCodebooks = field(init=False)
    corrections: KeptCorrections = field(init=False)
    _comments: int = 0

    def __post_init__(self) -> None:
        self.memory = Memory(database=self.database, chunks=self.chunks, mark=lambda _: self.mark, every=0.0)
        self.codebooks = KeptCodebooks(
            database=self.database, memory=self.memory, reader=lambda _: reader, seals=self.seals
        )
        self.corrections = KeptCorrections(
            database=self.database, memory=self.memory, embed=lambda _: self.embed
        )

    async def opened(self, tenant: str = "acme", *, survey: str = "s1") -> Office:
        """With a survey that is read by the codebook of the lessons, and one run of it."""
        await self.codebooks.write(tenant, BOOK, language="en", categories=CODEBOOK.categories)
        await self.survey(tenant, survey)
        await self.run(tenant, survey, f"{survey}_run1")
        return self

    async def survey(self, tenant: str, survey: str, *, codebook: str | None = BOOK) -> None:
        await self.do(
            """INSERT INTO survey (id, tenant, title, language, state, columns, digest, codebook)
            VALUES (:survey, :tenant, 'Spring', 'en', 'ready', '{}', '', :codebook)""",
            survey=survey,
            tenant=tenant,
            codebook=codebook,
        )

    async def run(self, tenant: str, survey: str, run: str, *, version: int = 1, number: int = 1) -> None:
        await self.do(
            """INSERT INTO survey_run (id, tenant, survey, number, codebook, version, revision, offline, job, state,
                comments)
            VALUES (:run, :tenant, :survey, :number, :codebook, :version, 0, true, 'job', 'succeeded', 0)""",
            run=run,
            tenant=tenant,
            survey=survey,
            number=number,
            codebook=BOOK,
            version=version,
        )

    async def comment(self, said: str, *, tenant: str = "acme", survey: str = "s1") -> str:
        """A comment of a survey; its id."""
        self._comments += 1
        identity = f"c{self._comments}"
        await self.do(
            """INSERT INTO survey_comment (survey, number, tenant, id, answer, row, "column", text, language)
            VALUES (:survey, :number, :tenant, :id, 'a', 2, 'comment', :text, 'en')""",
            survey=survey,
            number=self._comments,
            tenant=tenant,
            id=identity,
            text=said,
        )
        return identity

    async def reading(
        self,
        comment: str,
        categories: Sequence[str],
        polarity: Polarity | None = None,
        *,
        tenant: str = "acme",
        run: str = "s1_run1",
    ) -> None:
        """What a run made of a comment."""
        await self.do(
            """INSERT INTO survey_reading (run, number, tenant, comment, analysed, categories, polarity)
            VALUES (:run, :number, :tenant, :comment, :analysed, :categories, :polarity)""",
            run=run,
            number=int(comment[1:]),
            tenant=tenant,
            comment=comment,
            analysed=json.dumps({}),
            categories=list(categories),
            polarity=polarity,
        )

    async def corrected(
        self,
        said: str,
        right: Sequence[str] | None,
        polarity: Polarity | None = None,
        *,
        read: Sequence[str] | None = None,
        tenant: Tenant = TENANT,
        survey: str = "s1",
    ) -> Kept:
        """A comment, what a run read in it, and what a person says of it."""
        comment = await self.comment(said, tenant=tenant.name, survey=survey)
        if read is not None:
            await self.reading(comment, read, tenant=tenant.name, run=f"{survey}_run1")
        return await self.corrections.correct(tenant, survey, comment, right=right, polarity=polarity)

    async def many(
        self, items: Sequence[tuple[str, Sequence[str] | None, Polarity | None]], *, version: int = 1
    ) -> None:
        """Corrections as they are kept, without their comments: faster than one by one."""
        first = await self.corrections.revision(TENANT.name, BOOK)
        rows = [
            {
                "id": f"many_{first + place}",
                "revision": first + place,
                "version": version,
                "text": said,
                "right": None if right is None else list(right),
                "polarity": polarity,
                "codebook": BOOK,
            }
            for place, (said, right, polarity) in enumerate(items, 1)
        ]
        if not rows:
            return
        async with self.database.begin() as connection:
            await connection.execute(
                text("""INSERT INTO survey_correction (id, tenant, codebook, version, revision, text, language,
                    "right", right_polarity)
                VALUES (:id, 'acme', :codebook, :version, :revision, :text, 'en', CAST(:right AS text[]), :polarity)"""),
                rows,
            )

    async def count(self, statement: str) -> int:
        """What a statement counts."""
        async with self.database.begin() as connection:
            return int((await connection.execute(text(statement))).scalar_one())

    async def do(self, statement: str, **values: object) -> None:
        """Run a statement."""
        async with self.database.begin() as connection:
            await connection.execute(text(statement), values)


def categories(*ids: str) -> list[Category]:
    """Categories that have nothing but a name."""
    return [Category(one, one) for one in ids]
