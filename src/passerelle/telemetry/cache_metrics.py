"""What operators watch of the cache. Labels are names of the configuration and words of ours, never a caller's."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LOOKS = (0.0002, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03)


class _Promises:
    """How far semantic answers have proven themselves."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.bound = Gauge(
            "passerelle_cache_wrong_share_bound",
            "The share of semantic answers that may be wrong at worst, by what was checked.",
            ["tenant"],
            registry=registry,
        )
        self.promised = Gauge(
            "passerelle_cache_wrong_share_promised",
            "The share of semantic answers that may be wrong, as configured.",
            ["tenant"],
            registry=registry,
        )
        self.notch = Gauge(
            "passerelle_cache_notch",
            "How loose the rule in force is; 0: the very same question only.",
            ["tenant"],
            registry=registry,
        )


class _Holdings:
    """What this process holds, and whether it may be trusted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.entries = Gauge(
            "passerelle_cache_entries", "Answers that this process holds.", registry=registry
        )
        self.bytes = Gauge(
            "passerelle_cache_bytes", "What they weigh, as far as they are counted.", registry=registry
        )
        self.away = Gauge(
            "passerelle_cache_shared_away",
            "1 while answers are neither shared nor trusted, because Redis does not answer.",
            registry=registry,
        )


class CacheMetrics:
    """Counts what the cache does; whoever works there tells it by these verbs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._looks = Counter(
            "passerelle_cache_looks_total",
            "Answers looked for, by what came of it: exact, semantic or miss.",
            ["tenant", "result"],
            registry=registry,
        )
        self._bypassed = Counter(
            "passerelle_cache_bypasses_total",
            "Answers that may not come from the cache, by why.",
            ["tenant", "reason"],
            registry=registry,
        )
        self._failed = Counter(
            "passerelle_cache_failures_total",
            "Looks that failed or took too long, and were misses, by the error.",
            ["error"],
            registry=registry,
        )
        self._seconds = Histogram(
            "passerelle_cache_look_seconds",
            "How long looks took that this process's own exact answers did not end.",
            buckets=_LOOKS,
            registry=registry,
        )
        self._checked = Counter(
            "passerelle_cache_semantic_checked_total",
            "Semantic answers compared with the model's own.",
            ["tenant", "wrong"],
            registry=registry,
        )
        self._learned = Counter(
            "passerelle_cache_learned_total",
            "What came of fresh answers.",
            ["tenant", "result"],
            registry=registry,
        )
        self._promises = _Promises(registry)
        self._holdings = _Holdings(registry)
        self._counts: dict[str, dict[str, dict[str, int]]] = {}
        self._counters: dict[tuple[str, str], Counter] = {}  # of looks

    def looked(self, tenant: str, result: str) -> None:
        """A look: `exact`, `semantic` or `miss`."""
        counter = self._counters.get((tenant, result))
        if counter is None:  # twice as dear to look up
            counter = self._counters[tenant, result] = self._looks.labels(tenant, result)
        counter.inc()
        self._count(tenant, "looks", result)

    def bypassed(self, tenant: str, reason: str | None) -> None:
        """An answer that may not come from the cache."""
        self._bypassed.labels(tenant, reason or "unknown").inc()
        self._count(tenant, "bypassed", reason or "unknown")

    def took(self, seconds: float) -> None:
        """How long a look took."""
        self._seconds.observe(seconds)

    def failed(self, error: str) -> None:
        """A look that failed, by the name of its error's class."""
        self._failed.labels(error).inc()

    def checked(self, tenant: str, *, wrong: bool) -> None:
        """A semantic answer was compared with the model's own."""
        self._checked.labels(tenant, "true" if wrong else "false").inc()

    def learned(self, tenant: str, result: str) -> None:
        """What came of a fresh answer."""
        self._learned.labels(tenant, result).inc()

    def stands(self, tenant: str, *, bound: float, promised: float, notch: int) -> None:
        """How far the tenant's semantic side has proven itself."""
        self._promises.bound.labels(tenant).set(bound)
        self._promises.promised.labels(tenant).set(promised)
        self._promises.notch.labels(tenant).set(notch)

    def holds(self, entries: int, size: int) -> None:
        """How many answers this process holds, and their bytes."""
        self._holdings.entries.set(entries)
        self._holdings.bytes.set(size)

    def away(self, *, away: bool) -> None:
        """Whether the shared store does not answer."""
        self._holdings.away.set(away)

    def counts(self, tenant: str, what: str) -> dict[str, int]:
        """`looks` by result or `bypassed` by reason, since the process started."""
        return dict(self._counts.get(tenant, {}).get(what, {}))

    def _count(self, tenant: str, what: str, word: str) -> None:
        counted = self._counts.setdefault(tenant, {}).setdefault(what, {})
        counted[word] = counted.get(word, 0) + 1
