"""A report as JSON, `passerelle.costs/1`: every amount is an exact decimal string in the report's currency.

Within one version, fields may be added and none changes its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from passerelle.domain.money import exact, plain
from passerelle.reports.build_amounts import (
    billed_total,
    per_million_tokens,
    per_thousand_requests,
    places,
    rounded_slices,
    share,
)
from passerelle.reports.document import (
    SCHEMA,
    BudgetLine,
    Elsewhere,
    Energy,
    Forecast,
    Hours,
    PriceUsed,
    Report,
    Slice,
)

_MEMBERS = {"meter": "token_kind"}  # what a dimension is called in the document, where it is another word


def to_json(report: Report) -> dict[str, Any]:
    """The document, of JSON's types alone."""
    return {**_about(report), **_sums(report), **_parts(report)}


def _about(report: Report) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "tenant": report.tenant,
        "operator": report.operator,
        "month": report.month,
        "time_zone": report.time_zone,
        "currency": report.currency,
        "begins": _moment(report.begins),
        "ends": _moment(report.ends),
        "written_at": _moment(report.written_at),
        "closed": report.closed,
        "warnings": list(report.warnings),
    }


def _sums(report: Report) -> dict[str, Any]:
    totals = report.totals
    return {
        "total": {
            "amount": exact(totals.billed),
            "billed": str(billed_total(report)),
            "cost": exact(totals.cost),
        },
        "tax": None
        if report.tax is None
        else {
            "name": report.tax.name,
            "percent": plain(report.tax.percent),
            "amount": str(report.tax.amount),
        },
        "requests": {
            "answered": totals.requests,
            "tries": totals.tries,
            "failed_tries": totals.failed_tries,
            "cache_hits": totals.cache_hits,
            "unpriced": totals.unpriced_requests,
        },
        "tokens": {"input": totals.input_tokens, "output": totals.output_tokens},
        "unit_costs": {
            "per_1000_requests": _optional(per_thousand_requests(report)),
            "per_million_tokens": _optional(per_million_tokens(report)),
        },
        "retries_borne_by_operator": exact(totals.retries),
        "saved_by_cache": exact(totals.saved),
        "cache_cost": exact(totals.cache_cost),
        "saved_net": exact(totals.saved_net),
        "corrections": exact(report.corrections),
        "shares": {
            "estimated": plain(share(totals.estimated, totals.billed)),
            "unpriced": plain(share(totals.unpriced_requests, totals.requests)),
        },
        "forecast": _forecast(report.forecast),
        "budget": [_budget(line) for line in report.budget],
    }


def _parts(report: Report) -> dict[str, Any]:
    return {
        "by": _by(report),
        "tags": {name.removeprefix("tag:"): _slices(report, parts) for name, parts in _tags(report.by)},
        "days": [
            {"day": each.day.isoformat(), "requests": each.requests, "billed": exact(each.billed)}
            for each in report.days
        ],
        "capacity": [_hours(each) for each in report.hours],
        "elsewhere": [_elsewhere(each) for each in report.elsewhere],
        "break_even": [
            {
                "model": each.model,
                "hourly": each.hourly,
                "tokens": each.tokens,
                "tokens_per_second": plain(each.tokens_per_second),
                "actual_tokens_per_second": plain(each.actual_tokens_per_second),
            }
            for each in report.break_even
        ],
        "energy": _energy(report.energy),
        "prices": [_price(each) for each in report.prices],
        "reconciled": list(report.reconciled),
    }  # fmt: skip


def _by(report: Report) -> dict[str, list[dict[str, Any]]]:
    return {
        _MEMBERS.get(name, name): _slices(report, parts)
        for name, parts in report.by.items()
        if not name.startswith("tag:")
    }


def _tags(by: Mapping[str, Sequence[Slice]]) -> list[tuple[str, Sequence[Slice]]]:
    return [(name, parts) for name, parts in by.items() if name.startswith("tag:")]


def _slices(report: Report, parts: Sequence[Slice]) -> list[dict[str, Any]]:
    """`billed` of all of them adds up to the rounded total, `amount` to the exact one."""
    rounded = rounded_slices(parts, report.totals.billed, places(report.currency))
    return [
        {
            "name": part.name,
            "requests": part.requests,
            "input_tokens": part.input_tokens,
            "output_tokens": part.output_tokens,
            "quantity": part.quantity,
            "unit": part.unit,
            "cost": exact(part.cost),
            "amount": exact(part.billed),
            "billed": str(billed),
        }
        for part, billed in zip(parts, rounded, strict=True)
    ]


def _forecast(said: Forecast | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return {
        "method": said.method,
        "p10": exact(said.p10),
        "p50": exact(said.p50),
        "p90": exact(said.p90),
        "days_of_data": said.days,
        "confident": said.confident,
    }


def _budget(line: BudgetLine) -> dict[str, Any]:
    return {
        "name": line.name,
        "amount": exact(line.amount),
        "spent": exact(line.spent),
        "left": exact(line.amount - line.spent),
        "used": plain(share(line.spent, line.amount)),
        "on_exceed": line.on_exceed,
    }


def _hours(each: Hours) -> dict[str, Any]:
    return {
        "backend": each.backend,
        "hours": plain(each.hours),
        "cost": exact(each.cost),
        "used": exact(each.used),
        "idle": exact(each.idle),
        "idle_borne_by": each.idle_borne_by,
        "share": exact(each.share),
        "utilisation": plain(each.utilisation),
        "weights": dict(each.weights),
    }


def _elsewhere(each: Elsewhere) -> dict[str, Any]:
    return {
        "model": each.model,
        "backend": each.backend,
        "target": each.target,
        "kind": each.kind,
        "provider": each.provider,
        "country": each.country,
        "here": each.here,
        "price": each.price,
        "cost": None if each.cost is None else exact(each.cost),
        "first_token_ms": each.first_token_ms,
        "listed_first_token_ms": each.listed_first_token_ms,
        "why_not": each.why_not,
    }


def _energy(said: Energy | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return {
        "method": said.method,
        "watt_hours": [plain(each) for each in said.watt_hours],
        "grams_co2e": [plain(each) for each in said.grams_co2e],
        "covered": plain(said.covered),
        "note": said.note,
    }


def _price(each: PriceUsed) -> dict[str, Any]:
    return {
        "price_id": each.price_id,
        "currency": each.currency,
        "fx_rate": each.fx_rate,
        "fx_date": None if each.fx_date is None else each.fx_date.isoformat(),
        "quantity": each.quantity,
        "amount": exact(each.amount),
    }


def _optional(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
