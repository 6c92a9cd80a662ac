"""What one configuration changes against another, tenant by tenant, before it is live. Pure.

Everything is read from the explanations that the two catalogs give, so what is told here is what routing would do.
Tenants for which the same changes are told together; what does not change is not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from passerelle.domain.catalog import BackendSpec, Catalog, Policy, Target, Tenant
from passerelle.policy.regions import REGIONS
from passerelle.routing.agreements import agreements
from passerelle.routing.bounds import bounded
from passerelle.routing.caching import cached
from passerelle.routing.explain import Explanation, Step, explain
from passerelle.routing.pipelines import worked
from passerelle.routing.privacy import guarded
from passerelle.routing.rag import CONSEQUENCES, documented
from passerelle.routing.reach import Reach, newly_reached, reached
from passerelle.routing.reasons import LeftOut, Why


@dataclass(frozen=True, slots=True)
class Field:
    """A value that was one thing and will be another; None where it is not set. `note` says what follows."""

    name: str
    old: Any
    new: Any
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """A target that may answer. `share` is its part of the load among equals, from 0 to 1."""

    target: str
    share: float = 1.0
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class Shut:
    """A target that may not answer, and why; `rule` is the policy rule's id, where one spoke.

    `still` says that it might not before either, for another reason.
    """

    target: str
    why: str
    reason: str
    rule: str | None = None
    still: bool = False


@dataclass(frozen=True, slots=True)
class ModelDiff:
    """What changes when a tenant asks for a model. `before` and `after` are who answers, in order, equals together.

    They are empty where nobody answers, and None where the tenant may not ask for the model.
    """

    model: str
    before: tuple[tuple[Way, ...], ...] | None
    after: tuple[tuple[Way, ...], ...] | None
    shut: tuple[Shut, ...] = ()  # newly left out, or for another reason than before
    opened: tuple[str, ...] = ()  # left out before, and may answer now
    dropped: tuple[str, ...] = ()  # left out before, and no target any more
    facts: tuple[Field, ...] = ()  # the task, and what targets offer


@dataclass(frozen=True, slots=True)
class TenantDiff:
    """What changes for a tenant. `presence` is `added`, `removed` or `kept`."""

    presence: str
    settings: tuple[Field, ...] = ()
    models: tuple[ModelDiff, ...] = ()
    reached: tuple[Reach, ...] = ()  # who may now see its data and could not before
    spared: tuple[Reach, ...] = ()  # who could and may not any more


@dataclass(frozen=True, slots=True)
class BackendDiff:
    """What changes about a backend. `tenants` are those whom it may answer before or after."""

    backend: str
    presence: str
    fields: tuple[Field, ...]
    tenants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """What a new configuration changes; `tenants` has each distinct change with the names of those it befalls."""

    tenants: tuple[tuple[tuple[str, ...], TenantDiff], ...]
    backends: tuple[BackendDiff, ...]
    file: tuple[Field, ...] = ()

    @property
    def empty(self) -> bool:
        """Does nothing change?"""
        return not (self.tenants or self.backends or self.file)


def diff(old: Catalog, new: Catalog) -> Diff:
    """What `new` changes against `old`. Either may be a draft that a policy keeps from being used."""
    before, after = _Views(old), _Views(new)
    groups: dict[TenantDiff, list[str]] = {}
    for name in dict.fromkeys((*old.tenants, *new.tenants)):
        change = _tenant(before.of(name), after.of(name))
        if change is not None:
            groups.setdefault(change, []).append(name)
    operator = _fields({"operator": old.operator or None}, {"operator": new.operator or None})
    tenants = tuple((tuple(names), change) for change, names in groups.items())
    return Diff(tenants, _backends(before, after), operator)


def as_if_on(catalog: Catalog) -> Catalog:
    """The catalog with every backend switched on: what holds where all its secrets are set."""
    backends = {name: replace(spec, off=None) for name, spec in catalog.backends.items()}
    return replace(catalog, backends=backends)


@dataclass(frozen=True, slots=True)
class _View:
    """A tenant and what happens when it asks for each of its models."""

    tenant: Tenant
    plans: Mapping[str, Explanation]
    tasks: Mapping[str, str]
    reach: tuple[Reach, ...]
    backends: frozenset[str]  # those that may answer it, now or once they are switched on


class _Views:
    """The views of a catalog's tenants; tenants that differ only by name share the work."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._made: dict[Tenant, _View] = {}

    def of(self, name: str) -> _View | None:
        """The view of a tenant, None where there is no such tenant."""
        tenant = self.catalog.tenants.get(name)
        if tenant is None:
            return None
        nameless = replace(tenant, name="")
        if nameless not in self._made:
            self._made[nameless] = self._make(tenant)
        return self._made[nameless]

    def answered_by(self, backend: str) -> set[str]:
        """The tenants that a backend may answer."""
        return {name for name in self.catalog.tenants if backend in self._backends_of(name)}

    def _backends_of(self, name: str) -> frozenset[str]:
        view = self.of(name)
        return view.backends if view else frozenset()

    def _make(self, tenant: Tenant) -> _View:
        plans = {name: explain(self.catalog, tenant.name, name) for name in tenant.models}
        tasks = {name: self.catalog.models[name].task.value for name in tenant.models}
        backends = {
            target.backend
            for plan in plans.values()
            for target in (
                *(step.target for step in plan.steps),
                *(left.target for left in plan.left_out if left.why is Why.OFF),
            )
        }
        return _View(tenant, plans, tasks, reached(self.catalog, tenant, plans.values()), frozenset(backends))


