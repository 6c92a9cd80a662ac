"""Energy and emissions of a month: measured where the operator knows its machine's watts, else modelled.

Modelled is the method of EcoLogits (https://ecologits.ai; the package `ecologits`, an extra): the energy of
a token grows with the model's active parameters, on 80 GB accelerators at a batch of 64. Prompts are not in it, nor is
training. Measured is `watts * PUE * hours`, of the share of capacity that the tenant bears.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import CannotRun
from passerelle.domain.ledger import EntryKind, Unit
from passerelle.ledger.allocation_lines import MARGIN
from passerelle.ledger.usage import OUTPUT_KINDS
from passerelle.reports.build_capacity import is_payee
from passerelle.reports.build_slices import from_cache
from passerelle.reports.document import Energy
from passerelle.reports.rows import Rows

_SIZE = re.compile(r"(?<![A-Za-z0-9])(?:(\d+)x)?(\d+(?:\.\d+)?)[Bb](?![A-Za-z0-9])")
_ACTIVE = re.compile(r"(?<![A-Za-z0-9])[Aa](\d+(?:\.\d+)?)[Bb](?![A-Za-z0-9])")
_OUTPUT = frozenset(kind.value for kind in OUTPUT_KINDS)
_PUE = 1.2  # of a data centre of which nothing is known (Uptime Institute's survey is higher, large clouds are lower)
_WUE = 0.0
_MILLISECONDS_AN_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Footprint:
    """Least and most: watt-hours, and grams of CO2 equivalent."""

    watt_hours: tuple[Decimal, Decimal]
    grams: tuple[Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class Model:
    """The footprint of tokens, and what a kilowatt-hour emits, as a library knows them. Country codes are ISO alpha-2."""

    tokens: Callable[[float, float, int, str | None], Footprint]  # active and total billions, output tokens
    grams_per_kwh: Callable[[str | None], Decimal]


def parameters(model: str) -> tuple[float, float] | None:
    """Active and total parameters in billions, as a model's name says them: `30B-A3B`, `8x7B`, `7B`; None: it does not.

    Of a mixture that does not say how much of it is active, two experts are (Mixtral's way).
    """
    found = _SIZE.search(model)
    if not found:
        return None
    size = float(found[2])
    experts = int(found[1]) if found[1] else 1
    total = size * experts
    active = _ACTIVE.search(model)
    if active:
        return float(active[1]), total
    return (size * min(experts, 2), total)


def energy(rows: Rows, *, tenant: str | None, catalog: Catalog, model: Model | None) -> Energy | None:
    """What the month's answers drew. None where nothing can be said; `model` None = the extra is not installed."""
    tokens: Counter[tuple[str, str, str]] = Counter()
    for group in rows.groups:
        mine = tenant is None or group.tenant == tenant
        settled = group.kind == EntryKind.SETTLE and group.unit == Unit.TOKENS and group.meter in _OUTPUT
        if mine and settled and group.side == "tenant" and group.served and not from_cache(group):
            tokens[group.backend, group.target, group.country] += group.quantity
    whole = sum(tokens.values())
    if not whole:
        return None
    measured = _measured(rows, tenant=tenant, catalog=catalog, model=model)
    modelled, covered = _modelled(tokens, without=frozenset(measured), model=model)
    covered += sum(count for (backend, _, _), count in tokens.items() if backend in measured)
    parts = [*measured.values(), *modelled]
    if not parts:
        return None
    return Energy(
        method="measured" if not modelled else "modelled" if not measured else "mixed",
        watt_hours=_sum([part.watt_hours for part in parts]),
        grams_co2e=_sum([part.grams for part in parts]),
        covered=(Decimal(covered) / whole).quantize(Decimal("0.0001")),
        note="energy.measured" if not modelled else "energy.modelled",
    )


def _sum(ranges: list[tuple[Decimal, Decimal]]) -> tuple[Decimal, Decimal]:
    least = sum((low for low, _ in ranges), Decimal(0))
    most = sum((high for _, high in ranges), Decimal(0))
    return least.quantize(Decimal("0.0001")), most.quantize(Decimal("0.0001"))


def _measured(
    rows: Rows, *, tenant: str | None, catalog: Catalog, model: Model | None
) -> Mapping[str, Footprint]:
    """Backends whose machine's watts are known: the hours that the tenant has a share of, or all of them."""
    found: dict[str, Footprint] = {}
    for part in rows.capacity:
        spec = catalog.backends.get(part.backend)
        mine = part.account == f"tenant:{tenant}" if tenant else _bears(part.account)
        if spec is None or spec.power is None or not mine:
            continue
        hours = Decimal(part.milliseconds) / _MILLISECONDS_AN_HOUR
        drawn = spec.power.watts * spec.power.pue * hours
        grams = drawn / 1000 * model.grams_per_kwh(spec.location.country) if model else Decimal(0)
        before = found.get(part.backend, Footprint((Decimal(0),) * 2, (Decimal(0),) * 2))
        found[part.backend] = Footprint(
            (before.watt_hours[0] + drawn, before.watt_hours[1] + drawn),
            (before.grams[0] + grams, before.grams[1] + grams),
        )
    return found


def _bears(account: str) -> bool:
    """Does somebody bear hours here? The operator's machine draws power while it stands idle too."""
    return not is_payee(account) and account != MARGIN


def _modelled(
    tokens: Mapping[tuple[str, str, str], int], *, without: frozenset[str], model: Model | None
) -> tuple[list[Footprint], int]:
    found: list[Footprint] = []
    covered = 0
    for (backend, target, country), count in tokens.items():
        size = parameters(target)
        if backend in without or size is None or model is None:
            continue
        found.append(model.tokens(*size, count, country or None))
        covered += count
    return found, covered


def ecologits() -> Model:
    """EcoLogits' pure functions. Imports them, some 0.5 s. Raises CannotRun where the extra is not installed."""
    try:
        from ecologits.electricity_mix_repository import electricity_mixes  # noqa: PLC0415 - an extra, and slow
        from ecologits.impacts.llm import compute_llm_impacts  # noqa: PLC0415
    except ImportError as error:
        raise CannotRun(
            "Energy is not estimated without EcoLogits.", "Install passerelle[energy]."
        ) from error

    def mix(country: str | None) -> object:
        found = electricity_mixes.find_electricity_mix(_ALPHA3.get(country or "", "WOR"))
        return found or electricity_mixes.find_electricity_mix("WOR")

    def tokens(active: float, total: float, count: int, country: str | None) -> Footprint:
        drawn = mix(country)
        impacts = compute_llm_impacts(
            model_active_parameter_count=active,
            model_total_parameter_count=total,
            output_token_count=float(count),
            if_electricity_mix_adpe=drawn.adpe,  # type: ignore[attr-defined]
            if_electricity_mix_pe=drawn.pe,  # type: ignore[attr-defined]
            if_electricity_mix_gwp=drawn.gwp,  # type: ignore[attr-defined]
            if_electricity_mix_wue=drawn.wue,  # type: ignore[attr-defined]
            datacenter_pue=_PUE,
            datacenter_wue=_WUE,
        )
        return Footprint(_range(impacts.energy.value), _range(impacts.gwp.value))

    def grams(country: str | None) -> Decimal:
        return Decimal(str(mix(country).gwp)) * 1000  # type: ignore[attr-defined]

    return Model(tokens, grams)


def _range(value: object) -> tuple[Decimal, Decimal]:
    """Kilo to units; a single value is its own range."""
    low, high = getattr(value, "min", value), getattr(value, "max", value)
    return Decimal(str(low)) * 1000, Decimal(str(high)) * 1000


# ISO 3166-1 alpha-2 to alpha-3, of the countries that engines are known to stand in.
_ALPHA3 = {
    "AT": "AUT", "BE": "BEL", "CA": "CAN", "CH": "CHE", "CZ": "CZE", "DE": "DEU", "DK": "DNK", "ES": "ESP",
    "FI": "FIN", "FR": "FRA", "GB": "GBR", "IE": "IRL", "IN": "IND", "IS": "ISL", "IT": "ITA", "JP": "JPN",
    "LU": "LUX", "NL": "NLD", "NO": "NOR", "PL": "POL", "PT": "PRT", "RO": "ROU", "SE": "SWE", "SG": "SGP", "US": "USA",
}  # fmt: skip
