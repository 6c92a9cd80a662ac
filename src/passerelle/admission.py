"""The side of a process that decides what may be asked now: limits, places on backends, backends that rest."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import monotonic

from passerelle.domain.catalog import Catalog
from passerelle.gateway.accounts import Accounts
from passerelle.gateway.affinity import Flight
from passerelle.gateway.watch import Watch
from passerelle.limits.breakers import Breakers, Reason
from passerelle.limits.limiter import Limiter
from passerelle.limits.memory import MemoryStore
from passerelle.limits.places import Places
from passerelle.limits.retries import Retries
from passerelle.limits.store import LimitStore
from passerelle.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Admission:
    """The open parts."""

    limiter: Limiter
    watch: Watch

    def keep(self, catalog: Catalog) -> None:
        """Forget backends that are configured no more."""
        gone = self.watch.breakers.snapshot().keys() - catalog.backends.keys()
        self.watch.breakers.forget(gone)
        self.watch.retries.forget(gone)

    def show(self, metrics: Metrics) -> None:
        """Set the gauges of what is only looked up."""
        load = metrics.load
        for each in self.watch.places.snapshot():
            load.in_flight.labels(each.backend).set(each.in_flight)
            load.waiting.labels(each.backend).set(each.waiting)
            load.places.labels(each.backend).set(float("inf") if each.limit is None else each.limit)


async def open_admission(
    stack: AsyncExitStack,
    *,
    store: LimitStore | None,
    replicas: Callable[[], int],
    metrics: Metrics,
    draw: Callable[[], float],
) -> Admission:
    """Open the parts. Limits are counted in `store`, and in this process where that is None."""

    def rests(backend: str, reason: Reason, resting: bool) -> None:  # noqa: FBT001 - as breakers tell it
        metrics.load.resting.labels(backend, reason.value).set(resting)

    limiter = Limiter(store or MemoryStore())
    limiter.start()
    stack.push_async_callback(limiter.aclose)
    watch = Watch(
        Accounts(monotonic, told=metrics.accounts_resting.set),
        Flight(),
        Breakers(monotonic, draw, told=rests),
        Places(replicas=replicas),
        Retries(monotonic),
    )
    admission = Admission(limiter, watch)
    metrics.before.append(lambda: admission.show(metrics))
    return admission
