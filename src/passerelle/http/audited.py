"""What the routes tell the audit log: who deleted what, and what an operator did with a tenant's data.

It is a dependency of every router, so that no handler can forget it: what is deleted stands in one table, and a test
asks that every route that deletes is in it. A request that failed did nothing, and is not noted.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import Request

from passerelle.audit import actions
from passerelle.domain.caller import Caller, Role
from passerelle.http.services import services_of

# By method and path: the action, and the parameter of the path that says of what.
NOTED: Mapping[tuple[str, str], tuple[str, str]] = {
    ("DELETE", "/v1/rag/collections/{collection}"): (actions.COLLECTION_DELETED, "collection"),
    ("DELETE", "/v1/rag/collections/{collection}/documents/{document}"): (
        actions.DOCUMENT_DELETED,
        "document",
    ),
    ("DELETE", "/v1/rag/conversations/{conversation}"): (actions.CONVERSATION_DELETED, "conversation"),
    ("DELETE", "/v1/surveys/{survey}"): (actions.SURVEY_DELETED, "survey"),
    ("DELETE", "/v1/surveys/{survey}/runs/{run}"): (actions.RUN_DELETED, "run"),
    ("DELETE", "/v1/surveys/codebooks/{name}"): (actions.CODEBOOK_DELETED, "name"),
    ("DELETE", "/v1/surveys/corrections/{correction}"): (actions.CORRECTION_DELETED, "correction"),
    ("DELETE", "/v1/content/jobs/{job}"): (actions.CONTENT_JOB_DELETED, "job"),
    ("DELETE", "/v1/content/recipes/{name}"): (actions.RECIPE_DELETED, "name"),
    ("DELETE", "/v1/jobs/{job}"): (actions.JOB_DELETED, "job"),
    ("GET", "/v1/privacy/prompts"): (actions.PROMPTS_READ, ""),
    ("DELETE", "/v1/cache"): (actions.CACHE_ERASED, ""),
    ("DELETE", "/v1/cache/{answer}"): (actions.CACHE_ERASED, "answer"),
    ("DELETE", "/v1/cache/subjects/{user:path}"): (actions.CACHE_ERASED, "user"),
}
# What their handlers note themselves, in the transaction that does it.
THEMSELVES = frozenset({("DELETE", "/admin/keys/{key_id}")})

_READS = frozenset({"GET", "HEAD"})
_TENANTS = "/v1/"  # what stands below is a tenant's
_OURS = re.compile(r"(?:[a-z]{1,12}[_-])?[0-9a-f-]{12,40}|env_[0-9]+|operator|latest")


async def audited(request: Request) -> AsyncIterator[None]:
    """Note what this request did, once it is done."""
    yield
    caller = caller_of(request)
    if caller is None:
        return
    route = str(getattr(request.scope.get("route"), "path", ""))
    desk = services_of(request).audit
    chain = chain_of(request, caller)
    if found := NOTED.get((request.method, route)):
        action, parameter = found
        await desk.noted(chain, actor_of(caller), action, thing(request.path_params.get(parameter, "")))
    elif caller.role is Role.ADMIN and route.startswith(_TENANTS):
        action = actions.OPERATOR_READ if request.method in _READS else actions.OPERATOR_WROTE
        desk.count(chain, actor_of(caller), action, actions.worded(f"{request.method}:{route}"))


async def noted(
    request: Request,
    chain: str,
    action: str,
    object: str = "",  # noqa: A002
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Note what the caller of a request has just done. `chain`: a tenant's name, "" = the installation's."""
    caller = caller_of(request)
    actor = actor_of(caller) if caller is not None else actions.SYSTEM
    await services_of(request).audit.noted(chain, actor, action, object, detail)


def caller_of(request: Request) -> Caller | None:
    """Who was found to call, None before anybody looked and on public routes."""
    found = getattr(request.state, "caller", None)
    return found if isinstance(found, Caller) else None


def actor_of(caller: Caller) -> str:
    """A caller in the log: a key's id. That of a token names a person, and is not written down."""
    return thing(caller.key_id)


def chain_of(request: Request, caller: Caller) -> str:
    """The chain of the tenant that a request is about: its caller's, or the one that an operator names."""
    if caller.tenant is not None:
        return caller.tenant
    tenant = request.query_params.get("tenant", "")
    return tenant if tenant in services_of(request).editions.catalog.tenants else ""


def thing(said: str) -> str:
    """An id that we made, as it is; of all that people name themselves, what stands for it."""
    return said if not said or _OURS.fullmatch(said) else actions.named(said)
