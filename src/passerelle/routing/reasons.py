"""Why a target is left out of a plan. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from passerelle.domain.ask import Capability, Needs
from passerelle.domain.catalog import BackendSpec, Party, Target, Tenant
from passerelle.domain.facts import Facts, Known
from passerelle.policy.judge import Verdict, judged


class Why(StrEnum):
    """Why a target was left out, in the order in which it is asked."""

    DENIED = "denied"  # the tenant denies the backend
    POLICY = "policy"  # a rule forbids a party
    INCAPABLE = "incapable"  # it lacks what the request needs
    DEGRADED = "degraded"  # degraded answers are not allowed for this tenant
    OFF = "off"  # switched off (its secret is not set), or what it offers is not known yet


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A target that is not in the plan, and the reason. `rule` is the policy rule's id, where one spoke."""

    target: Target
    why: Why
    reason: str
    rule: str | None = None
    lacks: Capability | None = None


def leave_out(
    spec: BackendSpec, target: Target, *, tenant: Tenant, needs: Needs, known: Known
) -> LeftOut | None:
    """The first reason why this tenant's request cannot go to this target; None when it can."""
    if target.backend in tenant.deny:
        return LeftOut(target, Why.DENIED, f"{tenant.name} denies {target.backend}")
    verdict = forbidden(spec, tenant)
    if verdict is not None:
        return LeftOut(target, Why.POLICY, verdict.reason, verdict.rule)
    missing = unable(target, known.facts, needs)
    if missing is not None:
        return missing
    if target.degraded and not tenant.degraded:
        return LeftOut(target, Why.DEGRADED, f"degraded answers are not allowed for {tenant.name}")
    if target.degraded and tenant.policy is not None and not tenant.policy.degraded:
        return LeftOut(target, Why.DEGRADED, f"{tenant.policy.name} allows no degraded answers")
    if spec.off is not None:
        return LeftOut(target, Why.OFF, spec.off)
    return None


def forbidden(spec: BackendSpec, tenant: Tenant) -> Verdict | None:
    """The rule that forbids a backend; one that chooses among providers is permitted when one of them is."""
    if spec.choice is None:
        return judged(tenant, spec.parties)
    return judged(tenant, spec.parties[:-1]) or _all_forbidden(tenant, spec.hosts)


def _all_forbidden(tenant: Tenant, hosts: Sequence[Party]) -> Verdict | None:
    verdicts = [judged(tenant, (host,)) for host in hosts]
    return verdicts[0] if verdicts and all(verdicts) else None


def unable(target: Target, facts: Facts, needs: Needs) -> LeftOut | None:
    """Why a target cannot do what a request needs; None when it can, as far as is known.

    What the operator states of a target goes before what the engine says.
    """
    missing = sorted(needs.capabilities & ((target.lacks | facts.lacks) - target.offers))
    if missing:
        return LeftOut(target, Why.INCAPABLE, f"it does not offer {missing[0].value}", lacks=missing[0])
    context = target.context or facts.context
    if context is not None and needs.context > context:
        reason = f"its context is {context} tokens and the request needs at least {needs.context}"
        return LeftOut(target, Why.INCAPABLE, reason)
    return None
