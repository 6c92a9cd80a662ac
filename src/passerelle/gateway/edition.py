"""An edition of the configuration: a catalog and its open backends, kept until the last call on it is over.

A reload publishes a new edition. Calls in flight finish on theirs; a backend whose configuration did not change
is handed over with what is known of it, one that did is closed when the last edition that holds it is let go.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from passerelle.backends.base import Backend
from passerelle.domain.ask import Needs
from passerelle.domain.catalog import BackendSpec, Catalog, Model, Target, Tenant
from passerelle.domain.facts import Known, Survey
from passerelle.gateway.pricing import Pricing
from passerelle.routing.plan import Plan, make_plan

Opener = Callable[[BackendSpec], Backend]
Pricer = Callable[[Catalog], Pricing]

_LONGEST_MEMORY = 10_000  # plans kept per edition; past it the memory starts afresh


class _Shared:
    """A backend, how many editions hold it, and what it last said of itself."""

    __slots__ = ("asked", "at", "backend", "holders", "spec", "survey")

    def __init__(self, spec: BackendSpec, backend: Backend) -> None:
        self.spec = spec
        self.backend = backend
        self.holders = 0
        self.survey: Survey | None = None
        self.at: datetime | None = None  # when it said so
        self.asked: frozenset[str] = frozenset()  # the model ids it was last asked about


class Edition:
    """A catalog, its backends, and the plans worked out on it so far."""

    def __init__(self, catalog: Catalog, backends: Mapping[str, _Shared], pricing: Pricing) -> None:
        self.catalog = catalog
        self.pricing = pricing
        self.calls = 0
        self._backends = backends
        self._plans: dict[tuple[str, str, Needs], Plan] = {}
        self._known = self._gather()
        self._lengths: dict[str, tuple[int, ...]] = {}

    def backend(self, name: str) -> Backend:
        """The open backend of that name."""
        return self._backends[name].backend

    def surveys(self) -> dict[str, Survey | None]:
        """What every open backend last said of itself; None for one that was not asked yet."""
        return {name: shared.survey for name, shared in self._backends.items()}

    def survey(self, name: str) -> Survey | None:
        """What one of them last said of itself; None where it was not asked, or is none of this edition's."""
        shared = self._backends.get(name)
        return shared.survey if shared is not None else None

    def learn(self, name: str, survey: Survey, asked: frozenset[str]) -> None:
        """Remember what a backend said when it was asked about these model ids.

        Plans are worked out again when that changes what is known of models.
        """
        shared = self._backends.get(name)
        if shared is None:
            return
        before = _models(shared.survey)
        # A backend that cannot be reached says nothing new about its models; and a later configuration, which
        # shares it, may have asked about others meanwhile.
        kept = {model: known for model, known in before.items() if not survey.models or model not in asked}
        shared.survey = replace(survey, models={**kept, **survey.models})
        shared.at = datetime.now(UTC)
        shared.asked |= asked
        self.refresh()

    def about(self, target: Target) -> tuple[Known | None, datetime | None]:
        """What a target's backend has said of its model, and when."""
        shared = self._backends.get(target.backend)
        return self._known.get((target.backend, target.model)), shared.at if shared else None

    @property
    def known(self) -> Mapping[tuple[str, str], Known]:
        """What its backends have said of their models, by backend and model id."""
        return self._known

    def stale(self) -> list[str]:
        """The backends that were not asked yet about every model that targets of this edition name."""
        return [
            name
            for name, shared in self._backends.items()
            if shared.survey is None or not self.models_of(name) <= shared.asked
        ]

    def models_of(self, backend: str) -> frozenset[str]:
        """The model ids that targets on this backend name."""
        return frozenset(
            target.model
            for model in self.catalog.models.values()
            for target in model.targets
            if target.backend == backend
        )

    def refresh(self) -> None:
        """Take up what its backends have said; another edition that shares them may have heard it."""
        known = self._gather()
        if known != self._known:
            self._known = known
            self._plans.clear()
            self._lengths.clear()
            self.pricing.forget()

    def _gather(self) -> dict[tuple[str, str], Known]:
        return {
            (name, model): known
            for name, shared in self._backends.items()
            for model, known in _models(shared.survey).items()
        }

    def _step(self, model: Model, context: int) -> int:
        """The least context that leads to the same plan: it differs only from one known length to the next."""
        lengths = self._lengths.get(model.name)
        if lengths is None:
            lengths = self._lengths[model.name] = tuple(
                sorted({length for target in model.targets for length in self._contexts(target)})
            )
        step = bisect_left(lengths, context)
        return lengths[step - 1] + 1 if step else 0

    def _contexts(self, target: Target) -> list[int]:
        known = self._known.get((target.backend, target.model), Known())
        facts = [known.facts, *(host.facts for host in known.hosts)]
        return [length for length in (target.context, *(fact.context for fact in facts)) if length]

    def plan(self, tenant: Tenant, model: Model, needs: Needs) -> Plan:
        """The plan for this tenant, model and needs; the same object for the same question."""
        if needs.context:
            needs = Needs(needs.capabilities, self._step(model, needs.context))
        key = (tenant.name, model.name, needs)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _LONGEST_MEMORY:
                self._plans.clear()
            plan = self._plans[key] = make_plan(self.catalog, tenant, model, needs, known=self._known)
        return plan


