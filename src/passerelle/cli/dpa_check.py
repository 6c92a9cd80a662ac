"""`passerelle dpa check`: the rules R01 to R19 over the configuration, the documents, what was signed and what was seen."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import orjson

from passerelle.cli.dpa_cases import cases
from passerelle.cli.dpa_ground import with_dpa
from passerelle.cli.dpa_observed import look, with_here, with_observed
from passerelle.cli.options import as_json, with_settings
from passerelle.cli.paths import print_json
from passerelle.cli.progress import plain
from passerelle.compliance.check import check
from passerelle.compliance.findings import Found, as_values, by_tenant, errors
from passerelle.compliance.sarif import as_sarif
from passerelle.settings import Settings


@click.command("check")
@with_dpa
@click.option("--tenant", "tenants", multiple=True, help="Only these; all of the configuration, if unsaid.")
@click.option("--strict", is_flag=True, help="Warnings are errors.")
@click.option("--sarif", is_flag=True, help="Print SARIF 2.1.0, which code hosts show beside the lines.")
@with_observed
@with_here
@as_json
@with_settings
def check_verb(
    settings: Settings,
    dpa: Path,
    tenants: tuple[str, ...],
    strict: bool,
    sarif: bool,
    observed: Path | None,
    here: bool,
    json_: bool,
) -> None:
    """Check what is promised against what is configured, written, signed and served.

    Exit status: 0 clean, 1 something is wrong, 2 cannot run.
    """
    found = checked(settings, dpa, tenants, strict=strict, file=observed, here=here)
    if sarif:
        click.echo(orjson.dumps(as_sarif(found), option=orjson.OPT_INDENT_2))
    elif json_:
        print_json({"clean": not errors(found), "findings": as_values(found)})
    else:
        _show(found)
    sys.exit(1 if errors(found) else 0)


def checked(
    settings: Settings, dpa: Path, tenants: Sequence[str], *, strict: bool, file: Path | None, here: bool
) -> tuple[Found, ...]:
    """What the rules find. Raises CannotRun."""
    seen = look(settings, file, dpa, tenants, here=here)
    return check(cases(settings, dpa, tenants, seen=seen), strict=strict)


def _show(found: Sequence[Found]) -> None:
    for tenant, each_of_it in by_tenant(found).items():
        click.echo(f"{tenant or 'All tenants'}:")
        for each in each_of_it:
            click.echo(f"  {plain(str(each))}")
    counts = {kind: sum(each.severity == kind for each in found) for kind in ("error", "warning")}
    click.echo(", ".join(f"{count} {kind}{'s' * (count != 1)}" for kind, count in counts.items()))
