"""What operators watch of jobs. Labels are names of kinds and words of ours, never a tenant's."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class JobMetrics:
    """Counts what this process' worker does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._items = Counter(
            "passerelle_job_items_total",
            "Items that were worked on, by what became of them: done, failed, again, cancelled, given-back or lost.",
            ["kind", "end"],
            registry=registry,
        )
        self._under_way = Gauge(
            "passerelle_job_items_under_way", "Items that this process works on.", registry=registry
        )
        self._open = Gauge("passerelle_job_worker", "1 while this process works on jobs.", registry=registry)

    def settled(self, kind: str, end: str) -> None:
        """What became of an item."""
        self._items.labels(kind, end).inc()

    def stands(self, under_way: int | None) -> None:
        """How many items are under way; None: no worker runs here."""
        self._under_way.set(under_way or 0)
        self._open.set(under_way is not None)
