"""The figures that a report shows, by names that people can find them by."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

from passerelle.reports.document import Report, Slice, Totals

_OF_PARTS = [each.name for each in fields(Slice) if each.name not in ("name", "unit")]
_OF_HOURS = ("hours", "cost", "used", "idle", "share")


def shown(report: Report) -> dict[str, Decimal]:
    """All that are sums of entries or counts of tries."""
    said = {f"totals.{each.name}": Decimal(getattr(report.totals, each.name)) for each in fields(Totals)}
    said["corrections"] = Decimal(report.corrections)
    for dimension, parts in report.by.items():
        for part in parts:
            name = f"by.{dimension}.{part.name}"
            said |= {f"{name}.{figure}": Decimal(getattr(part, figure)) for figure in _OF_PARTS}
    for day in report.days:
        said[f"days.{day.day}.requests"] = Decimal(day.requests)
        said[f"days.{day.day}.billed"] = Decimal(day.billed)
    for each in report.hours:
        said |= {f"hours.{each.backend}.{figure}": Decimal(getattr(each, figure)) for figure in _OF_HOURS}
    for price in report.prices:
        name = f"prices.{price.price_id} {price.currency} {price.fx_rate or ''} {price.fx_date or ''}"
        said[f"{name}.quantity"] = Decimal(price.quantity)
        said[f"{name}.amount"] = Decimal(price.amount)
    said |= {f"budget.{line.name}": Decimal(line.spent) for line in report.budget}
    if report.tax is not None:
        said["tax"] = report.tax.amount
    return said
