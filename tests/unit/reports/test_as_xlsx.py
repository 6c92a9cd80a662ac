"""The workbook has the report's figures, in both languages, and nothing in it is run."""

from __future__ import annotations

import io
from decimal import Decimal

import openpyxl
import pytest

from passerelle.domain.money import exact
from passerelle.reports.as_xlsx import to_xlsx
from tests.unit.reports.months import EVIL, built, full, with_cache


def sheets(content: bytes) -> dict[str, list[list[object]]]:
    book = openpyxl.load_workbook(io.BytesIO(content))
    return {
        sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets
    }


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("en", ["Summary", "Breakdown", "Days", "Capacity", "Elsewhere", "Prices"]),
        ("fr", ["Résumé", "Répartition", "Jours", "Capacité", "Ailleurs", "Prix"]),
    ],
)
def test_both_languages_have_the_same_figures(language: str, names: list[str]) -> None:
    found = sheets(to_xlsx(full(), language))
    english = sheets(to_xlsx(full(), "en"))

    assert list(found) == names
    assert [[row[8] for row in each[1:]] for each in [found[names[1]]]] == [
        [row[8] for row in english["Breakdown"][1:]]
    ]


@pytest.mark.parametrize(
    ("language", "labels"),
    [
        ("en", ("Saved by the cache", "Of it for the cache's own calls", "Saved, less that")),
        ("fr", ("Économisé par le cache", "Dont appels du cache lui-même", "Économie nette du cache")),
    ],
)
def test_the_summary_says_what_the_cache_saved_and_what_it_cost(
    language: str, labels: tuple[str, ...]
) -> None:
    found = {row[0]: row[2] for row in next(iter(sheets(to_xlsx(with_cache(), language)).values()))}

    assert [Decimal(str(found[label])) for label in labels] == [
        Decimal("0.02"),
        Decimal("0.05"),
        Decimal("-0.03"),
    ]


def test_every_amount_is_a_number_and_an_exact_text() -> None:
    report = full()
    found = sheets(to_xlsx(report))["Breakdown"]
    head, lines = found[0], found[1:]

    assert head[8:] == ["Billed", "Exact amount", "Billed, rounded"]
    parts = [part for each in report.by.values() for part in each]
    assert [row[9] for row in lines] == [exact(part.billed) for part in parts]
    assert [Decimal(str(row[8])) for row in lines] == [Decimal(part.billed).scaleb(-12) for part in parts]


def test_no_cell_is_a_formula_or_a_link() -> None:
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(full())))
    cells = [cell for sheet in book.worksheets for row in sheet.iter_rows() for cell in row]

    assert f"'{EVIL}" in {cell.value for cell in cells}
    assert not [cell for cell in cells if cell.data_type == "f" or cell.hyperlink]
    assert not [cell for cell in cells if isinstance(cell.value, str) and cell.value[:1] in set("=+@\t\r")]


def test_headings_stay_where_they_are() -> None:
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(full())))

    assert {sheet.freeze_panes for sheet in book.worksheets} == {"A2"}


def test_the_same_report_gives_the_same_bytes() -> None:
    assert to_xlsx(built()) == to_xlsx(built())
