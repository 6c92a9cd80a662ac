"""A survey's report as JSON: every figure as it is in the value, unrounded, with its n and interval."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson

from passerelle.domain.survey_report import SCHEMA, SurveyReport


def to_json(report: SurveyReport) -> bytes:
    """The document, its keys always in one order. What is not shown is null."""
    return orjson.dumps(
        {"schema": SCHEMA, **document(report)}, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    )


def document(report: SurveyReport) -> dict[str, Any]:
    """The report as plain values of JSON."""
    found = asdict(report)
    for line, action in zip(found["actions"], report.actions, strict=True):
        line["sure"] = action.sure
    for key, tables in (("crosstabs", report.crosstabs), ("trends", report.trends)):
        for line, tab in zip(found[key], tables, strict=True):
            for row, group in zip(line["rows"], tab.rows, strict=True):
                row["stands_out"] = group.stands_out
    return found
