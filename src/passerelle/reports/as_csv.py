"""A report as one long table, a row for each value of each dimension: RFC 4180, UTF-8, always in the same order.

Amounts are exact. No cell is a formula to a spreadsheet, whatever a model, a tag or a tenant is called.
"""

from __future__ import annotations

import csv
import io

from passerelle.domain.money import exact
from passerelle.reports.document import Report, Slice

COLUMNS = (
    "month", "tenant", "dimension", "value", "requests", "tokens", "quantity", "unit", "cost", "billed", "currency",
    "saved", "cache_cost", "saved_net",
)  # fmt: skip

_NO_CACHE = ("", "", "")

# What a spreadsheet takes for the beginning of a formula, also where it is written wide.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")


def to_csv(report: Report) -> str:
    """The table, with a line of headings; the first row is the total, and each dimension adds up to it.

    What the cache saved, what of the bill is for its own calls, and what is left of the one after the other stand in
    the first row alone.
    """
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    totals = report.totals
    whole = Slice(
        "",
        requests=totals.requests,
        input_tokens=totals.input_tokens,
        output_tokens=totals.output_tokens,
        cost=totals.cost,
        billed=totals.billed,
    )
    of_cache = [exact(amount) for amount in (totals.saved, totals.cache_cost, totals.saved_net)]
    writer.writerow([*_row(report, "total", whole), *of_cache])
    for dimension, parts in report.by.items():
        for part in parts:
            writer.writerow([*_row(report, dimension, part), *_NO_CACHE])
    for day in report.days:
        named = Slice(day.day.isoformat(), requests=day.requests, billed=day.billed)
        writer.writerow(
            [*_row(report, "day", named)[:5], "", "", "", "", exact(day.billed), report.currency, *_NO_CACHE]
        )
    return written.getvalue()


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula: one that looks like it gets an apostrophe in front."""
    return f"'{text}" if text.lstrip(" \u00a0\ufeff").startswith(_FORMULA) else text


def _row(report: Report, dimension: str, part: Slice) -> list[str]:
    return [
        report.month,
        guarded(report.tenant or ""),
        guarded(dimension),
        guarded(part.name),
        str(part.requests),
        str(part.input_tokens + part.output_tokens),
        str(part.quantity) if part.unit else "",
        guarded(part.unit),
        exact(part.cost),
        exact(part.billed),
        report.currency,
    ]
