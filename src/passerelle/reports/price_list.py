"""What every target costs, who says so and why: the same list from the file alone and from a running service."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from passerelle.domain.catalog import Catalog, Target
from passerelle.domain.ledger import Priced, Unit
from passerelle.domain.money import decimal, plain
from passerelle.ledger.quotes import Quote


def price_list(catalog: Catalog, quote: Callable[[Target], Quote]) -> dict[str, Any]:
    """The document, of JSON's types alone; figures are exact decimals, as text."""
    return {
        "configuration": catalog.version,
        "currency": catalog.currency,
        "prices": [
            _entry(model.name, target, quote(target))
            for model in catalog.models.values()
            for target in model.targets
        ],
    }


def _per(price: Priced) -> Decimal:
    """For one image or second, for a million tokens."""
    return decimal(price.per_unit * (1_000_000 if price.unit is Unit.TOKENS else 1))


def _entry(model: str, target: Target, quote: Quote) -> dict[str, Any]:
    capacity = quote.capacity
    return {
        "model": model,
        "backend": target.backend,
        "target": target.model,
        "currency": quote.currency,
        "source": quote.source,
        "as_of": quote.as_of,
        "why": quote.why,
        "known": quote.priced is not None,
        "per_hour": None if capacity is None else plain(decimal(capacity.per_hour)),
        "prices": {
            meter: {
                "amount": plain(_per(price)),
                "for": "million tokens" if price.unit is Unit.TOKENS else meter,
                "price_id": price.price_id,
                "estimated": meter in quote.guessed,
            }
            for meter, price in (quote.priced or {}).items()
        },
        "above_prompt_tokens": [
            {"tokens": above, "prices": {meter: plain(_per(price)) for meter, price in priced.items()}}
            for above, priced in quote.tiers
        ],
    }