def _tenant(old: _View | None, new: _View | None) -> TenantDiff | None:
    """What changes for one tenant; None for nothing."""
    presence = "added" if old is None else "removed" if new is None else "kept"
    settings = _fields(_settings(old), _settings(new)) if new else ()
    models = tuple(
        change
        for name in dict.fromkeys((*(old.plans if old else ()), *(new.plans if new else ())))
        if (change := _model(name, old, new)) is not None
    )
    before, after = old.reach if old else (), new.reach if new else ()
    whole = TenantDiff(presence, settings, models, newly_reached(before, after), newly_reached(after, before))
    return None if whole == TenantDiff("kept") else whole


def _settings(view: _View | None) -> dict[str, Any]:
    """What is said of the tenant itself, by the words of `providers.yaml`."""
    if view is None:
        return {}
    tenant, policy = view.tenant, view.tenant.policy
    return {
        "default model": tenant.default_model,
        "policy": policy.name if policy else "none",
        **(_rules(policy) if policy else {}),
        "degraded answers": "allowed" if tenant.degraded else "not allowed",
        "attempts": tenant.attempts,
        "bill_to": tenant.bill_to,
        **agreements(tenant),
        **bounded(tenant),
        **cached(tenant),
        **documented(tenant),
        **worked(tenant),
        **guarded(tenant),
    }


def _rules(policy: Policy) -> dict[str, Any]:
    """The rules of a policy; what it does not limit is None."""
    return {
        "policy.countries": _contract(policy.countries) if policy.countries is not None else None,
        "policy.operators": sorted(policy.operators) if policy.operators is not None else None,
        "policy.training": None if policy.training else "forbidden",
        "policy.max_retention_days": policy.max_retention_days,
        "policy.seats": _contract(policy.seats) if policy.seats is not None else None,
        "policy.transfers": sorted(policy.transfers) if policy.transfers is not None else None,
        "policy.pinned": True if policy.pinned else None,
        "policy.degraded": None if policy.degraded else "forbidden",
        "policy.redact": sorted(policy.redact) or None,
    }


def _contract(countries: frozenset[str]) -> list[str]:
    """Countries by the shortest list that a policy could name them with."""
    for region in sorted(REGIONS, key=lambda name: -len(REGIONS[name])):
        if REGIONS[region] <= countries:
            return [region, *sorted(countries - REGIONS[region])]
    return sorted(countries)


