"""The cases that rules are asked about: each tenant's estate, its documents rebuilt in memory, and what is on file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson

from passerelle.backends.provider_parties import PARTIES
from passerelle.cli.dpa_ground import Ground, configuration, ground_of, named
from passerelle.compliance.build import build
from passerelle.compliance.check_case import Case, Edit
from passerelle.compliance.check_edits import MANIFEST, edits
from passerelle.compliance.estate_annex import annex_of
from passerelle.compliance.estate_measures import MEASURES
from passerelle.compliance.observed import Observed
from passerelle.compliance.registers import notices
from passerelle.compliance.signed import Annex, last, read_annex, signatures
from passerelle.compliance.sources import read_sources
from passerelle.domain.errors import CannotRun, Finding
from passerelle.routing.live import read_text
from passerelle.routing.source import Source, read_source
from passerelle.settings import Settings

_DOCUMENTS = (".md",)


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in a tenant's generated folder; `manifest` None: nothing was built."""

    files: Mapping[str, str]
    manifest: Mapping[str, Any] | None


def cases(
    settings: Settings, dpa: Path, tenants: Sequence[str] = (), *, seen: Observed | None = None
) -> Iterator[Case]:
    """Those of the tenants that are named, or of all. Raises CannotRun where files are not usable."""
    loaded, catalog = configuration(settings)
    sources, lines, at = read_sources(dpa), lines_of(settings), datetime.now(UTC)
    for tenant in named(catalog, tenants):
        stood_on = ground_of(loaded, catalog, sources, tenant.name)
        yield _case(stood_on, dpa, lines=lines, seen=seen, at=at)


def case_of(settings: Settings, dpa: Path, tenant: str, *, seen: Observed | None = None) -> Case:
    """One tenant's. Raises CannotRun."""
    return next(cases(settings, dpa, (tenant,), seen=seen))


def _case(stood_on: Ground, dpa: Path, *, lines: Source | None, seen: Observed | None, at: datetime) -> Case:
    name = stood_on.tenant.name
    standing = standing_of(dpa, name)
    return Case(
        catalog=stood_on.catalog,
        tenant=stood_on.tenant,
        seen=stood_on.seen,
        sources=stood_on.sources,
        today=at.date(),
        now=at,
        annex=read_annex(annex_of(stood_on.estate)),
        retention=stood_on.retention,
        printed=_printed(standing),
        documents={
            f"generated/{name}/{path}": text
            for path, text in standing.files.items()
            if path.endswith(_DOCUMENTS)
        },
        edits=edits_of(stood_on, dpa, standing, on=at.date()) if standing.manifest is not None else (),
        signed=last(signatures(dpa, name), today=at.date()),
        notices=notices(dpa),
        observed=seen,
        probes=_probes(stood_on),
        partners=frozenset(PARTIES),
        lines=lines,
        folder=str(dpa),
    )


def edits_of(stood_on: Ground, dpa: Path, standing: Standing, *, on: date) -> tuple[Edit, ...]:
    """What a rebuild would change."""
    tenant = stood_on.tenant.name
    built = build(
        stood_on.estate,
        folder=dpa / "generated" / tenant,
        languages=stood_on.estate.client.languages,
        on=on,
    )
    digests = (standing.manifest or {}).get("files") or {}
    return edits(built.files, standing.files, digests, below=f"generated/{tenant}")


def standing_of(dpa: Path, tenant: str) -> Standing:
    """The generated folder as it is. Raises CannotRun where it cannot be read."""
    folder = dpa / "generated" / tenant
    files: dict[str, str] = {}
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if not file.is_file() or file.name.startswith("."):
            continue
        try:
            files[file.relative_to(folder).as_posix()] = file.read_bytes().decode()  # line ends as they are
        except (OSError, UnicodeDecodeError) as error:
            raise CannotRun(
                f"{file} cannot be read as text.", "Remove it, or run `passerelle dpa build`."
            ) from error
    if MANIFEST not in files:
        return Standing(files, None)
    try:
        manifest = orjson.loads(files[MANIFEST])
    except ValueError:
        manifest = {}
    return Standing(files, manifest if isinstance(manifest, dict) else {})


def lines_of(settings: Settings) -> Source | None:
    """Where each word of the configuration stands."""
    read = read_source(read_text(settings.config), file=str(settings.config))
    return None if isinstance(read, Finding) else read


def _printed(standing: Standing) -> Annex | None:
    if standing.manifest is None:
        return None
    annex = standing.manifest.get("annex")
    return read_annex(annex if isinstance(annex, dict) else {})


def _probes(stood_on: Ground) -> dict[str, bool | None]:
    """Whether each measure is on: by what was looked at, else by the configuration."""
    found: dict[str, bool | None] = {}
    for measure in MEASURES:
        probe = stood_on.probes.get(measure.id)
        here = measure.here(stood_on.tenant, stood_on.catalog)
        found[measure.id] = here if here is False or probe is None or probe.on is None else probe.on
    return found