def _models(survey: Survey | None) -> Mapping[str, Known]:
    return survey.models if survey else {}


class Editions:
    """The current edition, and the older ones that calls still run on."""

    def __init__(self, catalog: Catalog, opener: Opener, pricer: Pricer) -> None:
        self._open = opener
        self._price = pricer
        self._closing: set[asyncio.Task[None]] = set()
        self._retired: set[Edition] = set()
        self._current = self._make(catalog, {})

    @property
    def current(self) -> Edition:
        """The current edition, to look at; a call on its backends goes through `enter`."""
        return self._current

    @property
    def catalog(self) -> Catalog:
        """The current catalog."""
        return self._current.catalog

    def share(self, tenant: str) -> int:
        """A tenant's part of what is shared by turns, beside others."""
        found = self._current.catalog.tenants.get(tenant)
        return found.limits.share if found is not None else 1

    def publish(self, catalog: Catalog) -> None:
        """Make this the catalog of every call from now on."""
        old = self._current
        self._current = self._make(catalog, old._backends)
        self._retired.add(old)
        if old.calls == 0:
            self._let_go(old)

    def enter(self) -> Edition:
        """The current edition, kept open until `leave`."""
        edition = self._current
        edition.calls += 1
        return edition

    def leave(self, edition: Edition) -> None:
        """One call on this edition is over."""
        edition.calls -= 1
        if edition.calls == 0 and edition is not self._current:
            self._let_go(edition)

    async def aclose(self) -> None:
        """Close every backend. The owner has seen to it that no call is in flight."""
        for edition in [*self._retired, self._current]:
            self._let_go(edition)
        await asyncio.gather(*self._closing)

    def _make(self, catalog: Catalog, before: Mapping[str, _Shared]) -> Edition:
        backends: dict[str, _Shared] = {}
        try:
            for name, spec in catalog.backends.items():
                if spec.off is None:
                    kept = before.get(name)
                    unchanged = kept is not None and kept.spec == spec
                    backends[name] = kept if kept and unchanged else _Shared(spec, self._open(spec))
        except BaseException:  # whatever keeps one from opening, those just opened must not stay open
            self._close(shared for shared in backends.values() if shared.holders == 0)
            raise
        for shared in backends.values():
            shared.holders += 1
        return Edition(catalog, backends, self._price(catalog))

    def _let_go(self, edition: Edition) -> None:
        self._retired.discard(edition)
        for shared in edition._backends.values():
            shared.holders -= 1
        self._close(shared for shared in edition._backends.values() if shared.holders == 0)
        edition._backends = {}

    def _close(self, backends: Iterable[_Shared]) -> None:
        for shared in backends:
            task = asyncio.ensure_future(shared.backend.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
