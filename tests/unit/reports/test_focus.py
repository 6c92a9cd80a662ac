"""The FOCUS export passes the specification's linter and adds up to what tenants are charged."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from passerelle.domain.errors import Unavailable
from passerelle.domain.ledger import Certainty, EntryKind
from passerelle.domain.money import PICO
from passerelle.ledger.closing import set_time_zone
from passerelle.reports.focus import to_focus_csv
from passerelle.stores.database import Database
from tests.unit.reports.focus_months import (
    BEGINS,
    OCTOBER,
    PARIS,
    TENANTS,
    a_month,
    billed,
    correct,
    export,
    lint,
    share_an_hour,
    toolkit,
    total,
    try_,
)


@pytest.fixture
async def database(database: Database) -> Database:
    """A ledger whose months are those of Paris."""
    await set_time_zone(database, PARIS)
    return database


async def test_a_month_of_three_tenants_passes_the_toolkit(database: Database, tmp_path: Path) -> None:
    await a_month(database)
    for tenant in (None, *TENANTS):
        path = tmp_path / f"{tenant}.csv"
        path.write_text(
            to_focus_csv(await export(database, tenant, tags=["course"])), encoding="utf-8", newline=""
        )
        code, said = await lint(path)
        assert (code, "STRUCTURAL_VALID, SEMANTIC_VALID" in said) == (0, True), said
    # With every condition that its linter knows, but for what nobody has a price for.
    rows = [row for row in await export(database) if row["x_CostStatus"] != "unpriced"]
    path.write_text(to_focus_csv(rows), encoding="utf-8", newline="")
    code, said = await lint(
        path, "--supports", "SupportsUnitPricing", "--supports", "SupportsMultiplePricingCategories"
    )
    assert code == 0, said


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("BilledCost", "1,5", "bad_numeric_format"),
        ("ListCost", "99999", "cost_not_unit_price_times_quantity"),
        ("BillingCurrency", "EURO", "bad_currency"),
        ("ChargePeriodStart", "2026-10-01 00:00", "bad_datetime"),
        ("ServiceName", "", "null_not_allowed"),
        ("Tags", "{", "bad_json"),
    ],
)
async def test_the_toolkit_can_fail_us(
    database: Database, tmp_path: Path, column: str, value: str, said: str
) -> None:
    await try_(database, "a", BEGINS)
    rows = [{**row, column: value} for row in await export(database)]
    (tmp_path / "broken.csv").write_text(to_focus_csv(rows), encoding="utf-8", newline="")
    code, told = await lint(tmp_path / "broken.csv")
    assert code == 1
    assert said in told


async def test_a_tenants_rows_add_up_to_what_it_is_charged_exactly(database: Database) -> None:
    await a_month(database)
    whole = await export(database)
    for tenant in TENANTS:
        expected = await billed(database, f"tenant:{tenant}")
        rows = await export(database, tenant)
        assert expected
        assert total(rows) == expected
        assert {row["SubAccountId"] for row in rows} == {tenant}
        assert total([row for row in whole if row["SubAccountId"] == tenant]) == expected
    own = {row["SubAccountId"] for row in whole} - set(TENANTS)
    assert own == {"platform-idle", "platform-retry", "platform-reconciliation", "platform-goodwill"}
    for name in ("idle", "retry"):
        rows = [row for row in whole if row["SubAccountId"] == f"platform-{name}"]
        assert total(rows) == await billed(database, f"operator:{name}")
        assert {row["SubAccountType"] for row in rows} == {"Operator"}


async def test_a_row_says_who_sold_what_to_whom_at_which_price(database: Database) -> None:
    at = datetime(2026, 10, 20, 9, 30, tzinfo=UTC)
    await try_(database, "a", at, meters={"input": 1_000_000}, tags={"course": "maths"})
    await try_(
        database, "b", at + timedelta(minutes=29), meters={"input": 1_000_000}, tags={"course": "maths"}
    )

    (row,) = await export(database, "client-a", tags=["course"])

    expected = {
        "BilledCost": "0.1288", "EffectiveCost": "0.1288", "ListCost": "0.1288", "ContractedCost": "0.1288",
        "BillingCurrency": "EUR", "BillingAccountId": "univ", "BillingAccountName": "Université de Test",
        "InvoiceIssuerName": "Université de Test", "SubAccountId": "client-a", "SubAccountType": "Tenant",
        "BillingPeriodStart": "2026-09-30T22:00:00Z", "BillingPeriodEnd": "2026-10-31T23:00:00Z",
        "ChargePeriodStart": "2026-10-20T09:00:00Z", "ChargePeriodEnd": "2026-10-20T10:00:00Z",
        "ChargeCategory": "Usage", "ChargeClass": "", "ServiceProviderName": "Hugging Face",
        "HostProviderName": "together", "RegionId": "FR", "ResourceId": "assistant", "ResourceName": "Qwen/Qwen3-8B",
        "SkuId": "Qwen/Qwen3-8B:input", "SkuPriceId": "Qwen/Qwen3-8B:input@2026-10-01=70000", "SkuMeter": "input",
        "PricingQuantity": "2000000", "PricingUnit": "Tokens", "ConsumedQuantity": "2000000",
        "ConsumedUnit": "Tokens", "ListUnitPrice": "0.0000000644", "PricingCurrency": "USD",
        "PricingCurrencyEffectiveCost": "0.14", "PricingCurrencyListUnitPrice": "0.00000007", "x_FxRate": "0.92",
        "x_FxDate": "2026-10-20", "x_CostStatus": "exact", "x_Tries": "2", "Tags": '{"course": "maths"}', "x_Cost": "",
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected


async def test_what_a_tenant_pays_above_the_cost_is_not_told_to_it(database: Database) -> None:
    await try_(database, "a", BEGINS, meters={"input": 1_000_000}, markup=20)
    (row,) = await export(database, "client-a")
    assert row["BilledCost"] == row["ListCost"] == "0.07728"
    assert row["PricingCurrencyEffectiveCost"] == "0.084"
    assert (row["x_Cost"], row["x_CostCurrency"]) == ("", "")
    (row,) = await export(database)
    assert (row["x_Cost"], row["x_CostCurrency"]) == ("0.07", "USD")


async def test_shares_of_an_hour_add_up_to_it_and_say_so(database: Database) -> None:
    await share_an_hour(database, BEGINS, [1, 2, 4, 7], price=10 * PICO + 1)
    rows = await export(database)
    assert total(rows) == Decimal("10.000000000001")
    assert {row["SubAccountId"] for row in rows} == {*TENANTS, "platform-idle"}
    details = [json.loads(row["AllocatedMethodDetails"], parse_float=Decimal) for row in rows]
    ratios = [each["Elements"][0]["AllocatedRatio"] for each in details]
    assert abs(sum(ratios) - 1) < Decimal("1e-20")
    assert {(row["AllocatedResourceId"], row["PricingUnit"], row["ResourceType"]) for row in rows} == {
        ("gpu", "Hours", "Backend")
    }
    assert abs(total(rows, "ConsumedQuantity") - 1) < Decimal("1e-20")


async def test_what_has_no_price_is_there_and_is_not_free(database: Database) -> None:
    await try_(database, "a", BEGINS, meters={"input": 12}, certainty=Certainty.UNPRICED)
    (row,) = await export(database)
    assert (row["BilledCost"], row["x_CostStatus"], row["x_Quantity"], row["SkuPriceId"]) == (
        "0",
        "unpriced",
        "12",
        "",
    )


async def test_corrections_and_credits_are_told_apart(database: Database) -> None:
    await correct(database, "c", BEGINS, EntryKind.ADJUST, -PICO, "client-a")
    await correct(database, "d", BEGINS, EntryKind.CREDIT, -PICO, "client-a")
    rows = await export(database, "client-a")
    assert [(row["ChargeCategory"], row["ChargeClass"], row["BilledCost"]) for row in rows] == [
        ("Adjustment", "Correction", "-1"),
        ("Credit", "", "-1"),
    ]


async def test_what_came_after_its_month_was_closed_is_a_correction_of_the_next(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(text("UPDATE ledger_calendar SET first_open = '2026-11'"))
    await try_(database, "late", BEGINS, meters={"input": 5})
    assert await export(database) == []
    (row,) = await export(database, month=OCTOBER.next)
    assert (row["ChargeCategory"], row["ChargeClass"]) == ("Usage", "Correction")
    assert (row["ChargePeriodStart"], row["BillingPeriodStart"]) == (
        "2026-09-30T22:00:00Z",
        "2026-10-31T23:00:00Z",
    )


async def test_no_export_names_a_person_a_key_or_a_request(database: Database) -> None:
    await a_month(database)
    told = to_focus_csv(await export(database, tags=["course"]))
    for secret in ("anne@example.org", "key_secret", "att_", "Mme Martin", "because"):
        assert secret not in told
    assert "maths" in told
    assert "maths" not in to_focus_csv(await export(database))


async def test_no_cell_is_a_formula(database: Database) -> None:
    await try_(database, "a", BEGINS, target="=cmd|'/C calc'!A0", model="+1\n-2", tenant="@SUM(A1)")
    await correct(database, "c", BEGINS, EntryKind.ADJUST, -PICO, "-x")
    told = to_focus_csv(await export(database))
    table = list(csv.reader(io.StringIO(told)))
    names, lines = table[0], table[1:]
    for line in lines:
        for name, cell in zip(names, line, strict=True):
            assert cell[:1] not in ("=", "+", "@", "\t", "\r"), name
            assert not cell.startswith("-") or Decimal(cell) < 0
    assert any("'=cmd" in cell for cell in itertools.chain(*lines))


async def test_the_older_version_names_its_columns_as_it_does(database: Database) -> None:
    await try_(database, "a", BEGINS)
    old, new = await export(database, version="1.2"), await export(database)
    assert (old[0]["ProviderName"], old[0]["PublisherName"]) == ("Hugging Face", "together")
    assert not {"ServiceProviderName", "HostProviderName", "AllocatedMethodId"} & old[0].keys()
    assert not {"ProviderName", "PublisherName"} & new[0].keys()
    assert to_focus_csv(old, version="1.2").splitlines()[0].split(",") == list(old[0])


async def test_the_older_version_is_known_as_itself_and_converts_to_the_newer(
    database: Database, tmp_path: Path
) -> None:
    await a_month(database, calls=20)
    path = tmp_path / "old.csv"
    path.write_text(to_focus_csv(await export(database, version="1.2"), version="1.2"), "utf-8", newline="")
    code, said = await toolkit("detect", str(path))
    assert code == 0, said
    assert "version=1.2" in said
    code, said = await toolkit(
        "convert", "--cost-and-usage", str(path), "--source-version", "1.2", "--out", str(tmp_path / "new")
    )
    assert "lint [Cost and Usage]: lint OK" in said, said


async def test_hours_and_prices_are_rows_of_their_own(database: Database) -> None:
    at = datetime(2026, 10, 20, 9, 59, 59, tzinfo=UTC)
    await try_(database, "a", at, meters={"input": 5})
    await try_(database, "b", at + timedelta(seconds=1), meters={"input": 5})
    await try_(database, "c", at, meters={"input": 5}, per_unit=80_000)
    await try_(database, "d", at, meters={"input": 5, "output": 5})
    rows = await export(database)
    assert Counter(row["ChargePeriodStart"][11:13] for row in rows) == {"09": 3, "10": 1}


async def test_an_empty_month_is_a_line_of_names(database: Database) -> None:
    assert to_focus_csv(await export(database)).count("\n") == 1


async def test_a_database_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    database = Database(f"postgresql://passerelle@/nothing?host={tmp_path}")
    try:
        with pytest.raises(Unavailable, match="does not answer"):
            await export(database)
    finally:
        await database.aclose()
