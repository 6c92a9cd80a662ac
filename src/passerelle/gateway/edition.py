"""An edition of the configuration: a catalog and its open backends, kept until the last call on it is over.

A reload publishes a new edition. Calls in flight finish on theirs; a backend whose configuration did not change
is handed over, one that did is closed when the last edition that holds it is let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from passerelle.backends.base import Backend
from passerelle.domain.ask import Needs
from passerelle.domain.catalog import BackendSpec, Catalog, Model, Tenant
from passerelle.routing.plan import Plan, make_plan

Opener = Callable[[BackendSpec], Backend]

_LONGEST_MEMORY = 10_000  # plans kept per edition; past it the memory starts afresh


class _Shared:
    """A backend and how many editions hold it."""

    __slots__ = ("backend", "holders", "spec")

    def __init__(self, spec: BackendSpec, backend: Backend) -> None:
        self.spec = spec
        self.backend = backend
        self.holders = 0


class Edition:
    """A catalog, its backends, and the plans worked out on it so far."""

    def __init__(self, catalog: Catalog, backends: Mapping[str, _Shared]) -> None:
        self.catalog = catalog
        self.calls = 0
        self._backends = backends
        self._plans: dict[tuple[str, str, Needs], Plan] = {}

    def backend(self, name: str) -> Backend:
        """The open backend of that name."""
        return self._backends[name].backend

    def plan(self, tenant: Tenant, model: Model, needs: Needs) -> Plan:
        """The plan for this tenant, model and needs; the same object for the same question."""
        # The context length a request needs differs from call to call; it only matters where a target states one.
        if needs.context and all(target.context is None for target in model.targets):
            needs = Needs(needs.capabilities)
        key = (tenant.name, model.name, needs)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _LONGEST_MEMORY:
                self._plans.clear()
            plan = self._plans[key] = make_plan(self.catalog, tenant, model, needs)
        return plan


class Editions:
    """The current edition, and the older ones that calls still run on."""

    def __init__(self, catalog: Catalog, opener: Opener) -> None:
        self._open = opener
        self._closing: set[asyncio.Task[None]] = set()
        self._retired: set[Edition] = set()
        self._current = self._make(catalog, {})

    @property
    def catalog(self) -> Catalog:
        """The current catalog."""
        return self._current.catalog

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
        return Edition(catalog, backends)

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
