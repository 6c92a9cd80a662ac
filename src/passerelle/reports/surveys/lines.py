"""A survey's report as one long table, a line for every figure: what CSV and the workbook's first sheet are made of."""

from __future__ import annotations

from collections.abc import Iterator

from passerelle.domain.survey_report import Crosstab, Estimate, SurveyReport

COLUMNS = ("section", "measure", "name", "group", "n", "value", "low", "high", "note")
Line = tuple[str, str, str, str, int | None, float | None, float | None, float | None, str]


def lines(report: SurveyReport) -> Iterator[Line]:
    """Every figure with its n and interval; `note` says what is hidden and what stands out."""
    for score in report.scores:
        yield _line("score", score.measure, score.name, "", score.estimate)
        if score.share:
            yield _line("score", f"{score.measure}_satisfied", score.name, "", score.share)
        for value, count in score.counts:
            yield "distribution", score.measure, score.name, value, count, None, None, None, ""
    for tone, estimate in report.tones.items():
        yield _line("tone", tone, "", "", estimate)
    for category in report.categories:
        yield _line("category", "share", category.name, "", category.share)
        for tone, estimate in category.tones.items():
            yield _line("category", tone, category.name, "", estimate)
    names = {category.id: category.name for category in report.categories}
    for action in report.actions:
        name = names.get(action.category, action.category)
        yield _line("action", "negative", name, "", action.negative)
        if action.gap:
            yield _line("action", "gap", name, "", action.gap)
        if action.impact:
            yield _line("action", "impact", name, "", action.impact, "sure" if action.sure else "not_sure")
    for tab in report.crosstabs:
        yield from _tab(tab.division, tab, names)
    for tab in report.trends:
        yield from _tab(report.period, tab, names)
    tally = report.tally
    for name, count in (("rows", tally.rows), ("answers", tally.answers), ("left_out", tally.left_out)):
        yield "import", name, "", "", count, None, None, None, ""
    for trouble, count in tally.troubles.items():
        yield "import", "trouble", trouble, "", count, None, None, None, ""


def _line(section: str, measure: str, name: str, group: str, found: Estimate, note: str = "") -> Line:
    return section, measure, name, group, found.n, found.value, found.low, found.high, note


def _tab(division: str, tab: Crosstab, names: dict[str, str]) -> Iterator[Line]:
    section = f"by:{division}"
    name = names.get(tab.name, tab.name)
    for row in tab.rows:
        if row.estimate is None:
            yield section, tab.measure, name, row.name, None, None, None, None, "hidden"
        else:
            yield _line(section, tab.measure, name, row.name, row.estimate)
        if row.stands_out and row.difference:
            yield _line(section, f"{tab.measure}_difference", name, row.name, row.difference, "stands_out")
