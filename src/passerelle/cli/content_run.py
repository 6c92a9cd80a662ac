"""`passerelle content run`: says what texts will take, has them worked on, and tells what became of each."""

from __future__ import annotations

import re
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
import orjson

from passerelle.cli.content_paths import content_path
from passerelle.cli.content_words import left_out, money, standings, thought, troubles
from passerelle.cli.forms import form_of, whole
from passerelle.cli.operator import Operator, operating
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.paths import print_json, with_tenant
from passerelle.cli.progress import Bar, follow, plain
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings

_BUDGET = re.compile(r"([0-9]+(?:[.,][0-9]+)?)\s*([A-Za-z]{3})")
_PAGE = 200
_OPEN = ("failed", "flawed", "over_budget")  # what a person has to look at


@click.command("run")
@click.argument(
    "files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="[FILE]..."
)
@click.option("--recipe", required=True, help="By which it is worked.")
@click.option("--version", type=click.IntRange(1), help="Of the recipe; else its newest.")
@with_tenant
@click.option("--collection", "collections", multiple=True, help="In place of files: all documents of it.")
@click.option("--text-column", default="", help="Of tables: what is worked on.")
@click.option("--key-column", default="", help="Of tables: a row's name, from job to job.")
@click.option("--title-column", default="")
@click.option("--language-column", default="")
@click.option("--beside", multiple=True, metavar="COLUMN", help="That the model may look at.")
@click.option("--model", help="One of the tenant's; else the one of its rules.")
@click.option("--budget", metavar="AMOUNT", help="What it may cost at most, such as '5 EUR'.")
@click.option("--preview", is_flag=True, help="Only three texts: a short, a middle and a long one.")
@click.option("--again", is_flag=True, help="Write anew, and pay anew, what is there unchanged.")
@click.option("--dry-run", is_flag=True, help="Only say what it would take.")
@click.option("--yes", is_flag=True, help="Do not ask whether to begin.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Watch until it is done.")
@as_json
@with_settings
def run(  # noqa: PLR0913, PLR0917 - one option each
    settings: Settings,
    files: tuple[Path, ...],
    recipe: str,
    version: int | None,
    tenant: str,
    collections: tuple[str, ...],
    text_column: str,
    key_column: str,
    title_column: str,
    language_column: str,
    beside: tuple[str, ...],
    model: str | None,
    budget: str | None,
    preview: bool,
    again: bool,
    dry_run: bool,
    yes: bool,
    wait: bool,
    json_: bool,
) -> None:
    """Have texts of files worked on: text, Markdown, HTML, CSV or XLSX. First it is said what that will take.

    Exit status: 0 all are written, 1 some failed, have flaws, or were over the budget, 2 cannot run.
    """
    order = {"recipe": recipe, "version": version, "model": model, "budget": budget_of(budget)}
    order |= {"preview": preview, "again": again}
    columns = {
        "text": text_column,
        "key": key_column,
        "title": title_column,
        "language": language_column,
        "beside": list(beside),
    }
    body, kind = _request(files, collections, _said(order), _said(columns))
    with operating(settings) as operator:
        estimate = operator.order("POST", content_path("estimate", tenant=tenant), body, kind=kind)
        if not json_:
            for line in [*thought(estimate), *left_out(estimate["skipped"])]:
                click.echo(plain(line))
        if dry_run:
            if json_:
                print_json(estimate)
            return
        if not (yes or json_) and sys.stdin.isatty():
            click.confirm("Begin?", abort=True)
        started = operator.order("POST", content_path("jobs", tenant=tenant), body, kind=kind)
        if wait:
            started["job"], started["open"] = _watch(operator, tenant, started["job"], quiet=json_)
    if json_:
        print_json(started)
    else:
        _tell(started, tenant)
    if wait and (started["open"] or started["job"]["state"] != "done"):
        sys.exit(1)


def budget_of(written: str | None) -> dict[str, str] | None:
    """An amount and a currency, such as `5 EUR`. Raises CannotRun."""
    if written is None:
        return None
    found = _BUDGET.fullmatch(written.strip())
    if found is None:
        raise CannotRun(
            f"{written!r} is no budget.", "Write an amount and a currency, such as --budget '5 EUR'."
        )
    return {"amount": found[1].replace(",", "."), "currency": found[2].upper()}


def _request(
    files: tuple[Path, ...], collections: tuple[str, ...], order: dict[str, Any], mapping: dict[str, Any]
) -> tuple[Any, str]:
    """A request's body and its kind. Raises CannotRun."""
    if bool(files) == bool(collections):
        raise CannotRun("Nothing says what is worked on.", "Give files, or --collection.")
    if collections:
        if mapping:
            raise CannotRun("Columns are of tables.", "Give files, or leave the columns out.")
        return {**order, "documents": [{"collection": name} for name in collections]}, "application/json"
    said = orjson.dumps({**order, "mapping": mapping})
    return form_of([("order", said)], [(whole(file.name), file) for file in files])


def _watch(
    operator: Operator, tenant: str, job: dict[str, Any], *, quiet: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The job once it is over, and its texts that a person has to look at."""
    items = job["counts"]["queued"]  # what was had before is no work
    with Bar(sys.stderr) if not quiet else nullcontext() as bar:
        follow(operator, tenant, [job["id"]], bar.tell if bar is not None else _nothing, items=items)
    over = operator.order("GET", content_path("jobs", job["id"], tenant=tenant))
    open_: list[dict[str, Any]] = []
    for standing in _OPEN:
        after = 0
        while over["counts"][standing]:
            page = operator.order(
                "GET",
                content_path(
                    "jobs", job["id"], "items", tenant=tenant, standing=standing, after=after, limit=_PAGE
                ),
            )
            open_ += page["data"]
            if not page["has_more"]:
                break
            after = page["data"][-1]["number"]
    return over, sorted(open_, key=lambda each: int(each["number"]))


def _said(named: dict[str, Any]) -> dict[str, Any]:
    """Without what is not said."""
    return {name: value for name, value in named.items() if value}


def _tell(started: dict[str, Any], tenant: str) -> None:
    job = started["job"]
    if "open" not in started:
        line = f"{job['id']} works on them: passerelle jobs follow {job['id']} --tenant {tenant}."
        click.echo(plain(line))
        return
    for each in started["open"]:
        for line in troubles(each):
            click.echo(plain(line))
    click.echo(plain(f"{job['id']}: {job['state']}: {standings(job['counts'])}; spent {money(job['spent'])}"))
    if job["counts"]["over_budget"]:
        line = f"A larger budget begins the others: passerelle content budget {job['id']} AMOUNT --tenant {tenant}."
        click.echo(plain(line))


def _nothing(*_: object) -> None:
    """Nobody watches."""
