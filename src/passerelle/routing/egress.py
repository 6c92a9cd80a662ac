"""Every host that a configuration has this service connect to, and what for. Pure; what is not here is not asked.

Pages that documents are fetched from are not here: the guarded fetcher has a rule of its own for each tenant. Nor is
what the environment names: the database, Redis, Qdrant and where traces go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from passerelle.config.base import host_of
from passerelle.domain.catalog import Catalog
from passerelle.wire.ecb import ADDRESS


@dataclass(frozen=True, slots=True)
class Destination:
    """A host as `host:port`, `host` or `*.domain`; "*" where a library alone knows it. `uses` are why."""

    host: str
    uses: tuple[str, ...]


def egress(catalog: Catalog) -> tuple[Destination, ...]:
    """The allow-list, by host."""
    found: dict[str, set[str]] = {}
    for spec in catalog.backends.values():
        hosts = spec.options.reaches() or (frozenset({"*"}) if spec.parties else frozenset())
        for host in hosts:
            found.setdefault(host, set()).add(f"backend {spec.name}")
    for hook in catalog.webhooks:
        found.setdefault(host_of(hook.url), set()).add(f"webhook {hook.name}")
    for tenant in catalog.tenants.values():
        for issuer in tenant.issuers:
            for url in (issuer.url, issuer.jwks):
                if url:
                    found.setdefault(host_of(url), set()).add(f"tokens of {tenant.name}")
    found.setdefault(host_of(ADDRESS), set()).add("exchange rates, when an operator asks for them")
    return tuple(Destination(host, tuple(sorted(uses))) for host, uses in sorted(found.items()))


def as_json(destinations: tuple[Destination, ...]) -> list[dict[str, Any]]:
    """For machines."""
    return [{"host": each.host, "uses": list(each.uses)} for each in destinations]


def as_text(destinations: tuple[Destination, ...]) -> str:
    """For a terminal."""
    return "\n".join(f"{each.host}  {', '.join(each.uses)}" for each in destinations)
