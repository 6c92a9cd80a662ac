"""How what the service says is shown: as one document to a machine, in lines to people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from passerelle.cli.paths import print_json
from passerelle.cli.progress import plain

Card = Mapping[str, Any]


def say(lines: Iterable[str]) -> None:
    """Lines for people."""
    for line in lines:
        click.echo(plain(line))


def show_card(card: Any, lines: Iterable[str], *, json_: bool) -> None:
    """What was asked for, made or changed."""
    if json_:
        print_json(card)
    else:
        say(lines)


def show_list(
    cards: Sequence[Card], lines: Callable[[Card], Iterable[str]], *, json_: bool, none: str = ""
) -> None:
    """Everything that there is, and `none` where there is nothing."""
    if json_:
        print_json(cards)
        return
    if not cards and none:
        click.echo(none)
    for card in cards:
        say(lines(card))


def show_page(
    page: Card,
    lines: Callable[[Card], Iterable[str]],
    *,
    json_: bool,
    none: str,
    onward: tuple[str, str] = ("--before", "id"),
) -> None:
    """A part of a list; `onward` is the option that asks for the next one, and the field of its last card that goes there."""
    if json_:
        print_json(page)
        return
    show_list(page["data"], lines, json_=False, none=none)
    if page["has_more"]:
        option, field = onward
        say([f"There are more: {option} {page['data'][-1][field]}"])
