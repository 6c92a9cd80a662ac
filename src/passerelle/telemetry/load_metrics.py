"""What operators watch of limits, queues, backends that rest, guardrails and streams that were ended."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_WAITS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class LoadMetrics:
    """Counters and gauges about load. Labels are names of the configuration, never what a caller wrote."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.limited = Counter(
            "passerelle_limit_refusals_total",
            "Calls over a limit of their tenant, of its keys or of its models.",
            ["tenant"],
            registry=registry,
        )
        self.waits = Histogram(
            "passerelle_queue_seconds",
            "How long calls waited for a place on a backend; those that did not wait are not counted.",
            ["backend"],
            buckets=_WAITS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "passerelle_backend_calls", "Calls in flight on a backend.", ["backend"], registry=registry
        )
        self.waiting = Gauge(
            "passerelle_backend_waiting", "Calls that wait for a place on it.", ["backend"], registry=registry
        )
        self.places = Gauge(
            "passerelle_backend_places",
            "Calls it may be sent at once by this process; +Inf without a limit.",
            ["backend"],
            registry=registry,
        )
        self.resting = Gauge(
            "passerelle_backend_resting",
            "1 while it is left alone because it failed too often, by what it failed of.",
            ["backend", "reason"],
            registry=registry,
        )
        self.redis_away = Gauge(
            "passerelle_redis_away",
            "1 while limits are this process's own share, because Redis does not answer.",
            registry=registry,
        )
        self.verdicts, self.redacted = _found(registry)
        self.cut = Counter(
            "passerelle_streams_cut_total",
            "Streams that were ended early, by why.",
            ["reason"],
            registry=registry,
        )
        self.replayed = Counter(
            "passerelle_idempotent_requests_total",
            "Requests with an Idempotency-Key, by what became of them.",
            ["outcome"],
            registry=registry,
        )


def _found(registry: CollectorRegistry) -> tuple[Counter, Counter]:
    """What is found in what people write."""
    verdicts = Counter(
        "passerelle_guardrail_verdicts_total",
        "What guardrails found, and whether the call was blocked for it.",
        ["tenant", "rule", "side", "blocked"],
        registry=registry,
    )
    redacted = Counter(
        "passerelle_redacted_total",
        "Personal data that was taken out of requests, by kind.",
        ["tenant", "kind"],
        registry=registry,
    )
    return verdicts, redacted
