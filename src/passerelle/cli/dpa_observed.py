"""What the running service saw, asked through its control socket, or read from a file that was saved of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from passerelle.cli.dpa_ground import configuration, named, with_dpa
from passerelle.cli.dpa_signed import since
from passerelle.cli.operator import Operator, operating
from passerelle.cli.options import with_settings
from passerelle.cli.paths import print_json
from passerelle.compliance.observed import Observed, read_file, read_observed
from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings
from passerelle.stores.folder import DataFolder, connect_to

with_observed = click.option(
    "--observed",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What was seen, as `dpa observe` told it; without it, the running service is asked.",
)
with_here = click.option(
    "--here", is_flag=True, help="Open the ledger in this process, where no service runs to be asked."
)


@click.command("observe")
@with_dpa
@with_here
@with_settings
def observe_verb(settings: Settings, dpa: Path, here: bool) -> None:
    """Print what the service saw, for `--observed` where it cannot be asked: as in CI.

    Countries, providers and numbers of calls by tenant and month, how old the oldest data of each store is, and the
    heads of the audit log's chains. No content, and nobody's name.
    """
    names = [tenant.name for tenant in named(configuration(settings)[1], ())]
    if not here and not _runs(settings):
        raise CannotRun(f"No service runs on the data folder {settings.data}.", "Start one, or give --here.")
    with operating(settings) as operator:
        print_json(put_together(operator, names, since(dpa, names)))


def look(
    settings: Settings, file: Path | None, dpa: Path, tenants: Iterable[str], *, here: bool
) -> Observed | None:
    """What was seen since they signed; None where nobody is there to be asked. Raises CannotRun."""
    if file is not None:
        return read_file(file)
    if not here and not _runs(settings):
        return None
    names = [tenant.name for tenant in named(configuration(settings)[1], tuple(tenants))]
    with operating(settings) as operator:
        return read_observed(put_together(operator, names, since(dpa, names)))


def put_together(operator: Operator, tenants: Iterable[str], month: str | None) -> dict[str, Any]:
    """Everything that a service tells of what it saw since a month. Raises CannotRun where it has no ledger."""
    query = f"?{urlencode({'since': month})}" if month else ""
    found: dict[str, Any] = operator.order("GET", f"/admin/residency{query}")
    oldest, audit = {}, {}
    for tenant in tenants:
        # A service without these rooms, or one whose stores do not answer, has told nothing about them: a rule that
        # stands on it then says that it was not checked.
        with contextlib.suppress(CannotRun):
            kept = operator.order("GET", f"/v1/privacy/retention?{urlencode({'tenant': tenant})}")
            oldest[tenant] = _oldest(kept["data"])
        with contextlib.suppress(CannotRun):
            audit[tenant] = operator.order("GET", f"/admin/audit/verify?{urlencode({'chain': tenant})}")
    return {**found, "oldest": oldest or None, "audit": audit or None}


def _oldest(kept: Iterable[dict[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in kept:
        if each["oldest"] is not None:
            found[each["store"]] = min(each["oldest"], found.get(each["store"], each["oldest"]))
    return found


def _runs(settings: Settings) -> bool:
    try:
        connect_to(DataFolder(settings.data).control_socket, timeout=5).close()
    except OSError:
        return False
    return True
