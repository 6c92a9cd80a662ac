"""`passerelle content`: what was written is looked at, accepted or rejected, taken out, and put back as it was."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from passerelle.cli.content_paths import content_path
from passerelle.cli.forms import contents, save, whole
from passerelle.cli.operator import Operator, operating, order
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.paths import with_tenant
from passerelle.cli.shown import Card, show_card, show_list
from passerelle.domain.content import LISTS
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings


def _deciding(name: str, decision: str, doc: str) -> click.Command:
    """A verb that decides on texts of a job."""

    @click.argument("job")
    @click.argument("numbers", nargs=-1, type=click.IntRange(1), metavar="[NUMBER]...")
    @with_tenant
    @click.option("--all", "everything", is_flag=True, help="Every field that nobody has decided on.")
    @click.option("--field", "fields", multiple=True, help="Only this one; may be repeated.")
    @click.option("--flawed", is_flag=True, help="With --all: also texts in which a check fails.")
    @as_json
    @with_settings
    def decide(settings: Settings, **said: Any) -> None:
        _decide(settings, decision, **said)

    made: Callable[..., None] = decide
    return click.command(name, help=doc)(made)


accept = _deciding(
    "accept", "accepted", "Accept what was written of texts, by their numbers, or of all of a job."
)
reject = _deciding(
    "reject", "rejected", "Reject what was written of texts, by their numbers, or of all of a job."
)


@click.command("edit")
@click.argument("job")
@click.argument("number", type=click.IntRange(1))
@with_tenant
@click.option("--field", required=True, help="Which one.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    required=True,
    help="What it is from now on, in UTF-8; `-` for standard input. Of tags and other lists: an entry a line.",
)
@as_json
@with_settings
def edit(settings: Settings, job: str, number: int, tenant: str, field: str, file: Path, json_: bool) -> None:
    """Accept a field of a text in a form of your own."""
    choices = {field: {"decision": "edited", "value": _own(field, file)}}
    path = content_path("jobs", job, "items", number, "decisions", tenant=tenant)
    with operating(settings) as operator:
        made = operator.order("POST", path, choices)
    show_card(made, [f"{field} of text {number} is edited."], json_=json_)


@click.command("export")
@click.argument("job")
@with_tenant
@click.option(
    "--format", "form", type=click.Choice(["csv", "json", "html"]), default="csv", show_default=True
)
@click.option("--only", type=click.Choice(["accepted", "all"]), default="accepted", show_default=True)
@click.option("--language", type=click.Choice(["fr", "en"]), help="Of headings.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="A file; else it is printed.")
@with_settings
def export(
    settings: Settings,
    job: str,
    tenant: str,
    form: str,
    only: str,
    language: str | None,
    output: Path | None,
) -> None:
    """Take what was written out of a job."""
    path = content_path("jobs", job, "export", tenant=tenant, format=form, only=only, language=language)
    with operating(settings) as operator:
        parts = operator.parts("GET", path)
        if output is not None:
            save(output, parts)
            return
        for part in parts:
            click.echo(part, nl=False)


@click.command("history")
@click.argument("key")
@with_tenant
@as_json
@with_settings
def history(settings: Settings, key: str, tenant: str, json_: bool) -> None:
    """What each field of a text was, the oldest first."""
    found = order(settings, "GET", content_path("pieces", "history", tenant=tenant, key=key))["data"]
    show_list(found, _version_lines, json_=json_)


@click.command("rollback")
@click.argument("key")
@click.argument("number", type=click.IntRange(1))
@with_tenant
@click.option("--field", required=True)
@as_json
@with_settings
def rollback(settings: Settings, key: str, number: int, tenant: str, field: str, json_: bool) -> None:
    """Put a field of a text back as it was in an earlier version."""
    body = {"key": key, "field": field, "number": number}
    made = order(settings, "POST", content_path("pieces", "rollback", tenant=tenant), body)
    show_card(made, _version_lines(made), json_=json_)


def _decide(  # noqa: PLR0913 - one option each
    settings: Settings,
    decision: str,
    *,
    job: str,
    numbers: tuple[int, ...],
    tenant: str,
    everything: bool,
    fields: tuple[str, ...],
    flawed: bool,
    json_: bool,
) -> None:
    if everything == bool(numbers):
        raise CannotRun("Nothing says what is meant.", "Give numbers of texts, or --all.")
    if flawed and not everything:
        raise CannotRun(
            "--flawed goes with --all.", "A text that is named by its number is meant, flawed or not."
        )
    with operating(settings) as operator:
        if everything:
            said = {"decision": decision, "fields": list(fields), "flawed": flawed}
            count = operator.order("POST", content_path("jobs", job, "decisions", tenant=tenant), said)[
                "fields"
            ]
        else:
            count = sum(_one(operator, tenant, job, number, fields, decision) for number in numbers)
    told = f"{count} {'field is' if count == 1 else 'fields are'} {decision}."
    show_card({"decision": decision, "fields": count}, [told], json_=json_)


def _one(
    operator: Operator, tenant: str, job: str, number: int, fields: tuple[str, ...], decision: str
) -> int:
    """How many fields of a text were decided on: those that are named, or all that were written."""
    place = ("jobs", job, "items", number)
    named = fields or operator.order("GET", content_path(*place, tenant=tenant))["values"]
    if not named:
        raise CannotRun(f"Nothing was written of text {number}.", "Look at it with passerelle content items.")
    choices = {field: {"decision": decision} for field in named}
    operator.order("POST", content_path(*place, "decisions", tenant=tenant), choices)
    return len(choices)


def _own(field: str, file: Path) -> str | list[str]:
    """A field's value that a file holds. Raises CannotRun."""
    raw = sys.stdin.buffer.read() if str(file) == "-" else contents(file)
    try:
        said = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CannotRun(f"{whole(str(file))} is not UTF-8.", "Save it as UTF-8.") from error
    if field in LISTS:
        return [line.strip() for line in said.splitlines() if line.strip()]
    return said.rstrip("\r\n")


def _version_lines(card: Card) -> Iterator[str]:
    value = " ".join((card["value"] if isinstance(card["value"], str) else ", ".join(card["value"])).split())
    whence = card["job"] or (f"back to {card['back_to']}" if card["back_to"] else "as it came")
    at = card["at"][:16].replace("T", " ")
    yield f"{card['field']:<16} {card['number']:>3}  {at}  {whence:<14}  {value[:200]}"
