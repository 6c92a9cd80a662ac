"""What LiteLLM's bundled table of models says of one, as facts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from passerelle.backends.probes import positive
from passerelle.domain.ask import Capability
from passerelle.domain.facts import Facts, Price

_CAPABILITIES = {
    "supports_function_calling": Capability.TOOLS,
    "supports_response_schema": Capability.STRUCTURED_OUTPUT,
    "supports_vision": Capability.VISION,
}
_MILLION = Decimal(1_000_000)


def facts(entry: Mapping[str, Any]) -> Facts:
    """Of an entry of `get_model_info`: what it does not mention is not known."""
    context = entry.get("max_input_tokens")
    return Facts(
        has=frozenset(able for name, able in _CAPABILITIES.items() if entry.get(name) is True),
        lacks=frozenset(able for name, able in _CAPABILITIES.items() if entry.get(name) is False),
        context=context if positive(context) else None,
        price=_price(entry),
    )


def _price(entry: Mapping[str, Any]) -> Price | None:
    read, written = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
    if not read and not written:
        return None  # the table writes 0 for what it does not know
    return Price("USD", _per_million(read), _per_million(written))


def _per_million(cost: Any) -> Decimal | None:
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        return None
    return (Decimal(str(cost)) * _MILLION).normalize()
