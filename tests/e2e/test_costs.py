"""A tenant's money by HTTP: every form gives the figures that its calls were told, to whom they are for, and no more."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from passerelle.domain.calendar import Month
from tests.e2e.money import KEYS, Shop, configuration, engine, shop

_FORMS = ("json", "csv", "html", "xlsx", "focus")
_PARIS = ZoneInfo("Europe/Paris")


def _now() -> Month:
    return Month.of(datetime.now(UTC), _PARIS)


@pytest.fixture(scope="module")
def spent() -> dict[str, Decimal]:
    """What each tenant's calls were told that they are charged, summed."""
    return {}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, spent: dict[str, Decimal]) -> Iterator[Shop]:
    with engine() as url, shop(tmp_path_factory.mktemp("costs"), configuration(url)) as running:
        for tenant, tags in (("acme", {"course": "droit"}), ("resold", {})):
            whole, stream = running.chat(tenant, metadata=tags), running.chat(tenant, stream=True)
            assert whole == stream  # of one answer
            spent[tenant] = whole + stream + running.embed(tenant)
            running.await_requests(tenant, 3)
        yield running


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("tenant", ["acme", "resold"])
def test_every_form_gives_the_figures_that_the_calls_were_told(
    running: Shop, spent: dict[str, Decimal], tenant: str
) -> None:
    told, key = spent[tenant], running.chief(tenant)
    document = running.report(key=key)
    page = {form: running.call(f"/v1/costs?format={form}", key=key).raw for form in _FORMS}

    assert Decimal(document["total"]["amount"]) == told > 0
    for parts in (*document["by"].values(), *document["tags"].values(), document["days"]):
        assert sum(Decimal(part.get("amount", part["billed"])) for part in parts) == told
    rows = _rows(page["csv"].decode())
    assert [Decimal(row["billed"]) for row in rows if row["dimension"] == "total"] == [told]
    assert sum(Decimal(row["billed"]) for row in rows if row["dimension"] == "model") == told
    assert sum(Decimal(row["BilledCost"]) for row in _rows(page["focus"].decode())) == told
    book = openpyxl.load_workbook(io.BytesIO(page["xlsx"]), read_only=True)
    figures = {cell.value for sheet in book for row in sheet.iter_rows() for cell in row}
    assert any(isinstance(each, int | float) and Decimal(str(each)) == told for each in figures)
    assert b"<html" in page["html"]


def test_usage_is_what_was_asked_and_names_no_money(running: Shop) -> None:
    usage = running.call("/v1/usage", key=running.chief("acme")).json
    document = running.report(key=running.chief("acme"))

    assert (usage["tenant"], usage["month"], usage["time_zone"]) == ("acme", str(_now()), "Europe/Paris")
    assert usage["requests"] == sum(day["requests"] for day in usage["days"]) == 3
    assert {each["model"]: each["requests"] for each in usage["models"]} == {"assistant": 2, "embeddings": 1}
    assert (usage["input_tokens"], usage["output_tokens"]) == tuple(document["tokens"].values())
    assert not {"cost", "billed", "amount"} & set(usage)


def test_a_tag_of_the_request_divides_the_report(running: Shop) -> None:
    tags = running.report(key=running.chief("acme"))["tags"]

    assert {part["name"]: part["requests"] for part in tags["course"]} == {"droit": 1, "": 2}


@pytest.mark.parametrize(
    ("path", "member", "chief"), [("/v1/costs", 403, 200), ("/v1/usage", 403, 200), ("/v1/budget", 200, 200)]
)
def test_a_tenants_money_is_told_to_who_administers_it_and_its_budget_to_all_its_keys(
    running: Shop, path: str, member: int, chief: int
) -> None:
    assert running.call(path, key=KEYS["acme"]).status == member
    assert running.call(path, key=running.chief("acme")).status == chief
    assert running.call(path, key="nobody").status == 401


@pytest.mark.parametrize("path", ["/v1/costs", "/v1/usage", "/v1/budget", "/v1/costs?format=focus"])
@pytest.mark.parametrize("stranger", ["resold", "nobody", ""])
def test_another_tenant_is_not_there(running: Shop, path: str, stranger: str) -> None:
    query = f"{path}{'&' if '?' in path else '?'}tenant={stranger}"
    status, code, _ = running.call(query, key=running.chief("acme")).told

    assert (status, code) == (404, "unknown_tenant")


def test_the_operator_sees_all_and_each(running: Shop, spent: dict[str, Decimal]) -> None:
    whole = running.report(key=running.admin)
    each = {part["name"]: Decimal(part["amount"]) for part in whole["by"]["tenant"]}

    assert whole["tenant"] is None
    assert {name: amount for name, amount in each.items() if amount} == spent
    for tenant, amount in spent.items():
        assert Decimal(running.report(f"?tenant={tenant}", key=running.admin)["total"]["amount"]) == amount
    assert running.call("/v1/budget?tenant=acme", key=running.admin).json["ceilings"] == []
    assert running.call("/v1/budget", key=running.admin).told[:2] == (400, "missing_tenant")
    assert running.call("/v1/usage", key=running.admin).json["requests"] == 6


@pytest.mark.parametrize("path", ["/v1/costs", "/v1/usage", "/v1/budget", "/v1/costs?format=focus"])
def test_a_tenant_that_there_is_not_is_none_to_the_operator_either(running: Shop, path: str) -> None:
    query = f"{path}{'&' if '?' in path else '?'}tenant=nobody"

    assert running.call(query, key=running.admin).told == (
        404,
        "unknown_tenant",
        "There is no tenant 'nobody'.",
    )


