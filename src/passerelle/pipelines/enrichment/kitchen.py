"""`Recipes`: a tenant's recipes and brand profile in their versions; the seam `Kitchen`.

A version is never changed. What is written again as it stands makes no new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.content import Brand, Recipe
from passerelle.domain.errors import Conflict, NotFound
from passerelle.pipelines.enrichment.brands import checked_brand
from passerelle.pipelines.enrichment.recipes import checked_recipe, shipped
from passerelle.pipelines.enrichment.tables import brand_of, json_of, recipe_of
from passerelle.stores.database import Database

MOST_RECIPES = 500  # of a tenant, by name
_GATE = 0x63756973  # advisory: one writer of a tenant's recipes and brand at a time

# Versions are numbered one after another, whoever else writes.
_ENTER = text("SELECT pg_advisory_xact_lock(:gate, hashtext(:tenant))")
_NEWEST = text("""
SELECT DISTINCT ON (name) name, recipe FROM content_recipe WHERE tenant = :tenant ORDER BY name, version DESC
""")
_RECIPE = text("""
SELECT recipe FROM content_recipe WHERE tenant = :tenant AND name = :name
    AND (CAST(:version AS int) IS NULL OR version = :version) ORDER BY version DESC LIMIT 1
""")
_WRITE = text("""
INSERT INTO content_recipe (tenant, name, version, recipe, created_by)
VALUES (:tenant, :name, :version, CAST(:recipe AS jsonb), :by)
""")
_COUNT = text("SELECT count(DISTINCT name) FROM content_recipe WHERE tenant = :tenant AND name <> :name")
_DROP = text("DELETE FROM content_recipe WHERE tenant = :tenant AND name = :name")
_BRAND = text("""
SELECT brand FROM content_brand WHERE tenant = :tenant
    AND (CAST(:version AS int) IS NULL OR version = :version) ORDER BY version DESC LIMIT 1
""")
_SET_BRAND = text("""
INSERT INTO content_brand (tenant, version, brand, created_by) VALUES (:tenant, :version, CAST(:brand AS jsonb), :by)
""")


class Recipes:
    """The seam `Kitchen`. Holds nothing open."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def recipes(self, tenant: str) -> Sequence[Recipe]:
        """The newest version of each, by name: the tenant's own, and the shipped ones."""
        async with self._database.begin() as connection:
            rows = (await connection.execute(_NEWEST, {"tenant": tenant})).all()
        found = {**shipped(), **{row.name: recipe_of(row.recipe) for row in rows}}
        return [found[name] for name in sorted(found)]

    async def recipe(self, tenant: str, name: str, version: int | None = None) -> Recipe:
        """One of them. Raises NotFound `recipe_not_found`."""
        async with self._database.begin() as connection:
            own = await _recipe(connection, tenant, name, version)
        if own is not None:
            return own
        ours = shipped().get(name)
        if ours is None or version not in (None, ours.version):
            raise _unknown(name, version)
        return ours

    async def write(self, tenant: str, recipe: Recipe, *, by: str) -> Recipe:
        """The next version of a recipe of the tenant's; its own `version` is not looked at.

        Raises BadRequest `recipe_wrong`, Conflict `recipe_shipped` for a shipped name and `recipe_count` where the
        tenant has too many.
        """
        asked = replace(recipe, shipped=False)
        checked_recipe(asked)
        if asked.name in shipped():
            message = (
                f"The recipe {asked.name!r} is shipped and stays as it is. Write yours under another name."
            )
            raise Conflict(message, code="recipe_shipped", param="name")
        named = {"tenant": tenant, "name": asked.name}
        async with self._database.begin() as connection:
            await connection.execute(_ENTER, {"gate": _GATE, "tenant": tenant})
            newest = await _recipe(connection, tenant, asked.name, None)
            if newest is not None and replace(asked, version=newest.version) == newest:
                return newest
            if newest is None and (await connection.execute(_COUNT, named)).scalar_one() >= MOST_RECIPES:
                message = f"A tenant has at most {MOST_RECIPES} recipes. Delete one first."
                raise Conflict(message, code="recipe_count")
            made = replace(asked, version=1 if newest is None else newest.version + 1)
            values = {**named, "version": made.version, "recipe": json_of(made), "by": by}
            await connection.execute(_WRITE, values)
        return made

    async def drop(self, tenant: str, name: str) -> None:
        """Delete a recipe of the tenant's in all versions; jobs keep what they have written. Raises NotFound."""
        async with self._database.begin() as connection:
            gone = (await connection.execute(_DROP, {"tenant": tenant, "name": name})).rowcount
        if not gone:
            if name in shipped():
                raise Conflict(f"The recipe {name!r} is shipped and stays.", code="recipe_shipped")
            raise _unknown(name, None)

    async def brand(self, tenant: str, version: int | None = None) -> Brand:
        """The tenant's brand profile; version 0 where it has none. Raises NotFound `brand_not_found`."""
        if version == 0:
            return Brand()
        async with self._database.begin() as connection:
            found = await _brand(connection, tenant, version)
        if found is None and version is not None:
            raise NotFound(f"There is no version {version} of the brand profile.", code="brand_not_found")
        return found or Brand()

    async def set_brand(self, tenant: str, brand: Brand, *, by: str) -> Brand:
        """Its next version; the same again changes nothing. Raises BadRequest `brand_wrong`."""
        asked = checked_brand(brand)
        async with self._database.begin() as connection:
            await connection.execute(_ENTER, {"gate": _GATE, "tenant": tenant})
            newest = await _brand(connection, tenant, None) or Brand()
            if replace(asked, version=newest.version) == newest:
                return newest
            made = replace(asked, version=newest.version + 1)
            values = {"tenant": tenant, "version": made.version, "brand": json_of(made), "by": by}
            await connection.execute(_SET_BRAND, values)
        return made


async def _recipe(connection: AsyncConnection, tenant: str, name: str, version: int | None) -> Recipe | None:
    values = {"tenant": tenant, "name": name, "version": version}
    said: Mapping[str, Any] | None = (await connection.execute(_RECIPE, values)).scalar()
    return None if said is None else recipe_of(said)


async def _brand(connection: AsyncConnection, tenant: str, version: int | None) -> Brand | None:
    said = (await connection.execute(_BRAND, {"tenant": tenant, "version": version})).scalar()
    return None if said is None else brand_of(said)


def _unknown(name: str, version: int | None) -> NotFound:
    which = "recipe" if version is None else f"version {version} of the recipe"
    return NotFound(f"There is no {which} {name[:100]!r}.", code="recipe_not_found")
