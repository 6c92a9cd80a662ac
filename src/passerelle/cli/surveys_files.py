"""`passerelle surveys columns`, `import`, `list`, `delete`: files of answers come in, and every row is accounted for."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson

from passerelle.cli.forms import form_of, whole
from passerelle.cli.operator import Operator, operating, order
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.paths import with_tenant
from passerelle.cli.progress import plain
from passerelle.cli.shown import Card, show_card, show_page
from passerelle.cli.surveys_paths import LANGUAGES, survey_path, watch
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
with_columns = click.option(
    "--column",
    "column",
    multiple=True,
    metavar="HEADING=ROLE",
    help="What a column is, such as 'Avis=comment'.",
)
with_sheet = click.option("--sheet", default="", help="Of a workbook; its first, if unsaid.")
_PAGE, _ROWS_SHOWN = 1_000, 8  # rows that are named of each trouble
_NAMED = {"comment", "rating", "nps", "csat", "ces", "segment", "date", "ignored", "personal"}


@dataclass(frozen=True, slots=True)
class About:
    """What is said of a file."""

    title: str = ""
    language: str = ""
    codebook: str = ""
    columns: Sequence[str] = ()
    sheet: str = ""

    def fields(self) -> dict[str, str]:
        """Without what is not said. Raises CannotRun."""
        columns = orjson.dumps(columns_of(self.columns)).decode() if self.columns else ""
        said = {
            "title": self.title,
            "language": self.language,
            "codebook": self.codebook,
            "columns": columns,
            "sheet": self.sheet,
        }
        return {name: value for name, value in said.items() if value}


@click.command("columns")
@click.argument("file", type=FILE)
@with_tenant
@with_sheet
@as_json
@with_settings
def columns(settings: Settings, file: Path, tenant: str, sheet: str, json_: bool) -> None:
    """What each column of a file of answers seems to be; nothing is kept."""
    body, kind = form_of([("sheet", sheet)] if sheet else [], [(whole(file.name), file)])
    with operating(settings) as operator:
        card = operator.order("POST", survey_path("columns", tenant=tenant), body, kind=kind)
    show_card(card, _column_lines(card), json_=json_)


@click.command("import")
@click.argument("file", type=FILE)
@with_tenant
@click.option("--title", default="", help="The file's name, if unsaid.")
@click.option("--language", type=LANGUAGES, default="fr", show_default=True, help="Of its reports.")
@click.option("--codebook", default="", help="By which its comments are read.")
@with_columns
@with_sheet
@click.option("--wait/--no-wait", default=True, help="Watch until it is read.", show_default=True)
@as_json
@with_settings
def import_verb(  # noqa: PLR0913, PLR0917 - one option each
    settings: Settings,
    file: Path,
    tenant: str,
    title: str,
    language: str,
    codebook: str,
    column: tuple[str, ...],
    sheet: str,
    wait: bool,
    json_: bool,
) -> None:
    """Keep a file of answers, CSV or XLSX, and say what was wrong with which row.

    Without --column each column is what it seems to be; with it, those that are not named are ignored. A scale is
    written behind a score, such as 'Note=rating:0-20'.

    Exit status: 0 it is read, 1 it could not be.
    """
    about = About(title, language, codebook, column, sheet)
    with operating(settings) as operator:
        card = hand_in(operator, tenant, file, about)
        there = card["state"] == "ready"  # one that is new is read by a job
        if wait:
            card = read(operator, tenant, card, quiet=json_)
        rows = troubles(operator, tenant, card["id"]) if wait else []
    show_card({**card, "row_troubles": rows}, account(card, rows), json_=json_)
    if there:
        click.echo("It was there already, and stays as it is.", err=True)
    if card["state"] == "failed":
        sys.exit(1)


@click.command("list")
@with_tenant
@click.option("--before", metavar="SURVEY", help="Those before that one.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@as_json
@with_settings
def list_verb(settings: Settings, tenant: str, before: str | None, limit: int, json_: bool) -> None:
    """A tenant's surveys, the newest first."""
    page = order(settings, "GET", survey_path(tenant=tenant, before=before, limit=limit))
    show_page(page, _survey_lines, json_=json_, none="There are no surveys.")


@click.command("delete")
@click.argument("surveys", nargs=-1, required=True, metavar="SURVEY...")
@with_tenant
@with_settings
def delete(settings: Settings, surveys: tuple[str, ...], tenant: str) -> None:
    """Delete surveys with their answers, runs and themes. What people corrected stays."""
    with operating(settings) as operator:
        for survey in surveys:
            operator.order("DELETE", survey_path(survey, tenant=tenant))
            click.echo(plain(f"{survey} is deleted."))


