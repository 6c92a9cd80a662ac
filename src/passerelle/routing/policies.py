"""Policies, systems and who tells what to whom, from the file to values; and what of them a tenant's policy forbids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from passerelle.config.parties import SELF
from passerelle.config.policies import PolicyFields
from passerelle.domain.ask import Needs
from passerelle.domain.billing import Webhook
from passerelle.domain.catalog import Catalog, Party, Policy, System, Tenant
from passerelle.policy.judge import is_bound, judged
from passerelle.policy.presets import PRESETS
from passerelle.policy.regions import expand
from passerelle.routing.everyone import helpers_of, systems_of
from passerelle.routing.file import FileFields
from passerelle.routing.notes import Notes
from passerelle.routing.plan import make_plan
from passerelle.routing.reasons import Why

WEBHOOK = "webhook"

CURES = {
    "R01": "State its `location`, choose a permitted one, or take it from the tenant.",
    "R02": "State the tool that is in force with it in `transfer`, or choose a permitted one.",
    "R04": "State `pinned: true` if its place is promised, or choose a permitted one.",
    "R05": "State `trains: false` if that is so, or choose a permitted one.",
    "R06": "State its `retention_days`, or choose a permitted one.",
    "R07": "State `retention_days: 0` and `trains: false` if that is so, or choose one of your own machines.",
    "R10": "Name the provider, or let Passerelle choose: `provider: cheapest` or `fastest`.",
    "R11": "Name these kinds in `privacy.redact` of the tenant.",
}


def policies(written: Mapping[str, PolicyFields]) -> dict[str, Policy]:
    """All that a tenant may name: the package's, and those of the file before them."""
    return {**PRESETS, **{name: _policy(name, rule) for name, rule in written.items()}}


def _policy(name: str, rule: PolicyFields) -> Policy:
    return Policy(
        name,
        countries=expand(rule.countries) if rule.countries is not None else None,
        operators=frozenset(rule.operators) if rule.operators is not None else None,
        training=rule.training == "allowed",
        max_retention_days=rule.max_retention_days,
        seats=expand(rule.seats) if rule.seats is not None else None,
        transfers=frozenset(rule.transfers) if rule.transfers is not None else None,
        pinned=rule.pinned,
        degraded=rule.degraded == "allowed",
        redact=frozenset(rule.redact or ()),
    )


def seated(parties: Iterable[Party], country: str | None) -> tuple[Party, ...]:
    """The parties, those that are the operator itself established where it is."""
    return tuple(
        replace(party, location=replace(party.location, seat=country))
        if party.location.operator == SELF and party.location.seat is None
        else party
        for party in parties
    )


def systems(fields: FileFields, hooks: Iterable[Webhook], notes: Notes) -> tuple[System, ...]:
    """What the file says that Passerelle stands on, and whom it tells, `hooks` being those that are switched on."""
    for name, system in fields.systems.items():
        for index, tenant in enumerate(system.tenants or ()):
            notes.known(tenant, fields.tenants, ("systems", name, "tenants", index), what="tenant")
    told = [system.value(name) for name, system in fields.systems.items()]
    on = {hook.name for hook in hooks}
    for name, words in fields.webhooks.items():
        whose = None if words.tenants is None else frozenset(words.tenants)
        told.append(System(name, WEBHOOK, words.as_party(name), whose, off=name not in on))
    return tuple(
        replace(system, party=seated((system.party,), fields.operator.country)[0]) for system in told
    )


def check_helpers(catalog: Catalog, tenant: Tenant, notes: Notes) -> None:
    """Note models that Passerelle would ask with this tenant's data and may not ask anywhere.

    Warnings: they are refused on every hop, and what needs them does without. Models that the tenant may use itself are
    spoken of as such.
    """
    for name, use in helpers_of(catalog, tenant):
        if name in tenant.models:
            continue
        plan = make_plan(catalog, tenant, catalog.models[name], Needs())
        rules = [left for left in plan.left_out if left.why is Why.POLICY and left.rule is not None]
        if plan.targets or not rules or any(left.why is Why.OFF for left in plan.left_out):
            continue
        rule = rules[0].rule or "R01"
        message = f"The {use.value} {name!r} may not see what is {tenant.name!r}'s: {rules[0].reason}."
        notes.add("warning", rule, ("tenants", tenant.name), message, CURES[rule])


def check_systems(catalog: Catalog, tenant: Tenant, notes: Notes) -> None:
    """Note as errors what this tenant's data must not reach and cannot be kept from: there is no way around them."""
    if not is_bound(tenant):
        return
    for system in systems_of(catalog, tenant):
        verdict = None if system.off else judged(tenant, (system.party,))
        if verdict is None:
            continue
        room, what = ("webhooks", "webhook") if system.kind == WEBHOOK else ("systems", system.kind)
        message = f"The {what} {system.name!r} is not permitted to have what is {tenant.name!r}'s: {verdict.reason}."
        notes.add("error", verdict.rule, (room, system.name), message, CURES[verdict.rule])