def _model(name: str, old: _View | None, new: _View | None) -> ModelDiff | None:
    """What changes when one model is asked for; None for nothing."""
    was, will = old.plans.get(name) if old else None, new.plans.get(name) if new else None
    before, after = _ways(was) if was else None, _ways(will) if will else None
    shut_before, shut_after = _shut(was.left_out if was else ()), _shut(will.left_out if will else ())
    facts = _fields(_facts(name, old, was), _facts(name, new, will)) if was and will else ()
    if before == after and shut_before == shut_after and not facts:
        return None
    were, are = {left.target for left in shut_before}, {left.target for left in shut_after}
    answer = {way.target for group in after or () for way in group}
    shut = tuple(replace(left, still=left.target in were) for left in shut_after if left not in shut_before)
    freed = sorted(were - are) if will else []
    opened = tuple(target for target in freed if target in answer)
    dropped = tuple(target for target in freed if target not in answer)
    return ModelDiff(name, before, after, shut, opened, dropped, facts)


def _ways(plan: Explanation) -> tuple[tuple[Way, ...], ...]:
    """Who answers, in order; those who share the load stand together, since neither is before the other."""
    groups: list[tuple[Way, ...]] = []
    equals: list[Way] = []
    load = 0.0
    for step in plan.steps:
        equals.append(_way(step))
        load += step.share
        if load > 1 - 1e-6:
            groups.append(_in_order(equals))
            equals, load = [], 0.0
    return (*groups, _in_order(equals)) if equals else tuple(groups)


def _way(step: Step) -> Way:
    return Way(_named(step.target), round(step.share, 4), step.target.degraded)


def _in_order(ways: Iterable[Way]) -> tuple[Way, ...]:
    return tuple(sorted(ways, key=lambda way: (-way.share, way.target, way.degraded)))


def _shut(left_out: Iterable[LeftOut]) -> tuple[Shut, ...]:
    found = {Shut(_named(left.target), left.why.value, _reason(left), left.rule) for left in left_out}
    return tuple(sorted(found, key=lambda shut: (shut.target, shut.why, shut.reason)))


def _reason(left: LeftOut) -> str:
    """Why a target was left out, in words that are the same for every tenant."""
    if left.why is Why.DENIED:
        return f"the tenant denies {left.target.backend}"
    if left.why is Why.DEGRADED:
        return "degraded answers are not allowed"
    return left.reason


def _named(target: Target) -> str:
    return target.name if target.host is None else f"{target.name} at {target.host.name}"


def _facts(name: str, view: _View | None, plan: Explanation | None) -> dict[str, Any]:
    """What requests are routed by besides the plan: the task, and what each target offers."""
    facts: dict[str, Any] = {}
    if view is None or plan is None:
        return facts
    facts["task"] = view.tasks[name]
    for target in (*(step.target for step in plan.steps), *(left.target for left in plan.left_out)):
        called = _named(target)
        facts[f"context of {called}"] = target.context
        facts[f"cost of {called}"] = str(target.cost) if target.cost is not None else None
        facts[f"lacks of {called}"] = sorted(target.lacks) or None
        facts[f"offers of {called}"] = sorted(target.offers) or None
    return facts


def _backends(before: _Views, after: _Views) -> tuple[BackendDiff, ...]:
    old, new = before.catalog.backends, after.catalog.backends
    found = []
    for name in dict.fromkeys((*old, *new)):
        presence = "added" if name not in old else "removed" if name not in new else "kept"
        fields = _fields(_described(old.get(name)), _described(new.get(name)))
        if fields or presence != "kept":
            tenants = before.answered_by(name) | after.answered_by(name)
            found.append(BackendDiff(name, presence, fields, tuple(sorted(tenants))))
    return tuple(found)


def _described(spec: BackendSpec | None) -> dict[str, Any]:
    """What the file says of a backend, by the paths of its fields; secrets are the references that stand there."""
    if spec is None:
        return {}
    options = spec.options.model_dump(mode="json") if isinstance(spec.options, BaseModel) else {}
    return {**_flat(options), "kind": spec.kind, "switched off": spec.off}


def _flat(fields: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{above}{name}.")
        else:
            flat[f"{above}{name}"] = value or None if isinstance(value, list) else value
    return flat


def _fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Field, ...]:
    """The values that differ, each hashable, so that equal changes are found."""
    names = dict.fromkeys((*old, *new))
    pairs = ((name, _frozen(old.get(name)), _frozen(new.get(name))) for name in names)
    return tuple(Field(name, was, will, CONSEQUENCES.get(name)) for name, was, will in pairs if was != will)


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple((name, _frozen(part)) for name, part in value.items())
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value
