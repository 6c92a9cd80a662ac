"""`/v1/models`: the models a tenant may use, in OpenAI's shape; each of its collections of documents is one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from passerelle.domain.ask import Task
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Model, Tenant
from passerelle.domain.errors import NotFound
from passerelle.domain.rag import MODEL_PREFIX, Shelf
from passerelle.gateway.gateway import tenant_of
from passerelle.http.access import MEMBER
from passerelle.http.ask import unknown_collection
from passerelle.http.services import services_of
from passerelle.pipelines.rag.desk import Rag
from passerelle.routing.plan import find_model

_PATIENCE = 2.0  # seconds for which a list waits for collections; without them it is still a list

_log = structlog.get_logger(__name__)

router = APIRouter(tags=["OpenAI"])


class ModelCard(BaseModel):
    """A model as OpenAI describes one; `task` is ours."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    task: str


class ModelList(BaseModel):
    """The models a caller may use."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


@router.get("/v1/models", dependencies=[Depends(MEMBER)])
async def list_models(request: Request, caller: Annotated[Caller, Depends(MEMBER)]) -> ModelList:
    """The models this tenant may use, in the configuration's order, then its collections by name."""
    services = services_of(request)
    catalog = services.editions.catalog
    tenant = tenant_of(caller, catalog)
    cards = [_card(catalog.models[name], catalog.operator) for name in tenant.models]
    return ModelList(data=[*cards, *map(_collection, await _shelves(services.rag, tenant))])


@router.get("/v1/models/{model:path}", dependencies=[Depends(MEMBER)])
async def get_model(model: str, request: Request, caller: Annotated[Caller, Depends(MEMBER)]) -> ModelCard:
    """One model this tenant may use; names may hold slashes, as Hub ids and collections do."""
    services = services_of(request)
    catalog = services.editions.catalog
    tenant = tenant_of(caller, catalog)
    if not model.startswith(MODEL_PREFIX):
        return _card(find_model(catalog, tenant, model), catalog.operator)
    if tenant.rag is None:
        raise unknown_collection(model)
    library = await services.rag.library()
    try:
        return _collection(await library.shelf(tenant.name, model.removeprefix(MODEL_PREFIX)))
    except NotFound:
        raise unknown_collection(model) from None


async def _shelves(rag: Rag, tenant: Tenant) -> Sequence[Shelf]:
    """A tenant's collections; none where they cannot be asked for."""
    if tenant.rag is None:
        return ()
    try:
        async with asyncio.timeout(_PATIENCE):
            return await (await rag.library()).shelves(tenant.name)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with documents, the models can be used
        _log.info("collections_not_listed", error=type(error).__name__)
        return ()


def _card(model: Model, operator: str) -> ModelCard:
    return ModelCard(
        id=model.name, created=model.created, owned_by=operator or "passerelle", task=model.task.value
    )


def _collection(shelf: Shelf) -> ModelCard:
    return ModelCard(
        id=f"{MODEL_PREFIX}{shelf.name}",
        created=int(shelf.created_at.timestamp()),
        owned_by=shelf.tenant,
        task=Task.CHAT.value,
    )
