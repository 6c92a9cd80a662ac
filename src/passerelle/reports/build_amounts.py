"""Amounts as people and documents read them: exact decimals, and lines of a bill that add up to its total. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from babel.numbers import get_currency_precision

from passerelle.domain.money import PICO, decimal, rounded
from passerelle.reports.document import Report, Slice


def places(currency: str) -> int:
    """Decimals of a currency's smallest coin: 2 for EUR, 0 for JPY, 3 for TND."""
    return get_currency_precision(currency)


def billed_total(report: Report) -> Decimal:
    """What is on the bill: rounded once, half to even."""
    return rounded(report.totals.billed, places(report.currency))


def rounded_slices(slices: Sequence[Slice], total: int, decimals: int) -> tuple[Decimal, ...]:
    """What is billed for each, rounded so that all of them add up to the rounded total (largest remainder).

    `total` is the sum of what the slices are billed; raises ValueError where it is not.
    """
    amounts = [each.billed for each in slices]
    if sum(amounts) != total:
        raise ValueError("the parts do not add up to their total")
    unit = PICO // 10**decimals
    wanted = int(rounded(total, decimals).scaleb(decimals))
    units = [amount // unit for amount in amounts]
    by_remainder = sorted(range(len(units)), key=lambda index: (-(amounts[index] % unit), index))
    for index in by_remainder[: wanted - sum(units)]:
        units[index] += 1
    return tuple([Decimal(each).scaleb(-decimals) for each in units])


def per_thousand_requests(report: Report) -> Decimal | None:
    """What 1,000 answered requests were billed, in the report's currency; None without any."""
    return _per(report.totals.billed, report.totals.requests, 1_000)


def per_million_tokens(report: Report) -> Decimal | None:
    """What a million tokens, read and written, were billed; None without any."""
    return _per(report.totals.billed, report.totals.input_tokens + report.totals.output_tokens, 1_000_000)


def share(part: int, whole: int) -> Decimal:
    """A part of a whole, to six decimals; nought of nothing."""
    if not whole:
        return Decimal(0)
    return (Decimal(part) / Decimal(whole)).quantize(Decimal("0.000001"), rounding=ROUND_HALF_EVEN)


def _per(amount: int, count: int, many: int) -> Decimal | None:
    """To twelve decimals, which is one pico-unit."""
    if not count:
        return None
    return (decimal(amount) * many / count).quantize(Decimal(1).scaleb(-12), rounding=ROUND_HALF_EVEN)
