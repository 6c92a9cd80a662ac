"""Codebooks in their versions. A version never changes; which one is in use does, after it was checked.

The first version is in use at once. Another one comes into use by being promoted: it is read beside the one in use, on
corrections that neither has learned from, and refused where it is worse beyond chance, unless somebody insists.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Conflict, NotFound
from passerelle.domain.survey_work import Checked, Edition, Figures, Point, base_of
from passerelle.domain.surveys import Category, Codebook
from passerelle.pipelines.surveys import codebooks_checks, codebooks_rows
from passerelle.pipelines.surveys.codebooks_rows import edition_of
from passerelle.pipelines.surveys.corrections_rows import enter, holding, lineage, newest_revision, storable
from passerelle.pipelines.surveys.desk import Codebooks
from passerelle.pipelines.surveys.memory import Memory
from passerelle.pipelines.surveys.sealed import BOUND
from passerelle.sealing.values import Opener, Sealing, Unsealed
from passerelle.stores.database import Database

if TYPE_CHECKING:
    from passerelle.pipelines.surveys.learning import Reader
    from passerelle.pipelines.surveys.promoting import Compared, Material

MOST_CODEBOOKS = 200  # of a tenant
MOST_VERSIONS = 1_000  # of a codebook
_AT_ONCE = 1  # checks and curves; one of many corrections takes some hundred megabytes


class KeptCodebooks(Codebooks):
    """Codebooks of tenants. `reader` is asked in the event loop's thread; what it gives is called in another one."""

    def __init__(
        self,
        *,
        database: Database,
        memory: Memory,
        reader: Callable[[Tenant], Reader],
        seed: int = 0,
        seals: Sealing | None = None,
    ) -> None:
        self._seals: Sealing = seals or Unsealed()
        self._database, self._memory, self._reader, self._seed = database, memory, reader, seed
        self._learning = asyncio.Semaphore(_AT_ONCE)

    @override
    async def codebooks(self, tenant: str) -> Sequence[Edition]:
        opener = await self._seals.opener(tenant)
        async with self._database.begin() as connection:
            rows = await connection.execute(codebooks_rows.FIRST, {"tenant": tenant, "name": None})
            return [edition_of(row, opener) for row in rows]

    @override
    async def edition(self, tenant: str, name: str, version: int | None = None) -> Edition:
        opener = await self._seals.opener(tenant)
        async with self._database.begin() as connection:
            return await _edition(connection, opener, tenant, name, version=version)

    @override
    async def editions(self, tenant: str, name: str) -> Sequence[Edition]:
        opener = await self._seals.opener(tenant)
        async with self._database.begin() as connection:
            return await _editions(connection, opener, tenant, name)

    @override
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
        """The next version, not in use but for the first. `base`: the version that it was made from, else the newest.

        Raises BadRequest `codebook_wrong`, Conflict `codebook_changed` where one that was not refused came after `base`.
        """
        codebooks_checks.named(name)
        note = codebooks_checks.noted(note)
        seal = await self._seals.of(tenant)
        async with self._database.begin() as connection:
            await enter(connection, tenant, name)
            there = await _newest(connection, seal, tenant, name, most=1 if base is None else MOST_VERSIONS)
            newest = there[0].codebook.version if there else 0
            found = base_of(there) if base is not None else next(iter(there), None)
            before = found.codebook if found is not None else None
            if base is not None and base != (before.version if before is not None else 0):
                message = f"Version {newest} of the codebook {name} was written in the meantime. Look at it, and try again."
                raise Conflict(message, code="codebook_changed")
            if newest >= MOST_VERSIONS:
                raise Conflict(f"A codebook has at most {MOST_VERSIONS} versions.", code="too_many_versions")
            kept, mergers = codebooks_checks.checked(
                name, language, categories, merged=merged or {}, before=before
            )
            if before is None:
                await _has_room(connection, tenant)
            made_from = before.version if before is not None else 0
            values = {
                "tenant": tenant,
                "name": name,
                "version": newest + 1,
                "language": language,
                "categories": codebooks_rows.categories_json(kept, seal),
                "merged": json.dumps(dict(mergers)),
                "base": None if made_from == newest else made_from,
                "note": seal.seal_text(note, BOUND),
                "by": by,
            }
            await connection.execute(codebooks_rows.MAKE, values)
            return await _edition(connection, seal, tenant, name, version=newest + 1)

    @override
    async def check(self, tenant: Tenant, name: str, version: int) -> Checked:
        after = await self.edition(tenant.name, name, version)
        compared = await self._compared(tenant, after)
        if compared is None:
            from passerelle.pipelines.surveys.promoting import FEWEST, SHARE  # noqa: PLC0415 - brings numpy

            message = (
                f"There are too few corrections to tell: one in {SHARE} is kept for checks, and {FEWEST} comments with "
                f"their categories are needed there. About {FEWEST * SHARE * 2} corrections are enough."
            )
            raise Conflict(message, code="too_few_corrections")
        checked = _checked(compared)
        await self._keep(tenant.name, after, checked)
        return checked

    @override
    async def promote(
        self, tenant: Tenant, name: str, version: int, *, force: bool = False, by: str = ""
    ) -> Edition:
        """Take a version into use after a check, or without one where there are too few corrections to check by.

        Raises Conflict `regression` where it is worse, unless forced; Conflict `codebook_changed` where another version
        came into use while it was checked.
        """
        after = await self.edition(tenant.name, name, version)
        in_use = await self.edition(tenant.name, name)
        if after.in_use:
            return after
        compared = await self._compared(tenant, after)
        checked = None if compared is None else _checked(compared)
        if checked is not None and checked.worse:
            if not force:
                await self._keep(tenant.name, after, checked)
                raise Conflict(_told(checked, after, in_use), code="regression")
            checked = replace(checked, forced=True)
        opener = await self._seals.opener(tenant.name)
        async with self._database.begin() as connection:
            await enter(connection, tenant.name, name)
            now = await _edition(connection, opener, tenant.name, name)
            if now.codebook.version != in_use.codebook.version or now.promoted_at != in_use.promoted_at:
                message = "Another version came into use in the meantime. Look at it, and try again."
                raise Conflict(message, code="codebook_changed")
            values = {"tenant": tenant.name, "name": name, "version": version, "by": by}
            await connection.execute(
                codebooks_rows.PROMOTE, {**values, "checked": codebooks_rows.checked_json(checked)}
            )
            return await _edition(connection, opener, tenant.name, name, version=version)

    @override
    async def curve(self, tenant: Tenant, name: str) -> Sequence[Point]:
        """Empty where there are too few corrections to measure by."""
        edition = await self.edition(tenant.name, name)
        material = await self._material(tenant.name, edition.codebook)
        reader = self._reader(tenant)

        def work() -> list[tuple[int, Figures]]:
            from passerelle.pipelines.surveys.promoting import curve  # noqa: PLC0415 - brings numpy

            return curve(material, reader)

        async with self._learning:
            return [Point(size, figures) for size, figures in await asyncio.to_thread(work)]

    @override
    async def drop(self, tenant: str, name: str) -> None:
        """Delete a codebook in all versions, with its corrections. Raises Conflict while a survey names it.

        Raises NotFound, and Unavailable where the index of its corrections cannot be reached: nothing is deleted then.
        """
        async with self._database.begin() as connection:
            await _there(connection, tenant, name)
            await enter(connection, tenant, name)
            await _there(connection, tenant, name)
            named = await connection.execute(codebooks_rows.NAMED, {"tenant": tenant, "name": name})
            if named.scalar():
                message = (
                    f"A survey names the codebook {name}. Delete it first, or name another codebook there."
                )
                raise Conflict(message, code="codebook_in_use")
            await self._delete(connection, tenant, name)

    async def erase(self, tenant: str) -> int:
        """Delete all codebooks and corrections of a tenant, whoever names them; how many corrections. Raises Unavailable."""
        count = 0
        async with self._database.begin() as connection:
            names = [row.name for row in await connection.execute(codebooks_rows.NAMES, {"tenant": tenant})]
        for name in names:
            async with self._database.begin() as connection:
                await enter(connection, tenant, name)
                count += await self._delete(connection, tenant, name)
        return count

    async def _keep(self, tenant: str, edition: Edition, checked: Checked) -> None:
        """What a check found of a version."""
        book = edition.codebook
        values = {"tenant": tenant, "name": book.name, "version": book.version}
        async with self._database.begin() as connection:
            kept = codebooks_rows.checked_json(checked)
            await connection.execute(codebooks_rows.CHECKED, {**values, "checked": kept})

    async def _delete(self, connection: AsyncConnection, tenant: str, name: str) -> int:
        values = {"tenant": tenant, "name": name}
        gone = (await connection.execute(codebooks_rows.DROP_CORRECTIONS, values)).all()
        await connection.execute(codebooks_rows.DROP, values)
        if gone:  # before the transaction ends: what cannot be deleted there is not deleted here
            await self._memory.drop(tenant, name)
        return len(gone)

    async def _compared(self, tenant: Tenant, after: Edition) -> Compared | None:
        """None: there are too few corrections to tell. Learning takes a thread of its own."""
        in_use = await self.edition(tenant.name, after.codebook.name)
        first = await self._material(tenant.name, in_use.codebook)
        second = replace(first, codebook=after.codebook)
        reader = self._reader(tenant)

        def work() -> Compared | None:
            from passerelle.pipelines.surveys.promoting import compare  # noqa: PLC0415 - brings numpy

            return compare(first, second, reader, seed=self._seed)

        async with self._learning:
            return await asyncio.to_thread(work)

    async def _material(self, tenant: str, codebook: Codebook) -> Material:
        from passerelle.pipelines.surveys.promoting import Material  # noqa: PLC0415 - brings numpy

        opener = await self._seals.opener(tenant)
        async with self._database.begin() as connection:
            revision = await newest_revision(connection, tenant, codebook.name)
            kept = await holding(connection, tenant, codebook.name, revision, opener)
            return Material(codebook, tuple(kept), await lineage(connection, tenant, codebook.name))


