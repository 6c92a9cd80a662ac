"""`passerelle audit`: read the audit log, export it, and check that no event of it is missing or was changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
import orjson

from passerelle.audit.log import SignedHead
from passerelle.audit.wire import Checked, Unreadable, check_lines, head_of, holds, read_head
from passerelle.cli.forms import contents, save, unreadable
from passerelle.cli.operator import Operator, operating, order
from passerelle.cli.options import as_json, with_settings
from passerelle.domain.errors import CannotRun
from passerelle.sealing.signing import read_public
from passerelle.settings import Settings

_file = click.Path(path_type=Path, dir_okay=False)
_tenant = click.option("--tenant", default="", help="Whose chain; without it, the installation's own.")


@click.group()
def audit() -> None:
    """Who did what to keys, configuration and people's data."""


@audit.command()
@_tenant
@click.option("--last", default=50, show_default=True, type=click.IntRange(1, 1_000), help="So many events.")
@click.option("--after", type=click.IntRange(0), help="From the event after this number on, instead.")
@as_json
@with_settings
def show(settings: Settings, tenant: str, last: int, after: int | None, json_: bool) -> None:
    """Show events, oldest first."""
    with operating(settings) as operator:
        if after is None:
            number = operator.order("GET", _path(tenant, limit=1))["head"]["number"]
            after = max(0, number - last)
        page = operator.order("GET", _path(tenant, after=after, limit=last))
    if json_:
        click.echo(orjson.dumps(page, option=orjson.OPT_INDENT_2))
        return
    for each in page["data"]:
        detail = "  ".join(f"{name}={_short(value)}" for name, value in each["detail"].items())
        line = f"{each['number']:>6}  {each['at'][:19]}Z  {each['actor']}  {each['action']}  {each['object']}  {detail}"
        click.echo(line.rstrip())
    if not page["data"]:
        click.echo("Nothing was noted.")


@audit.command()
@_tenant
@click.option(
    "--output", type=_file, required=True, help="The file to write: JSON lines, the signed head last."
)
@click.option("--after", default=0, type=click.IntRange(0), help="Only what comes after this number.")
@with_settings
def export(settings: Settings, tenant: str, output: Path, after: int) -> None:
    """Write a chain to a file that can be checked anywhere."""
    with operating(settings) as operator:
        save(output, operator.parts("GET", _path(tenant, after=after, format="jsonl")))


@audit.command()
@with_settings
def key(settings: Settings) -> None:
    """Print the public key that heads and receipts are checked with. Give it to whoever is to check them."""
    click.echo(order(settings, "GET", "/admin/audit/key")["public_key"], nl=False)


@audit.command()
@click.option("--ask", is_flag=True, help="Ask the Hub now; it learns the models' ids.")
@as_json
@with_settings
def models(settings: Settings, ask: bool, json_: bool) -> None:
    """Where the models of the configuration come from: revision, licence, author, base model."""
    found = order(settings, "POST" if ask else "GET", "/admin/provenance")
    if json_:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    for each in found["models"]:
        click.echo(f"{each['model']}: {_origin(each)}")
    for problem in found["problems"]:
        click.echo(problem, err=True)
    if not found["models"]:
        click.echo("No model has an id of the Hub.")


@audit.command()
@click.option("--tenant", help="Whose chain; without it, every chain there is.")
@click.option("--file", "file", type=_file, help="An exported chain, instead: no service is asked.")
@click.option("--public-key", type=_file, help="The installation's key, as `audit key` prints it. Of --file.")
@click.option("--known", type=_file, help="An earlier export, whose signed head the chain must have in it.")
@as_json
@with_settings
def verify(
    settings: Settings,
    tenant: str | None,
    file: Path | None,
    public_key: Path | None,
    known: Path | None,
    json_: bool,
) -> None:
    """Work every digest out again. Exit 1 where an event is missing or was changed, with its number."""
    public = _public(public_key)
    before = _known(known, public)
    cards = [_of_file(file, public, before)] if file is not None else _of_service(settings, tenant, before)
    whole = all(card["whole"] for card in cards)
    if json_:
        click.echo(orjson.dumps({"whole": whole, "chains": cards}, option=orjson.OPT_INDENT_2))
    else:
        for card in cards:
            _tell(card)
    if file is not None and public is None and not json_:
        click.echo(
            "Its signature was checked with the key that the file itself names; see --public-key.", err=True
        )
    if not whole:
        raise SystemExit(1)


