"""A survey's report as one long table: RFC 4180, UTF-8, a line for every figure; no cell is a formula."""

from __future__ import annotations

import csv
import io

from passerelle.domain.survey_report import SurveyReport
from passerelle.reports.as_csv import guarded
from passerelle.reports.surveys.lines import COLUMNS, lines


def to_csv(report: SurveyReport) -> str:
    """The table with a line of headings. Numbers have points, whatever the language."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in lines(report):
        writer.writerow([_cell(each) for each in line])
    return written.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, str):
        return guarded(value)
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
