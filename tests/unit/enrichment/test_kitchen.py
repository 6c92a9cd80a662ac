"""Recipes and brand profiles in their versions."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from passerelle.domain.content import Address, Bounds, Brand, Operation, Recipe, Tag, Term
from passerelle.domain.errors import BadRequest, Conflict, NotFound
from passerelle.pipelines.enrichment.brands import checked_brand
from passerelle.pipelines.enrichment.kitchen import Recipes
from passerelle.pipelines.enrichment.recipes import shipped
from passerelle.stores.database import Database

MINE = Recipe(
    name="nos-fiches",
    version=7,
    title="Nos fiches",
    language="fr",
    operations=(Operation.REWRITE, Operation.TAG),
    role="Vous êtes rédactrice.",
    context="Un organisme de formation.",
    task="Réécrivez la fiche.",
    taxonomy=(Tag("Sécurité", "gestes et postures"), Tag("Bureautique")),
    bounds=Bounds(tags=(1, 2), ratio=(0.8, 1.2)),
    temperature=0.1,
)
BRAND = Brand(
    tone="Chaleureux",
    address=Address.VOUS,
    banned=("révolutionnaire",),
    glossary=(Term("formation en ligne", ("e-learning",), "e-learning", "fr", "toujours"),),
    names=("Qualiopi",),
)


async def test_a_recipe_is_kept_in_versions_and_what_has_not_changed_makes_none(database: Database) -> None:
    kitchen = Recipes(database)

    first = await kitchen.write("acme", MINE, by="k")
    same = await kitchen.write("acme", replace(MINE, version=3), by="k")
    second = await kitchen.write("acme", replace(MINE, task="Autre chose."), by="k")

    assert (first.version, same, second.version) == (1, first, 2)
    assert await kitchen.recipe("acme", "nos-fiches") == second
    assert await kitchen.recipe("acme", "nos-fiches", 1) == replace(MINE, version=1)
    listed = {recipe.name: recipe.version for recipe in await kitchen.recipes("acme")}
    assert listed["nos-fiches"] == 2
    assert set(listed) == {"nos-fiches", *shipped()}
    await kitchen.drop("acme", "nos-fiches")
    for name, version in (("nos-fiches", None), ("rewrite-fr", 99), ("nothing", None)):
        with pytest.raises(NotFound) as missing:
            await kitchen.recipe("acme", name, version)
        assert missing.value.code == "recipe_not_found"
    with pytest.raises(NotFound):
        await kitchen.drop("acme", "nos-fiches")


async def test_a_shipped_recipe_is_everybodys_and_nobodys_to_change(database: Database) -> None:
    kitchen = Recipes(database)
    ours = await kitchen.recipe("acme", "rewrite-fr")

    assert ours.shipped
    with pytest.raises(Conflict) as refused:
        await kitchen.write("acme", replace(MINE, name="rewrite-fr"), by="k")
    assert refused.value.code == "recipe_shipped"
    with pytest.raises(Conflict):
        await kitchen.drop("acme", "rewrite-fr")
    with pytest.raises(BadRequest) as wrong:
        await kitchen.write("acme", replace(MINE, operations=()), by="k")
    assert wrong.value.code == "recipe_wrong"


async def test_a_recipe_and_a_brand_are_their_tenants_alone(database: Database) -> None:
    kitchen = Recipes(database)
    await kitchen.write("acme", MINE, by="k")
    await kitchen.set_brand("acme", BRAND, by="k")

    with pytest.raises(NotFound):
        await kitchen.recipe("other", "nos-fiches")
    assert await kitchen.brand("other") == Brand()


async def test_versions_are_numbered_one_after_another_whoever_writes_at_once(database: Database) -> None:
    kitchen = Recipes(database)

    recipes = await asyncio.gather(
        *(kitchen.write("acme", replace(MINE, task=f"Tâche {number}."), by="k") for number in range(5))
    )
    brands = await asyncio.gather(
        *(kitchen.set_brand("acme", replace(BRAND, tone=f"Ton {number}"), by="k") for number in range(5))
    )

    assert sorted(each.version for each in recipes) == [1, 2, 3, 4, 5]
    assert sorted(each.version for each in brands) == [1, 2, 3, 4, 5]


async def test_a_brand_is_kept_in_versions_and_the_same_again_changes_nothing(database: Database) -> None:
    kitchen = Recipes(database)
    assert (await kitchen.brand("acme")).version == 0

    first = await kitchen.set_brand("acme", BRAND, by="k")
    same = await kitchen.set_brand("acme", replace(BRAND, version=9, tone="  Chaleureux "), by="k")
    second = await kitchen.set_brand("acme", replace(BRAND, address=Address.TU), by="k")

    assert (first, same) == (replace(BRAND, version=1), first)
    assert await kitchen.brand("acme") == second
    assert await kitchen.brand("acme", 1) == first
    assert await kitchen.brand("acme", 0) == Brand()
    with pytest.raises(NotFound) as missing:
        await kitchen.brand("acme", 3)
    assert missing.value.code == "brand_not_found"


@pytest.mark.parametrize(
    ("brand", "param"),
    [
        (Brand(banned=("e-learning",), glossary=(Term("E-learning"),)), "banned"),
        (Brand(banned=("Qualiopi",), names=("Qualiopi",)), "banned"),
        (Brand(glossary=(Term("stage", ("stage",)),)), "glossary"),
        (Brand(glossary=(Term("stage", ("formation",)), Term("formation"))), "glossary"),
        (Brand(glossary=(Term("stage", (), "training"), Term("formation", (), "Training"))), "glossary"),
        (Brand(glossary=(Term(" "),)), "glossary"),
        (Brand(glossary=(Term("stage", language="français"),)), "glossary"),
        (Brand(banned=("",)), "banned"),
        (Brand(banned=("x" * 201,)), "banned"),
        (Brand(banned=tuple(map(str, range(1_001)))), "banned"),
        (Brand(names=tuple(map(str, range(1_001)))), "names"),
        (Brand(tone="x" * 4_001), "tone"),
    ],
)
def test_a_brand_that_contradicts_itself_or_has_no_end_is_refused(brand: Brand, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        checked_brand(brand)

    assert (refused.value.code, refused.value.param) == ("brand_wrong", param)


def test_terms_of_different_languages_do_not_contradict_each_other() -> None:
    brand = Brand(
        glossary=(
            Term("formation", ("training",), language="fr"),
            Term("training", ("formation",), language="en"),
            Term("Email", ("email",)),
        )
    )

    assert checked_brand(brand) == brand
