"""From a month's sums to its report: one value that adds up in every dimension, or a sentence why not. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

from passerelle.domain.billing import Budget, Ceiling, Tax
from passerelle.domain.calendar import Month
from passerelle.domain.errors import CannotRun
from passerelle.domain.ledger import Certainty, EntryKind
from passerelle.domain.money import rounded
from passerelle.reports.build_amounts import places
from passerelle.reports.build_capacity import hours
from passerelle.reports.build_slices import billed_of, cost_of, divided, paid, tokens_of
from passerelle.reports.document import (
    CACHE_USES,
    BreakEven,
    BudgetLine,
    Day,
    Elsewhere,
    Energy,
    Forecast,
    PriceUsed,
    Report,
    Slice,
    TaxLine,
    Totals,
)
from passerelle.reports.rows import Rows

UNPRICED, ESTIMATED, STALE_RATES, OPEN, ORPHANS = "unpriced", "estimated", "stale_rates", "open", "orphans"

_ESTIMATED_SHARE = 20  # one part of so many of the bill is worth a warning
_STALE_DAYS = 7  # the longest pause of the reference rates is over Easter and the New Year: five days
_CORRECTIONS = frozenset({EntryKind.ADJUST, EntryKind.CREDIT, EntryKind.VOID})


def build(  # noqa: PLR0913 - a report is made of many things, each of them named where it is called
    rows: Rows,
    *,
    tenant: str | None,
    operator: str,
    currency: str,
    month: Month,
    zone: ZoneInfo,
    now: datetime,
    closed: bool,
    budget: Budget | None = None,
    tax: Tax | None = None,
    forecast: Forecast | None = None,
    elsewhere: Sequence[Elsewhere] = (),
    break_even: Sequence[BreakEven] = (),
    energy: Energy | None = None,
    reconciled: Sequence[str] = (),
    tags: Collection[str] = (),
    key_ids: Mapping[str, str] | None = None,
) -> Report:
    """A tenant's month, or with `tenant` None the operator's, to whose cost belongs what no tenant is charged.

    `tags` are the names of those that a report may show; `key_ids` are by the name that a budget has of a key.
    Raises CannotRun where something was billed in another currency.
    """
    _check_currency(rows, currency)
    begins, ends = month.bounds(zone)
    by = divided(rows, tenant=tenant, tags=tags)
    totals = _totals(rows, tenant)
    return Report(
        tenant=tenant,
        operator=operator,
        month=str(month),
        time_zone=zone.key,
        currency=currency,
        begins=begins,
        ends=ends,
        written_at=now.astimezone(UTC),
        closed=closed,
        totals=totals,
        by=by,
        days=_days(rows, month),
        hours=hours(rows, tenant),
        budget=_budget(budget, by, totals, key_ids or {}) if budget else (),
        forecast=forecast,
        elsewhere=tuple(elsewhere),
        break_even=tuple(break_even),
        energy=energy,
        prices=_prices(rows),
        tax=_tax(tax, totals.billed, currency) if tax else None,
        corrections=sum(billed_of(group) for group in rows.groups if group.kind in _CORRECTIONS),
        reconciled=tuple(reconciled),
        warnings=_warnings(rows, totals, closed=closed),
    )


def _check_currency(rows: Rows, currency: str) -> None:
    others = {group.billed_currency for group in rows.groups} - {None, currency}
    if others:
        raise CannotRun(
            f"The month has entries billed in {', '.join(sorted(map(str, others)))}, not in {currency}.",
            "Report it with the currency that the operator had then.",
        )


def _totals(rows: Rows, tenant: str | None) -> Totals:
    asked = [tries for tries in rows.tries if tries.asked]
    served = [tries for tries in asked if tries.served]
    tokens = [tokens_of(group) for group in rows.groups]
    answered = sum(tries.tries for tries in served)
    tries = sum(each.tries for each in asked)
    return Totals(
        requests=answered,
        tries=tries,
        failed_tries=tries - answered,
        input_tokens=sum(read for read, _ in tokens),
        output_tokens=sum(written for _, written in tokens),
        cost=sum(cost_of(group, tenant) for group in rows.groups),
        billed=sum(billed_of(group) for group in rows.groups),
        estimated=sum(billed_of(group) for group in rows.groups if group.certainty == Certainty.ESTIMATED),
        unpriced_requests=sum(each.unpriced for each in served),
        retries=sum(
            group.billed for group in rows.groups if group.payer == "operator" and group.side != "payee"
        ),
        saved=sum(group.saved for group in rows.groups if paid(group)),
        cache_hits=sum(each.cached for each in served),
        cache_cost=sum(billed_of(group) for group in rows.groups if group.use.startswith(CACHE_USES)),
    )


def _days(rows: Rows, month: Month) -> tuple[Day, ...]:
    """Every day of the month, also those on which nothing happened."""
    billed: dict[date, int] = defaultdict(int)
    for each in rows.days:
        billed[each.day] += each.billed
    count = (month.next.first - month.first).days
    days = [month.first + timedelta(days=number) for number in range(count)]
    return tuple([Day(day, rows.served_days.get(day, 0), billed.get(day, 0)) for day in days])


def _budget(
    budget: Budget, by: Mapping[str, Sequence[Slice]], totals: Totals, key_ids: Mapping[str, str]
) -> tuple[BudgetLine, ...]:
    def spent(dimension: str, name: str) -> int:
        return sum(part.billed for part in by[dimension] if part.name == name)

    def line(name: str, ceiling: Ceiling, amount: int) -> BudgetLine:
        return BudgetLine(name, ceiling.amount, amount, ceiling.on_exceed.value)

    lines = [line("tenant", budget.tenant, totals.billed)] if budget.tenant else []
    for name, ceiling in budget.keys.items():
        key = key_ids.get(name, name)
        lines.append(line(f"key:{key}", ceiling, spent("key", key)))
    lines += [line(f"model:{name}", each, spent("model", name)) for name, each in budget.models.items()]
    return tuple(lines)


def _prices(rows: Rows) -> tuple[PriceUsed, ...]:
    sums: dict[tuple[str, str, str, str], PriceUsed] = {}
    for group in rows.groups:
        borne = group.kind == EntryKind.ALLOCATE and group.side in ("tenant", "operator")
        if group.price_id is None or not (paid(group) or borne):
            continue
        key = (group.price_id, group.currency, group.fx_rate or "", str(group.fx_date or ""))
        old = sums.get(key)
        sums[key] = PriceUsed(
            group.price_id,
            group.currency,
            group.fx_rate,
            group.fx_date,
            group.quantity + (old.quantity if old else 0),
            group.amount + (old.amount if old else 0),
        )
    return tuple(sums[key] for key in sorted(sums))


def _tax(tax: Tax, billed: int, currency: str) -> TaxLine:
    """On the rounded total: what a reader of the bill works out."""
    decimals = places(currency)
    amount = rounded(billed, decimals) * tax.percent / 100
    return TaxLine(
        tax.name, tax.percent, amount.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_EVEN)
    )


def _warnings(rows: Rows, totals: Totals, *, closed: bool) -> tuple[str, ...]:
    stale = any(group.rate_age is not None and group.rate_age > _STALE_DAYS for group in rows.groups)
    said = {
        UNPRICED: any(tries.unpriced for tries in rows.tries),
        ESTIMATED: totals.estimated * _ESTIMATED_SHARE > totals.billed > 0,
        STALE_RATES: stale,
        OPEN: not closed,
        ORPHANS: any(tries.unknown for tries in rows.tries),
    }
    return tuple(name for name, holds in said.items() if holds)
