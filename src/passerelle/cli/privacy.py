"""`passerelle privacy`: what people may ask about their data, done and proven; what is kept for how long."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import quote

import click
import orjson

from passerelle.cli.operator import Operator, operating, order
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.paths import path_below, print_json, with_tenant
from passerelle.cli.progress import plain
from passerelle.cli.shown import Card, say, show_card, show_page
from passerelle.domain.errors import CannotRun
from passerelle.rights.proofs import holds
from passerelle.sealing.signing import read_public
from passerelle.settings import Settings

_ROUTE = "/v1/privacy"
_WAIT_SECONDS = 20
_OVER = ("done", "failed", "partly-failed", "stopped")
_LONGEST_NAME = 255
_LONGEST_USER = 512
_LARGEST = 64 * 1024 * 1024  # bytes of a receipt


@click.group()
def privacy() -> None:
    """People's data: export, erase, restrict; wipe a tenant; receipts, and what is kept for how long."""


def _about(deed: str, doc: str, *, waits: bool) -> None:
    """A verb about a person."""

    @with_tenant
    @click.argument("user")
    @click.option(
        "--wait/--no-wait", default=True, show_default=True, help="Watch until it is done.", hidden=not waits
    )
    @as_json
    @with_settings
    def verb(settings: Settings, tenant: str, user: str, wait: bool, json_: bool) -> None:
        with operating(settings) as operator:
            card = operator.order("POST", _path("subjects", _person(user), deed, tenant=tenant))
            if waits and wait and card["finished_at"] is None:
                card = _watched(operator, tenant, card)
        show_card(card, _lines(card), json_=json_)
        _left_undone(card, waited=waits and wait)

    verb.__doc__ = doc
    privacy.command(deed)(verb)


def _person(user: str) -> str:
    if not user or len(user) > _LONGEST_USER or not {".", ".."}.isdisjoint(user.split("/")):
        raise CannotRun(
            "A person's name has 1 to 512 characters, and no piece between slashes that is . or .."
        )
    return user


_about("export", "Collect everything there is of a person, in every store.", waits=True)
_about("erase", "Delete everything there is of a person, in every store, with a receipt.", waits=True)
_about("restrict", "Refuse requests that name a person from now on; what is kept stays.", waits=False)
_about("lift", "Answer requests that name a person again.", waits=False)


@privacy.command("wipe")
@with_tenant
@click.option("--confirm", metavar="TENANT", help="Its name, where it is still in the configuration.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Watch until it is done.")
@as_json
@with_settings
def wipe(settings: Settings, tenant: str, confirm: str | None, wait: bool, json_: bool) -> None:
    """Delete everything of a tenant, its keys first; amounts in the ledger stay."""
    with operating(settings) as operator:
        card = operator.order("POST", _path("wipe", tenant=tenant), {"confirm": confirm})
        if wait:
            card = _watched(operator, tenant, card)
    show_card(card, _lines(card), json_=json_)
    _left_undone(card, waited=wait)


@privacy.command("requests")
@with_tenant
@click.option("--user", help="Of this person only.")
@click.option("--before", metavar="REQUEST", help="Those made before that one.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@as_json
@with_settings
def requests(
    settings: Settings, tenant: str, user: str | None, before: str | None, limit: int, json_: bool
) -> None:
    """What was asked, the newest first; what is late is told."""
    page = order(settings, "GET", _path("requests", tenant=tenant, user=user, before=before, limit=limit))
    show_page(page, _lines, json_=json_, none="Nothing was asked.")


@privacy.command("receipt")
@with_tenant
@click.argument("request")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="A file; else it is printed.")
@with_settings
def receipt(settings: Settings, tenant: str, request: str, output: Path | None) -> None:
    """The signed receipt of a request that is done, as JSON."""
    found = order(settings, "GET", _path("requests", request, "receipt", tenant=tenant))
    if output is None:
        print_json(found)
        return
    output.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    say([f"{output}: the receipt of {request}"])


