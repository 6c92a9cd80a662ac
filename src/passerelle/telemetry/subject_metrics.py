"""What operators watch of people's data. Labels are names of the configuration and words of ours, never a person's."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class SubjectMetrics:
    """Counts, and nothing else."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._refused = Counter(
            "passerelle_restricted_requests_total",
            "Requests for people whose data may be kept and not be used.",
            ["tenant"],
            registry=registry,
        )
        self._prompts = Counter(
            "passerelle_prompts_logged_total",
            "Calls whose prompts are kept, by what became of that: written, or lost.",
            ["tenant", "outcome"],
            registry=registry,
        )

    def refused(self, tenant: str) -> None:
        """A request for somebody whose data may not be used."""
        self._refused.labels(tenant).inc()

    def logged(self, tenant: str, outcome: str, count: int) -> None:
        """What became of so many calls that were to be kept."""
        self._prompts.labels(tenant, outcome).inc(count)
