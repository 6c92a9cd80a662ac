"""`/v1/privacy/disclosure`: what a tenant tells people who talk to its models."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from passerelle.audit.disclosure import disclosure
from passerelle.domain.caller import Caller
from passerelle.http.access import MEMBER
from passerelle.http.costs import preferred
from passerelle.http.marking import DISCLOSURE_PATH
from passerelle.http.services import services_of
from passerelle.http.tenants import TenantName, whose

router = APIRouter(tags=["Privacy"])


class DisclosureCard(BaseModel):
    """A text to show before, or at the beginning of, a conversation."""

    model_config = ConfigDict(from_attributes=True)

    object: str = "privacy.disclosure"
    language: str = Field(description="That the text is in: the one asked for, where there is a text in it.")
    text: str
    own: bool = Field(description="Did the tenant write it?")
    required: bool = Field(description="Does the configuration say that people talk to this tenant's models?")


@router.get(DISCLOSURE_PATH, dependencies=[Depends(MEMBER)])
async def told(
    request: Request,
    caller: Annotated[Caller, Depends(MEMBER)],
    language: Annotated[
        str | None, Query(pattern="^[a-z]{2}$", description="ISO 639-1; unsaid, `Accept-Language` says it.")
    ] = None,
    tenant: TenantName = None,
) -> DisclosureCard:
    """What people must be told who talk to this tenant's models (AI Act, article 50)."""
    whom = whose(services_of(request).editions.catalog, caller, tenant)
    chosen = language or preferred(request.headers.get("accept-language", ""))
    found = disclosure(whom.privacy.marking, chosen)
    return DisclosureCard(
        language=found.language, text=found.text, own=found.own, required=whom.privacy.end_user_facing
    )