def _of_file(file: Path, public: bytes | None, before: SignedHead | None) -> dict[str, Any]:
    try:
        with file.open("rb") as lines:
            heads = [before.head] if before is not None else []
            checked = check_lines(lines, public=public, known=heads)
    except OSError as error:
        raise unreadable(file, error) from error
    except Unreadable as error:
        raise CannotRun(f"{file} is no exported audit log: {error}.") from error
    return _card(checked)


def _card(checked: Checked) -> dict[str, Any]:
    verdict, head = checked.verdict, checked.head
    broken = verdict.broken
    wrong = str(broken) if broken is not None else None
    if wrong is None and checked.signed is False:
        wrong = "The head was not signed with this key."
    return {
        "chain": verdict.head.chain,
        "whole": checked.whole,
        "count": verdict.count,
        "head": head_of(head) if head is not None else None,
        "broken_at": broken.number if broken is not None else None,
        "wrong": wrong,
        "first": checked.first,
    }


def _of_service(settings: Settings, tenant: str | None, before: SignedHead | None) -> list[dict[str, Any]]:
    query = f"?{urlencode({'chain': tenant})}" if tenant is not None else ""
    with operating(settings) as operator:
        cards: list[dict[str, Any]] = operator.order("GET", f"/admin/audit/verify{query}")["chains"]
        if before is not None:
            cards = [_with_known(operator, card, before) for card in cards]
            if not any(card["chain"] == before.head.chain for card in cards):
                raise CannotRun(
                    "The head that is known is of another chain.", "Name its tenant with --tenant."
                )
    return cards


def _with_known(operator: Operator, card: dict[str, Any], before: SignedHead) -> dict[str, Any]:
    """The chain must have in it what it reached when the head was signed."""
    head = before.head
    if card["chain"] != head.chain or not card["whole"] or not head.number:
        return card
    page = operator.order("GET", _path(head.chain, after=head.number - 1, limit=1))["data"]
    if page and (page[0]["number"], page[0]["digest"]) == (head.number, head.digest.hex()):
        return card
    why = "is not the one that a head was signed of" if page else "is missing: a head was signed of it"
    return {**card, "whole": False, "broken_at": head.number, "wrong": f"Number {head.number} {why}."}


def _origin(card: dict[str, Any]) -> str:
    if not card["asked"]:
        return "the Hub was not asked"
    if not card["public"]:
        return "the Hub has no public model of this name"
    said = {
        "revision": (card["revision"] or "")[:12],
        "licence": card["licence"],
        "author": card["author"],
        "made from": ", ".join(card["base_models"]),
    }
    return ", ".join(f"{name} {value or 'unknown'}" for name, value in said.items())


def _tell(card: dict[str, Any]) -> None:
    name = card["chain"] or "the installation"
    if card["whole"]:
        click.echo(f"{name}: {card['count']} events, whole.")
    else:
        click.echo(f"{name}: {card['wrong']}")


def _public(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        return read_public(contents(file).decode("ascii", "replace"))
    except ValueError as error:
        raise CannotRun(f"{file} {error}.", "`passerelle audit key` prints it.") from error


def _known(file: Path | None, public: bytes | None) -> SignedHead | None:
    if file is None:
        return None
    try:
        head = read_head(orjson.loads(_last(contents(file).splitlines()))["head"])
    except (ValueError, KeyError, TypeError) as error:
        raise CannotRun(f"{file} does not end with a signed head.", "Name an exported audit log.") from error
    if not holds(head, public):
        raise CannotRun(
            f"The head in {file} was not signed with this key.", "Name the key it was signed with."
        )
    return head


def _last(lines: Iterable[bytes]) -> bytes:
    return next((line for line in reversed([*lines]) if line.strip()), b"")


def _path(chain: str, **query: Any) -> str:
    return f"/admin/audit?{urlencode({'chain': chain, **query})}"


def _short(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
