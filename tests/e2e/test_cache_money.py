"""A cache's own calls, as a service writes them down: nothing is lost when it is told to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.e2e.money import Shop, configuration, engine, shop, superuser

_QUESTIONS = ("Who wrote Hamlet?", "Where is Lyon?", "How does a heat pump work?")
_RECORDS = """
SELECT a.outcome, e.quantity, e.billed_pico FROM ledger_attempts a JOIN ledger_entries e USING (attempt_id)
WHERE a.use = 'cache-embed' AND e.account = 'tenant:acme'
"""


def _configuration(url: str) -> dict[str, Any]:
    config = configuration(url)
    semantic = {"max_error_rate": 0.05, "embedder": "embeddings"}
    config["tenants"]["acme"]["cache"] = {"semantic": semantic}
    return config


def _ask(running: Shop, question: str) -> None:
    assert running.chat("acme", messages=[{"role": "user", "content": question}]) > 0


def test_a_caches_embeddings_are_in_the_ledger_after_a_service_was_ended(tmp_path: Path) -> None:
    with engine() as url, shop(tmp_path, _configuration(url)) as running:
        for question in _QUESTIONS:
            _ask(running, question)
        assert running.service.stop() == 0
    with superuser(tmp_path / "d") as connection:
        records = connection.execute(_RECORDS).fetchall()

    assert 1 <= len(records) <= 2  # of as many minutes
    for outcome, tokens, billed in records:
        assert outcome == "answered"  # and not lost with the process, at the most that it could have cost
        assert tokens > 0
        assert billed > 0
