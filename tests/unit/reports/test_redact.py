"""What a tenant that is not charged at cost may see of its month: what it is charged."""

from dataclasses import replace
from decimal import Decimal

import pytest

from passerelle.domain.billing import Terms
from passerelle.domain.prices import Cost
from passerelle.reports.document import Report, Slice
from passerelle.reports.redact import for_tenant
from tests.sample_report import full

_TERMS = Terms(markup=Decimal(25))


def _at_cost(report: Report) -> Report:
    by = {
        name: tuple([replace(part, cost=part.billed) for part in parts]) for name, parts in report.by.items()
    }
    return replace(report, by=by, totals=replace(report.totals, cost=report.totals.billed))


@pytest.mark.parametrize(
    "terms",
    [
        _TERMS,
        Terms(prices={"assistant": Cost("EUR", input_per_million=Decimal(1))}),
        None,  # they have ended since: the month was charged under them all the same
    ],
)
def test_no_cost_price_hour_or_market_is_left_of_a_month_that_was_not_charged_at_cost(
    terms: Terms | None,
) -> None:
    report = full()
    shown = for_tenant(report, terms)

    assert shown.totals.cost == shown.totals.billed == report.totals.billed
    assert shown.totals.retries == 0
    assert (shown.totals.saved, shown.totals.cache_cost) == (report.totals.saved, report.totals.cache_cost)
    assert all(part.cost == part.billed for parts in shown.by.values() for part in parts)
    assert (shown.hours, shown.prices, shown.elsewhere, shown.break_even) == ((), (), (), ())


def test_all_else_of_it_is_as_it_was() -> None:
    report = full()
    shown = for_tenant(report, _TERMS)

    assert [(part.name, part.billed, part.requests) for part in shown.by["model"]] == [
        (part.name, part.billed, part.requests) for part in report.by["model"]
    ]
    for name in (
        "days",
        "budget",
        "forecast",
        "energy",
        "tax",
        "corrections",
        "reconciled",
        "warnings",
        "month",
    ):
        assert getattr(shown, name) == getattr(report, name)


def test_a_tenant_that_is_charged_at_cost_sees_all_of_it() -> None:
    report = _at_cost(full())

    assert for_tenant(report, None) is report


def test_a_credit_is_no_margin() -> None:
    report = _at_cost(full())
    credit = Slice("credit", cost=0, billed=-5)
    report = replace(report, by={**report.by, "kind": (*report.by["kind"], credit)})

    assert for_tenant(report, None) is report
