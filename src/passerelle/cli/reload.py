"""`passerelle reload`: have the running service read its configuration again now."""

from __future__ import annotations

import sys

import click
import orjson

from passerelle.cli.operator import order
from passerelle.cli.options import as_json, with_settings
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings
from passerelle.stores.folder import DataFolder, connect_to


@click.command()
@as_json
@with_settings
def reload(settings: Settings, json_: bool) -> None:
    """Read the configuration again; a file with errors leaves the one before in force (exit status 1)."""
    try:
        connect_to(DataFolder(settings.data).control_socket, timeout=5).close()
    except OSError as error:
        raise CannotRun(
            f"No service runs on the data folder {settings.data}.", "Start one with `passerelle serve`."
        ) from error
    report = order(settings, "POST", "/admin/reload")
    if json_:
        click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    else:
        for finding in report["findings"]:
            place = f"{finding['file']}:{finding['line']}: " if finding["line"] else ""
            click.echo(
                f"{place}{finding['severity']} {finding['rule']}: {finding['message']} {finding['cure']}".rstrip()
            )
        verdict = "is in force" if report["applied"] else "is refused; still in force is"
        click.echo(f"{settings.config} {verdict} version {report['version']}.")
    sys.exit(0 if report["applied"] else 1)
