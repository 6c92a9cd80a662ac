"""`passerelle content diff`: what a text has become, word by word."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import orjson

from passerelle.cli.content_paths import content_path
from passerelle.cli.forms import save
from passerelle.cli.operator import operating
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.paths import print_json, with_tenant
from passerelle.cli.progress import plain
from passerelle.settings import Settings


@click.command("diff")
@click.argument("job")
@click.argument("number", type=click.IntRange(1))
@with_tenant
@click.option(
    "--html", "html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page to that file."
)
@as_json
@with_settings
def diff(settings: Settings, job: str, number: int, tenant: str, html: Path | None, json_: bool) -> None:
    """What a text of a job has become: taken away [-so-], added {+so+}."""
    form = "json" if html is None else "html"
    path = content_path("jobs", job, "items", number, "diff", tenant=tenant, format=form)
    with operating(settings) as operator:
        reply = operator.fetch("GET", path)
    if html is not None:
        save(html, reply)
        return
    found = orjson.loads(reply)
    if json_:
        print_json(found)
        return
    for each in found["fields"]:
        click.echo(plain(f"{each['field']}: {each['removed']} words taken away, {each['added']} added"))
        for line in marked(each["ops"], colours=sys.stdout.isatty()).splitlines():
            click.echo(f"  {line}")


def marked(ops: list[dict[str, Any]], *, colours: bool) -> str:
    """Both texts in one. Signs that a terminal would take for an order are shown as `?`."""
    parts = []
    for op in ops:
        if op["op"] == "equal":
            parts.append(_plain(op["text"]))
            continue
        for text, before, after, colour in ((op["old"], "[-", "-]", "red"), (op["new"], "{+", "+}", "green")):
            if text:
                shown = f"{before}{_plain(text)}{after}"
                parts.append(click.style(shown, fg=colour) if colours else shown)
    return "".join(parts)


def _plain(text: str) -> str:
    return "\n".join(
        plain(line.replace("\t", " ").replace("\u00a0", " ").replace("\u202f", " "))
        for line in text.split("\n")
    )
