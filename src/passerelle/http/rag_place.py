"""Where a request about documents stands: whose they are, by which rules, how far its caller sees, and whether it may write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Path, Request

from passerelle.domain.caller import ANY_GROUP, Caller, Role, groups_of
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Forbidden
from passerelle.domain.rag import Rag
from passerelle.http.access import MEMBER
from passerelle.http.services import Services, services_of
from passerelle.http.tenants import TenantName, check_writer, whose
from passerelle.http.texts import PathName
from passerelle.pipelines.rag.desk import Groups, Library, Reading

CollectionName = Annotated[PathName, Path(description="A collection's name.", examples=["faq"])]


class Place:
    """A tenant's documents, as one caller may reach them. Raises Forbidden `rag_disabled` where it has none."""

    def __init__(
        self,
        request: Request,
        caller: Annotated[Caller, Depends(MEMBER)],
        tenant: TenantName = None,
    ) -> None:
        self.services: Services = services_of(request)
        self.caller = caller
        self.tenant: Tenant = whose(self.services.editions.catalog, caller, tenant)
        if self.tenant.rag is None:
            message = "Answering from documents is switched off for this tenant (`rag: false`)."
            raise Forbidden(message, code="rag_disabled")
        self.rules: Rag = self.tenant.rag
        self.name = self.tenant.name

    @property
    def sees(self) -> Groups:
        """The groups whose documents are shown to the caller as documents; None: all of them."""
        if self.caller.role is not Role.MEMBER or ANY_GROUP in self.caller.groups:
            return None
        return groups_of(self.caller, None)

    @property
    def asker(self) -> Caller:
        """The caller as one of the tenant: an operator's key asks for the tenant that it names."""
        return self.caller if self.caller.tenant is not None else replace(self.caller, tenant=self.name)

    def groups(self, asked: Sequence[str] | None) -> frozenset[str]:
        """Those that a search or an answer is for. Raises Forbidden `group_not_yours`."""
        return groups_of(self.caller, asked)

    async def library(self, *, to_write: bool = False) -> Library:
        """Collections and documents. Raises Forbidden `not_a_writer` where they are to be changed."""
        if to_write:
            check_writer(self.caller, self.rules.writers, what="documents")
        return await self.services.rag.library()

    async def reading(self) -> Reading:
        """Searching and answering."""
        return await self.services.rag.reading()


Here = Annotated[Place, Depends()]
