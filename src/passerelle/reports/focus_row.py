"""One row of FOCUS from one group of entries. Pure: exact decimals, no float."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context as Arithmetic
from decimal import Decimal
from typing import Any

from passerelle.domain.ledger import Certainty, EntryKind, Unit
from passerelle.domain.money import NO_CURRENCY, decimal, plain

_EXACT = Arithmetic(prec=60)
_HOUR = 3_600_000  # milliseconds
_SCALE = Decimal(1).scaleb(-24)  # of unit prices and ratios, which need not end

_UNITS = {
    Unit.TOKENS: "Tokens",
    Unit.IMAGES: "Images",
    Unit.SECONDS: "Seconds",
    Unit.REQUESTS: "Requests",
    Unit.MILLISECONDS: "Hours",
}
_CATEGORIES = {
    EntryKind.SETTLE: "Usage",
    EntryKind.ALLOCATE: "Usage",
    EntryKind.CREDIT: "Credit",
    EntryKind.ADJUST: "Adjustment",
    EntryKind.VOID: "Adjustment",
}
# What an operator's account is called as a sub account, and what its rows are.
_OPERATOR_NAMES = {
    "idle": "Idle capacity",
    "retry": "Retries",
    "lost": "Unsettled",
    "reconciliation": "Reconciliation",
}
_METHOD = "tokens-weighted-v1"
_FIGURE = re.compile(r"=\d+$")


@dataclass(frozen=True, slots=True)
class Context:
    """What all rows of an export have in common. `costs`: what was paid may be seen beside what is billed."""

    operator: str
    operator_id: str
    vendors: Mapping[str, str]
    currency: str
    bounds: tuple[datetime, datetime]
    costs: bool


def row_of(group: Any, context: Context) -> dict[str, str]:
    """The columns of a group of entries that are not null."""
    kind = EntryKind(group.kind)
    row = (
        _accounts(group, context)
        | _times(group, kind, context)
        | _service(group, kind, context)
        | _money(group, kind, context)
    )
    if kind is EntryKind.ALLOCATE:
        row |= _allocation(group)
    if group.tags:
        row["Tags"] = json.dumps(group.tags, ensure_ascii=False, sort_keys=True)
    return {name: value for name, value in row.items() if value}


def _accounts(group: Any, context: Context) -> dict[str, str]:
    whose, _, name = group.account.partition(":")
    ours = whose == "operator"
    return {
        "BillingAccountId": context.operator_id,
        "BillingAccountName": context.operator,
        "BillingAccountType": "Operator",
        "InvoiceIssuerName": context.operator,
        "SubAccountId": f"platform-{name}" if ours else name,
        "SubAccountName": _OPERATOR_NAMES.get(name, name) if ours else name,
        "SubAccountType": "Operator" if ours else "Tenant",
    }


def _times(group: Any, kind: EntryKind, context: Context) -> dict[str, str]:
    begins, ends = context.bounds
    corrects = kind in (EntryKind.ADJUST, EntryKind.VOID) or group.hour + timedelta(hours=1) <= begins
    return {
        "BillingPeriodStart": _moment(begins),
        "BillingPeriodEnd": _moment(ends),
        "ChargePeriodStart": _moment(group.hour),
        "ChargePeriodEnd": _moment(group.hour + timedelta(hours=1)),
        "ChargeCategory": _CATEGORIES[kind],
        # Also what was written down after its own month had been closed.
        "ChargeClass": "Correction" if corrects else "",
        "ChargeFrequency": "Usage-Based" if _CATEGORIES[kind] == "Usage" else "One-Time",
    }


def _service(group: Any, kind: EntryKind, context: Context) -> dict[str, str]:
    backend = group.backend or ""
    vendor = context.vendors.get(backend, context.operator)
    host = group.provider or vendor
    if kind is EntryKind.ALLOCATE:
        what = f"Hours of capacity of {backend}"
    elif kind is EntryKind.SETTLE:
        what = f"{group.meter} of {group.model or 'a model that is not known'}"
        what += f" at {host}" if host != context.operator else ""
    else:
        what = {"credit": "Credit", "void": "Entry taken back"}.get(kind.value, "Correction")
    model = group.model is not None and group.model != ""
    return {
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "ServiceName": "Model inference",
        "ServiceProviderName": vendor,
        "HostProviderName": host,
        "ProviderName": vendor,
        "PublisherName": host,
        "ChargeDescription": what,
        "ResourceId": group.model if model else backend,
        "ResourceName": (group.target or "") if model else backend,
        "ResourceType": "Model route" if model else "Backend" if backend else "",
        "RegionId": group.country or "",
        "RegionName": group.country or "",
        "x_Backend": backend,
        "x_Use": group.use or "",
    }


def _money(group: Any, kind: EntryKind, context: Context) -> dict[str, str]:
    billed = decimal(int(group.billed))
    status = "unbilled" if group.unbilled and group.certainty != Certainty.UNPRICED else group.certainty
    row = {name: plain(billed) for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")}
    row |= {
        "BillingCurrency": context.currency,
        "PricingCurrency": context.currency,
        "PricingCurrencyEffectiveCost": plain(billed),
        "x_CostStatus": status,
        "x_Meter": group.meter,
        "x_Quantity": plain(Decimal(group.quantity)),
        "x_Unit": group.unit,
        "x_Tries": str(group.tries),
    }
    exchanged = group.fx_rate is not None and group.currency != context.currency
    if exchanged:
        row |= {
            "PricingCurrency": group.currency,
            "PricingCurrencyEffectiveCost": plain(_priced(billed, group)),
            "x_FxRate": plain(Decimal(group.fx_rate)),
            "x_FxDate": group.fx_date.isoformat() if group.fx_date else "",
        }
    if context.costs:
        row |= {"x_Cost": plain(decimal(int(group.amount))), "x_CostCurrency": _currency(group.currency)}
    if (
        kind in (EntryKind.SETTLE, EntryKind.ALLOCATE)
        and group.price_id
        and group.quantity > 0
        and billed >= 0
    ):
        row |= _quantities(
            group, billed, row["PricingCurrencyEffectiveCost"], open_=context.costs or _at_cost(billed, group)
        )
    return row


def _quantities(group: Any, billed: Decimal, priced: str, *, open_: bool) -> dict[str, str]:
    """What was used, and at what price one of it; `open_` when the price that was paid may be seen."""
    unit = Unit(group.unit)
    quantity = Decimal(group.quantity)
    if unit is Unit.MILLISECONDS:
        quantity = _EXACT.quantize(_EXACT.divide(quantity, Decimal(_HOUR)), _SCALE)
    each = plain(_EXACT.quantize(_EXACT.divide(billed, quantity), _SCALE))
    in_currency = plain(_EXACT.quantize(_EXACT.divide(Decimal(priced), quantity), _SCALE))
    sku, _, _ = group.price_id.partition("@")
    return {
        "SkuId": sku,
        # Its last part is the figure that was paid.
        "SkuPriceId": group.price_id if open_ else _FIGURE.sub("", group.price_id),
        "SkuMeter": "capacity" if group.allocation else group.meter,
        "SkuPriceDetails": json.dumps(
            {"x_Meter": group.meter, "x_Model": group.target or ""}, ensure_ascii=False
        ),
        "PricingCategory": "Standard",
        "PricingQuantity": plain(quantity),
        "PricingUnit": _UNITS[unit],
        "ConsumedQuantity": plain(quantity),
        "ConsumedUnit": _UNITS[unit],
        "ListUnitPrice": each,
        "ContractedUnitPrice": each,
        "PricingCurrencyListUnitPrice": in_currency,
        "PricingCurrencyContractedUnitPrice": in_currency,
    }


def _priced(billed: Decimal, group: Any) -> Decimal:
    """What is billed, in the currency of the price: the cost itself where nothing was added to it."""
    cost, rate = decimal(int(group.amount)), Decimal(group.fx_rate)
    if not rate or _at_cost(billed, group):
        return cost
    return _EXACT.quantize(_EXACT.divide(billed, rate), Decimal(1).scaleb(-12))


def _at_cost(billed: Decimal, group: Any) -> bool:
    """Was nothing added to what was paid?"""
    cost, rate = decimal(int(group.amount)), Decimal(group.fx_rate or 1)
    apart = abs(_EXACT.subtract(_EXACT.multiply(cost, rate), billed))
    return bool(apart <= decimal(int(group.tries)))  # each line was rounded to a pico-unit


def _allocation(group: Any) -> dict[str, str]:
    """Of a share of an hour of capacity: how it was found. The shares of an hour add up to it."""
    whole = Decimal(group.whole or 0)
    ratio = _EXACT.quantize(_EXACT.divide(Decimal(group.amount), whole), _SCALE) if whole else Decimal(0)
    ratio = min(max(ratio, Decimal(0)), Decimal(1))
    # Written by hand: JSON of a `Decimal` would pass through a float.
    element = f'{{"AllocatedRatio": {plain(ratio)}, "UsageUnit": {json.dumps(_UNITS[Unit(group.unit)])}}}'
    return {
        "AllocatedMethodId": _METHOD,
        "AllocatedMethodDetails": f'{{"Elements": [{element}]}}',
        "AllocatedResourceId": group.backend or "",
        "AllocatedResourceName": group.backend or "",
    }


def _currency(code: str) -> str:
    return "" if code == NO_CURRENCY else code


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
