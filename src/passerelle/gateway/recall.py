"""Where the cache stands on the path: after the plan, before anything is held."""

from __future__ import annotations

from collections.abc import Callable

from passerelle.cache.cache import Cache
from passerelle.cache.entry import Kept
from passerelle.cache.key import Ground
from passerelle.cache.visit import Found, Visit
from passerelle.domain.ask import Ask
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Target, Tenant
from passerelle.domain.errors import NotKept
from passerelle.gateway.bill import Bill
from passerelle.gateway.edition import Edition
from passerelle.gateway.recalled import Recalled
from passerelle.policy.judge import judged
from passerelle.routing.plan import Plan

_MOST = 10_000  # plans whose ground is remembered; past it the memory starts afresh


class Recall:
    """Asks the cache for calls whose tenant has one."""

    def __init__(self, cache: Callable[[], Cache | None]) -> None:
        """`cache` gives it once it is open."""
        self._cache = cache
        self._grounds: dict[
            int, tuple[Plan, Ground]
        ] = {}  # by identity, which the plan beside it keeps its own

    def visit(self, caller: Caller, tenant: Tenant, ask: Ask, *, model: str) -> Visit | None:
        """The request's visit, which its holder closes; None where nothing is ever kept for it."""
        cache = self._cache()
        if ask.use or cache is None:
            return None
        return cache.visit(tenant, ask, model=model, key_id=caller.key_id)

    async def look(
        self, visit: Visit, plan: Plan, tenant: Tenant, *, edition: Edition, patience: float | None
    ) -> Found | None:
        """An answer that may be given again, by a target that is permitted now."""

        def permits(kept: Kept) -> bool:
            return origin(kept, plan, tenant, edition) is not None

        return await visit.look(self._ground(plan, tenant), permits, patience=patience)

    def answer(
        self, found: Found, plan: Plan, tenant: Tenant, ask: Ask, *, edition: Edition, bill: Bill
    ) -> Recalled:
        """The answer, its bill settled. Raises Unavailable where that cannot be written down."""
        target = origin(found.kept, plan, tenant, edition)
        assert target is not None  # it was asked when it was found  # noqa: S101
        used = found.kept.usage
        bill.hit(target, [used] if used is not None else [])
        return Recalled(ask, found, bill=bill, pace=tenant.limits.tokens_per_second)

    def _ground(self, plan: Plan, tenant: Tenant) -> Ground:
        known = self._grounds.get(id(plan))
        if known is None:
            if len(self._grounds) >= _MOST:
                self._grounds.clear()
            known = self._grounds[id(plan)] = plan, Ground.of(tenant, plan.model.name, plan.targets)
        return known[1]


def origin(kept: Kept, plan: Plan, tenant: Tenant, edition: Edition) -> Target | None:
    """The target that a kept answer came from, where the plan has it and the policy permits it now.

    What is known of a backend may have changed since: of a tenant that is bound, an answer that was made elsewhere than
    where the backend is now is not given again.
    """
    for target in plan.targets:
        if target.backend == kept.backend and target.model == kept.target:
            spec = edition.catalog.backends[target.backend]
            if plan.policy is not None and kept.country != spec.place_of(target).country:
                return None
            if judged(tenant, spec.parties_of(target)) is None:
                return target
    return None


def refuse_unkept() -> NotKept:
    """What a caller is told that wanted a kept answer or none."""
    return NotKept("There is no kept answer to this, and the request says `only-if-cached`.")
