"""`Jobs`: jobs of texts, for whoever may start them and look at them; the seam `Works`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import text

from passerelle.domain.catalog import Tenant
from passerelle.domain.content import ContentJob, Estimate, Piece, Standing, Worked
from passerelle.domain.errors import BadRequest, Conflict
from passerelle.domain.jobs import NewItem
from passerelle.jobs.desk import Desk
from passerelle.pipelines.enrichment import works_rows
from passerelle.pipelines.enrichment.desk import Kitchen, Mapped, Read, Wanted
from passerelle.pipelines.enrichment.estimating_prices import Prices
from passerelle.pipelines.enrichment.reading import Rules
from passerelle.pipelines.enrichment.reading_apart import read_apart
from passerelle.pipelines.enrichment.tables import json_of, piece_json, written_json
from passerelle.pipelines.enrichment.working import KIND, reused
from passerelle.pipelines.enrichment.works_documents import piece_of_document
from passerelle.pipelines.enrichment.works_planning import (
    Measured,
    Planned,
    check_budget,
    estimate_of,
    kept_of,
    lessons_of,
    measured,
    planned,
    rules_of,
)
from passerelle.pipelines.rag.desk import Rag
from passerelle.sealing.values import Seal, Sealing, Unsealed
from passerelle.stores.database import Database, carried

_AT_ONCE = 500  # pieces of one statement
_MOST_BYTES = 2 * 1024 * 1024  # and their size together
_COST_CHARACTERS = 8_000  # for one unit of the workers' time
_MOST_COST = 64
_PAGE = 200

_MAKE = text("""
INSERT INTO content_job (id, tenant, recipe, brand, model, preview, budget, currency, estimate, created_by)
VALUES (:id, :tenant, CAST(:recipe AS jsonb), CAST(:brand AS jsonb), :model, :preview, :budget, :currency,
    CAST(:estimate AS jsonb), :by)
""")
_FILL = text("""
INSERT INTO content_piece (job, tenant, number, key, piece, digest, standing, written)
SELECT :job, :tenant, number, key, CAST(piece AS jsonb), digest, standing, CAST(written AS jsonb)
FROM unnest(CAST(:numbers AS int[]), CAST(:keys AS text[]), CAST(:pieces AS text[]), CAST(:digests AS bytea[]),
    CAST(:standings AS text[]), CAST(:writtens AS text[])) AS new(number, key, piece, digest, standing, written)
""")
_LOCK = text("SELECT spent FROM content_job WHERE tenant = :tenant AND id = :job FOR UPDATE")
_AFFORD = text("UPDATE content_job SET budget = :budget WHERE tenant = :tenant AND id = :job")
_WAITING = text("""
SELECT item.key FROM job_item AS item JOIN content_piece AS piece ON piece.job = item.job_id AND piece.key = item.key
WHERE piece.tenant = :tenant AND piece.job = :job AND item.state = 'failed' AND item.code = 'over_budget'
""")
# What another job has written of the same texts stays.
_DROP_OUTPUTS = text("""
DELETE FROM content_output WHERE tenant = :tenant AND digest IN (
    SELECT digest FROM content_piece WHERE tenant = :tenant AND job = :job
    EXCEPT SELECT digest FROM content_piece WHERE tenant = :tenant AND job <> :job
        AND digest IN (SELECT digest FROM content_piece WHERE tenant = :tenant AND job = :job))
