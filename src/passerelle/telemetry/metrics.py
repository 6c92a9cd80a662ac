"""Prometheus metrics of one process, in a registry of its own. Labels come from the configuration, so they are few."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric

from passerelle.telemetry.cache_metrics import CacheMetrics
from passerelle.telemetry.job_metrics import JobMetrics
from passerelle.telemetry.load_metrics import LoadMetrics
from passerelle.telemetry.process_metrics import watch_process
from passerelle.telemetry.subject_metrics import SubjectMetrics

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class MoneyMetrics:
    """What operators watch of the ledger."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.charged = Counter(
            "passerelle_charged_total",
            "What tenants are charged for calls, in the operator's currency; shares of hours come later.",
            ["tenant", "model"],
            registry=registry,
        )
        self.spool_bytes = Gauge(
            "passerelle_spool_bytes", "Written down and not yet in the database.", registry=registry
        )
        self.budgets_refused = Counter(
            "passerelle_budget_refusals_total",
            "Calls that there was no money for.",
            ["tenant"],
            registry=registry,
        )
        self.holds_expired = Counter(
            "passerelle_holds_expired_total",
            "Money that was set aside for a call which never ended: should be 0.",
            registry=registry,
        )
        self.webhooks = Counter(
            "passerelle_webhook_tries_total",
            "Events sent, by how that ended.",
            ["outcome"],
            registry=registry,
        )
        self.ledger_behind = Gauge(
            "passerelle_ledger_behind",
            "1 while the database does not take what is written down.",
            registry=registry,
        )


class Metrics:
    """What operators watch."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._children: dict[tuple[str, ...], Counter] = {}
        self.requests = Counter(
            "passerelle_requests_total",
            "Requests by how they ended.",
            ["tenant", "model", "outcome"],
            registry=registry,
        )
        self.attempts = Counter(
            "passerelle_attempts_total",
            "Tries on a target by what went wrong (fault is empty when nothing did).",
            ["backend", "fault"],
            registry=registry,
        )
        self.seconds = Histogram(
            "passerelle_request_seconds",
            "Time from arrival to the end.",
            ["model"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.tokens = Counter(
            "passerelle_tokens_total",
            "Tokens as engines count them; the cached ones are part of the prompt.",
            ["tenant", "model", "kind"],
            registry=registry,
        )
        self.money = MoneyMetrics(registry)
        self.load = LoadMetrics(registry)
        self.cache = CacheMetrics(registry)
        self.jobs = JobMetrics(registry)
        self.subjects = SubjectMetrics(registry)
        # Called before each exposition, to set what is only looked up.
        self.before: list[Callable[[], None]] = [watch_process(registry)]
        self.connections = Gauge(
            "passerelle_connections", "Connections that callers keep open.", registry=registry
        )
        self.accounts_resting = Gauge(
            "passerelle_accounts_resting",
            "Accounts that have no credits left and are not asked for a while.",
            registry=registry,
        )
        self.reloads = Counter(
            "passerelle_configuration_reloads_total", "Reloads by outcome.", ["outcome"], registry=registry
        )
        self.configuration_bad = Gauge(
            "passerelle_configuration_bad",
            "1 while the file on disk is refused and an older one is in force.",
            registry=registry,
        )

    def collect(self) -> Iterable[Metric]:
        """All metrics, as they are now."""
        for look in self.before:
            look()
        return self.registry.collect()

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        for look in self.before:
            look()
        return generate_latest(self.registry)
