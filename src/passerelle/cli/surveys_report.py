"""`passerelle surveys report`, `ask`, `analyse`: what comes of a survey, and the whole way from a file to it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from passerelle.cli.operator import Operator, fetch, operating
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.paths import print_json, with_tenant
from passerelle.cli.progress import plain
from passerelle.cli.rag_ask import answered, short
from passerelle.cli.shown import say, show_card
from passerelle.cli.surveys_codebook_file import Read, read_codebook
from passerelle.cli.surveys_files import (
    FILE,
    About,
    account,
    hand_in,
    read,
    troubles,
    with_columns,
    with_sheet,
)
from passerelle.cli.surveys_paths import LANGUAGES, survey_path, written
from passerelle.cli.surveys_runs import finish, run_line, start, unread
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings

_FORMS = ("html", "json", "csv", "xlsx")
_FILES = frozenset({".yaml", ".yml", ".json"})  # of codebooks
_OUTPUT = click.Path(dir_okay=False, path_type=Path)


@click.command("report")
@click.argument("survey")
@with_tenant
@click.option("--run", help="The newest that has finished, if unsaid.")
@click.option("--format", "form", type=click.Choice(_FORMS), help="By the file's ending, else json.")
@click.option("--language", type=LANGUAGES, help="The survey's own, if unsaid.")
@click.option("--output", type=_OUTPUT, help="A file; without it, the terminal.")
@with_settings
def report(
    settings: Settings,
    survey: str,
    tenant: str,
    run: str | None,
    form: str | None,
    language: str | None,
    output: Path | None,
) -> None:
    """What comes of a survey."""
    wanted = form or _form_of(output)
    if output is None and wanted == "xlsx" and sys.stdout.isatty():
        raise CannotRun("A workbook is no text.", "Name a file with --output, or send it somewhere.")
    path = survey_path(survey, "report", tenant=tenant, run=run, format=wanted, language=language)
    written(fetch(settings, "GET", path), output)


@click.command("ask")
@click.argument("survey")
@click.argument("question")
@with_tenant
@click.option("--model", help="That answers; else the tenant's own.")
@as_json
@with_settings
def ask(settings: Settings, survey: str, question: str, tenant: str, model: str | None, json_: bool) -> None:
    """Answer a question from a survey's comments, each source with its comment's id.

    Exit status: 0 answered, 1 the comments do not hold the answer.
    """
    body = {"question": question, "stream": not json_, **({"model": model} if model else {})}
    path = survey_path(survey, "chat", tenant=tenant)
    answered(settings, path, body, _sources)


@click.command("analyse")
@click.argument("file", type=FILE)
@with_tenant
@click.option(
    "--codebook",
    required=True,
    metavar="NAME|FILE",
    help="One that is there, or a file that is written first.",
)
@click.option("--output", type=_OUTPUT, required=True, help="The report: .html, .json, .csv or .xlsx.")
@click.option("--title", default="", help="The file's name, if unsaid.")
@click.option("--language", type=LANGUAGES, default="fr", show_default=True, help="Of the report.")
@with_columns
@with_sheet
@click.option("--model", help="That reads; the tenant's own, if unsaid.")
@as_json
@with_settings
def analyse(  # noqa: PLR0913, PLR0917 - one option each
    settings: Settings,
    file: Path,
    tenant: str,
    codebook: str,
    output: Path,
    title: str,
    language: str,
    column: tuple[str, ...],
    sheet: str,
    model: str | None,
    json_: bool,
) -> None:
    """From a file of answers to its report in one go: it is imported, its comments are read, the report is written.

    Exit status: 0 done, 1 the file could not be read, or some comments could not.
    """
    form = _form_of(output)
    book = _book(codebook)  # what is wrong with it is told before anything is kept
    with operating(settings) as operator:
        name, version = (codebook, None) if book is None else _kept(operator, tenant, book)
        about = About(title, language, name, column, sheet)
        card = read(operator, tenant, hand_in(operator, tenant, file, about), quiet=json_)
        rows = troubles(operator, tenant, card["id"])
        say(() if json_ else account(card, rows))
        if card["state"] == "failed":
            if json_:
                print_json({"survey": card, "run": None, "report": None})
            sys.exit(1)
        begun = start(operator, tenant, card["id"], codebook=name, version=version, model=model)
        run = finish(operator, tenant, begun, quiet=json_)
        query = {"run": run["id"], "format": form, "language": language}
        content = operator.fetch("GET", survey_path(card["id"], "report", tenant=tenant, **query))
    written(content, output)
    told = {"survey": card, "row_troubles": rows, "run": run, "report": str(output)}
    show_card(told, [run_line(run)], json_=json_)
    if unread(run):
        sys.exit(1)


def _form_of(output: Path | None) -> str:
    """By the ending of a file's name. Raises CannotRun."""
    if output is None:
        return "json"
    form = output.suffix.lower().lstrip(".")
    if form not in _FORMS:
        raise CannotRun(f"{output} has no ending of a report.", f"Use one of {', '.join(_FORMS)}.")
    return form


def _book(codebook: str) -> Read | None:
    """The codebook of a file; None for the name of one. Raises CannotRun."""
    path = Path(codebook)
    return read_codebook(path) if path.suffix.lower() in _FILES and path.is_file() else None


def _kept(operator: Operator, tenant: str, book: Read) -> tuple[str, int]:
    """Name and version under which a codebook is kept: the one that is there, where it says the same."""
    found = operator.order("GET", survey_path("codebooks", tenant=tenant))["data"]
    if any(card["name"] == book.name for card in found):
        versions = operator.order("GET", survey_path("codebooks", book.name, "versions", tenant=tenant))[
            "data"
        ]
        for card in versions:
            if _same(card, book):
                return book.name, card["version"]
    card = operator.order("POST", survey_path("codebooks", book.name, tenant=tenant), book.body)
    return book.name, card["version"]


def _same(card: dict[str, Any], book: Read) -> bool:
    whole = {"definition": "", "include": "", "exclude": "", "examples": []}
    said = [{**whole, **category} for category in book.body["categories"]]
    return bool(card["categories"] == said and card["language"] == book.body["language"])


def _sources(answer: dict[str, Any]) -> None:
    sources = answer["nearest"] if answer["refused"] else answer["citations"]
    if sources:
        click.echo("\nThe nearest comments:" if answer["refused"] else "")
    for source in sources:
        doubt = "" if source["supported"] or answer["refused"] else "  (its words do not show what is said)"
        click.echo(plain(f"[{source['number']}] {source['comment'] or source['title']}{doubt}"))
        click.echo(f"    “{short(source['quote'])}”")
    click.echo(plain(f"{answer['model']}, {answer['cost']}"), err=True)
