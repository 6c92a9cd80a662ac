"""What would happen to a request, without calling anything: every target in order, and why not the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from passerelle.domain.ask import Needs
from passerelle.domain.catalog import Catalog, Party, Target, Tenant
from passerelle.domain.errors import CannotRun, NotFound
from passerelle.policy.seen import Seen, Use
from passerelle.routing.caching import in_words
from passerelle.routing.everyone import everyone
from passerelle.routing.notes import nearest
from passerelle.routing.plan import Knowledge, find_model, make_plan
from passerelle.routing.reasons import LeftOut


@dataclass(frozen=True, slots=True)
class Step:
    """A target of the plan. `share` is its part of the load among equals, from 0 to 1; 0 for one that only follows.

    `choice` says by what a provider will be chosen, where it is not known yet who can be.

    `parties` are all who would see the request; none of them when it does not leave this process.
    """

    target: Target
    kind: str
    country: str | None
    share: float
    parties: tuple[Party, ...]
    choice: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The plan of a tenant and a model in words."""

    tenant: str
    model: str
    policy: str | None
    version: str
    steps: tuple[Step, ...]
    left_out: tuple[LeftOut, ...]
    cache: str | None = None  # which answers are kept, in words; None = none
    rules: str | None = None  # the evidence of what binds the tenant: a name and a hash; None = nothing does
    others: tuple[Seen, ...] = ()  # systems, webhooks and helpers that the tenant's data reaches too

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "tenant": self.tenant,
            "model": self.model,
            "policy": self.policy,
            "rules": self.rules,
            "configuration": self.version,
            "cache": self.cache,
            "targets": [
                {
                    "order": order,
                    "backend": step.target.backend,
                    "model": step.target.model,
                    "provider": step.target.host.name if step.target.host else None,
                    "choice": step.choice,
                    "kind": step.kind,
                    "country": step.country,
                    "rank": step.target.rank,
                    "share": round(step.share, 4),
                    "degraded": step.target.degraded,
                    "parties": [
                        {
                            "name": party.name,
                            "country": party.location.country,
                            "operator": party.location.operator,
                        }
                        for party in step.parties
                    ],
                }
                for order, step in enumerate(self.steps, start=1)
            ],
            "left_out": [
                {
                    "backend": left.target.backend,
                    "model": left.target.model,
                    "why": left.why.value,
                    "rule": left.rule,
                    "reason": left.reason,
                }
                for left in self.left_out
            ],
            "others": [
                {
                    "name": seen.party.name,
                    "use": seen.use.value,
                    "through": seen.through,
                    "models": list(seen.models),
                    "country": seen.party.location.country,
                    "operator": seen.party.location.operator,
                    "off": seen.off,
                    "rule": seen.verdict.rule if seen.verdict else None,
                    "reason": seen.verdict.reason if seen.verdict else None,
                }
                for seen in self.others
            ],
        }

    def as_text(self) -> str:
        """For a terminal."""
        bound = f"policy {self.rules}" if self.rules else "no policy: unrestricted"
        lines = [f"{self.model} for {self.tenant} ({bound}), configuration {self.version}"]
        for order, step in enumerate(self.steps, start=1):
            share = f", {step.share:.0%} of the load" if 0 < step.share < 1 else ""
            share += f", the {step.choice} of its providers" if step.choice else ""
            share += f", from {step.target.host.name}" if step.target.host else ""
            degraded = ", degraded" if step.target.degraded else ""
            where = step.country or ("unknown country" if step.parties else "in this process")
            others = [party for party in step.parties if party.name != step.target.backend]
            via = "".join(f", via {_who(party)}" for party in others)
            about = f"{step.kind}, {where}{via}, rank {step.target.rank}{share}{degraded}"
            lines.append(f"  {order}. {step.target.name}  ({about})")
        if not self.steps:
            lines.append("  no target: every request is refused")
        lines += [f"  -  {left.target.name}  {left.why.value}: {left.reason}" for left in self.left_out]
        lines += [f"  cache: {self.cache}"] if self.cache else []
        lines += [f"  also: {_also(seen)}" for seen in self.others]
        return "\n".join(lines)


def explain(
    catalog: Catalog,
    tenant_name: str,
    model_name: str,
    needs: Needs | None = None,
    *,
    known: Knowledge | None = None,
) -> Explanation:
    """The plan of a tenant for a model, with what is known of the backends where they were asked.

    Raises CannotRun for a name that leads nowhere.
    """
    tenant = catalog.tenants.get(tenant_name)
    if tenant is None:
        raise CannotRun(f"There is no tenant {tenant_name!r}.", nearest(tenant_name, catalog.tenants))
    try:
        model = find_model(catalog, tenant, model_name)
    except NotFound as error:
        raise _no_model(catalog, tenant, model_name) from error
    plan = make_plan(catalog, tenant, model, needs or Needs(), known=known)
    steps: list[Step] = []
    for target in plan.targets:
        equals = [other.weight for other in plan.targets if _tied(other, target, tenant.prefer)]
        spec = catalog.backends[target.backend]
        share = target.weight / sum(equals)
        ways = plan.ways.get(target, (target,))
        choice = spec.choice if target not in plan.ways else None
        steps += [
            Step(
                way,
                spec.kind,
                spec.place_of(way).country,
                0.0 if index else share,
                spec.parties_of(way),
                choice,
            )
            for index, way in enumerate(ways)
        ]
    policy = tenant.policy.name if tenant.policy else None
    cache = in_words(tenant.cache, model)
    return Explanation(
        tenant.name,
        model.name,
        policy,
        catalog.version,
        tuple(steps),
        plan.left_out,
        cache,
        plan.policy,
        _others(catalog, tenant, model.name),
    )


_ANSWERING = frozenset({Use.PRIMARY, Use.FALLBACK, Use.ROUTER})


def _also(seen: Seen) -> str:
    """A party beside those that answer, and whether it is permitted."""
    who = f"{seen.through} ({seen.use.value}, {_who(seen.party)})"
    if seen.verdict is not None:
        return f"{who}, refused by {seen.verdict.rule}: {seen.verdict.reason}"
    return f"{who}, off" if seen.off else who


def _others(catalog: Catalog, tenant: Tenant, model: str) -> tuple[Seen, ...]:
    """Who else sees this tenant's data than those that answer its models."""
    return tuple(
        seen for seen in everyone(catalog, tenant) if seen.use not in _ANSWERING and seen.models != (model,)
    )


def _tied(one: Target, other: Target, prefer: tuple[str, ...]) -> bool:
    places = [
        prefer.index(target.backend) if target.backend in prefer else len(prefer) for target in (one, other)
    ]
    return one.rank == other.rank and one.degraded == other.degraded and places[0] == places[1]


def _no_model(catalog: Catalog, tenant: Tenant, name: str) -> CannotRun:
    if name in catalog.models:
        cure = f"Add it to `models.allow` of {tenant.name}, or ask for one of: {', '.join(tenant.models)}."
        return CannotRun(f"The tenant {tenant.name!r} may not use the model {name!r}.", cure)
    return CannotRun(f"There is no model {name!r}.", nearest(name, tenant.models))


def _who(party: Party) -> str:
    return f"{party.location.operator or party.name} in {party.location.country or 'an unknown country'}"
