"""Everybody whom a tenant's data may reach: engines and routers, helpers of the pipelines, systems, webhooks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from passerelle.domain.ask import Needs, Task
from passerelle.domain.catalog import BackendSpec, Catalog, Model, Party, System, Target, Tenant
from passerelle.domain.guardrails import Moderation
from passerelle.policy.judge import Verdict, judged
from passerelle.policy.seen import Seen, Use
from passerelle.routing.plan import make_plan
from passerelle.routing.reasons import LeftOut, Why, forbidden

_OF_TASK: Mapping[Task, Use] = MappingProxyType(
    {Task.EMBED: Use.EMBEDDER, Task.RERANK: Use.RERANKER, Task.CLASSIFY: Use.CLASSIFIER}
)


def everyone(catalog: Catalog, tenant: Tenant) -> tuple[Seen, ...]:
    """Each party in each use, with the rule that forbids it; backends that the tenant denies are not among them.

    Systems that the configuration does not name are the operator's own, and not listed.
    """
    found: dict[tuple[object, ...], Seen] = {}
    for seen in (*_asked(catalog, tenant), *_stood_on(catalog, tenant)):
        key = (seen.party, seen.use, seen.through, seen.verdict)
        known = found.get(key, seen)
        models = tuple(sorted({*known.models, *seen.models}))
        found[key] = replace(known, models=models, off=known.off and seen.off)
    return tuple(found.values())


def systems_of(catalog: Catalog, tenant: Tenant) -> Iterator[System]:
    """What Passerelle stands on or tells, that this tenant's data reaches."""
    for system in catalog.systems:
        if system.tenants is None or tenant.name in system.tenants:
            yield system


def helpers_of(catalog: Catalog, tenant: Tenant) -> Iterator[tuple[str, Use]]:
    """Models that Passerelle itself asks with the tenant's data, and what as."""
    kept = tenant.cache.semantic if tenant.cache else None
    named: list[tuple[str | None, Use]] = []
    if kept is not None:
        named += [(kept.embedder, Use.EMBEDDER), (kept.judge.model if kept.judge else None, Use.JUDGE)]
    named += [
        (guardrail.rule.model, Use.JUDGE)
        for guardrail in tenant.guardrails
        if isinstance(guardrail.rule, Moderation)
    ]
    if tenant.rag is not None:
        named += [(tenant.rag.model, Use.PRIMARY), (tenant.rag.embedder, Use.EMBEDDER)]
        named.append((tenant.rag.reranker, Use.RERANKER))
    if tenant.content is not None:
        named.append((tenant.content.model, Use.PRIMARY))
    if tenant.surveys is not None:
        named += [(tenant.surveys.model, Use.PRIMARY), (tenant.surveys.embedder, Use.EMBEDDER)]
    for name, use in dict.fromkeys(named):
        if name is not None and name in catalog.models:
            yield name, use


def _asked(catalog: Catalog, tenant: Tenant) -> Iterator[Seen]:
    for name in tenant.models:
        yield from _of_model(catalog, tenant, catalog.models[name], None)
    for name, use in helpers_of(catalog, tenant):
        if use is not Use.PRIMARY or name not in tenant.models:
            yield from _of_model(catalog, tenant, catalog.models[name], use)


def _of_model(catalog: Catalog, tenant: Tenant, model: Model, use: Use | None) -> Iterator[Seen]:
    """Who may answer a model. `use` None: by its task, and of those that chat by its place in the plan."""
    fixed = use if use not in (None, Use.PRIMARY) else _OF_TASK.get(model.task)
    plan = make_plan(catalog, tenant, model, Needs())
    first = plan.targets[0] if plan.targets else None
    for target in plan.targets:
        ahead = first is not None and (target.degraded, target.rank) == (first.degraded, first.rank)
        place = fixed or (Use.PRIMARY if ahead or target == first else Use.FALLBACK)
        yield from _behind(catalog.backends[target.backend], target, tenant, use=place, models=(model.name,))
    for left in plan.left_out:
        if left.why in (Why.POLICY, Why.OFF):
            yield from _left_out(catalog, left, tenant, use=fixed or Use.FALLBACK, model=model)


def _left_out(catalog: Catalog, left: LeftOut, tenant: Tenant, *, use: Use, model: Model) -> Iterator[Seen]:
    spec = catalog.backends[left.target.backend]
    off = left.why is Why.OFF
    for seen in _behind(spec, left.target, tenant, use=use, models=(model.name,)):
        yield replace(seen, off=off)


def _behind(
    spec: BackendSpec, target: Target, tenant: Tenant, *, use: Use, models: tuple[str, ...]
) -> Iterator[Seen]:
    """The parties behind a target: a router, then whoever it hands on to; of a choice, every one that there is.

    A party that is permitted itself is never reached where another on the way is forbidden.
    """
    chosen = spec.choice is not None and target.host is None and bool(spec.hosts)
    way = spec.parties[:-1] if chosen else spec.parties_of(target)[:-1]
    last = spec.hosts if chosen else spec.parties_of(target)[-1:]
    blocked = forbidden(spec, tenant)
    for party in way:
        yield _seen(party, Use.ROUTER, spec, models, judged(tenant, (party,)) or blocked)
    for party in last:
        yield _seen(party, use, spec, models, judged(tenant, (party,)) or judged(tenant, way))


def _seen(
    party: Party, use: Use, spec: BackendSpec, models: tuple[str, ...], verdict: Verdict | None
) -> Seen:
    return Seen(party, use, spec.name, models, verdict, off=spec.off is not None)


def _stood_on(catalog: Catalog, tenant: Tenant) -> Iterator[Seen]:
    for system in systems_of(catalog, tenant):
        verdict = judged(tenant, (system.party,))
        yield Seen(system.party, Use(system.kind), system.name, verdict=verdict, off=system.off)
