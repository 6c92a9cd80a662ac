"""What is wrong or worth knowing about a catalog as a whole: dead rules, policies without a way out, open doors.

Pure. References that match nothing and rules that contradict each other are errors; what is merely unused is a
warning, so that an edit can be staged.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from passerelle.config.fields import BackendOptions
from passerelle.domain.ask import Needs
from passerelle.domain.catalog import Catalog, Policy, Tenant
from passerelle.policy.judge import is_sensitive
from passerelle.routing.agreements import check_hours
from passerelle.routing.bounds import check_issuers
from passerelle.routing.caching import check_caching
from passerelle.routing.file import FileFields
from passerelle.routing.names import check_names_model
from passerelle.routing.notes import Notes
from passerelle.routing.plan import make_plan
from passerelle.routing.policies import CURES, check_helpers, check_systems
from passerelle.routing.rag import check_documents
from passerelle.routing.reasons import LeftOut, Why
from passerelle.routing.source import Path


def check(
    catalog: Catalog, notes: Notes, *, kinds: Mapping[str, type[BackendOptions]], fields: FileFields
) -> None:
    """Note everything."""
    _check_targets(catalog, notes, kinds)
    _check_unused(catalog, notes, fields)
    _check_tokens(catalog, notes)
    _check_defaults(catalog, notes, fields)
    check_hours(catalog, notes)
    check_issuers(catalog, notes)
    for tenant in catalog.tenants.values():
        _check_switch(catalog, tenant, notes, fields=fields)
        _check_ways(catalog, tenant, notes, fields=fields)
        check_systems(catalog, tenant, notes)
        check_helpers(catalog, tenant, notes)
        check_caching(catalog, tenant, notes)
        check_names_model(tenant, notes)
        check_documents(catalog, tenant, notes, given=fields.tenants[tenant.name], defaults=fields.defaults)


def _check_targets(catalog: Catalog, notes: Notes, kinds: Mapping[str, type[BackendOptions]]) -> None:
    for model in catalog.models.values():
        seen: dict[tuple[str, str], int] = {}
        for index, target in enumerate(model.targets):
            path = ("models", model.name, "targets", index)
            kind = catalog.backends[target.backend].kind
            able = sorted(name for name, options in kinds.items() if model.task in options.tasks)
            if model.task not in catalog.backends[target.backend].options.able():
                notes.add(
                    "error",
                    "C22",
                    (*path, "backend"),
                    f"A backend of kind {kind} cannot {model.task.value}, which is the task of {model.name!r}.",
                    f"Choose a backend of another kind: {', '.join(able)}.",
                )
            first = seen.setdefault((target.backend, target.model), index)
            if first != index:
                notes.add(
                    "error",
                    "C23",
                    path,
                    f"The target {target.name} stands twice in {model.name!r}.",
                    "Keep one and give it the weight of both.",
                )
        if all(target.degraded for target in model.targets):
            notes.add(
                "warning",
                "C24",
                ("models", model.name),
                f"Every target of {model.name!r} is degraded.",
                "Add one that is not.",
            )


def _check_unused(catalog: Catalog, notes: Notes, fields: FileFields) -> None:
    used = {target.backend for model in catalog.models.values() for target in model.targets}
    for name in catalog.backends:
        if name not in used:
            notes.add(
                "warning",
                "C30",
                ("backends", name),
                f"No model uses the backend {name!r}.",
                "Give it a target, or remove it.",
            )
    offered = {name for tenant in catalog.tenants.values() for name in tenant.models}
    for name in catalog.models:
        if name not in offered:
            notes.add(
                "warning",
                "C31",
                ("models", name),
                f"No tenant may use the model {name!r}.",
                "Add it to an `allow`, or remove it.",
            )
    bound = {tenant.policy.name for tenant in catalog.tenants.values() if tenant.policy}
    for name in fields.policies:
        if name not in bound:
            notes.add(
                "warning",
                "C32",
                ("policies", name),
                f"No tenant is bound to the policy {name!r}.",
                "Name it in a tenant, or remove it.",
            )


def _check_tokens(catalog: Catalog, notes: Notes) -> None:
    for spec in catalog.backends.values():
        url = urlsplit(str(getattr(spec.options, "url", "")))
        if spec.secrets and url.scheme == "http" and _public(url.hostname or ""):
            notes.add(
                "warning",
                "C12",
                ("backends", spec.name, "url"),
                f"The token of {spec.name!r} travels unencrypted to {url.hostname}.",
                "Use https.",
            )


def _public(host: str) -> bool:
    """Is a host on the open network, as far as its name tells?"""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host.strip(".") and not host.rstrip(".").endswith(_PRIVATE)


_PRIVATE = (".localhost", ".local", ".internal", ".svc", ".lan", ".home.arpa", ".test")


def _check_defaults(catalog: Catalog, notes: Notes, fields: FileFields) -> None:
    """What `defaults` prefers and denies must matter to some model, whoever may use it."""
    switch = fields.defaults.backends
    used = {target.backend for model in catalog.models.values() for target in model.targets}
    for rule, field, verb in (("C26", "prefer", "prefers"), ("C27", "deny", "denies")):
        for index, name in enumerate(getattr(switch, field) or () if switch else ()):
            place: Path = ("defaults", "backends", field, index)
            if notes.known(name, catalog.backends, place, what="backend") and name not in used:
                message = f"`defaults` {verb} {name!r}, which no model uses."
                notes.add("error", rule, place, message, f"Add a target, or remove it from `{field}`.")


def _check_switch(catalog: Catalog, tenant: Tenant, notes: Notes, *, fields: FileFields) -> None:
    """`prefer` and `deny` must name backends, agree with each other, and matter.

    What a tenant inherits from `defaults` need not matter to it: another tenant may be meant.
    """
    reachable = {target.backend for name in tenant.models for target in catalog.models[name].targets}
    for index, name in enumerate(tenant.prefer):
        path, own = _stands(fields, tenant, "prefer")
        place = (*path, index)
        if not notes.known(name, catalog.backends, place, what="backend"):
            continue
        if name in tenant.prefer[:index]:
            message = f"{tenant.name!r} prefers the backend {name!r} twice."
            notes.add("error", "C29", place, message, "Name it once.")
        elif name in tenant.deny:
            message = f"{tenant.name!r} prefers and denies the backend {name!r}."
            notes.add("error", "C25", place, message, "Keep one of the two.")
        elif own and name not in reachable:
            message = f"{tenant.name!r} prefers {name!r}, which none of its models uses."
            notes.add("error", "C26", place, message, "Add a target, or remove the preference.")
    path, own = _stands(fields, tenant, "deny")
    for index, name in enumerate(_denied(fields, tenant)):
        place = (*path, index)
        if notes.known(name, catalog.backends, place, what="backend") and own and name not in reachable:
            message = f"{tenant.name!r} denies {name!r}, which none of its models uses."
            notes.add("error", "C27", place, message, "Remove it from `deny`.")


def _stands(fields: FileFields, tenant: Tenant, field: str) -> tuple[Path, bool]:
    """Where a tenant's `prefer` or `deny` stands, and whether that is in the tenant's own part."""
    given = fields.tenants[tenant.name]
    own = bool(given and given.backends and getattr(given.backends, field) is not None)
    root: Path = ("tenants", tenant.name) if own else ("defaults",)
    return (*root, "backends", field), own


def _denied(fields: FileFields, tenant: Tenant) -> list[str]:
    given = fields.tenants[tenant.name] if _stands(fields, tenant, "deny")[1] else fields.defaults
    return (given.backends.deny or []) if given and given.backends else []


def _check_ways(catalog: Catalog, tenant: Tenant, notes: Notes, *, fields: FileFields) -> None:
    """Every model a tenant may use needs a way that its policy permits; a preference that finds none is told.

    That is a warning, not a dead rule: what stands against it is stated elsewhere in the file and may change there.
    """
    path = ("tenants", tenant.name)
    _check_restricted(tenant, notes)
    told: set[str] = set()
    shut: dict[str, str] = {}  # backends that were left out for good, and why
    open_: set[str] = set()
    for name in tenant.models:
        plan = make_plan(catalog, tenant, catalog.models[name], Needs())
        open_ |= {target.backend for target in plan.targets}
        for left in plan.left_out:
            if left.why is Why.OFF:
                open_.add(left.target.backend)
            elif left.why is not Why.DENIED:
                shut.setdefault(left.target.backend, left.reason)
            if left.why is Why.POLICY and left.target.backend not in told:
                told.add(left.target.backend)
                message = f"{tenant.name!r} never reaches the backend {left.target.backend!r}: {left.reason}."
                cure = f"Rule {left.rule} is at work; there is nothing to do unless you meant otherwise."
                notes.add("info", "C41", path, message, cure)
        if not plan.targets and not any(left.why is Why.OFF for left in plan.left_out):
            _no_way(tenant, name, plan.left_out, notes=notes)
    place, own = _stands(fields, tenant, "prefer")
    for index, name in enumerate(tenant.prefer if own else ()):
        if name in shut and name not in open_:
            message = f"{tenant.name!r} prefers {name!r}, which can never answer it: {shut[name]}."
            cure = "Remove the preference, or change what stands against it."
            notes.add("warning", "C34", (*place, index), message, cure)


def _check_restricted(tenant: Tenant, notes: Notes) -> None:
    cure = "Name one with `policy:` if its data must not go everywhere."
    if tenant.policy is None and is_sensitive(tenant.privacy):
        message = (
            f"{tenant.name!r} has no policy; as its data is sensitive, it only goes where nothing is kept."
        )
        cure = "Name one with `policy:` for more than that."
    elif tenant.policy is None:
        message = f"{tenant.name!r} has no policy and is unrestricted."
    elif tenant.policy == Policy(tenant.policy.name):
        message = f"{tenant.name!r} is unrestricted: its policy {tenant.policy.name!r} has no rules."
        cure = "Give the policy rules if its data must not go everywhere."
    else:
        return
    notes.add("info", "C40", ("tenants", tenant.name), message, cure)


def _no_way(tenant: Tenant, model: str, left_out: tuple[LeftOut, ...], *, notes: Notes) -> None:
    """Say why a tenant has no target for a model; a policy speaks first, since it is the one that binds."""
    path = ("tenants", tenant.name)
    whys = {left.why for left in left_out}
    if Why.POLICY in whys:
        forbidden = [left for left in left_out if left.why is Why.POLICY]
        reasons = list(dict.fromkeys(left.reason for left in left_out))
        told = "; ".join(reasons[:_MOST_REASONS]) + ("; ..." if len(reasons) > _MOST_REASONS else "")
        message = f"The policy of {tenant.name!r} leaves no target for {model!r}: {told}."
        notes.add("error", "R01", path, message, CURES[forbidden[0].rule or "R01"])
    elif Why.DEGRADED in whys:
        message = f"{tenant.name!r} could only have degraded answers for {model!r}, which it does not allow."
        cure = "Set `degraded: true` for the tenant, or add a target that is not degraded."
        notes.add("error", "C33", path, message, cure)
    else:
        message = f"{tenant.name!r} denies every target of {model!r}."
        cure = "Deny less, or take the model from the tenant with `models.allow`."
        notes.add("error", "C28", path, message, cure)


_MOST_REASONS = 4  # of a finding that stays readable
