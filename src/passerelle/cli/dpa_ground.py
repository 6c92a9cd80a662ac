"""What every verb of `passerelle dpa` stands on: the configuration, the sources, and the estate of a tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from passerelle.compliance.estate import Estate, survey
from passerelle.compliance.estate_measures import Probe
from passerelle.compliance.facts import Sources
from passerelle.compliance.sources import read_sources
from passerelle.configured import load_file
from passerelle.domain.catalog import Catalog, Tenant
from passerelle.domain.errors import CannotRun, ConfigurationRefused
from passerelle.domain.privacy import Retention
from passerelle.policy.seen import Seen
from passerelle.rights.retained import retention_of
from passerelle.routing.everyone import everyone
from passerelle.routing.live import read_text
from passerelle.routing.load import Loaded
from passerelle.settings import Settings

with_dpa = click.option(
    "--dpa",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("DPA"),
    show_default=True,
    help="The folder of sources and documents.",
)


@dataclass(frozen=True, slots=True)
class Ground:
    """One tenant as its documents are made from it. `loaded`: whether the configuration may run at all."""

    loaded: Loaded
    catalog: Catalog
    sources: Sources
    tenant: Tenant
    seen: tuple[Seen, ...]
    retention: tuple[Retention, ...]
    probes: Mapping[str, Probe]
    estate: Estate


def ground(
    settings: Settings, dpa: Path, tenant: str, *, probes: Mapping[str, Probe] | None = None
) -> Ground:
    """The ground of one tenant; of a configuration that policies refuse too. Raises CannotRun."""
    loaded, catalog = configuration(settings)
    return ground_of(loaded, catalog, read_sources(dpa), tenant, probes=probes)


def ground_of(
    loaded: Loaded,
    catalog: Catalog,
    sources: Sources,
    tenant: str,
    *,
    probes: Mapping[str, Probe] | None = None,
) -> Ground:
    """The same, where files were read already."""
    said = named(catalog, (tenant,))[0]
    seen, retention, looked = everyone(catalog, said), retention_of(said), probes or {}
    estate = survey(sources, catalog, said, seen=seen, retention=retention, probes=looked)
    return Ground(loaded, catalog, sources, said, seen, retention, looked, estate)


def configuration(settings: Settings) -> tuple[Loaded, Catalog]:
    """The configured file, also where only its policies refuse it. Raises ConfigurationRefused or CannotRun."""
    loaded = load_file(settings, read_text(settings.config))
    catalog = loaded.catalog or loaded.draft
    if catalog is None:
        raise ConfigurationRefused(loaded.errors)
    return loaded, catalog


def named(catalog: Catalog, names: Sequence[str]) -> tuple[Tenant, ...]:
    """Tenants by name; all of them where none is named. Raises CannotRun for one that is not there."""
    for name in names:
        if name not in catalog.tenants:
            known = ", ".join(sorted(catalog.tenants)[:20])
            raise CannotRun(f"There is no tenant {name[:100]!r}.", f"Those of {catalog.source} are: {known}.")
    return tuple(catalog.tenants[name] for name in (names or sorted(catalog.tenants)))
