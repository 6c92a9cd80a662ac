"""What bounds a tenant, from the file to values: limits, guardrails, and whose tokens are taken for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from passerelle.config.guardrails import ModerationFields, RuleFields, TopicFields
from passerelle.config.limits import LimitFields
from passerelle.domain.catalog import Catalog, Model, Tenant
from passerelle.domain.guardrails import Guardrail
from passerelle.domain.identity import Issuer, Membership
from passerelle.domain.limits import Limits, Rates
from passerelle.routing.agreements import Get
from passerelle.routing.notes import Notes
from passerelle.routing.source import Path


def _guardrails(
    rules: Sequence[RuleFields], place: Path, *, models: Mapping[str, Model], notes: Notes
) -> None:
    """What one rule says must fit the file, the other rules, and what else it says."""
    names: set[str] = set()
    for index, rule in enumerate(rules):
        for number, model in enumerate(rule.models or ()):
            notes.known(model, models, (*place, index, "models", number), what="model")
        if rule.name in names:
            message = f"There are two guardrails {rule.name!r}."
            notes.add("error", "C20", (*place, index, "name"), message, "Give each a name of its own.")
        names.add(rule.name)
        if isinstance(rule, ModerationFields):
            notes.known(rule.model, models, (*place, index, "model"), what="model")
        if isinstance(rule, TopicFields):
            for word, wanted in (("allow", rule.allow), ("deny", rule.deny)):
                for number, label in enumerate(wanted or ()):
                    notes.known(label, rule.labels, (*place, index, word, number), what="label")


def bounds(get: Get, *, models: Mapping[str, Model], notes: Notes) -> dict[str, Any]:
    """The fields of a tenant that bound it; `get` gives the value of a word and where it stands."""
    limits, place = get("limits")
    if isinstance(limits, LimitFields):
        for model in limits.models:
            notes.known(model, models, (*place, "models", model), what="model")
    rules, place = get("guardrails")
    _guardrails(rules or (), place, models=models, notes=notes)
    return {
        "limits": limits.value() if isinstance(limits, LimitFields) else Limits(),
        "guardrails": tuple([rule.value() for rule in rules or ()]),
        "issuers": tuple([issuer.value() for issuer in get("oidc")[0] or ()]),
    }


def check_issuers(catalog: Catalog, notes: Notes) -> None:
    """Note an issuer and audience whose tokens would not tell one tenant, or mean two things for it."""
    owners: dict[tuple[str, str], str] = {}
    for name, tenant in catalog.tenants.items():
        for index, issuer in enumerate(tenant.issuers):
            place = (issuer.url, issuer.audience)
            owner = owners.get(place)
            owners.setdefault(place, name)
            if owner is None:
                continue
            who = repr(name) if owner == name else f"both {owner!r} and {name!r}"
            message = (
                f"The issuer {issuer.url} with the audience {issuer.audience!r} stands twice, for {who}."
            )
            cure = "A token must mean one thing: give each its own audience, or its own issuer."
            notes.add("error", "C38", ("tenants", name, "oidc", index), message, cure)


def bounded(tenant: Tenant) -> dict[str, Any]:
    """What bounds a tenant, by the words of the file; what is not bounded is None."""
    limits = tenant.limits
    subjects = {
        "limits": limits.tenant,
        "limits.each_key": limits.each_key,
        **{f"limits.keys.{name}": rates for name, rates in limits.keys.items()},
        **{f"limits.models.{name}": rates for name, rates in limits.models.items()},
    }
    told: dict[str, Any] = {}
    for subject, rates in subjects.items():
        told |= _rates(subject, rates)
    told["limits.share"] = limits.share if limits.share != 1 else None
    told["limits.tokens_per_second"] = limits.tokens_per_second
    told["guardrails"] = [_rule(rule) for rule in tenant.guardrails] or None
    told["oidc"] = [_issuer(issuer) for issuer in tenant.issuers] or None
    return told


def _rates(subject: str, rates: Rates) -> dict[str, Any]:
    return {
        f"{subject}.rpm": rates.rpm,
        f"{subject}.tpm": rates.tpm,
        f"{subject}.concurrency": rates.concurrency,
    }


def _rule(rule: Guardrail) -> str:
    where = f" for {', '.join(sorted(rule.models))}" if rule.models else ""
    return f"{rule.name} ({rule.kind}, {'blocks' if rule.blocks else 'monitors'}{where})"


def _issuer(issuer: Issuer) -> str:
    by = f" by {issuer.jwks}" if issuer.jwks else ""
    roles = [f"member: {', '.join(sorted(issuer.member))}"] if issuer.member is not None else []
    roles += [f"tenant_admin: {', '.join(sorted(issuer.tenant_admin))}"] if issuer.tenant_admin else []
    said = f"; {issuer.claim} {'; '.join(roles)}" if roles else ""
    said += f"; groups by {_membership(issuer.groups)}" if issuer.groups else ""
    algorithms = ", ".join(issuer.algorithms)
    return f"{issuer.url}{by} for {issuer.audience} ({algorithms}; at most {issuer.grant.value}{said})"


def _membership(groups: Membership) -> str:
    if groups.names is not None:
        return f"{groups.claim}: {', '.join(f'{value} is {group}' for value, group in groups.names)}"
    return f"{groups.claim} below {groups.prefix}" if groups.prefix else groups.claim
