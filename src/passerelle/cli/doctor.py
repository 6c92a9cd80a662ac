"""`passerelle doctor`: asks every backend about itself, and tells what an operator should act on."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import quote

import click
import orjson

from passerelle.cli.operator import order
from passerelle.cli.options import as_json, with_settings
from passerelle.settings import Settings

# What needs nobody: it answers, or it is meant to be as it is.
_WELL = frozenset({"ready", "unknown", "asleep", "waking", "off"})


@click.command()
@click.option("--resume", metavar="BACKEND", help="Start this paused backend again, then look.")
@as_json
@with_settings
def doctor(settings: Settings, resume: str | None, json_: bool) -> None:
    """Ask every backend about itself: state, models, prices, replicas, problems.

    Sends no prompt. Exit status: 0 nothing to act on, 1 a backend is down, paused or does not serve what it should.
    """
    if resume is not None:
        order(settings, "POST", f"/admin/backends/{quote(resume, safe='')}/resume")
    health = order(settings, "GET", "/health")
    report = order(settings, "GET", "/admin/backends")
    ill = [card for card in report["backends"] if _ill(card)]
    if json_:
        click.echo(orjson.dumps({**report, "health": health, "well": not ill}, option=orjson.OPT_INDENT_2))
    else:
        click.echo(f"configuration {report['configuration']}, service {health['status']}")
        for name in health["degraded"]:
            click.echo(f"  ! the {name} needs a look: see the log")
        for card in report["backends"]:
            _print(card)
    sys.exit(1 if ill or health["degraded"] else 0)


def _ill(card: dict[str, Any]) -> bool:
    return card["state"] not in _WELL or (bool(card["problems"]) and card["state"] != "off")


def _print(card: dict[str, Any]) -> None:
    where = card["country"] or "unknown country"
    _echo(f"{card['name']}  ({card['kind']}, {where})  {card['state']}")
    for label, value in card["about"].items():
        _echo(f"    {label}: {value}")
    for model in card["models"]:
        said = [f"context {model['context']}"] if model["context"] else []
        said += [f"lacks {', '.join(model['lacks'])}"] if model["lacks"] else []
        said += [_price(model["price"])] if model["price"] else []
        said += [f"from {provider}" for provider in model["providers"]]
        if said:
            _echo(f"    {model['model']}: {'; '.join(said)}")
    for problem in card["problems"]:
        _echo(f"  ! {problem}")


def _echo(line: str) -> None:
    """One line, whatever an engine says of itself: nothing that a terminal would take for an order."""
    click.echo("".join(char if char.isprintable() else "?" for char in line))


def _price(price: dict[str, Any]) -> str:
    if price["per_hour"] is not None:
        return f"{price['currency']} {price['per_hour']} an hour for each replica"
    figures = (price["input_per_million"], price["output_per_million"])
    return f"{price['currency']} {'/'.join('?' if each is None else each for each in figures)} per million tokens"
