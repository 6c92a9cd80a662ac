"""`content`: the job that works on texts. One item is one piece.

What was written is kept in the transaction that keeps the item's result, so that a crash costs at most the answers
under way. What was written before of the same piece, by the same recipe, brand and model, is taken without a call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.ask import Usage
from passerelle.domain.catalog import Tenant
from passerelle.domain.content import Brand, Piece, Recipe, Standing, Written
from passerelle.domain.errors import PasserelleError
from passerelle.domain.jobs import Item, Values
from passerelle.jobs.kinds import Context, ItemFailed, Later
from passerelle.pipelines.enrichment.estimating import Load
from passerelle.pipelines.enrichment.estimating_prices import Prices
from passerelle.pipelines.enrichment.tables import (
    brand_of,
    piece_in,
    recipe_of,
    written_in,
    written_json,
)
from passerelle.pipelines.enrichment.working_loads import dearest, load_of
from passerelle.pipelines.enrichment.working_purse import Purse
from passerelle.pipelines.models.absent import absent
from passerelle.pipelines.models.asker import Asker
from passerelle.sealing.values import Opener, Seal, Sealing, Unsealed
from passerelle.stores.database import Database, Outage

KIND = "content"
_PAUSE = 1.0  # seconds until a piece of the same text may have been written

_TASK = text("""
SELECT piece.piece, piece.digest, piece.standing, job.recipe, job.brand, job.model
FROM content_piece AS piece JOIN content_job AS job ON job.id = piece.job AND job.tenant = piece.tenant
WHERE piece.tenant = :tenant AND piece.job = :job AND piece.number = :number
""")
_TWIN = text("""
SELECT other.standing, other.written, EXISTS (SELECT FROM job_item AS item WHERE item.job_id = other.job
    AND item.key = other.key AND item.state IN ('queued', 'running')) AS coming
FROM content_piece AS other
WHERE other.tenant = :tenant AND other.digest = :digest AND other.job = :job AND other.number < :number
ORDER BY other.number LIMIT 1
""")
_KEPT = text("SELECT written FROM content_output WHERE tenant = :tenant AND digest = :digest")
_WRITE = text("""
UPDATE content_piece SET standing = :standing, written = CAST(:written AS jsonb), code = NULL, message = NULL,
    held = 0, run = NULL WHERE tenant = :tenant AND job = :job AND number = :number
""")
_KEEP = text("""
INSERT INTO content_output (tenant, digest, recipe, model, characters, asked, calls, language, written)
VALUES (:tenant, :digest, :recipe, :model, :characters, :asked, :calls, :language, CAST(:written AS jsonb))
ON CONFLICT (tenant, digest) DO UPDATE SET written = excluded.written, characters = excluded.characters,
    asked = excluded.asked, calls = excluded.calls, at = clock_timestamp()
""")
DONE = frozenset({Standing.WRITTEN, Standing.FLAWED, Standing.REUSED})


class Writes(Protocol):
    """Who writes a piece."""

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
        """What was written. Raises PasserelleError, ItemFailed, Later."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A piece, and how it is worked on."""

    piece: Piece
    recipe: Recipe
    brand: Brand
    model: str
    digest: bytes
    standing: Standing


