"""The reports' own JSON beside the figures of the plain recomputation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import orjson

from tools.demo_costs.again import Month, Sums

_DIMENSIONS = ("model", "token_kind", "backend", "provider", "key", "tenant")


def differences(again: Month, written: Mapping[tuple[str | None, str], bytes], month: str) -> list[str]:
    """Every figure that is not the same, as a sentence; amounts are compared exactly."""
    found: list[str] = []
    for tenant, sums in again.sums.items():
        report = orjson.loads(written[tenant, month])
        wanted, given = dict(_again(sums, tenant)), dict(_given(report, tenant))
        for backend, hours in again.capacity.items():
            mine = sum(hours.by_tenant.values()) if tenant is None else hours.by_tenant[tenant]
            if tenant is None or mine:
                wanted |= {f"capacity {backend} cost": hours.cost, f"capacity {backend} idle": hours.idle,
                           f"capacity {backend} share": mine}  # fmt: skip
        found += [
            f"{month}, {tenant or 'the operator'}, {name}: the report says {given.get(name)}, again it is {wanted.get(name)}"
            for name in sorted(wanted.keys() | given.keys())
            if wanted.get(name) != given.get(name)
        ]
    return found


def lines(again: Month, written: Mapping[tuple[str | None, str], bytes], month: str) -> Iterator[str]:
    """A short table for people."""
    yield f"{month:<20} {'requests':>9} {'tokens':>12} {'reported EUR':>20} {'again EUR':>20}"
    for tenant, sums in again.sums.items():
        report = orjson.loads(written[tenant, month])
        tokens = report["tokens"]["input"] + report["tokens"]["output"]
        amount = Decimal(sums.billed).scaleb(-12)
        name = tenant or "all"
        yield f"{name:<20} {sums.requests:>9} {tokens:>12} {report['total']['amount']:>20} {amount.normalize():>20f}"


def _again(sums: Sums, tenant: str | None) -> Iterator[tuple[str, int]]:
    names = (
        "requests",
        "tries",
        "failed",
        "hits",
        "unpriced",
        "read",
        "written",
        "billed",
        "cost",
        "retries",
        "saved",
    )
    for name in names:
        yield name, getattr(sums, name)
    for dimension in _DIMENSIONS:
        if dimension == "tenant" and tenant is not None:
            continue
        for name, amount in sums.by[dimension].items():
            if amount:
                yield f"by {dimension} {name!r}", amount
    for name, amount in sums.by["tag"].items():
        if amount and tenant is not None and sums.tags:
            yield f"tag {name!r}", amount
    for kind, quantity in sums.quantities.items():
        if quantity:
            yield f"quantity {kind}", quantity


def _given(report: dict[str, Any], tenant: str | None) -> Iterator[tuple[str, int]]:
    requests, tokens = report["requests"], report["tokens"]
    yield "requests", requests["answered"]
    yield "tries", requests["tries"]
    yield "failed", requests["failed_tries"]
    yield "hits", requests["cache_hits"]
    yield "unpriced", requests["unpriced"]
    yield "read", tokens["input"]
    yield "written", tokens["output"]
    yield "billed", _pico(report["total"]["amount"])
    yield "cost", _pico(report["total"]["cost"])
    yield "retries", _pico(report["retries_borne_by_operator"])
    yield "saved", _pico(report["saved_by_cache"])
    for dimension in _DIMENSIONS:
        for part in report["by"].get(dimension, ()):
            if _pico(part["amount"]):
                yield f"by {dimension} {part['name']!r}", _pico(part["amount"])
    for parts in report["tags"].values() if tenant is not None else ():
        for part in parts:
            if _pico(part["amount"]):
                yield f"tag {part['name']!r}", _pico(part["amount"])
    for part in report["by"]["token_kind"]:
        if part["quantity"]:
            yield f"quantity {part['name']}", part["quantity"]
    for hours in report["capacity"]:
        for name in ("cost", "idle", "share"):
            yield f"capacity {hours['backend']} {name}", _pico(hours[name])


def _pico(amount: str) -> int:
    """Exactly, or it is no amount of pico-units."""
    scaled = Decimal(amount).scaleb(12)
    if scaled != int(scaled):
        raise ValueError(f"{amount} has too many decimals")
    return int(scaled)
