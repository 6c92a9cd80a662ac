"""The plan of one request: where to try, in order, and why each other target was left out. Pure.

The part that does not depend on the request (allowed, permitted, switched on, able) is worked out once per
catalog, tenant, model and set of needs, and kept with the catalog it came from; only the order among equal
ranks is made per request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import groupby, islice

from passerelle.domain.ask import Capability, Needs, Task
from passerelle.domain.catalog import BackendSpec, Catalog, Model, Target, Tenant
from passerelle.domain.errors import BadRequest, NotFound, PolicyRefused, Unavailable
from passerelle.domain.facts import Known
from passerelle.policy.evidence import in_force
from passerelle.policy.judge import judged
from passerelle.routing import hosts
from passerelle.routing.reasons import LeftOut, Why, leave_out

Knowledge = Mapping[tuple[str, str], Known]  # by backend and model id, as targets name them

_MOST_TOLD = 64  # places in the evidence of a decision
DEFAULT = "default"  # the name under which every tenant finds its default model


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to try, in order, and why each other target was left out.

    `ways` says for a target whose provider is chosen by us which providers it stands for, the best first. `policy` is
    the evidence of the rules that were asked, None where none binds the tenant; `forbidden` names the places that a
    rule left out, with the rule's id.
    """

    model: Model
    targets: tuple[Target, ...]
    left_out: tuple[LeftOut, ...] = ()
    ways: Mapping[Target, tuple[Target, ...]] = field(default_factory=dict)
    policy: str | None = None
    forbidden: Mapping[str, str] = field(default_factory=dict)

    def evidence(self, spec: BackendSpec, target: Target) -> Mapping[str, object] | None:
        """What is left behind of the decision to ask this target; None where nothing binds the tenant."""
        if self.policy is None:
            return None
        operator = spec.place_of(target).operator
        return {"policy": self.policy, "operator": operator, "left_out": self.forbidden}

    def drawn(
        self,
        prefer: tuple[str, ...],
        chance: Callable[[Target], float],
        crowded: Callable[[list[Target]], frozenset[Target]] = lambda _: frozenset(),
    ) -> tuple[Target, ...]:
        """The targets in the order of one request: equal ranks share the load by weight.

        `chance` gives each target a number in [0, 1): a draw, or the hash of what the request has in common with
        others. The order is that of exponential clocks with the weights as rates (Efraimidis and Spirakis, 2006):
        over all chances the first target is each one with probability weight / sum. Of the equals, those that
        `crowded` names come last.
        """
        if len(self.targets) < 2:
            return self._spread(self.targets)
        ordered: list[Target] = []
        for _, group in groupby(self.targets, key=lambda target: _place(target, prefer)):
            equals = list(group)
            if len(equals) > 1:
                full = crowded(equals)
                clocks = {target: chance(target) ** (1.0 / target.weight) for target in equals}
                equals.sort(key=lambda target: (target not in full, clocks[target]), reverse=True)
            ordered += equals
        return self._spread(tuple(ordered))

    def _spread(self, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        if not self.ways:
            return targets
        return tuple(way for target in targets for way in self.ways.get(target, (target,)))


def _place(target: Target, prefer: tuple[str, ...]) -> tuple[bool, int, int]:
    """Sort key: degraded last, then the tenant's preferred backends, then the rank."""
    preferred = prefer.index(target.backend) if target.backend in prefer else len(prefer)
    return (target.degraded, preferred, target.rank)


def find_model(catalog: Catalog, tenant: Tenant, name: str, task: Task | None = None) -> Model:
    """The model of that name, if this tenant may use it, and for this task where one is given.

    Raises NotFound (with the nearest names the tenant may use) or BadRequest (the model has another task).
    """
    wanted = tenant.default_model if name == DEFAULT and DEFAULT not in tenant.models else name
    model = catalog.models.get(wanted) if wanted in tenant.models else None
    if model is None:
        near = get_close_matches(name[:200], tenant.models, n=3, cutoff=0.5)
        hint = (
            f" Did you mean {' or '.join(near)}?" if near else " GET /v1/models lists the ones you may use."
        )
        raise NotFound(
            f"The model {name[:200]!r} does not exist or is not yours to use.{hint}",
            code="model_not_found",
            param="model",
        )
    if task is not None and model.task is not task:
        raise BadRequest(
            f"The model {name!r} is for {model.task.value}, not for {task.value}.",
            code="wrong_task",
            param="model",
        )
    return model


def make_plan(
    catalog: Catalog, tenant: Tenant, model: Model, needs: Needs, *, known: Knowledge | None = None
) -> Plan:
    """The plan for a tenant, a model and what the request needs. Never raises; it may hold no target.

    `known` is what the backends have said of their models; without it nothing is known but the file.
    """
    chosen: list[Target] = []
    left_out: list[LeftOut] = []
    ways: dict[Target, tuple[Target, ...]] = {}
    for stated in model.targets:
        spec = catalog.backends[stated.backend]
        target = replace(stated, bill_to=tenant.bill_to) if spec.billable and tenant.bill_to else stated
        facts = (known or {}).get((target.backend, target.model), Known())
        left = leave_out(spec, target, tenant=tenant, needs=needs, known=facts)
        if left is None and spec.choice is not None:
            found = hosts.choose(spec, target, facts.hosts, tenant=tenant, needs=needs)
            if isinstance(found, LeftOut):
                left = found
            elif found:
                ways[target] = found
        if left is None:
            chosen.append(target)
        else:
            left_out.append(left)
    chosen.sort(key=lambda target: _place(target, tenant.prefer))
    policy = in_force(tenant)
    return Plan(
        model,
        tuple(chosen),
        tuple(left_out),
        ways,
        policy,
        _forbidden(catalog, tenant, model, left_out, known or {}) if policy is not None else {},
    )


def _forbidden(
    catalog: Catalog, tenant: Tenant, model: Model, left_out: list[LeftOut], known: Knowledge
) -> dict[str, str]:
    """Places that a rule keeps a tenant from, with its id: targets, and providers that a choice may not fall on."""
    told = {left.target.name: left.rule for left in left_out if left.rule is not None}
    for target in model.targets:
        spec = catalog.backends[target.backend]
        if spec.choice is None or target.name in told:
            continue
        for host in known.get((target.backend, target.model), Known()).hosts:
            verdict = judged(tenant, (host.party,))
            if verdict is not None:
                told[f"{target.name}:{host.provider}"] = verdict.rule
    return dict(islice(told.items(), _MOST_TOLD))


def refuse_empty(plan: Plan, tenant: Tenant) -> None:
    """Raise the one error that tells a caller why a plan without targets cannot answer.

    Able but forbidden is 403 with the rule's id; permitted but unable is 400 naming what is missing;
    permitted and able but switched off is 503: the policy is not at fault.
    """
    if plan.targets:
        return
    by_reason = {left.why: left for left in reversed(plan.left_out)}
    name = plan.model.name
    if Why.OFF in by_reason:
        raise Unavailable(
            f"No target of {name!r} that {tenant.name} may use is switched on.",
            code="no_target_up",
            retry_after=30,
        )
    if Why.INCAPABLE in by_reason:
        left = by_reason[Why.INCAPABLE]
        if left.lacks is None:
            raise BadRequest(
                f"The request is too long for {name!r}: {left.reason}.",
                code="context_length_exceeded",
                param="messages",
            )
        raise BadRequest(
            f"No target of {name!r} that {tenant.name} may use offers {left.lacks.value}.",
            code="unsupported_parameter",
            param=_PARAM[left.lacks],
        )
    if Why.POLICY in by_reason:
        left = by_reason[Why.POLICY]
        raise PolicyRefused(
            f"Rule {left.rule} of the policy of {tenant.name} refuses {name!r}: {left.reason}.",
            code=left.rule,
        )
    raise Unavailable(f"No target of {name!r} is open to {tenant.name}.", code="no_target_up", retry_after=30)


_PARAM = {
    Capability.TOOLS: "tools",
    Capability.STRUCTURED_OUTPUT: "response_format",
    Capability.VISION: "messages",
    Capability.COMPLETIONS: "prompt",
}
