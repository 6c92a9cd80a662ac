"""Whose data a request is about: the caller's own tenant's, or the one that an operator's key names."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import Catalog, Tenant
from passerelle.domain.errors import BadRequest, NotFound
from passerelle.gateway.gateway import tenant_of

TenantName = Annotated[
    str | None, Query(description="For the operator's keys; others have their own.", max_length=200)
]


def whose(catalog: Catalog, caller: Caller, tenant: str | None) -> Tenant:
    """The tenant that is meant. Raises BadRequest `missing_tenant`, NotFound `unknown_tenant`, Forbidden."""
    if caller.role is not Role.ADMIN:
        own = tenant_of(caller, catalog)
        if tenant in (None, own.name):
            return own
    elif tenant is None:
        raise BadRequest("`tenant` must name a tenant.", code="missing_tenant", param="tenant")
    elif tenant in catalog.tenants:
        return catalog.tenants[tenant]
    raise NotFound(f"There is no tenant {str(tenant)[:100]!r}.", code="unknown_tenant", param="tenant")
