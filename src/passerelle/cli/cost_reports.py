"""`passerelle costs report` and `verify`: a month in any form, and whether it adds up."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlencode

import click
import orjson

from passerelle.cli.operator import fetch, order
from passerelle.cli.options import as_json, with_settings
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings

_BINARY = frozenset({"xlsx"})


@click.command()
@click.option("--tenant", help="Whose; without it, the operator's own report of all tenants.")
@click.option("--month", help="Such as 2026-10; without it, the month we are in.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "csv", "html", "xlsx", "focus"]),
    default="json",
    show_default=True,
)
@click.option("--language", type=click.Choice(["fr", "en"]), default="en", show_default=True)
@click.option("--focus-version", type=click.Choice(["1.4", "1.2"]), default="1.4", show_default=True)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; without it, the terminal."
)
@with_settings
def report(
    settings: Settings,
    tenant: str | None,
    month: str | None,
    form: str,
    language: str,
    focus_version: str,
    output: Path | None,
) -> None:
    """A month's costs."""
    wanted = {
        "tenant": tenant,
        "month": month,
        "format": form,
        "language": language,
        "focus_version": focus_version,
    }
    query = urlencode({name: value for name, value in wanted.items() if value is not None})
    content = fetch(settings, "GET", f"/v1/costs?{query}")
    if output is None:
        if form in _BINARY and sys.stdout.isatty():
            raise CannotRun("A workbook is no text.", "Name a file with --output, or send it somewhere.")
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise CannotRun(
            f"{output} cannot be written: {(error.strerror or 'error').lower()}.", "Name another file."
        ) from error
    click.echo(f"{output} is written.", err=True)


@click.command()
@click.option("--month", help="Such as 2026-10; without it, the month we are in.")
@as_json
@with_settings
def verify(settings: Settings, month: str | None, json_: bool) -> None:
    """Check every rule of the ledger, and sum every report of a month again. Exit 1 when something is wrong."""
    found = order(settings, "POST", "/admin/ledger/verify", {"month": month})
    if json_:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    else:
        for finding in found["findings"]:
            click.echo(finding)
        if not found["findings"]:
            click.echo(f"The ledger adds up: every entry, and every figure of {found['reports']} reports.")
    if found["findings"]:
        raise SystemExit(1)


COMMANDS = (report, verify)
