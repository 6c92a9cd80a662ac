"""`passerelle costs`: what things cost, and who says so."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import click
import orjson

from passerelle.cli.options import as_json, with_settings
from passerelle.domain.catalog import Catalog, Target
from passerelle.domain.errors import ConfigurationRefused
from passerelle.domain.ledger import Priced, TokenKind, Unit
from passerelle.domain.money import decimal
from passerelle.ledger.price_tables import packaged
from passerelle.ledger.prices import PriceBook
from passerelle.ledger.quotes import Quote
from passerelle.parts import load_file
from passerelle.routing.live import read_text
from passerelle.settings import Settings


@click.group()
def costs() -> None:
    """What models cost."""


@costs.command()
@as_json
@with_settings
def prices(settings: Settings, json_: bool) -> None:
    """What each target costs and who says so: the configuration, then lists that came with packages.

    Calls nobody: prices that a provider lists are known to the running service alone.
    """
    loaded = load_file(settings, read_text(settings.config))
    catalog = loaded.catalog or loaded.draft
    if catalog is None:
        raise ConfigurationRefused(loaded.errors)
    book = PriceBook(currency=catalog.currency, version=catalog.version, tables=packaged())
    quotes = _quotes(catalog, book)
    if json_:
        told = [_as_json(model, target, quote) for model, target, quote in quotes]
        document = {"configuration": catalog.version, "currency": catalog.currency, "prices": told}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        return
    for model in catalog.models:
        click.echo(model)
        for target, quote in ((target, quote) for name, target, quote in quotes if name == model):
            click.echo(f"  {target.name}: {_figures(quote)}\n    {quote.source}: {quote.why}")


def _quotes(catalog: Catalog, book: PriceBook) -> list[tuple[str, Target, Quote]]:
    return [
        (model.name, target, book.quote(catalog.backends[target.backend], target))
        for model in catalog.models.values()
        for target in model.targets
    ]


def _per(price: Priced) -> Decimal:
    """For one image or second, for a million tokens."""
    return decimal(price.per_unit * (1_000_000 if price.unit is Unit.TOKENS else 1))


def _plain(amount: Decimal) -> str:
    """Without an exponent or zeros that say nothing."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _figures(quote: Quote) -> str:
    if quote.priced is None:
        return "not known, which is not free"
    if quote.capacity is not None:
        return f"{_plain(decimal(quote.capacity.per_hour))} {quote.currency} an hour, shared out by use"
    others = {meter: price for meter, price in quote.priced.items() if price.unit is not Unit.TOKENS}
    if others:
        return ", ".join(
            f"{_plain(_per(price))} {price.currency} a {meter}" for meter, price in others.items()
        )
    if not any(price.per_unit for price in quote.priced.values()):
        return "nothing"
    told = [
        f"{_plain(_per(quote.priced[kind]))} {kind.value.replace('_', ' ')}"
        + (" (our reading)" if kind in quote.guessed else "")
        for kind in TokenKind
        if kind in quote.priced
    ]
    return f"{quote.currency} for a million tokens: {', '.join(told)}"


def _as_json(model: str, target: Target, quote: Quote) -> dict[str, Any]:
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
        "per_hour": None if capacity is None else _plain(decimal(capacity.per_hour)),
        "prices": {
            meter: {
                "amount": _plain(_per(price)),
                "for": "million tokens" if price.unit is Unit.TOKENS else meter,
                "price_id": price.price_id,
                "estimated": meter in quote.guessed,
            }
            for meter, price in (quote.priced or {}).items()
        },
        "above_prompt_tokens": [
            {"tokens": above, "prices": {meter: _plain(_per(price)) for meter, price in priced.items()}}
            for above, priced in quote.tiers
        ],
    }
