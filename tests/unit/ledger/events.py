"""Events as the gateway would write them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from passerelle.domain.ledger import Began, Certainty, Ended, Line, Unit, UsageSource

NOON = 1_763_726_400_000  # 21 November 2025, Unix milliseconds


def began(number: int = 1, **other: Any) -> Began:
    """A try of client-a on the backend `hub`."""
    event = Began(
        attempt_id=f"att_{number:08}",
        request_id=f"req_{number:08}",
        tenant="client-a",
        key_id="key_1",
        route="chat",
        model="assistant",
        sequence=1,
        backend="hub",
        target="Qwen/Qwen2.5-7B-Instruct",
        country="FR",
        at=NOON + number,
        catalog="v1",
        tags={"course": "français"},
    )
    return replace(event, **other)


def ended(number: int = 1, **other: Any) -> Ended:
    """Its end: answered, 100 tokens in and `number` out, in USD."""
    event = Ended(
        attempt_id=f"att_{number:08}",
        at=NOON + number + 900,
        outcome="answered",
        fault=None,
        served=True,
        provider="scaleway",
        upstream_id=f"up-{number}",
        usage={"prompt_tokens": 100, "completion_tokens": number},
        usage_source=UsageSource.PROVIDER,
        payer="tenant:client-a",
        lines=(line("input", 100), line("output", number)),
    )
    return replace(event, **other)


def line(meter: str, quantity: int, **other: Any) -> Line:
    """At 0.07 USD the million."""
    return replace(
        Line(
            meter,
            quantity,
            Unit.TOKENS,
            "USD",
            quantity * 70_000,
            Certainty.EXACT,
            f"hub/qwen:{meter}@2025-11-01=70000",
        ),
        **other,
    )
