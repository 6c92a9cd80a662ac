"""Who may use a route: declared on every route, asked as a dependency, checked before the service starts.

Nothing here reads a path, a host or a query: a route's policy is part of the route.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import CannotRun, Forbidden
from passerelle.http.credentials import OPERATOR, authenticate, read_head
from passerelle.http.services import services_of

OPERATOR_SCOPE = "passerelle.operator"  # set by the control socket's server, never from a request


class Allow:
    """A route's policy as a FastAPI dependency: the caller, if its role is one of these."""

    def __init__(self, *roles: Role) -> None:
        self.roles = frozenset(roles)

    async def __call__(self, request: Request) -> Caller:
        """The caller of a request. Raises Unauthenticated or Forbidden."""
        if request.scope.get(OPERATOR_SCOPE) is True:
            caller = OPERATOR
        else:
            caller = await authenticate(read_head(request.scope["headers"]), services_of(request).keys)
        if caller.role not in self.roles:
            allowed = ", ".join(sorted(role.value for role in self.roles))
            raise Forbidden(
                f"This needs a key with the role {allowed}; yours is {caller.role.value}.", code="wrong_role"
            )
        request.state.caller = caller  # for what is noted of the request
        return caller


class _Public(Allow):
    """Anybody, without a key."""

    async def __call__(self, request: Request) -> Caller:
        """A caller nobody knows, who may do nothing that asks for a role."""
        return Caller(key_id="anonymous", tenant=None, role=Role.MEMBER, name="")


PUBLIC = _Public()
MEMBER = Allow(Role.MEMBER, Role.TENANT_ADMIN, Role.ADMIN)
TENANT_ADMIN = Allow(Role.TENANT_ADMIN, Role.ADMIN)
ADMIN = Allow(Role.ADMIN)


def policy_of(route: BaseRoute) -> Allow | None:
    """The declared policy of a route, None when it has none."""
    dependencies = route.dependencies if isinstance(route, APIRoute) else ()
    return next((d.dependency for d in dependencies if isinstance(d.dependency, Allow)), None)


def every_route(app: FastAPI) -> Iterator[BaseRoute]:
    """The routes of an application, also those of the routers it includes."""
    return _walk(app.routes)


def check_every_route(app: FastAPI) -> None:
    """Refuse to run an application that has a route without a declared policy."""
    naked = sorted(
        str(getattr(route, "path", route)) for route in every_route(app) if policy_of(route) is None
    )
    if naked:
        raise CannotRun(
            f"These routes declare no access policy: {', '.join(naked)}.", "Give each one of http/access.py."
        )


def _walk(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    for route in routes:
        # FastAPI keeps an included router as one entry. What is not understood here counts as a route, and fails.
        included = getattr(route, "original_router", None)
        if isinstance(included, APIRouter):
            yield from _walk(included.routes)
        else:
            yield route
