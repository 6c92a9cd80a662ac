"""A provider's figures are read exactly, or refused in one sentence."""

from __future__ import annotations

import contextlib
import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.calendar import Month
from passerelle.domain.errors import CannotRun
from passerelle.domain.money import PICO, pico
from passerelle.ledger.reconcile_files import read_invoice
from passerelle.ledger.reconcile_lines import Charge, Invoice
from tests.fakes.hub_billing import USAGE

_OCTOBER = Month(2026, 10)
_HEAD = "month,product,description,quantity,unit,amount,currency\n"
_LINE = "2026-10,Inference Providers,Qwen,1000,tokens,12.50,USD\n"


def read(content: bytes | str, **other: Any) -> Invoice:
    raw = content.encode() if isinstance(content, str) else content
    return read_invoice(raw, month=_OCTOBER, source="invoice", **other)


def told(document: Any, **other: Any) -> Invoice:
    return read(json.dumps(document), **other)


def test_a_plain_file_is_read_exactly() -> None:
    content = (
        _HEAD + _LINE + "2026-10,Credits,,,,-2.00,USD\n2026-10,Endpoints,T4,24,hours,0.000000000001,usd\n"
    )
    invoice = read(content)
    assert invoice.total == pico(Decimal("10.500000000001"))
    assert invoice.currency == "USD"
    assert invoice.month == _OCTOBER
    assert invoice.sha256 == hashlib.sha256(content.encode()).hexdigest()
    assert invoice.charges[0] == Charge(
        pico(Decimal("12.5")), "USD", "Inference Providers", "Qwen", quantity=Decimal(1000), unit="tokens"
    )
    assert invoice.charges[1].amount == -2 * PICO


@pytest.mark.parametrize(
    "content",
    [
        "Billing Period;Service;Total Cost;Billing-Currency\n2026-10;x;12,5;USD\n",
        "period\tproduct\tamount\tcurrency\n2026-10\tx\t12,50\tUSD\n",
        "\ufeffperiod,amount,currency\r\n2026-10,12.5,USD\r\n",
        "period_start,period_end,amount,currency\n2026-10-01,2026-11-01,12.5,USD\n",
        "period_start,period_end,amount,currency\n2026-10-01T00:00:00Z,2026-10-31T23:59:59Z,12.5,USD\n",
        "period,amount,currency,colour\n2026-10-01 to 2026-10-31,125E-1,USD,red\n\n",
        'period,amount,currency,description\n2026-10-07,12.5,USD,"a, b"\n',
        "period;amount;currency\n2026-10;12,5;USD\n",
    ],
)
def test_usual_forms_of_the_same_are_the_same(content: str) -> None:
    assert read(content).total == pico(Decimal("12.5"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfem\x00", "not UTF-8"),
        ("é".encode("latin-1") + _HEAD.encode(), "not UTF-8"),
        (b"a\0b\n", "not a text"),
        (_HEAD, "holds no charge"),
        (_HEAD + _LINE + _LINE, "Line 3 of invoice is the same as line 2"),
        (_HEAD + _LINE + "2026-10,Infer\n", "Line 3 of invoice has 2 fields and its first line has 7"),
        (_HEAD + _LINE + '2026-10,"Infer\n', "not whole"),
        (_HEAD + _LINE + "2026-10,a,b,1,c,1.2,US", "last line of invoice has no end"),
        (_HEAD + _LINE + "2026-10,Total,,,,12.50,USD\n", "Line 3 of invoice is a sum"),
        (_HEAD + "2026-09,a,b,,,1,USD\n", "is of 2026-09, not of 2026-10"),
        (_HEAD + "2026-11-01,a,b,,,1,USD\n", "is of 2026-11-01, not of 2026-10"),
        (_HEAD + "2026-10-01/2026-12-01,a,b,,,1,USD\n", "is of 2026-12-01, not"),
        (_HEAD + "October,a,b,,,1,USD\n", "has the month 'October'. Write it as in 2026-10"),
        (_HEAD + "2026-10-32,a,b,,,1,USD\n", "has the month '2026-10-32'"),
        (_HEAD + ",a,b,,,1,USD\n", "does not say its month"),
        (_HEAD + "2026-10,a,b,,,,USD\n", "has no amount"),
        (_HEAD + "2026-10,a,b,,,$5,USD\n", r"has the figure '\$5'"),
        (_HEAD + "2026-10,a,b,,,NaN,USD\n", "has the figure 'NaN'"),
        (_HEAD + "2026-10,a,b,,,(5),USD\n", "has the figure"),
        (_HEAD + "2026-10,a,b,,,1.0000000000001,USD\n", "more than twelve decimals"),
        (_HEAD + "2026-10,a,b,,,1,dollars\n", "has the currency 'dollars'"),
        (_HEAD + "2026-10,a,b,,,1,USD\n2026-10,a,b,,,1,EUR\n", "amounts in EUR, USD"),
        (_HEAD + '2026-10,a,b,,,"1,5",USD\n', "separated by commas and has commas in its figures"),
        (_HEAD + '2026-10,a,b,,,"1,234.50",USD\n', "separates thousands"),
        ("period;amount;currency\n2026-10;1.234;USD\n", "'1.234' in invoice may be a thousandth or a thousand"),
        ("period;amount;currency\n2026-10;1,234;USD\n", "may be a thousandth or a thousand"),
        ("period;amount;currency\n2026-10;1 234,00;USD\n", "separates thousands"),
        ("period;amount;currency\n2026-10;1.5;USD\n2026-10;1,5;USD\n", "a comma and figures with a point"),
        ("amount,currency\n1,USD\n", "no column for month"),
        ("period,amount\n2026-10,1\n", "no column for currency"),
        ("period,amount,cost,currency\n2026-10,1,2,USD\n", "'amount' and 'cost' of invoice both are the amount"),
        ("<html>\n</html>\n", "no column for"),
    ],
)  # fmt: skip
def test_what_is_not_whole_or_not_plain_is_refused(content: bytes | str, said: str) -> None:
    with pytest.raises(CannotRun, match=said) as refused:
        read(content)
    assert refused.value.cure


