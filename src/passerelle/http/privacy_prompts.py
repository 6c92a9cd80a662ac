"""`/v1/privacy/prompts`: what is kept of prompts and answers, for the administrators of the tenant that has them kept."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from passerelle.domain.caller import Caller
from passerelle.http.access import TENANT_ADMIN
from passerelle.http.intake import LONGEST_USER
from passerelle.http.services import services_of
from passerelle.http.tenants import TenantName, whose

router = APIRouter(prefix="/v1/privacy", tags=["Privacy"])


class PromptCard(BaseModel):
    """A call that is kept, as the model had it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    object: Literal["privacy.prompt"] = "privacy.prompt"
    request_id: str
    subject: str = Field(description="The pseudonym of whom the call was for; empty where nobody was named.")
    model: str
    backend: str
    at: datetime
    ends_at: datetime = Field(description="When it is deleted.")
    content: dict[str, Any] | None = Field(
        description="What was asked and answered; null where the key that it was sealed with is destroyed."
    )


class PromptList(BaseModel):
    """The newest first."""

    object: Literal["list"] = "list"
    data: list[PromptCard]
    has_more: bool


@router.get("/prompts", dependencies=[Depends(TENANT_ADMIN)])
async def prompts(
    request: Request,
    caller: Annotated[Caller, Depends(TENANT_ADMIN)],
    tenant: TenantName = None,
    user: Annotated[
        str, Query(description="As requests name it in `user`: its calls alone.", max_length=LONGEST_USER)
    ] = "",
    before: Annotated[str | None, Query(description="An id: those before it.", max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> PromptList:
    """What is kept of prompts and answers; nothing, unless `privacy.log_prompts` says why and until when."""
    services = services_of(request)
    name = whose(services.editions.catalog, caller, tenant).name
    if services.prompts is None:
        return PromptList(data=[], has_more=False)
    subject = services.gateway.people.of(name, user) if user else None
    found = await services.prompts.listed(name, subject=subject, before=before, most=limit + 1)
    return PromptList(
        data=[PromptCard.model_validate(each) for each in found[:limit]], has_more=len(found) > limit
    )
