"""Names for groups of countries that a policy may use instead of listing them.

EU: the 27 member states. EEA: the EU with Iceland, Liechtenstein and Norway (EEA Agreement, 2 May 1992).
"""

from __future__ import annotations

from collections.abc import Iterable

EU = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HR",
        "HU",
        "IE",
        "IT",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
    ]
)
EEA = EU | {"IS", "LI", "NO"}

REGIONS = {"EU": EU, "EEA": EEA}


def expand(names: Iterable[str]) -> frozenset[str]:
    """Countries meant by a mixed list of ISO 3166-1 codes and region names."""
    countries: set[str] = set()
    for name in names:
        countries |= REGIONS.get(name, frozenset({name}))
    return frozenset(countries)
