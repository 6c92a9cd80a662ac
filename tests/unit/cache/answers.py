"""Kept answers for tests."""

from __future__ import annotations

from passerelle.cache.entry import Kept


def kept_of(
    content: str, *, key: str = "e" * 64, name: str = "ca_0", now: float = 1_000.0, ttl: float = 3600.0
) -> Kept:
    """An answer that says so."""
    return Kept(
        id=name,
        tenant="acme",
        partition="p" * 64,
        exact=key,
        message={"role": "assistant", "content": content},
        finish_reason="stop",
        usage={"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
        model="fake",
        backend="engine",
        target="fake",
        provider="engine",
        country="FR",
        created=now,
        expires=now + ttl,
    )
