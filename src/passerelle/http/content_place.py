"""Where a request about texts stands: whose they are, by which rules, and whether its caller may change anything."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request

from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Tenant
from passerelle.domain.content import ContentRules
from passerelle.domain.errors import Forbidden
from passerelle.http.access import MEMBER
from passerelle.http.services import Services, services_of
from passerelle.http.tenants import TenantName, check_writer, whose
from passerelle.http.texts import PathName
from passerelle.pipelines.enrichment.desk import Office

RecipeName = Annotated[PathName, Path(description="A recipe's name.", examples=["rewrite-fr"])]
JobId = Annotated[str, Path(description="As it was given where the job was made.", max_length=64)]


class Place:
    """A tenant's texts, as one caller may reach them. Raises Forbidden `content_disabled` where it has none."""

    def __init__(
        self,
        request: Request,
        caller: Annotated[Caller, Depends(MEMBER)],
        tenant: TenantName = None,
    ) -> None:
        self.services: Services = services_of(request)
        self.caller = caller
        self.tenant: Tenant = whose(self.services.editions.catalog, caller, tenant)
        if self.tenant.content is None:
            message = "Working on texts is switched off for this tenant (`content: false`)."
            raise Forbidden(message, code="content_disabled")
        self.rules: ContentRules = self.tenant.content
        self.name = self.tenant.name
        self.by = caller.key_id

    async def office(self, *, to_write: bool = False) -> Office:
        """Recipes, jobs and decisions. Raises Forbidden `not_a_writer` where something is to be changed, and Unavailable."""
        if to_write:
            check_writer(self.caller, self.rules.writers, what="texts")
        return await self.services.content.office()


Here = Annotated[Place, Depends()]