def hand_in(operator: Operator, tenant: str, file: Path, about: About) -> dict[str, Any]:
    """The survey that a file becomes. Raises CannotRun."""
    body, kind = form_of(list(about.fields().items()), [(whole(file.name), file)])
    card: dict[str, Any] = operator.order("POST", survey_path(tenant=tenant), body, kind=kind)
    return card


def read(operator: Operator, tenant: str, card: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """A survey once its file is read."""
    if card["state"] != "reading":
        return card
    watch(operator, tenant, card["job"], quiet=quiet)
    found: dict[str, Any] = operator.order("GET", survey_path(card["id"], tenant=tenant))
    return found


def troubles(operator: Operator, tenant: str, survey: str) -> list[dict[str, Any]]:
    """What was wrong with its rows."""
    found: list[dict[str, Any]] = []
    while True:
        path = survey_path(survey, "troubles", tenant=tenant, language="en", after=len(found), limit=_PAGE)
        page = operator.order("GET", path)
        found += page["data"]
        if not page["has_more"]:
            return found


def account(card: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """How a file was read, line by line: the tally, then troubles with the rows that have them."""
    if card["state"] == "failed":
        error = card["error"] or {"message": "It could not be read.", "code": "unknown"}
        yield f"{card['id']}  failed: {error['message']} ({error['code']})"
        return
    if card["state"] == "reading":
        yield f"{card['id']}  is read by {card['job']}: passerelle jobs follow."
        return
    tally = card["tally"]
    yield f"{card['id']}  {card['title']}"
    yield f"{tally['rows']} rows: {tally['answers']} answers, {tally['left_out']} left out"
    languages = ", ".join(f"{name or 'unknown'} {count}" for name, count in _most(tally["languages"]))
    yield f"{tally['comments']} comments" + (f" ({languages})" if languages else "")
    if tally["masked"]:
        masked = ", ".join(f"{name} {count}" for name, count in _most(tally["masked"]))
        yield f"masked: {masked}"
    grouped: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault((row["meaning"], row["column"]), []).append(row)
    for (meaning, column), found in grouped.items():
        many = sum(row["rows"] for row in found)
        place = f" in {column!r}" if column else ""
        yield f"  {meaning}{place}: {many} {'row' if many == 1 else 'rows'} ({_rows(found)})"


def columns_of(said: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What columns are, of `Heading=role`, with a scale behind a score: `Note=rating:0-20`. Raises CannotRun."""
    found: dict[str, dict[str, Any]] = {}
    for each in said:
        heading, equals, role = each.rpartition("=")
        name, colon, scale = role.strip().partition(":")
        if not (equals and heading.strip()) or name not in _NAMED:
            raise CannotRun(
                f"{each!r} says of no column what it is.",
                f"Write 'Heading=role', one of {', '.join(sorted(_NAMED))}.",
            )
        column: dict[str, Any] = {"role": name}
        if colon:
            low, _, high = scale.partition("-")
            try:
                column |= {"low": float(low), "high": float(high)}
            except ValueError:
                raise CannotRun(f"{scale!r} is no scale.", "Write 'Note=rating:0-20'.") from None
        found[heading.strip()] = column
    return found


def _column_lines(card: Card) -> Iterator[str]:
    for each in card["columns"]:
        scale = f" {each['low']:g}-{each['high']:g}" if each["low"] is not None else ""
        role = f"{each['role']}{scale}"
        shown = "; ".join(each["examples"])
        yield f"{role:<14}  {each['heading']}  ({each['why']})  {shown}".rstrip()
    yield f"{card['rows_seen']} rows were looked at. Say otherwise with --column 'Heading=role'."


def _survey_lines(card: Card) -> Iterator[str]:
    tally = card["tally"]
    counts = f"{tally['answers']} answers, {tally['comments']} comments"
    yield f"{card['id']}  {card['state']:<8}  {counts}  {card['title']}"


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def _rows(found: Sequence[Mapping[str, Any]]) -> str:
    shown = [
        str(row["row"]) if row["row"] == row["last"] else f"{row['row']}-{row['last']}"
        for row in found[:_ROWS_SHOWN]
    ]
    return ", ".join(shown) + (", ..." if len(found) > _ROWS_SHOWN else "")
