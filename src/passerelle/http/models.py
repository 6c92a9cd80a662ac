"""`/v1/models`: the models a tenant may use, in OpenAI's shape."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Model
from passerelle.gateway.gateway import tenant_of
from passerelle.http.access import MEMBER
from passerelle.http.services import services_of
from passerelle.routing.plan import find_model

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
    """The models this tenant may use, in the configuration's order."""
    catalog = services_of(request).editions.catalog
    tenant = tenant_of(caller, catalog)
    return ModelList(data=[_card(catalog.models[name], catalog.operator) for name in tenant.models])


@router.get("/v1/models/{model:path}", dependencies=[Depends(MEMBER)])
async def get_model(model: str, request: Request, caller: Annotated[Caller, Depends(MEMBER)]) -> ModelCard:
    """One model this tenant may use; names may hold slashes, as Hub ids do."""
    catalog = services_of(request).editions.catalog
    tenant = tenant_of(caller, catalog)
    return _card(find_model(catalog, tenant, model), catalog.operator)


def _card(model: Model, operator: str) -> ModelCard:
    return ModelCard(
        id=model.name, created=model.created, owned_by=operator or "passerelle", task=model.task.value
    )
