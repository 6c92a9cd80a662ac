"""What answers took, as the messages of the gateway's models tell it. No LangChain is imported here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from passerelle.domain.ask import Usage
from passerelle.domain.money import pico


def usage_of(used: Mapping[str, Any] | None) -> Usage:
    """LangChain's `usage_metadata` in the gateway's words."""
    if not used:
        return Usage()
    asked, said = used.get("input_token_details") or {}, used.get("output_token_details") or {}
    return Usage(
        prompt_tokens=used.get("input_tokens", 0),
        completion_tokens=used.get("output_tokens", 0),
        cached_tokens=asked.get("cache_read", 0),
        cache_write_tokens=asked.get("cache_creation", 0),
        reasoning_tokens=said.get("reasoning", 0),
    )


def added(one: Usage, other: Usage) -> Usage:
    """Tokens of both."""
    return Usage(
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
        cached_tokens=one.cached_tokens + other.cached_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
        reasoning_tokens=one.reasoning_tokens + other.reasoning_tokens,
    )


def cost_of(turns: Iterable[Any], total: int | None = 0, currency: str = "") -> tuple[int | None, str]:
    """What answers cost together in pico-units, None where that is not known of one; and the currency.

    `total` and `currency` are of what came before them.
    """
    for turn in turns:
        amount, _, unit = str(turn.response_metadata.get("cost", "")).partition(" ")
        try:
            cost = pico(Decimal(amount))
        except (InvalidOperation, ValueError):
            return None, currency
        currency = currency or unit
        if total is None or unit != currency:
            return None, currency
        total += cost
    return total, currency
