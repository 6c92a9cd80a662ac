"""`/v1/content/recipes` and `/v1/content/brand`: how a tenant's texts are worked on, in versions that never change."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from passerelle.domain.errors import BadRequest
from passerelle.http.access import MEMBER
from passerelle.http.content_place import Here, RecipeName
from passerelle.http.content_recipes import (
    BrandBody,
    BrandCard,
    RecipeBody,
    RecipeCard,
    RecipeList,
    brand_card,
    recipe_card,
)

router = APIRouter(prefix="/v1/content", tags=["Content"])

_LATEST = 2**31 - 1
RecipeVersion = Annotated[
    int | None, Query(ge=1, le=_LATEST, description="Without it, the newest.", examples=[2])
]
BrandVersion = Annotated[
    int | None, Query(ge=0, le=_LATEST, description="Without it, the newest.", examples=[2])
]


@router.get("/recipes", dependencies=[Depends(MEMBER)])
async def recipes(here: Here) -> RecipeList:
    """The newest version of each recipe: the tenant's own, and the shipped ones."""
    office = await here.office()
    return RecipeList(data=[recipe_card(each) for each in await office.kitchen.recipes(here.name)])


@router.post("/recipes", dependencies=[Depends(MEMBER)], status_code=201)
async def write(new: RecipeBody, here: Here) -> RecipeCard:
    """The next version of a recipe of the tenant's: written whole, or as another one with changes."""
    kitchen = (await here.office(to_write=True)).kitchen
    base = None
    if new.extends is not None:
        base = await kitchen.recipe(here.name, new.extends, new.extends_version)
    elif new.extends_version is not None:
        message = "`extends_version` is of the recipe that `extends` names."
        raise BadRequest(message, code="invalid_value", param="extends_version")
    return recipe_card(await kitchen.write(here.name, new.recipe(base), by=here.by))


@router.get("/recipes/{name}", dependencies=[Depends(MEMBER)])
async def recipe(name: RecipeName, here: Here, version: RecipeVersion = None) -> RecipeCard:
    """A recipe."""
    return recipe_card(await (await here.office()).kitchen.recipe(here.name, name, version))


@router.delete("/recipes/{name}", dependencies=[Depends(MEMBER)], status_code=204)
async def drop(name: RecipeName, here: Here) -> Response:
    """Delete a recipe of the tenant's in all its versions; jobs keep what they have written by it."""
    await (await here.office(to_write=True)).kitchen.drop(here.name, name)
    return Response(status_code=204)


@router.get("/brand", dependencies=[Depends(MEMBER)])
async def brand(here: Here, version: BrandVersion = None) -> BrandCard:
    """How the tenant writes."""
    return brand_card(await (await here.office()).kitchen.brand(here.name, version))


@router.put("/brand", dependencies=[Depends(MEMBER)])
async def set_brand(said: BrandBody, here: Here) -> BrandCard:
    """How the tenant writes from now on. The same again changes nothing."""
    office = await here.office(to_write=True)
    return brand_card(await office.kitchen.set_brand(here.name, said.brand(), by=here.by))
