"""A survey's report as a workbook: figures, quotes, and what was left out. No cell is a formula or a link."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import xlsxwriter

from passerelle.domain.survey_report import SurveyReport
from passerelle.reports.as_csv import guarded
from passerelle.reports.as_xlsx import WORKBOOK
from passerelle.reports.formats import Language
from passerelle.reports.surveys.lines import COLUMNS, lines
from passerelle.reports.texts import Texts

_WIDEST = 70  # characters


def to_xlsx(report: SurveyReport, *, language: Language) -> bytes:
    """The workbook's bytes; the same report gives the same bytes."""
    t = Texts(language)
    written = io.BytesIO()
    book: Any = xlsxwriter.Workbook(written, WORKBOOK)
    book.set_properties({"created": report.written_at.replace(tzinfo=None, microsecond=0)})
    head = [t(f"survey.column.{name}") for name in COLUMNS]
    _sheet(book, t("survey.sheet.figures"), head, list(lines(report)))
    quotes = [
        (line.name, t(f"survey.tone.{quote.polarity}"), quote.text, quote.comment)
        for line in report.categories
        for quote in line.quotes
    ]
    named = ("survey.column.category", "survey.column.tone", "survey.column.quote", "survey.column.comment")
    _sheet(book, t("survey.sheet.quotes"), [t(name) for name in named], quotes)
    left = [
        (t(f"survey.trouble.{trouble}"), count) for trouble, count in sorted(report.tally.troubles.items())
    ]
    _sheet(book, t("survey.sheet.left_out"), [t("survey.column.reason"), t("survey.column.count")], left)
    book.close()
    return written.getvalue()


def _sheet(book: Any, name: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    sheet = book.add_worksheet(name)
    bold = book.add_format({"bold": True, "bottom": 1})
    decimals = book.add_format({"num_format": "0.000"})
    sheet.freeze_panes(1, 0)
    for column, title in enumerate(head):
        sheet.write_string(0, column, title, bold)
        widths = [len(str(row[column])) for row in rows if isinstance(row[column], str)]
        sheet.set_column(column, column, min(_WIDEST, max([10, len(title), *widths]) + 2))
    for number, row in enumerate(rows, 1):
        for column, cell in enumerate(row):
            if isinstance(cell, str):
                sheet.write_string(number, column, guarded(cell))
            elif isinstance(cell, float):
                sheet.write_number(number, column, cell, decimals)
            elif isinstance(cell, int):
                sheet.write_number(number, column, cell)
    if rows:
        sheet.autofilter(0, 0, len(rows), len(head) - 1)