@pytest.mark.parametrize(
    "path", ["/v1/costs", "/v1/usage", "/v1/costs?format=focus", "/v1/costs?format=html"]
)
@pytest.mark.parametrize(
    ("month", "status", "code", "told"),
    [
        ("2026-13", 400, "invalid_value", "a month is written as in 2026-11"),
        ("nov", 400, "invalid_value", "a month is written as in 2026-11"),
        ("", 400, "invalid_value", "a month is written as in 2026-11"),
        ("9998-01", 400, "invalid_value", "has not begun"),
        ("2019-01", 404, "unknown_month", "it begins in"),
    ],
)
def test_a_month_that_cannot_be_reported_is_one_clear_error(
    running: Shop, path: str, month: str, status: int, code: str, told: str
) -> None:
    query = f"{path}{'&' if '?' in path else '?'}month={month}"
    answered = running.call(query, key=running.chief("acme"))

    assert answered.told[:2] == (status, code)
    assert told in answered.told[2]
    assert answered.json["error"]["param"] == "month"


@pytest.mark.parametrize("query", ["format=pdf", "language=de", "focus_version=9"])
def test_a_form_that_there_is_not_is_one_clear_error(running: Shop, query: str) -> None:
    assert running.call(f"/v1/costs?{query}", key=running.chief("acme")).told[:2] == (400, "invalid_value")


@pytest.mark.parametrize(
    ("query", "accepted", "language"),
    [
        ("", "", "en"),
        ("", "fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("", "en;q=0.5, fr;q=0.9", "fr"),
        ("", "de, en;q=0.7, fr;q=0.3", "en"),
        ("", "fr;q=0, *", "en"),
        ("", "fr;q=x,,;", "en"),
        ("&language=fr", "en", "fr"),
        ("&language=en", "fr", "en"),
    ],
)
def test_the_page_is_in_the_language_that_is_asked_for(
    running: Shop, query: str, accepted: str, language: str
) -> None:
    answered = running.call(
        f"/v1/costs?format=html{query}", key=running.chief("acme"), headers={"accept-language": accepted}
    )

    assert answered.headers["content-language"] == language
    assert f'<html lang="{language}">'.encode() in answered.raw
    assert answered.headers["vary"] == "accept-language"


def test_a_report_is_a_file_that_no_cache_keeps(running: Shop) -> None:
    month = _now()
    answered = running.call("/v1/costs?format=xlsx", key=running.chief("acme"))

    assert answered.headers["content-disposition"] == f'inline; filename="costs-acme-{month}.xlsx"'
    assert answered.headers["cache-control"] == "private, no-store"
    assert "script" not in running.call("/v1/costs?format=html", key=running.chief("acme")).headers[
        "content-security-policy"
    ]  # fmt: skip


def _leaks(document: Any, secret: set[Decimal]) -> list[Decimal]:
    """The figures in a document that are among the secret ones."""
    text = document if isinstance(document, str) else str(document)
    return [Decimal(each) for each in re.findall(r"\d+\.\d+", text) if Decimal(each) in secret]


def _words(raw: bytes, form: str) -> str:
    if form != "xlsx":
        return raw.decode()
    book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True)
    cells = (cell.value for sheet in book for row in sheet.iter_rows() for cell in row)
    return " ".join(f"{each:.12f}" if isinstance(each, float) else str(each) for each in cells)


@pytest.mark.parametrize("form", _FORMS)
def test_a_tenant_with_a_markup_sees_what_it_is_charged_and_not_what_that_costs(
    running: Shop, spent: dict[str, Decimal], form: str
) -> None:
    """Nor prices, nor what the same month costs elsewhere; the operator sees all of it."""
    paid = running.report("?tenant=resold", key=running.admin)
    secret = {Decimal(part["cost"]) for parts in paid["by"].values() for part in parts} - {Decimal(0)}
    assert Decimal(paid["total"]["cost"]) in secret
    assert Decimal(paid["total"]["cost"]) < spent["resold"]
    assert paid["prices"]
    assert paid["elsewhere"]

    shown = _words(running.call(f"/v1/costs?format={form}", key=running.chief("resold")).raw, form)

    assert _leaks(shown, secret) == []
    assert "=100000" not in shown  # the figure at the end of a price's name
    if form == "json":
        document = running.report(key=running.chief("resold"))
        assert document["total"]["cost"] == document["total"]["amount"]
        assert [document[name] for name in ("prices", "elsewhere", "break_even", "capacity")] == [[]] * 4


def test_a_tenant_that_is_charged_at_cost_sees_prices_and_where_else_it_could_be(running: Shop) -> None:
    document = running.report(key=running.chief("acme"))

    assert {each["price_id"].partition("@")[0] for each in document["prices"]} == {
        "hosted/m:input",
        "hosted/m:output",
    }
    assert [each["backend"] for each in document["elsewhere"]]


def test_a_tenant_without_a_call_has_a_report_of_noughts(running: Shop) -> None:
    document = running.report(key=running.chief("idle"))

    assert document["total"] == {"amount": "0", "billed": "0.00", "cost": "0"}
    assert document["requests"]["answered"] == 0
    for form in _FORMS:
        assert running.call(f"/v1/costs?format={form}", key=running.chief("idle")).status == 200
