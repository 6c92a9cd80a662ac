"""The CSV form is one tidy table that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest

from passerelle.reports.as_csv import COLUMNS, guarded, to_csv
from tests.unit.reports.months import EVIL, built, full, with_cache


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_every_dimension_adds_up_to_the_first_row() -> None:
    table = read(to_csv(full()))

    assert tuple(table[0]) == COLUMNS
    assert (table[0]["dimension"], table[0]["billed"]) == ("total", "1.37")
    for dimension in {row["dimension"] for row in table}:
        assert sum(Decimal(row["billed"]) for row in table if row["dimension"] == dimension) == Decimal(
            "1.37"
        )


def test_what_the_cache_saved_and_cost_stands_in_the_first_row_alone() -> None:
    first, *others = read(to_csv(with_cache()))
    columns = ("saved", "cache_cost", "saved_net")

    assert [Decimal(first[name]) for name in columns] == [
        Decimal("0.02"),
        Decimal("0.05"),
        Decimal("-0.03"),
    ]
    assert {row[name] for row in others for name in columns} == {""}


def test_lines_end_as_rfc_4180_says_and_the_order_is_always_the_same() -> None:
    text = to_csv(full())

    assert text == to_csv(full())
    assert text.count("\r\n") == text.count("\n") == len(read(text)) + 1


def test_no_cell_of_text_is_a_formula() -> None:
    table = read(to_csv(full()))

    assert f"'{EVIL}" in {row["value"] for row in table}
    assert not [
        row
        for row in table
        for name in ("tenant", "dimension", "value", "unit")
        if row[name][:1] in set("=+-@\t\r")
    ]


@pytest.mark.parametrize(
    "text", [EVIL, "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", "|calc", "%0A=1"]
)
def test_what_begins_like_a_formula_is_guarded(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Qwen/Qwen2.5-7B-Instruct", "français", "a=b", "1-2"])
def test_what_does_not_is_as_it_was(text: str) -> None:
    assert guarded(text) == text


def test_the_operators_report_has_no_tenant() -> None:
    assert {row["tenant"] for row in read(to_csv(built(tenant=None)))} == {""}
