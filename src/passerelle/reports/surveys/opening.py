"""The top of a survey's page: letterhead, what it comes to in two sentences, what to know first, the scores."""

from __future__ import annotations

from dataclasses import dataclass

from passerelle.domain.survey_report import Measure, ScoreLine
from passerelle.reports.charts import bar
from passerelle.reports.formats import printable
from passerelle.reports.html_page import Cell, Column, Figure, Row, Table
from passerelle.reports.surveys.page import Page

_FIRST = (Measure.NPS, Measure.CSAT, Measure.RATING, Measure.CES)


@dataclass(frozen=True, slots=True)
class Notice:
    """What is worth knowing before reading on, and what to do about it."""

    title: str
    what: str
    cure: str


def letterhead(page: Page) -> list[tuple[str, str]]:
    """Period, answers, date."""
    t, f, report = page.texts, page.formats, page.report
    span = (
        t("survey.head.span", first=f.day(report.first), last=f.day(report.last))
        if report.first and report.last
        else t("survey.head.undated")
    )
    answers = page.count("survey.answers", report.answers)
    if not report.too_few:
        answers += ", " + t("survey.head.with_comment", count=f.number(report.with_comment))
    return [
        (t("survey.head.period"), span),
        (t("survey.head.answers"), answers),
        (t("survey.head.written"), f.day(report.written_at.date())),
    ]


def answer(page: Page) -> list[str]:
    """The whole report in two sentences."""
    t, report = page.texts, page.report
    if report.too_few:
        return [t("survey.answer.too_few", minimum=str(report.minimum))]
    answers = page.count("survey.answers", report.answers)
    said = [_headline(page, answers)]
    first = report.actions[0] if report.actions else None
    if first and first.sure and first.gap:
        said.append(
            t(
                "survey.answer.first",
                name=page.category(first.category),
                share=page.percent(first.negative.value),
                gap=page.points(first.gap.value),
            )
        )
    elif first and first.impact:
        said.append(t("survey.answer.unsure"))
    return said


def _headline(page: Page, answers: str) -> str:
    t, report = page.texts, page.report
    lines = sorted(report.scores, key=lambda line: _FIRST.index(line.measure))
    for line in lines:
        found = line.share if line.measure is Measure.CSAT and line.share else line.estimate
        if line.measure is Measure.CSAT:
            value, low, high = (page.percent(each) for each in (found.value, found.low, found.high))
            return t("survey.answer.csat", answers=answers, value=value, low=low, high=high)
        value, low, high = (
            page.score(line.measure, each, line.high) for each in (found.value, found.low, found.high)
        )
        if line.measure is Measure.NPS:
            return t("survey.answer.nps", answers=answers, value=value, low=low, high=high)
        name = page.name(line.measure, line.name)
        end = page.formats.number(int(line.high))
        return t(
            "survey.answer.rating", answers=answers, name=name, value=value, low=low, high=high, high_end=end
        )
    if bad := report.tones.get("negative"):
        value, low, high = (page.percent(each) for each in (bad.value, bad.low, bad.high))
        return t("survey.answer.tones", answers=answers, value=value, low=low, high=high)
    return t("survey.answer.plain", answers=answers)


def notices(page: Page) -> list[Notice]:
    """What would mislead whoever does not know it."""
    report = page.report
    readers, tally = report.readers, report.tally
    found = []
    if readers.offline and readers.read:
        found.append(_notice(page, "offline"))
    if readers.review:
        review = page.count("survey.comments", readers.review)
        found.append(_notice(page, "review", review=review, read=page.formats.number(readers.read)))
    if readers.unread:
        found.append(_notice(page, "unread", unread=page.count("survey.comments", readers.unread)))
    if tally.left_out:
        rows, left = page.formats.number(tally.rows), page.count("survey.rows", tally.left_out)
        found.append(_notice(page, "left_out", left_out=left, rows=rows))
    return found


def _notice(page: Page, name: str, **values: str) -> Notice:
    key = f"survey.notice.{name}"
    return Notice(page.texts(key), page.texts(f"{key}.what", **values), page.texts(f"{key}.do"))


def figures(page: Page) -> list[Figure]:
    """The scores, set large."""
    t, found = page.texts, []
    for line in page.report.scores:
        value = page.score(line.measure, line.estimate.value, line.high)
        note = page.between(line.measure, line.estimate, line.high)
        if line.measure is Measure.CSAT and line.share:
            note = page.between(Measure.NEGATIVE, line.share)
            found.append(Figure(page.name(line.measure, line.name), page.percent(line.share.value), note))
            continue
        if line.measure is not Measure.NPS:
            value = t("survey.figure.of", value=value, high=page.formats.number(int(line.high)))
        found.append(Figure(page.name(line.measure, line.name), value, note))
    if bad := page.report.tones.get("negative"):
        found.append(
            Figure(t("survey.measure.negative"), page.percent(bad.value), page.between(Measure.NEGATIVE, bad))
        )
    return found


def distributions(page: Page) -> list[Table]:
    """How many gave which score, a table each."""
    return [_distribution(page, line, index) for index, line in enumerate(page.report.scores) if line.counts]


def _distribution(page: Page, line: ScoreLine, index: int) -> Table:
    t = page.texts
    columns = (
        Column(t("survey.counts.value")),
        Column(t("survey.counts.share")),
        Column(t("survey.counts.count"), figures=True),
    )
    whole = sum(count for _, count in line.counts)
    most = max(count for _, count in line.counts)
    counts = tuple(reversed(line.counts))  # the best first
    rows = tuple(
        Row(
            Cell(t(f"survey.nps.{value}") if line.measure is Measure.NPS else printable(value)),
            (
                Cell(page.percent(count / whole), svg=bar(count, most)),
                Cell(page.formats.number(count), mute=not count),
            ),
        )
        for value, count in counts
    )
    title = t("survey.counts.title", name=page.name(line.measure, line.name))
    return Table(f"counts-{index}", title, columns, rows)
