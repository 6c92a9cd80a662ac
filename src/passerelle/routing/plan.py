"""The plan of one request: where to try, in order, and why each other target was left out. Pure.

The part that does not depend on the request (allowed, permitted, switched on, able) is worked out once per
catalog, tenant, model and set of needs, and kept with the catalog it came from; only the draw among equal
ranks is made per request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from itertools import groupby

from passerelle.domain.ask import Capability, Needs, Task
from passerelle.domain.catalog import Catalog, Model, Target, Tenant
from passerelle.domain.errors import BadRequest, NotFound, PolicyRefused, Unavailable
from passerelle.policy.judge import judge

DEFAULT = "default"  # the name under which every tenant finds its default model


class Why(StrEnum):
    """Why a target was left out, in the order in which it is asked."""

    DENIED = "denied"  # the tenant denies the backend
    POLICY = "policy"  # a rule forbids a party
    INCAPABLE = "incapable"  # it lacks what the request needs
    DEGRADED = "degraded"  # degraded answers are not allowed for this tenant
    OFF = "off"  # switched off: its secret is not set


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A target that is not in the plan, and the reason. `rule` is the policy rule's id, where one spoke."""

    target: Target
    why: Why
    reason: str
    rule: str | None = None
    lacks: Capability | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to try, in order, and why each other target was left out."""

    model: Model
    targets: tuple[Target, ...]
    left_out: tuple[LeftOut, ...] = ()

    def drawn(self, prefer: tuple[str, ...], draw: Callable[[], float]) -> tuple[Target, ...]:
        """The targets in the order of one request: equal ranks share the load by weight.

        `draw` gives numbers in [0, 1). The order is that of exponential clocks with the weights as rates
        (Efraimidis and Spirakis, 2006): the first target is each one with probability weight / sum.
        """
        if len(self.targets) < 2:
            return self.targets
        ordered: list[Target] = []
        for _, group in groupby(self.targets, key=lambda target: _place(target, prefer)):
            equals = list(group)
            if len(equals) > 1:
                equals.sort(key=lambda target: draw() ** (1.0 / target.weight), reverse=True)
            ordered += equals
        return tuple(ordered)


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


def make_plan(catalog: Catalog, tenant: Tenant, model: Model, needs: Needs) -> Plan:
    """The plan for a tenant, a model and what the request needs. Never raises; it may hold no target."""
    chosen: list[Target] = []
    left_out: list[LeftOut] = []
    for target in model.targets:
        reason = _leave_out(catalog, tenant, target, needs)
        if reason is None:
            chosen.append(target)
        else:
            left_out.append(reason)
    chosen.sort(key=lambda target: _place(target, tenant.prefer))
    return Plan(model, tuple(chosen), tuple(left_out))


def _leave_out(catalog: Catalog, tenant: Tenant, target: Target, needs: Needs) -> LeftOut | None:
    spec = catalog.backends[target.backend]
    if target.backend in tenant.deny:
        return LeftOut(target, Why.DENIED, f"{tenant.name} denies {target.backend}")
    verdict = judge(tenant.policy, spec.parties)
    if verdict is not None:
        return LeftOut(target, Why.POLICY, verdict.reason, verdict.rule)
    missing = sorted(needs.capabilities & target.lacks)
    if missing:
        return LeftOut(target, Why.INCAPABLE, f"it does not offer {missing[0].value}", lacks=missing[0])
    if target.context is not None and needs.context > target.context:
        reason = f"its context is {target.context} tokens and the request needs at least {needs.context}"
        return LeftOut(target, Why.INCAPABLE, reason)
    if target.degraded and not tenant.degraded:
        return LeftOut(target, Why.DEGRADED, f"degraded answers are not allowed for {tenant.name}")
    if spec.off is not None:
        return LeftOut(target, Why.OFF, spec.off)
    return None


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
