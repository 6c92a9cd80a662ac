"""`passerelle dpa build`: the documents of tenants, made from what runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import click
import orjson

from passerelle.cli.dpa_ground import Ground, configuration, ground_of, named, with_dpa
from passerelle.cli.options import as_json, with_settings
from passerelle.compliance.build import Built, build, drift, write
from passerelle.compliance.sources import read_sources
from passerelle.compliance.words import LANGUAGES, MARKS
from passerelle.domain.errors import ConfigurationRefused
from passerelle.settings import Settings


def _day(ctx: click.Context, param: click.Parameter, value: datetime | None) -> date:
    return value.date() if value is not None else datetime.now(UTC).date()


@click.command()
@click.option("--tenant", "tenants", multiple=True, help="Whose; every tenant's that has a file, if unsaid.")
@click.option(
    "--lang",
    "languages",
    multiple=True,
    type=click.Choice(sorted(LANGUAGES)),
    help="In which language; in those of the tenant's file, if unsaid, which is what `dpa check` expects.",
)
@with_dpa
@click.option("--check", is_flag=True, help="Write nothing; status 1 where a build would change something.")
@click.option(
    "--date",
    "on",
    type=click.DateTime(["%Y-%m-%d"]),
    callback=_day,
    help="The day to date changes with; today, if unsaid.",
)
@as_json
@with_settings
def build_verb(
    settings: Settings,
    tenants: tuple[str, ...],
    languages: tuple[str, ...],
    dpa: Path,
    check: bool,
    on: date,
    json_: bool,
) -> None:
    """Build the documents of tenants. What stands between keep marks in them stays.

    Exit status: 0 done, 1 with --check where a build would change something, 2 cannot run.
    """
    loaded, catalog = configuration(settings)
    if loaded.catalog is None:
        raise ConfigurationRefused(loaded.errors)
    sources = read_sources(dpa)
    whose = tenants or tuple(name for name in sorted(sources.clients) if name in catalog.tenants)
    told, changed = [], False
    for tenant in named(catalog, whose):
        stood_on = ground_of(loaded, catalog, sources, tenant.name)
        one = _one(stood_on, dpa, languages, on=on, check=check)
        changed = changed or bool(one["files"])
        told.append(one)
    if json_:
        click.echo(orjson.dumps({"tenants": told}, option=orjson.OPT_INDENT_2))
    else:
        for one in told:
            click.echo(_line(one, check=check))
    sys.exit(1 if check and changed else 0)


def _one(
    stood_on: Ground, dpa: Path, languages: Sequence[str], *, on: date, check: bool
) -> dict[str, object]:
    tenant = stood_on.tenant.name
    folder = dpa / "generated" / tenant
    made = build(
        stood_on.estate, folder=folder, languages=languages or stood_on.estate.client.languages, on=on
    )
    if check:
        files = [f"{each.file}: {each.why}" for each in drift(made, folder)]
    else:
        files = list(write(made, folder))
    return {
        "tenant": tenant,
        "folder": str(folder),
        "date": made.manifest["date"],
        "files": files,
        "gaps": _gaps(made),
    }


def _gaps(made: Built) -> int:
    """Facts that nobody has written yet, in the language that has most of them."""
    counts: dict[str, int] = {}
    for name, text in made.files.items():
        language = name.split("/")[0]
        counts[language] = counts.get(language, 0) + sum(text.count(mark) for mark in MARKS)
    return max(counts.values(), default=0)


def _line(one: dict[str, object], *, check: bool) -> str:
    files, gaps = one["files"], one["gaps"]
    assert isinstance(files, list)  # noqa: S101 - made above
    if check:
        first = (
            f"{one['tenant']}: a build would change {len(files)} files"
            if files
            else f"{one['tenant']}: as built"
        )
        return "\n".join([first, *(f"  {each}" for each in files)])
    left = f"; {gaps} facts are still to complete" if gaps else ""
    return f"{one['folder']}: {len(files)} files written, dated {one['date']}{left}"
