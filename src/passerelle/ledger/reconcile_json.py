"""A provider's usage as JSON, of which the names are known and the shape is not: Hugging Face's, and what is like it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from passerelle.domain.calendar import Month
from passerelle.domain.errors import CannotRun
from passerelle.ledger.reconcile_lines import Charge, check_month, figure, whole_pico

_DEEPEST = 12  # levels of JSON
# `cost`, `totalCost`, `amountUsd`, `costNanoUsd`, `total_cost_micro_usd`, `totalCents`, ...
_AMOUNT = re.compile(r"(?:total_?)?(?:cost|amount|charge)?_?(nano_?usd|micro_?usd|cents|usd)?")
_SCALES = {"nanousd": -9, "microusd": -6, "cents": -2, "usd": 0, "": 0}
_FIELDS = {
    "product": frozenset({"product", "product_name", "product_type", "service", "provider", "provider_name"}),
    "description": frozenset({"description", "label"}),
    "model": frozenset({"model", "model_id"}),
    "group": frozenset({"resource_group", "resource_group_name", "group", "group_name"}),
    "unit": frozenset({"unit"}),
    "currency": frozenset({"currency"}),
}
_PERIODS = {
    "month": frozenset({"month", "period"}),
    "begins": frozenset({"period_start", "start_date", "start", "begins_at"}),
    "ends": frozenset({"period_end", "end_date", "end", "ends_at"}),
}
_BOXES = frozenset(
    {"usage", "usages", "data", "items", "lines", "products", "details", "results", "breakdown"}
)
_GROUP_BOXES = frozenset({"resource_groups", "groups", "usage_by_resource_group"})


def from_json(text: str, *, month: Month, source: str, currency: str | None, asked: bool) -> list[Charge]:
    """The charges of a month. Raises CannotRun for what is not whole, of another month, or not understood."""
    try:
        document = json.loads(text, parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        said = "nested too deeply" if isinstance(error, RecursionError) else str(error).partition(": line")[0]
        raise CannotRun(f"{source} is not whole JSON: {said}.", "Download it again.") from None
    walk = _Walk(source, month)
    charges = walk.charges(document, Charge(0, currency or ""), 0)
    if charges is None:
        raise CannotRun(
            f"{source} holds no amount that is understood.",
            "Costs stand under names such as costUsd, totalCostMicroUsd or costNanoUsd; or give a CSV.",
        )
    if not (walk.dated or asked):
        raise CannotRun(f"{source} does not say its month.", f'Add "period": "{month}" at its top.')
    return charges


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return dict(pairs)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[\s-]+", "_", name).lower()


class _Walk:
    """Finds charges in a document of which the names are known and the shape is not.

    An object with an amount is a charge; where objects inside it have amounts too, those are the charges, and its own
    must be their sum. What an object says of itself holds for what is inside it.
    """

    def __init__(self, source: str, month: Month) -> None:
        self._source = source
        self._month = month
        self.dated = False

    def charges(self, node: Any, known: Charge, depth: int) -> list[Charge] | None:
        """The charges in a part of the document; None where it holds no amount."""
        if depth > _DEEPEST:
            raise CannotRun(f"{self._source} is nested too deeply.", "Give a CSV.")
        if isinstance(node, list):
            parts = [self.charges(each, known, depth + 1) for each in node]
            return _joined(parts)
        if not isinstance(node, dict):
            return None
        known = self._told(node, known)
        inside = _joined(
            [
                self.charges(value, self._named(name, known), depth + 1)
                for name, value in node.items()
                if isinstance(value, (dict, list)) and _snake(name) not in _FIELDS["group"]
            ]
        )
        own = self._own(node, known)
        if own is None:
            return inside
        if inside is None:
            return [own]
        if sum(each.amount for each in inside) != own.amount:
            raise CannotRun(
                f"The parts of a sum in {self._source} do not add up to it.",
                "Download it again, or give a CSV.",
            )
        return inside

    def _told(self, node: Mapping[str, Any], known: Charge) -> Charge:
        """What is known inside of an object."""
        period: dict[str, str] = {}
        for name, said in node.items():
            plain, value = _snake(name), said
            if plain in _FIELDS["group"] and isinstance(said, dict):
                value = said.get("name") or said.get("id") or said.get("_id")
            if plain == "period" and isinstance(value, dict):
                period |= {_snake(each): part for each, part in value.items() if isinstance(part, str)}
            if not isinstance(value, str):
                continue
            field = next((field for field, names in _FIELDS.items() if plain in names), None)
            if field is not None:
                changed: dict[str, Any] = {field: value.upper() if field == "currency" else value}
                known = replace(known, **changed)
            period |= {plain: value}
        row = {
            slot: period[name] for slot, names in _PERIODS.items() for name in sorted(names) if name in period
        }
        if row:
            check_month(row, self._source, self._month)
            self.dated = True
        return known

    def _named(self, name: str, known: Charge) -> Charge:
        """Names of maps are products, unless they are boxes."""
        plain = _snake(name)
        if plain in _BOXES | _GROUP_BOXES | {"period"} or known.product:
            return known
        return replace(known, product=name)

    def _own(self, node: Mapping[str, Any], known: Charge) -> Charge | None:
        """The amount of an object itself, if it has one."""
        found: dict[Decimal, str] = {}
        currency = known.currency
        for name, value in node.items():
            scale = _scale(_snake(name))
            if scale is None or isinstance(value, (dict, list, bool)) or value is None:
                continue
            amount = figure(str(value), f"{name!r} in {self._source}")
            if scale == "" and not currency:
                raise CannotRun(
                    f"{name!r} in {self._source} does not say its currency.", "Give a CSV, or add a currency."
                )
            if scale:
                currency = "USD"
            found.setdefault(amount.scaleb(_SCALES[scale]), name)
        if not found:
            return None
        if len(found) > 1:
            raise CannotRun(
                f"{', '.join(sorted(found.values()))} in {self._source} are different amounts of one thing.",
                "Give a CSV with the one that is charged.",
            )
        quantity = node.get("quantity")
        return replace(
            known,
            amount=whole_pico(next(iter(found)), self._source),
            currency=currency,
            quantity=Decimal(quantity) if isinstance(quantity, (int, Decimal)) else None,
        )


def _scale(name: str) -> str | None:
    """Of the name of an amount its unit: `usd`, `microusd`, ..., "" where it names none; None for other names."""
    found = _AMOUNT.fullmatch(name)
    if not found or name in ("", "total_"):
        return None if name != "total" else ""
    unit = (found[1] or "").replace("_", "")
    return unit if unit in _SCALES else None


def _joined(parts: Sequence[list[Charge] | None]) -> list[Charge] | None:
    some = [part for part in parts if part is not None]
    return [each for part in some for each in part] if some else None
