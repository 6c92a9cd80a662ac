"""What is built from a month's sums is what anybody can add up."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.billing import Budget, Ceiling, OnExceed, Tax
from passerelle.domain.errors import CannotRun
from passerelle.domain.money import exact, rounded
from passerelle.reports.build_amounts import (
    billed_total,
    per_million_tokens,
    per_thousand_requests,
    places,
    rounded_slices,
)
from passerelle.reports.document import DIMENSIONS, Slice
from passerelle.reports.rows import TagGroup
from tests.unit.reports.months import CENT, built, full, group, rows, tries


def test_a_tenant_is_billed_what_its_account_owes_and_cost_is_what_was_paid() -> None:
    totals = built().totals

    assert (totals.billed, totals.cost) == (135 * CENT, 125 * CENT)
    assert (totals.requests, totals.tries, totals.failed_tries) == (2, 3, 1)
    assert (totals.input_tokens, totals.output_tokens) == (1000, 0)
    assert totals.estimated == 25 * CENT


def test_every_dimension_adds_up_to_the_total() -> None:
    for report in (built(), full(), built(tenant=None)):
        assert set(DIMENSIONS) <= set(report.by)
        for parts in report.by.values():
            assert sum(part.billed for part in parts) == report.totals.billed
            assert sum(part.cost for part in parts) == report.totals.cost
        assert sum(day.billed for day in report.days) == report.totals.billed


def test_capacity_and_corrections_have_a_kind_and_a_backend_and_no_model() -> None:
    report = built(rows(group(kind="credit", payer="", served=False, model="", meter="x", billed=-CENT)))

    assert {part.name: part.billed for part in report.by["kind"]} == {
        "settle": 110 * CENT,
        "allocate": 25 * CENT,
        "credit": -CENT,
    }
    assert {part.name: part.billed for part in report.by["backend"]} == {"hub": 109 * CENT, "gpu": 25 * CENT}
    assert {part.name: part.billed for part in report.by["model"]} == {"assistant": 110 * CENT, "": 24 * CENT}
    assert {part.name: part.billed for part in report.by["meter"]} == {"input": 110 * CENT, "": 24 * CENT}
    assert report.corrections == -CENT


def test_the_operator_bears_retries_and_idle_time_and_a_tenant_sees_neither_in_its_cost() -> None:
    retry = group(side="operator", payer="operator", served=False, billed=7 * CENT)
    idle = group(kind="allocate", side="operator", payer="", served=False, tenant="", model="", backend="gpu",
                 meter="idle", billed=38 * CENT)  # fmt: skip

    tenants, operators = built(rows(retry)).totals, built(rows(retry, idle), tenant=None).totals

    assert (tenants.cost, tenants.retries) == (125 * CENT, 7 * CENT)
    assert (operators.cost, operators.retries) == (170 * CENT, 7 * CENT)
    assert tenants.billed == operators.billed == 135 * CENT


def test_hours_say_what_was_used_and_what_was_idle() -> None:
    (hours,) = built().hours

    assert (hours.hours, hours.cost, hours.used, hours.idle, hours.share) == (
        Decimal(1), 76 * CENT, 38 * CENT, 38 * CENT, 25 * CENT,
    )  # fmt: skip
    assert (hours.utilisation, hours.weights) == (Decimal("0.5"), {"output": "4"})
    assert built(tenant="client-c").hours == ()
    assert built(tenant=None).hours[0].share == 38 * CENT


def test_only_tags_that_are_allowed_are_shown_and_what_has_none_is_the_rest() -> None:
    tagged = rows(tags=(TagGroup("course", "droit", 1, 400, 0, 40 * CENT, 44 * CENT),
                        TagGroup("course", None, 1, 100, 0, 10 * CENT, 11 * CENT),
                        TagGroup("student", "Jeanne", 1, 400, 0, 40 * CENT, 44 * CENT)))  # fmt: skip

    by = built(tagged, tags=("course",)).by

    assert "tag:student" not in by
    assert {part.name: part.billed for part in by["tag:course"]} == {
        "": 80 * CENT, "droit": 44 * CENT, "*": 11 * CENT,
    }  # fmt: skip
    assert sum(part.requests for part in by["tag:course"]) == 2


def test_a_budget_is_compared_with_what_its_tenant_key_and_model_were_billed() -> None:
    ceiling = Ceiling(200 * CENT, OnExceed.NOTIFY)
    budget = Budget("EUR", ceiling, {"ci": ceiling}, {"assistant": ceiling, "other": ceiling})

    lines = built(budget=budget, key_ids={"ci": "key_1"}).budget

    assert {line.name: line.spent for line in lines} == {
        "tenant": 135 * CENT, "key:key_1": 110 * CENT, "model:assistant": 110 * CENT, "model:other": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given_rows", "closed", "said"),
    [
        (rows(), True, {"estimated"}),
        (rows(), False, {"estimated", "open"}),
        (rows(tries=(tries(unpriced=1),)), True, {"estimated", "unpriced"}),
        (rows(tries=(tries(unknown=1),)), True, {"estimated", "orphans"}),
        (rows(group(billed=900 * CENT, rate_age=8)), True, {"stale_rates"}),
        (rows(group(billed=900 * CENT, rate_age=7)), True, set()),
    ],
)
def test_a_report_warns_of_what_its_figures_do_not_tell(given_rows, closed, said) -> None:  # type: ignore[no-untyped-def]
    assert set(built(given_rows, closed=closed).warnings) == said


def test_a_month_billed_in_another_currency_is_refused_not_added() -> None:
    with pytest.raises(CannotRun, match="USD"):
        built(rows(group(billed_currency="USD")))


def test_a_month_has_all_of_its_days() -> None:
    days = built().days

    assert [days[0].day, days[-1].day, len(days)] == [date(2026, 10, 1), date(2026, 10, 31), 31]
    assert (days[24].requests, days[24].billed) == (2, 135 * CENT)


def test_tax_is_of_the_rounded_total() -> None:
    report = built(tax=Tax("TVA", Decimal(20)))

    assert report.tax is not None
    assert (billed_total(report), report.tax.amount) == (Decimal("1.35"), Decimal("0.27"))


def test_what_a_thousand_requests_and_a_million_tokens_cost() -> None:
    report = built()
    nothing = built(rows(tries=(), groups=()))

    assert per_thousand_requests(report) == Decimal("675")
    assert per_million_tokens(report) == Decimal("1350")
    assert per_thousand_requests(nothing) is None
    assert per_million_tokens(nothing) is None


@pytest.mark.parametrize(("currency", "decimals"), [("EUR", 2), ("JPY", 0), ("TND", 3)])
def test_a_currency_is_rounded_to_its_smallest_coin(currency: str, decimals: int) -> None:
    report = replace(built(), currency=currency)

    assert places(currency) == decimals
    assert -billed_total(report).as_tuple().exponent == decimals  # type: ignore[operator]


@given(st.lists(st.integers(-(10**15), 10**15), max_size=30), st.sampled_from([0, 2, 3]))
def test_rounded_lines_add_up_to_the_rounded_total_and_none_is_off_by_a_coin(
    amounts: list[int], decimals: int
) -> None:
    parts = [Slice(str(number), billed=amount) for number, amount in enumerate(amounts)]

    lines = rounded_slices(parts, sum(amounts), decimals)

    assert sum(lines) == rounded(sum(amounts), decimals)
    coin = Decimal(1).scaleb(-decimals)
    assert all(
        abs(line - Decimal(amount).scaleb(-12)) < coin for line, amount in zip(lines, amounts, strict=True)
    )


def test_lines_that_are_not_all_of_a_total_are_not_rounded_to_it() -> None:
    with pytest.raises(ValueError, match="do not add up"):
        rounded_slices([Slice("a", billed=1)], 2, 2)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (1, "0.000000000001"), (-1, "-0.000000000001"), (10**12, "1"), (12 * 10**38, "12" + "0" * 26)],
)
def test_exact_amounts_have_no_exponent(amount: int, text: str) -> None:
    assert exact(amount) == text
