"""`passerelle costs`: what things cost, what a month has cost, and what finance does about it."""

from __future__ import annotations

from typing import Any

import click
import orjson

from passerelle.cli import cost_reports, ledger
from passerelle.cli.operator import order
from passerelle.cli.options import as_json, with_settings
from passerelle.configured import load_file
from passerelle.domain.catalog import Catalog, Target
from passerelle.domain.errors import ConfigurationRefused
from passerelle.domain.ledger import TokenKind
from passerelle.ledger.price_tables import packaged
from passerelle.ledger.prices import PriceBook
from passerelle.ledger.quotes import Quote
from passerelle.reports.price_list import price_list
from passerelle.routing.live import read_text
from passerelle.settings import Settings


@click.group()
def costs() -> None:
    """What models cost, and what a month has cost whom."""


for _command in (*cost_reports.COMMANDS, *ledger.COMMANDS):
    costs.add_command(_command)


@costs.command()
@click.option("--live", is_flag=True, help="Ask the running service, which knows what providers list today.")
@as_json
@with_settings
def prices(settings: Settings, live: bool, json_: bool) -> None:
    """What each target costs and who says so.

    The configuration goes first, then the provider's own list, then lists that came with packages. Without --live
    nobody is asked, and what only a provider lists is not known.
    """
    document = order(settings, "GET", "/admin/ledger/prices") if live else _offline(settings)
    if json_:
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        return
    model = None
    for entry in document["prices"]:
        if entry["model"] != model:
            model = entry["model"]
            click.echo(model)
        click.echo(
            f"  {entry['backend']}/{entry['target']}: {_figures(entry)}\n    {entry['source']}: {entry['why']}"
        )


def _offline(settings: Settings) -> dict[str, Any]:
    loaded = load_file(settings, read_text(settings.config))
    catalog: Catalog | None = loaded.catalog or loaded.draft
    if catalog is None:
        raise ConfigurationRefused(loaded.errors)
    book = PriceBook(currency=catalog.currency, version=catalog.version, tables=packaged())
    known = catalog

    def quote(target: Target) -> Quote:
        return book.quote(known.backends[target.backend], target)

    return price_list(catalog, quote)


def _figures(entry: dict[str, Any]) -> str:
    if not entry["known"]:
        return "not known, which is not free"
    if entry["per_hour"] is not None:
        return f"{entry['per_hour']} {entry['currency']} an hour, shared out by use"
    meters: dict[str, dict[str, Any]] = entry["prices"]
    others = {meter: price for meter, price in meters.items() if price["for"] != "million tokens"}
    if others:
        return ", ".join(
            f"{price['amount']} {entry['currency']} a {meter}" for meter, price in others.items()
        )
    if all(price["amount"] == "0" for price in meters.values()):
        return "nothing"
    told = [
        f"{meters[kind]['amount']} {kind.value.replace('_', ' ')}"
        + (" (our reading)" if meters[kind]["estimated"] else "")
        for kind in TokenKind
        if kind in meters
    ]
    return f"{entry['currency']} for a million tokens: {', '.join(told)}"