""")
_DROP = text("DELETE FROM content_job WHERE tenant = :tenant AND id = :job")


@dataclass(frozen=True, slots=True)
class Ground:
    """What jobs of texts stand on. `desk` has them worked on; `rag` has the documents that a job may name."""

    database: Database
    desk: Desk
    kitchen: Kitchen
    prices: Prices
    rag: Rag
    seals: Sealing = field(default_factory=Unsealed)


class Jobs:
    """The seam `Works`. Holds nothing open."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._database = ground.database
        self._prices = ground.prices

    async def read(self, tenant: Tenant, name: str, content: bytes, mapped: Mapped) -> Read:
        """The pieces that a file holds, read in a confined process. Raises Refused with the reason."""
        rules = rules_of(tenant)
        return await read_apart(name, content, mapped, Rules(rules.characters, rules.pieces))

    async def estimate(self, tenant: Tenant, wanted: Wanted) -> Estimate:
        """What the job would take. Asks no model."""
        plan = await self._plan(tenant, wanted)
        found = await self._measure(plan, wanted)
        return estimate_of(plan, found, self._prices)

    async def start(self, tenant: Tenant, wanted: Wanted) -> tuple[ContentJob, Estimate]:
        """Make the job: its rows, and the items that write them, all of it or nothing.

        Raises BadRequest: `recipe_needs_model`, `price_unknown`, `budget_too_small`, and what is wrong with pieces.
        """
        plan = await self._plan(tenant, wanted)
        found = await self._measure(plan, wanted)
        estimate = estimate_of(plan, found, self._prices)
        check_budget(plan, found, wanted, self._prices)
        items = [
            NewItem(
                plan.pieces[place].key,
                {"number": place + 1, **({"twin": True} if place in plan.twins else {})},
                cost=min(_MOST_COST, 1 + len(plan.pieces[place].text) // _COST_CHARACTERS),
            )
            for place in range(len(plan.pieces))
            if plan.digests[place] not in found.kept
        ]
        params = {
            "recipe": plan.recipe.name,
            "version": plan.recipe.version,
            "model": plan.answerer.model.name,
            "offline": plan.answerer.offline,
            "again": wanted.again,
        }
        seal = await self._ground.seals.of(tenant.name)
        async with self._database.begin() as connection:
            job = await self._ground.desk.create(
                connection, tenant=tenant.name, kind=KIND, items=items, params=params
            )
            await connection.execute(_MAKE, self._row(job, plan, wanted, estimate))
            for batch in _batches(plan, found, seal):
                await connection.execute(_FILL, {"job": job, "tenant": tenant.name, **batch})
                carried(connection, sum(map(len, batch["pieces"])))
            made = await works_rows.look(connection, tenant.name, job)
        return made, estimate

    async def jobs(self, tenant: str, *, before: str | None = None, most: int = 50) -> Sequence[ContentJob]:
        """The newest first."""
        async with self._database.begin() as connection:
            return await works_rows.listed(connection, tenant, before=before, most=most)

    async def job(self, tenant: str, job: str) -> ContentJob:
        """How one stands. Raises NotFound `job_not_found`."""
        async with self._database.begin() as connection:
            return await works_rows.look(connection, tenant, job)

    async def afford(self, tenant: str, job: str, budget: int | None) -> ContentJob:
        """Another budget; pieces that the old one did not hold are begun.

        Raises BadRequest `budget_wrong` for less than what is spent, Conflict `job_over` for a cancelled job.
        """
        names = {"tenant": tenant, "job": job}
        async with self._database.begin() as connection:
            row = (await connection.execute(_LOCK, names)).one_or_none()
            if row is None:
                raise works_rows.unknown_job(job)
            if budget is not None and budget < max(1, row.spent):
                message = "The budget is less than what is spent already. Give more, or none."
                raise BadRequest(message, code="budget_wrong", param="budget")
            await connection.execute(_AFFORD, {**names, "budget": budget})
            keys = list((await connection.execute(_WAITING, names)).scalars())
        if keys:
            await self._ground.desk.retry(tenant, job, keys=keys)
        return await self.job(tenant, job)

    async def worked(
        self,
        tenant: str,
        job: str,
        *,
        standing: Standing | None = None,
        after: int = 0,
        most: int = 100,
    ) -> Sequence[Worked]:
        """Pieces of a job by number. Raises NotFound `job_not_found`."""
        opener = await self._ground.seals.opener(tenant)
        async with self._database.begin() as connection:
            await works_rows.look(connection, tenant, job)
            return await works_rows.worked(
                connection, tenant, job, standing=standing, after=after, most=most, opener=opener
            )

    async def piece(self, tenant: str, job: str, number: int) -> Worked:
        """One of them. Raises NotFound `piece_not_found`."""
        opener = await self._ground.seals.opener(tenant)
        async with self._database.begin() as connection:
            await works_rows.look(connection, tenant, job)
            return await works_rows.one(connection, tenant, job, number, opener=opener)

    async def every(self, tenant: str, job: str) -> AsyncIterator[Worked]:
        """All of them, page by page, each page as it stands when it is read. Raises NotFound `job_not_found`."""
        await self.job(tenant, job)
        after = 0
        while True:
            opener = await self._ground.seals.opener(tenant)
            async with self._database.begin() as connection:
                page = await works_rows.worked(
                    connection, tenant, job, after=after, most=_PAGE, opener=opener
                )
            for each in page:
                yield each
            if len(page) < _PAGE:
                return
            after = page[-1].number

    async def drop(self, tenant: str, job: str) -> None:
        """Delete a job that is over, with its texts and what was written of them; people's decisions stay in history.

        Raises Conflict `job_not_over`.
        """
        names = {"tenant": tenant, "job": job}
        async with self._database.begin() as connection:
            found = await works_rows.look(connection, tenant, job)
            if found.finished_at is None:
                raise Conflict("The job is not over. Cancel it first.", code="job_not_over")
            await connection.execute(_DROP_OUTPUTS, names)
            await connection.execute(_DROP, names)
        await self._ground.desk.delete(tenant, job)

    async def _plan(self, tenant: Tenant, wanted: Wanted) -> Planned:
        rules = rules_of(tenant)
        kitchen = self._ground.kitchen
        recipe = await kitchen.recipe(tenant.name, wanted.recipe, wanted.version)
        brand = await kitchen.brand(tenant.name)
        answerer = self._prices.answerer(tenant, wanted.model)
        given: list[Piece] = list(wanted.pieces)
        if wanted.documents:
            if len(wanted.documents) + len(given) > rules.pieces:
                message = f"One job has at most {rules.pieces} pieces. Name fewer documents."
                raise BadRequest(message, code="too_many_pieces", param="documents")
            given += await self._documents(tenant, wanted, Rules(rules.characters, rules.pieces))
        return await asyncio.to_thread(
            planned, tenant, wanted, given, recipe=recipe, brand=brand, answerer=answerer
        )

    async def _documents(self, tenant: Tenant, wanted: Wanted, rules: Rules) -> list[Piece]:
        library = await self._ground.rag.library()
        return [
            await piece_of_document(
                library, tenant.name, collection, document, groups=wanted.groups, rules=rules
            )
            for collection, document in dict.fromkeys(wanted.documents)
        ]

    async def _measure(self, plan: Planned, wanted: Wanted) -> Measured:
        opener = await self._ground.seals.opener(plan.tenant.name)
        async with self._database.begin() as connection:
            kept = {} if wanted.again else await kept_of(connection, plan, opener)
            lessons = await lessons_of(connection, plan)
        return await asyncio.to_thread(measured, plan, kept, lessons)

    def _row(self, job: str, plan: Planned, wanted: Wanted, estimate: Estimate) -> dict[str, Any]:
        return {
            "id": job,
            "tenant": plan.tenant.name,
            "recipe": json_of(plan.recipe),
            "brand": json_of(plan.brand),
            "model": plan.answerer.model.name,
            "preview": wanted.preview,
            "budget": wanted.budget,
            "currency": self._prices.currency,
            "estimate": json_of(asdict(estimate)),
            "by": wanted.by,
        }


def _batches(plan: Planned, found: Measured, seal: Seal) -> list[dict[str, list[Any]]]:
    """Rows of pieces, so many at once."""
    batches: list[dict[str, list[Any]]] = []
    size = _MOST_BYTES
    for place, (piece, digest) in enumerate(zip(plan.pieces, plan.digests, strict=True)):
        kept = found.kept.get(digest)
        row: dict[str, Any] = {
            "numbers": place + 1,
            "keys": piece.key,
            "pieces": piece_json(piece, seal),
            "digests": digest,
            "standings": (Standing.QUEUED if kept is None else Standing.REUSED).value,
            "writtens": None if kept is None else written_json(reused(kept), seal),
        }
        if size >= _MOST_BYTES or len(batches[-1]["keys"]) >= _AT_ONCE:
            batches.append({name: [] for name in row})
            size = 0
        for name, value in row.items():
            batches[-1][name].append(value)
        size += len(row["pieces"]) + len(row["writtens"] or "")
    return batches
