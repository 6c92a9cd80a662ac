"""Names for groups of countries that a policy may use instead of listing them.

EU: the 27 member states. EEA: the EU with Iceland, Liechtenstein and Norway. ADEQUATE: countries whose law the
European Commission has found to suffice.
"""

from __future__ import annotations

from collections.abc import Iterable

from passerelle.config.countries import ADEQUATE, EEA, EU, GROUPS

__all__ = ["ADEQUATE", "EEA", "EU", "REGIONS", "expand"]

REGIONS = GROUPS


def expand(names: Iterable[str]) -> frozenset[str]:
    """Countries meant by a mixed list of ISO 3166-1 codes and region names."""
    countries: set[str] = set()
    for name in names:
        countries |= REGIONS.get(name, frozenset({name}))
    return frozenset(countries)
