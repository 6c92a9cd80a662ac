"""The JSON Schema of `passerelle.costs/1`, for whoever reads reports with a program."""

from __future__ import annotations

from typing import Any

from passerelle.reports.document import DIMENSIONS, SCHEMA

_DECIMAL: dict[str, Any] = {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}
_TEXT: dict[str, Any] = {"type": "string"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_WHOLE: dict[str, Any] = {"type": "integer"}
_YES: dict[str, Any] = {"type": "boolean"}
_MOMENT: dict[str, Any] = {"type": "string", "format": "date-time"}
_DAY: dict[str, Any] = {"type": "string", "format": "date"}
_SLICES: dict[str, Any] = {"type": "array", "items": {"$ref": "#/$defs/slice"}}


def schema() -> dict[str, Any]:
    """What every document of this version keeps to. Fields that are not named here may come with later programs."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{SCHEMA.replace('/', ':')}",
        "title": "A month's cost report",
        "description": "Amounts are exact decimals in the report's currency; `billed` beside `amount` is rounded.",
        **_object(_document()),
        "$defs": {"slice": _slice()},
    }


def _document() -> dict[str, Any]:
    return {
        "schema": {"const": SCHEMA},
        "tenant": _or_null(_TEXT),
        "operator": _TEXT,
        "month": {"type": "string", "pattern": r"^\d{4}-(0[1-9]|1[0-2])$"},
        "time_zone": _TEXT,
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "begins": _MOMENT,
        "ends": _MOMENT,
        "written_at": _MOMENT,
        "closed": _YES,
        "warnings": _list(_TEXT),
        "total": _object({"amount": _DECIMAL, "billed": _DECIMAL, "cost": _DECIMAL}),
        "tax": _or_null(_object({"name": _TEXT, "percent": _DECIMAL, "amount": _DECIMAL})),
        "requests": _object(
            dict.fromkeys(("answered", "tries", "failed_tries", "cache_hits", "unpriced"), _COUNT)
        ),
        "tokens": _object({"input": _WHOLE, "output": _WHOLE}),
        "unit_costs": _object(
            {"per_1000_requests": _or_null(_DECIMAL), "per_million_tokens": _or_null(_DECIMAL)}
        ),
        "retries_borne_by_operator": _DECIMAL,
        **dict.fromkeys(("saved_by_cache", "cache_cost", "saved_net"), _DECIMAL),
        "corrections": _DECIMAL,
        "shares": _object({"estimated": _DECIMAL, "unpriced": _DECIMAL}),
        "forecast": _or_null(_forecast()),
        "budget": _list(
            _object(
                {"name": _TEXT, "amount": _DECIMAL, "spent": _DECIMAL, "left": _DECIMAL, "used": _DECIMAL,
                 "on_exceed": {"enum": ["block", "notify"]}}
            )
        ),
        "by": _object({"token_kind" if name == "meter" else name: _SLICES for name in DIMENSIONS}),
        "tags": {"type": "object", "additionalProperties": _SLICES},
        "days": _list(_object({"day": _DAY, "requests": _COUNT, "billed": _DECIMAL})),
        "capacity": _list(_capacity()),
        "elsewhere": _list(_elsewhere()),
        "break_even": _list(
            _object(
                {"model": _TEXT, "hourly": _TEXT, "tokens": _TEXT, "tokens_per_second": _DECIMAL, "actual_tokens_per_second": _DECIMAL}
            )
        ),
        "energy": _or_null(_energy()),
        "prices": _list(_price()),
        "reconciled": _list(_TEXT),
    }  # fmt: skip


def _slice() -> dict[str, Any]:
    counts = dict.fromkeys(("requests", "input_tokens", "output_tokens", "quantity"), _WHOLE)
    amounts = dict.fromkeys(("cost", "amount", "billed"), _DECIMAL)
    return _object({"name": _TEXT, **counts, "unit": _TEXT, **amounts})


def _forecast() -> dict[str, Any]:
    amounts = dict.fromkeys(("p10", "p50", "p90"), _DECIMAL)
    return _object({"method": _TEXT, **amounts, "days_of_data": _COUNT, "confident": _YES})


def _capacity() -> dict[str, Any]:
    amounts = dict.fromkeys(("hours", "cost", "used", "idle", "share", "utilisation"), _DECIMAL)
    weights = {"type": "object", "additionalProperties": _TEXT}
    return _object({"backend": _TEXT, **amounts, "idle_borne_by": _TEXT, "weights": weights})


def _elsewhere() -> dict[str, Any]:
    texts = dict.fromkeys(("model", "backend", "target", "kind", "price"), _TEXT)
    optional = dict.fromkeys(("provider", "country", "why_not"), _or_null(_TEXT))
    times = dict.fromkeys(("first_token_ms", "listed_first_token_ms"), _or_null(_COUNT))
    return _object({**texts, **optional, **times, "here": _YES, "cost": _or_null(_DECIMAL)})


def _energy() -> dict[str, Any]:
    span = {"type": "array", "items": _DECIMAL, "minItems": 2, "maxItems": 2}
    named = {"method": {"enum": ["measured", "modelled", "mixed"]}, "note": _TEXT, "covered": _DECIMAL}
    return _object({**named, "watt_hours": span, "grams_co2e": span})


def _price() -> dict[str, Any]:
    named = {"price_id": _TEXT, "currency": _TEXT, "fx_rate": _or_null(_DECIMAL), "fx_date": _or_null(_DAY)}
    return _object({**named, "quantity": _WHOLE, "amount": _DECIMAL})


def _object(fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _or_null(kind: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [kind, {"type": "null"}]}