def test_hugging_faces_usage_is_read_by_group_product_and_model() -> None:
    invoice = told(USAGE, asked=True)
    assert invoice.currency == "USD"
    assert [(each.group, each.product, each.model, each.amount) for each in invoice.charges] == [
        ("client-a", "inference-providers", "Qwen/Qwen2.5-7B-Instruct", 1_200_000_000_000),
        ("client-a", "inference-providers", "openai/gpt-oss-120b", 300_000_001_000),
        ("client-a", "inference-endpoints", "", 19_200_000_000_000),
        ("", "inference-providers", "openai/gpt-oss-20b", 5_000),
    ]


@pytest.mark.parametrize(
    "document",
    [
        {"period": "2026-10", "usage": [{"resourceGroup": "a", "costUsd": "1.25"}]},
        {"period": {"start": "2026-10-01T00:00:00.000Z", "end": "2026-11-01T00:00:00.000Z"}, "totalCostMicroUSD": 1250000},
        {"month": "2026-10", "data": [{"product": "p", "total_cost_cents": 100}, {"cost": 0.25, "currency": "usd"}]},
        {"month": "2026-10", "totalCostUsd": 1.25, "resourceGroups": [{"name": "a", "costUsd": 1}, {"costUsd": 0.25}]},
        [{"startDate": "2026-10-01", "endDate": "2026-10-31", "amount": 1.25, "currency": "USD", "limitUsd": 9}],
    ],
)  # fmt: skip
def test_shapes_of_json_that_mean_the_same_are_the_same(document: Any) -> None:
    assert told(document).total == pico(Decimal("1.25"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"period": "2026-10", "usage": [', "not whole JSON"),
        ("{" * 100_000, "not whole JSON"),
        ('{"period": "2026-10", "costUsd": NaN}', "no number"),
        ('{"costUsd": 1, "costUsd": 2}', "twice"),
        ('{"period": "2026-10", "usage": []}', "no amount that is understood"),
        ('{"period": "2026-10", "money": 5}', "no amount that is understood"),
        ('{"usage": [{"costUsd": 1}]}', "does not say its month"),
        ('{"period": "2026-09", "costUsd": 1}', "is of 2026-09, not of 2026-10"),
        ('{"period": "2026-10", "cost": 1}', "does not say its currency"),
        ('{"period": "2026-10", "costUsd": 1, "totalCostUsd": 2}', "different amounts of one thing"),
        ('{"period": "2026-10", "costUsd": 3, "items": [{"costUsd": 1}, {"costUsd": 1}]}', "do not add up"),
        ('{"period": "2026-10", "costUsd": "free"}', "has the figure 'free'"),
        ('{"period": "2026-10", "costNanoUsd": 0.0001}', "more than twelve decimals"),
        ("[" * 20 + '{"costUsd": 1}' + "]" * 20, "nested too deeply"),
    ],
)
def test_json_that_is_not_understood_is_refused(content: str, said: str) -> None:
    with pytest.raises(CannotRun, match=said) as refused:
        read(content)
    assert refused.value.cure


@given(st.lists(st.integers(-(10**24), 10**24), min_size=1, max_size=20))
def test_amounts_survive_exactly(amounts: list[int]) -> None:
    written = [format(Decimal(amount).scaleb(-12), "f") for amount in amounts]
    table = "month,item,amount,currency\n" + "".join(
        f"2026-10,n{number},{amount},EUR\n" for number, amount in enumerate(written)
    )
    assert read(table).total == sum(amounts)
    document = {"month": "2026-10", "currency": "EUR", "items": [{"amount": amount} for amount in written]}
    assert told(document).total == sum(amounts)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_nothing_else_ever_comes_out_of_a_file(content: bytes) -> None:
    with contextlib.suppress(CannotRun):
        assert read(content).charges
