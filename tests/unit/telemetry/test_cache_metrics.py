"""What the cache tells its metrics stands on their page, and is counted for its desk."""

from __future__ import annotations

from passerelle.domain.cache import Reason
from passerelle.telemetry.metrics import Metrics


def test_what_is_told_stands_on_the_page() -> None:
    metrics = Metrics()
    told = metrics.cache
    told.looked("a", "exact")
    told.looked("a", "miss")
    told.looked("b", "semantic")
    told.bypassed("a", Reason.TOOLS)
    told.failed("TimeoutError")
    told.took(0.003)
    told.checked("b", wrong=True)
    told.learned("b", "joined")
    told.stands("b", bound=0.008, promised=0.01, notch=2)
    told.holds(3, 4000)
    told.away(away=True)

    page = metrics.exposition().decode()

    for line in (
        'passerelle_cache_looks_total{result="exact",tenant="a"} 1.0',
        'passerelle_cache_looks_total{result="semantic",tenant="b"} 1.0',
        'passerelle_cache_bypasses_total{reason="tools",tenant="a"} 1.0',
        'passerelle_cache_failures_total{error="TimeoutError"} 1.0',
        "passerelle_cache_look_seconds_count 1.0",
        'passerelle_cache_semantic_checked_total{tenant="b",wrong="true"} 1.0',
        'passerelle_cache_learned_total{result="joined",tenant="b"} 1.0',
        'passerelle_cache_wrong_share_bound{tenant="b"} 0.008',
        'passerelle_cache_wrong_share_promised{tenant="b"} 0.01',
        'passerelle_cache_notch{tenant="b"} 2.0',
        "passerelle_cache_entries 3.0",
        "passerelle_cache_bytes 4000.0",
        "passerelle_cache_shared_away 1.0",
    ):
        assert line in page
    assert told.counts("a", "looks") == {"exact": 1, "miss": 1}
    assert told.counts("a", "bypassed") == {"tools": 1}
    assert told.counts("nobody", "looks") == {}