class Writing:
    """The kind of job. `writer` makes somebody who writes, out of whom he asks."""

    name = KIND
    attempts = 3
    seconds = 3_600.0

    def __init__(
        self,
        database: Database,
        *,
        writer: Callable[[Callable[[str], Asker]], Writes],
        asker: Callable[[str], Asker],
        prices: Prices,
        tenant_of: Callable[[str], Tenant | None],
        seals: Sealing | None = None,
    ) -> None:
        self._seals: Sealing = seals or Unsealed()
        self._database = database
        self._writer = writer
        self._asker = asker
        self._prices = prices
        self._tenant_of = tenant_of

    async def run(self, item: Item, context: Context) -> Values:
        """Write one piece."""
        try:
            return await self._run(item, context)
        except Outage as error:
            message = "A store of this installation cannot be reached now."
            raise Later(message, code="database_unavailable") from error
        except PasserelleError as error:
            if later := absent(error):  # before anything was paid; NotWritten says what came after
                raise later from error
            raise

    async def _run(self, item: Item, context: Context) -> Values:
        names = {"tenant": context.tenant, "job": item.job, "number": item.payload["number"]}
        seal = await self._seals.of(context.tenant)
        async with self._database.begin() as connection:
            task = _task((await connection.execute(_TASK, names)).one_or_none(), seal)
            if task is None:
                return {"skipped": "deleted"}
            if task.standing in DONE:
                return {"standing": task.standing.value}
            wanted = {**names, "digest": task.digest}
            kept = await _kept(connection, wanted, context.params, item.payload, seal)
        if kept is not None:
            said = reused(kept)

            async def take(connection: AsyncConnection) -> None:
                await _write(connection, names, said, Standing.REUSED, seal)

            context.along(take)
            return {"standing": Standing.REUSED.value}
        tenant = self._tenant_of(context.tenant)
        if tenant is None or tenant.content is None:
            raise ItemFailed("content_off", "The tenant's texts are not worked on here any more.")
        return await self._ask(task, tenant, context, names)

    async def _ask(self, task: _Task, tenant: Tenant, context: Context, names: Mapping[str, Any]) -> Values:
        answerer = self._prices.answerer(tenant, task.model)
        if answerer.offline != bool(context.params.get("offline", False)):
            message = "Another kind of model has the name now. Start the job again."
            raise ItemFailed("model_changed", message)
        load = load_of(task.piece, task.recipe, task.brand, formed=answerer.formed)
        most = dearest(task.piece, task.recipe, task.brand, price=self._price(tenant, answerer))
        purse = Purse(
            self._database,
            self._prices,
            tenant=tenant,
            answerer=answerer,
            job=names["job"],
            number=names["number"],
        )
        await purse.begin(most)
        writer = self._writer(lambda name: purse.asker(self._asker(name)))
        try:
            written = await writer.write(
                tenant.name,
                task.piece,
                task.recipe,
                task.brand,
                model=task.model,
                offline=answerer.offline,
            )
        except (PasserelleError, ItemFailed, Later) as error:
            await purse.end()
            raise (purse.refused or error) from None
        except BaseException:  # cancelled, or a defect: what is held is given back all the same
            await purse.end()
            raise
        standing = Standing.FLAWED if any(flaw.serious for flaw in written.flaws) else Standing.WRITTEN

        seal = await self._seals.of(tenant.name)  # what was answered took its time

        async def write(connection: AsyncConnection) -> None:
            await purse.settle(connection)
            if await _write(connection, names, written, standing, seal):
                await _keep(connection, task, written, load, tenant=tenant.name, seal=seal)

        context.along(write)
        return {"standing": standing.value}

    def _price(self, tenant: Tenant, answerer: Any) -> Callable[[int, int], int | None]:
        return lambda prompt, completion: self._prices.most(
            tenant, answerer, prompt=prompt, completion=completion
        )


def reused(written: Written) -> Written:
    """What was written before, which took nothing this time."""
    return replace(written, usage=Usage(), cost=0, calls=0)


def _task(row: Row[Any] | None, opener: Opener) -> _Task | None:
    if row is None:
        return None
    return _Task(
        piece_in(row.piece, opener),
        recipe_of(row.recipe),
        brand_of(row.brand),
        row.model,
        bytes(row.digest),
        Standing(row.standing),
    )


async def _kept(
    connection: AsyncConnection, names: Mapping[str, Any], params: Values, payload: Values, opener: Opener
) -> Written | None:
    """What was written of the same before, in this job or another. Raises Later while it is being written."""
    if payload.get("twin"):
        twin = (await connection.execute(_TWIN, names)).one_or_none()
        if twin is not None and twin.written is not None:
            return written_in(twin.written, opener)
        if twin is not None and twin.coming:
            raise Later("A piece of the same text is written first.", code="same_text", seconds=_PAUSE)
    if params.get("again"):
        return None
    said = (await connection.execute(_KEPT, names)).scalar()
    return None if said is None else written_in(said, opener)


async def _write(
    connection: AsyncConnection,
    names: Mapping[str, Any],
    written: Written,
    standing: Standing,
    seal: Seal,
) -> bool:
    values = {**names, "written": written_json(written, seal), "standing": standing.value}
    return bool((await connection.execute(_WRITE, values)).rowcount)


async def _keep(
    connection: AsyncConnection, task: _Task, written: Written, load: Load, *, tenant: str, seal: Seal
) -> None:
    values = {
        "tenant": tenant,
        "digest": task.digest,
        "recipe": task.recipe.name,
        "model": task.model,
        "characters": load.characters,
        "asked": load.asked,
        "calls": load.calls,
        "language": load.language,
        "written": written_json(written, seal),
    }
    await connection.execute(_KEEP, values)
