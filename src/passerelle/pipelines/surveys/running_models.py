"""Who reads a tenant's comments: a language model where one may be asked, else the packaged engine alone."""

from __future__ import annotations

from dataclasses import dataclass

from passerelle.domain.ask import Needs, Task
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Refused
from passerelle.gateway.edition import Editions
from passerelle.routing.plan import DEFAULT, find_model, refuse_empty

_PACKAGED = "builtin"  # the kind of backend that holds no language model


@dataclass(frozen=True, slots=True)
class Reads:
    """The model's name in the file. `offline`: no language model stands behind it."""

    model: str
    offline: bool


def who_reads(editions: Editions, tenant: Tenant, model: str | None = None) -> Reads:
    """Which model reads for a tenant; `model` is asked for by name, else it is that of its rules.

    Raises Refused for one that was asked for and is not there, or is not the tenant's; PolicyRefused, with the rule, where
    the tenant's policy leaves none of its targets, and Unavailable where none is switched on.
    """
    named = model or (tenant.surveys.model if tenant.surveys is not None else None)
    edition = editions.current
    try:
        found = find_model(edition.catalog, tenant, named or DEFAULT, Task.CHAT)
    except Refused:
        if named is not None:
            raise
        return Reads("", offline=True)  # it has no chat model at all
    plan = edition.plan(tenant, found, Needs())
    refuse_empty(plan, tenant)  # nobody is read by less than what was chosen, without a word
    offline = all(is_packaged(editions, target.backend) for target in plan.targets)
    return Reads(found.name, offline)


def is_packaged(editions: Editions, backend: str) -> bool:
    """Is a backend of the file the packaged engine?"""
    spec = editions.catalog.backends.get(backend)
    return spec is not None and spec.kind == _PACKAGED
