"""A DPA folder in a temporary place, and the estate of a tenant of a configuration given as text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path

from passerelle.backends.registry import kinds
from passerelle.compliance.build import Built, build
from passerelle.compliance.estate import Estate, survey
from passerelle.compliance.estate_measures import Probe
from passerelle.compliance.facts import Sources
from passerelle.compliance.sources import read_sources
from passerelle.domain.catalog import Catalog
from passerelle.domain.privacy import Retention
from passerelle.routing.everyone import everyone
from passerelle.routing.load import load

ROOT = Path(__file__).parents[3]
DAY = date(2026, 11, 22)
KINDS = {name: kind.options for name, kind in kinds(Path("/nowhere")).items()}
KEPT = (
    Retention("conversations", "conversations", 30 * 86_400.0, "rag.conversations.keep", "rag-forget"),
    Retention("ledger", "amounts", None, "", ""),
    Retention("prompts", "prompts", 0.0, "privacy.log_prompts.keep", "prompts-forget"),
)

PLAIN = """
version: 1
operator: {name: Here, country: FR}
backends:
  gpu: {kind: tgi, url: "http://tgi:80", location: {country: FR, operator: self}}
  hub: {kind: hf-providers, provider: scaleway, token: env:HF_TOKEN}
models:
  assistant: {targets: [{backend: gpu, model: a/b, rank: 1}, {backend: hub, model: a/b, rank: 2}]}
tenants: {demo: {}}
"""


def catalog_of(text: str, environment: Mapping[str, str] | None = None) -> Catalog:
    loaded = load(text, kinds=KINDS, environment=environment or {}, source="providers.yaml")
    assert loaded.catalog is not None, loaded.findings
    return loaded.catalog


@lru_cache(maxsize=1)
def _shipped() -> Sources:
    return read_sources(ROOT / "DPA")


def estate_of(
    text: str = PLAIN,
    *,
    dpa: Path | None = None,
    tenant: str = "demo",
    environment: Mapping[str, str] | None = None,
    probes: Mapping[str, Probe] | None = None,
) -> Estate:
    catalog = catalog_of(text, environment)
    said = catalog.tenants[tenant]
    return survey(
        _shipped() if dpa is None else read_sources(dpa),
        catalog,
        said,
        seen=everyone(catalog, said),
        retention=KEPT,
        probes=probes,
    )


def built(
    estate: Estate, folder: Path, *, on: date = DAY, languages: tuple[str, ...] = ("fr", "en")
) -> Built:
    return build(estate, folder=folder / "generated" / estate.tenant, languages=languages, on=on)