def _checked(compared: Compared) -> Checked:
    return Checked(
        compared.before,
        compared.after,
        compared.change,
        compared.low,
        compared.high,
        compared.lost,
        datetime.now(UTC),
    )


def _told(checked: Checked, after: Edition, in_use: Edition) -> str:
    before = checked.before or checked.after
    return (
        f"Version {after.codebook.version} labels comments worse than version {in_use.codebook.version}, which is in "
        f"use: micro-F1 {checked.after.micro:.2f} instead of {before.micro:.2f} (change {checked.change:+.2f}, 95 % "
        f"between {checked.low:+.2f} and {checked.high:+.2f}; macro-F1 {checked.after.macro:.2f} instead of "
        f"{before.macro:.2f}; {checked.after.n} corrected comments that neither has learned from). Say in `merged` what "
        "took the place of categories that are gone, make definitions clearer, or insist with `force`."
    )


async def _there(connection: AsyncConnection, tenant: str, name: str) -> None:
    """Raises NotFound where there is no codebook of that name."""
    values = {"tenant": tenant, "name": name}
    if not storable(name) or not (await connection.execute(codebooks_rows.COUNT, values)).one().versions:
        raise _unknown(name)


async def _edition(
    connection: AsyncConnection, opener: Opener, tenant: str, name: str, *, version: int | None = None
) -> Edition:
    """That version; None: the one in use. Raises NotFound."""
    values = {"tenant": tenant, "name": name}
    found: list[Edition] = []
    if storable(name) and version is None:
        found = [edition_of(row, opener) for row in await connection.execute(codebooks_rows.FIRST, values)]
    elif storable(name) and version in range(1, MOST_VERSIONS + 1):
        rows = await connection.execute(codebooks_rows.ONE, {**values, "version": version})
        found = [edition_of(row, opener) for row in rows]
    if not found:
        raise _unknown(name, version)
    return found[0]


async def _editions(connection: AsyncConnection, opener: Opener, tenant: str, name: str) -> list[Edition]:
    found = await _newest(connection, opener, tenant, name, most=MOST_VERSIONS) if storable(name) else []
    if not found:
        raise _unknown(name)
    return found


async def _newest(
    connection: AsyncConnection, opener: Opener, tenant: str, name: str, *, most: int
) -> list[Edition]:
    rows = await connection.execute(codebooks_rows.ALL, {"tenant": tenant, "name": name, "most": most})
    return [edition_of(row, opener) for row in rows]


async def _has_room(connection: AsyncConnection, tenant: str) -> None:
    row = (await connection.execute(codebooks_rows.COUNT, {"tenant": tenant, "name": ""})).one()
    if row.codebooks >= MOST_CODEBOOKS:
        message = f"A tenant has at most {MOST_CODEBOOKS} codebooks. Delete one that nobody needs."
        raise Conflict(message, code="too_many_codebooks")


def _unknown(name: str, version: int | None = None) -> NotFound:
    told = f"There is no codebook {name[:80]!r}" + ("." if version is None else f" in a version {version}.")
    return NotFound(told, code="codebook_not_found", param="codebook")
