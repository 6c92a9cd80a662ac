"""Whose data a request is about, and whether its caller may change it: by the tenant's own rules."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import Catalog, Tenant
from passerelle.domain.errors import BadRequest, Forbidden, NotFound
from passerelle.gateway.gateway import tenant_of

TenantName = Annotated[
    str | None, Query(description="For the operator's keys; others have their own.", max_length=200)
]

_RANKS = {Role.MEMBER: 0, Role.TENANT_ADMIN: 1, Role.ADMIN: 2}


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


def check_writer(caller: Caller, writers: Role, *, what: str) -> None:
    """Raises Forbidden `not_a_writer` where a tenant's rules leave `what` to callers of a higher role."""
    if _RANKS[caller.role] < _RANKS[writers]:
        message = f"This tenant's {what} are changed with keys of the role {writers.value}."
        raise Forbidden(message, code="not_a_writer")