@privacy.command("fetch")
@with_tenant
@click.argument("request")
@click.option("--format", "form", type=click.Choice(["json", "zip"]), default="json", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), required=True)
@with_settings
def fetch(settings: Settings, tenant: str, request: str, form: str, output: Path) -> None:
    """Save what was exported for a person; only its owner may read the file."""
    path = _path("requests", request, "export", tenant=tenant, format=form)
    with operating(settings) as operator:
        parts = operator.parts("GET", path)
        first = next(parts, b"")
        output.touch(mode=0o600)
        with output.open("wb") as file:
            file.write(first)
            for part in parts:
                file.write(part)
    say([f"{output}: what was exported by {request}"])


@privacy.command("verify")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--key", help="The public key (PEM file, Base64 or hexadecimal); else the one in the receipt.")
def verify(file: Path, key: str | None) -> None:
    """Check a receipt's signature, without any service.

    Exit status: 0 it holds, 1 it does not.
    """
    try:
        if file.stat().st_size > _LARGEST:
            raise CannotRun(f"{file} is too large for a receipt.")
        public = None if key is None else read_public(_public(key))
        document = orjson.loads(file.read_bytes())
        good = holds(document, public)
    except (OSError, ValueError) as error:
        raise CannotRun(f"{file} cannot be checked: {str(error)[:200]}.") from error
    if not good:
        click.echo(f"{file}: the signature does NOT hold.", err=True)
        sys.exit(1)
    said = document["receipt"]
    by = "the given key" if key is not None else f"the key it names, {document['signature']['key']}"
    say([f"{file}: signed by {by}", f"  {said['deed']} of {said['tenant']}, {said['finished_at']}"])


@privacy.command("key")
@click.option("--tenant", help="Any of the configuration.")
@as_json
@with_settings
def key_(settings: Settings, tenant: str | None, json_: bool) -> None:
    """The public key that receipts are checked with."""
    card = order(settings, "GET", f"{_ROUTE}/key" + (f"?tenant={quote(tenant, safe='')}" if tenant else ""))
    show_card(card, card["pem"].splitlines(), json_=json_)


@privacy.command("retention")
@with_tenant
@as_json
@with_settings
def retention(settings: Settings, tenant: str, json_: bool) -> None:
    """What is kept for how long, by the settings that purge it, and how old the oldest of it is.

    Exit status: 0 nothing is late, 1 something is kept for longer than was said.
    """
    found = order(settings, "GET", _path("retention", tenant=tenant))
    show_card(found, [line for card in found["data"] for line in _kept(card)], json_=json_)
    if found["late"]:
        sys.exit(1)


def _public(said: str) -> str:
    """A key as it is given, or the words of the file of that name."""
    file = Path(said)
    return file.read_text(encoding="ascii") if len(said) < _LONGEST_NAME and file.is_file() else said


def _path(*parts: str, tenant: str, **query: object) -> str:
    return path_below(_ROUTE, *parts, tenant=tenant, **query)


def _watched(operator: Operator, tenant: str, card: Card) -> Card:
    """Until it is over; worked on here where no service runs. A store that is away may keep it for long."""
    operator.work()
    path = _path("requests", card["id"], tenant=tenant, wait=_WAIT_SECONDS)
    while card["state"] not in _OVER:
        card = operator.order("GET", path)
    return card


def _left_undone(card: Card, *, waited: bool) -> None:
    if waited and card["finished_at"] is None:
        sys.exit(1)


def _lines(card: Card) -> list[str]:
    whom = card["subject"] or "the whole tenant"
    late = "  LATE" if card["late"] else ""
    until = f"; the export until {card['export_until'][:16]}" if card["export_until"] else ""
    return [
        f"{card['id']}  {card['deed']:<9} {card['state']:<14} due {card['due_at'][:10]}{late}",
        f"  {plain(whom)}, asked {card['asked_at'][:16]} by {card['asked_by']}{until}",
    ]


def _kept(card: Card) -> list[str]:
    kept = "until deleted" if card["seconds"] is None else _length(card["seconds"])
    oldest = card["oldest"][:16] if card["oldest"] else (card["away"] or "-")
    mark = "LATE" if card["late"] else ""
    purge = f"{card['setting'] or '-'} / {card['purge'] or '-'}"
    return [f"{card['store']:<15} {kept:<14} oldest {oldest:<17} {mark:<5} {card['what']} ({purge})"]


def _length(seconds: float) -> str:
    for size, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {word}"
    return f"{seconds:g} s"
