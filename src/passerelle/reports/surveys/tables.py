"""The middle and the end of a survey's page: where to begin, tones, topics, groups, time, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from passerelle.domain.survey_report import Crosstab, Estimate, GroupLine, Measure
from passerelle.reports.charts import Words, bar
from passerelle.reports.formats import printable
from passerelle.reports.html_closing import Method
from passerelle.reports.html_page import Cell, Column, Row, Table
from passerelle.reports.surveys.charts import Point, course, toned, whisker
from passerelle.reports.surveys.page import Page

_SHOWN = 30  # groups of a table
_COLUMNS = 5  # measures beside a group
_TOPICS = 10  # that are quoted and acted on in the page
_WIDE, _NARROW = 860, 340


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart at two widths, and the table that says the same."""

    title: str
    wide: str
    narrow: str


@dataclass(frozen=True, slots=True)
class Quoted:
    """A topic and what people wrote about it: text, tone in words, comment id."""

    name: str
    quotes: tuple[tuple[str, str, str], ...]


def actions(page: Page) -> Table | None:
    """What to act on first."""
    t, report = page.texts, page.report
    if not report.actions:
        return None
    measured = any(action.impact for action in report.actions)
    columns = [Column(t("survey.actions.category"))]
    if measured:
        columns += [
            Column(t("survey.actions.impact")),
            Column(t("survey.actions.gap"), figures=True),
        ]
    columns.append(Column(t("survey.actions.negative"), figures=True))
    if measured:
        columns.append(Column(t("survey.actions.sure")))
    reach = [
        each for action in report.actions if action.impact for each in (action.impact.low, action.impact.high)
    ]
    least, most = min([0.0, *reach]), max([1.0, *reach])
    rows = []
    for action in report.actions[:_TOPICS]:
        cells = []
        if measured:
            cells += [_points(page, action.impact, least, most), _gap(page, action.gap)]
        cells.append(
            Cell(page.percent(action.negative.value), page.between(Measure.NEGATIVE, action.negative))
        )
        if measured:
            verdict = "unmeasured" if action.impact is None else "yes" if action.sure else "no"
            cells.append(Cell(t(f"survey.actions.{verdict}"), mute=not action.sure))
        rows.append(Row(Cell(page.category(action.category)), tuple(cells), here=action.sure))
    known = Measure(report.yardstick) if report.yardstick in set(Measure) else None
    yardstick = page.name(known, "") if known else printable(report.yardstick)
    lead = t("survey.actions.lead", yardstick=yardstick) if measured else t("survey.actions.lead.none")
    if more := len(report.actions) - _TOPICS:
        lead += f" {page.count('survey.actions.more', more)}" if more > 0 else ""
    return Table("actions", t("survey.actions.title"), tuple(columns), tuple(rows), lead=lead)


def _points(page: Page, found: Estimate | None, least: float, most: float) -> Cell:
    if found is None:
        return Cell("–", mute=True)
    between = page.texts("survey.figure.between", low=page.points(found.low), high=page.points(found.high))
    return Cell(page.points(found.value), between, whisker(found, least, most))


def _gap(page: Page, found: Estimate | None) -> Cell:
    if found is None:
        return Cell("–", mute=True)
    between = page.texts("survey.figure.between", low=page.points(found.low), high=page.points(found.high))
    return Cell(page.points(found.value), between)


def tones(page: Page) -> tuple[str, Table] | None:
    """The tones of all comments: a bar and its table."""
    t, found = page.texts, page.report.tones
    if not found:
        return None
    said = {tone: page.percent(found[tone].value) if tone in found else page.percent(0.0)
            for tone in ("positive", "mixed", "neutral", "negative")}  # fmt: skip
    words = Words("tones-bar", t("survey.tones.title"), t("survey.tones.desc", **said))
    columns = (Column(t("survey.tones.tone")), Column(t("survey.tones.share")))
    rows = tuple(
        Row(
            Cell(t(f"survey.tone.{tone}")),
            (Cell(page.percent(each.value), page.between(Measure.NEGATIVE, each), _tone_bar(tone, each)),),
        )
        for tone, each in found.items()
    )
    chart = toned([(tone, each.value) for tone, each in found.items()], words, height=26)
    return chart, Table("tones", t("survey.tones.title"), columns, rows)


def _tone_bar(tone: str, found: Estimate) -> str:
    shade = {"positive": "good", "negative": "bad", "mixed": "other"}.get(tone, "idle")
    return whisker(found, 0.0, 1.0, shade=shade)


def categories(page: Page) -> Table | None:
    """What the comments are about, each topic with its tones."""
    t, report = page.texts, page.report
    lines = [line for line in report.categories if line.count >= report.minimum]
    if not lines:
        return None
    columns = (
        Column(t("survey.categories.category")),
        Column(t("survey.categories.share")),
        Column(t("survey.categories.tones")),
        Column(t("survey.categories.negative"), figures=True),
    )
    most = round(1000 * max(line.share.value for line in lines))
    rows = []
    for line in lines:
        share = Cell(
            page.percent(line.share.value),
            page.between(Measure.NEGATIVE, line.share),
            bar(round(1000 * line.share.value), most),
        )
        bad = line.tones.get("negative")
        rows.append(
            Row(
                Cell(printable(line.name)),
                (
                    share,
                    Cell("", svg=toned([(tone, each.value) for tone, each in line.tones.items()], None, height=12))
                    if line.tones
                    else Cell(""),
                    Cell(page.percent(bad.value), page.between(Measure.NEGATIVE, bad)) if bad else Cell("–", mute=True),
                ),
            )
        )  # fmt: skip
    lead = t("survey.categories.lead", minimum=str(report.minimum))
    if few := sum(0 < line.count < report.minimum for line in report.categories):
        lead += " " + page.count("survey.categories.few", few, minimum=str(report.minimum))
    return Table("categories", t("survey.categories.title"), columns, tuple(rows), lead=lead)


def quotes(page: Page) -> tuple[list[Quoted], str]:
    """What people wrote about the topics most speak of, and a word where there is more."""
    t = page.texts
    quoted = [line for line in page.report.categories if line.quotes]
    found = [
        Quoted(
            printable(line.name),
            tuple(
                (
                    t("survey.quote", text=printable(each.text)),
                    t(f"survey.tone.{each.polarity}"),
                    each.comment,
                )
                for each in line.quotes
            ),
        )
        for line in quoted[:_TOPICS]
    ]
    return found, t("survey.quotes.more") if len(quoted) > _TOPICS else ""


def groups(page: Page) -> list[Table]:
    """For every segment, its groups beside all scores; then beside the topics that are criticised most."""
    tables = []
    for index, division in enumerate(dict.fromkeys(tab.division for tab in page.report.crosstabs)):
        tabs = [tab for tab in page.report.crosstabs if tab.division == division]
        scores = [tab for tab in tabs if tab.measure is not Measure.CATEGORY]
        topics = [tab for tab in tabs if tab.measure is Measure.CATEGORY]
        for key, some in (("division", scores), ("categories", topics)):
            if some:
                tables.append(_groups(page, f"by-{key}-{index}", key, division, some[:_COLUMNS]))
    return tables


def _groups(page: Page, name: str, key: str, division: str, tabs: Sequence[Crosstab]) -> Table:
    t = page.texts
    size: dict[str, int] = {}
    for tab in tabs:
        for row in tab.rows:
            size[row.name] = max(size.get(row.name, 0), row.n or 0)
    order = sorted(size, key=lambda group: (not group, -size[group], group))
    columns = (
        Column(t("survey.by.group")),
        *(Column(page.name(tab.measure, tab.name)) for tab in tabs),
    )
    by_name = [{row.name: row for row in tab.rows} for tab in tabs]
    scales = [_scale(tab) for tab in tabs]
    rows = tuple(
        Row(
            Cell(printable(group) or t("survey.by.unstated")),
            tuple(
                _group(page, tab, rows_of.get(group), scale)
                for tab, rows_of, scale in zip(tabs, by_name, scales, strict=True)
            ),
        )
        for group in order[:_SHOWN]
    )
    notes = []
    if any(tab.hidden for tab in tabs):
        notes.append(t("survey.by.hidden.note", minimum=str(page.report.minimum)))
    if len(order) > _SHOWN:
        notes.append(page.count("survey.by.others", len(order) - _SHOWN))
    if not any(row.stands_out for tab in tabs for row in tab.rows):
        notes.append(t("survey.by.nothing"))
    title = t(f"survey.by.{key}", name=printable(division))
    return Table(name, title, columns, rows, lead=" ".join(notes))


def _scale(tab: Crosstab) -> tuple[float, float]:
    """From the lowest end of an interval to the highest, so that groups can be told apart."""
    found = [row.estimate for row in tab.rows if row.estimate]
    least = min((each.low for each in found), default=0.0)
    most = max((each.high for each in found), default=1.0)
    return (min(least, 0.0), most) if tab.measure in (Measure.NEGATIVE, Measure.CATEGORY) else (least, most)


def _group(page: Page, tab: Crosstab, row: GroupLine | None, scale: tuple[float, float]) -> Cell:
    t = page.texts
    if row is None:
        return Cell("–", mute=True)
    if row.estimate is None:
        return Cell(t("survey.by.hidden"), mute=True)
    value = page.score(tab.measure, row.estimate.value, tab.high)
    note = page.between(tab.measure, row.estimate, tab.high)
    if row.stands_out and row.difference:
        higher = row.difference.value > 0
        value = f"{'▲' if higher else '▼'} {value}"
        note = f"{t('survey.by.higher' if higher else 'survey.by.lower')}, {note}"
        bad = higher == (tab.measure in (Measure.NEGATIVE, Measure.CATEGORY))
        return Cell(value, note, whisker(row.estimate, *scale, shade="bad" if bad else "good"))
    return Cell(value, note, whisker(row.estimate, *scale))


def times(page: Page) -> tuple[list[Chart], Table] | None:
    """The scores and the tone by month or week: charts, and one table for all of them."""
    tabs = [tab for tab in page.report.trends if tab.measure is not Measure.CATEGORY][:_COLUMNS]
    if not tabs:
        return None
    charts = [chart for index, tab in enumerate(tabs) if (chart := _course(page, tab, index))]
    t = page.texts
    names = sorted({row.name for tab in tabs for row in tab.rows}, key=lambda name: (not name, name))
    by_name = [{row.name: row for row in tab.rows} for tab in tabs]
    scales = [_scale(tab) for tab in tabs]
    rows = tuple(
        Row(
            Cell(page.period(name)),
            tuple(
                _group(page, tab, found.get(name), scale)
                for tab, found, scale in zip(tabs, by_name, scales, strict=True)
            ),
        )
        for name in names
    )
    columns = (
        Column(t(f"survey.time.{page.report.period}")),
        *(Column(page.name(tab.measure, tab.name)) for tab in tabs),
    )
    notes = [] if page.report.crosstabs else [t("survey.by.lead")]
    if any(tab.hidden for tab in tabs):
        notes.append(t("survey.by.hidden.note", minimum=str(page.report.minimum)))
    return charts, Table("by-period", t("survey.time.table"), columns, rows, lead=" ".join(notes))


def _course(page: Page, tab: Crosstab, index: int) -> Chart | None:
    dated = [row for row in tab.rows if row.name]
    known = [row for row in dated if row.estimate]
    if len(known) < 2:
        return None
    points = [
        Point(
            _short(row.name),
            row.estimate,
            page.score(tab.measure, row.estimate.value, tab.high) if row.estimate else "",
        )
        for row in dated
    ]
    title = page.name(tab.measure, tab.name)
    values = ", ".join(
        f"{page.period(row.name)} {point.said}"
        for row, point in zip(dated, points, strict=True)
        if point.said
    )
    first, last = page.period(dated[0].name), page.period(dated[-1].name)
    ticks = [(value, _tick(page, tab, value)) for value in _ticks(tab, known)]

    def drawn(kind: str, width: int) -> str:
        desc = page.texts("survey.time.desc", first=first, last=last, values=values)
        return course(points, ticks, Words(f"time-{index}-{kind}", title, desc), width=width)

    return Chart(title, drawn("wide", _WIDE), drawn("narrow", _NARROW))


def _tick(page: Page, tab: Crosstab, value: float) -> str:
    """A value beside the axis: a mean without noughts that say nothing."""
    if tab.measure in (Measure.CES, Measure.RATING):
        return page.formats.number(Decimal(f"{value:g}"))
    return page.score(tab.measure, value, tab.high)


def _short(name: str) -> str:
    year, _, rest = name.partition("-")
    return f"{rest.replace('W', '')}/{year[2:]}"


def _ticks(tab: Crosstab, known: Sequence[GroupLine]) -> list[float]:
    """Round values around what is shown, inside the scale; shares begin at nought."""
    found = [row.estimate for row in known if row.estimate]
    least, most = min(each.low for each in found), max(each.high for each in found)
    if tab.measure in (Measure.NEGATIVE, Measure.CATEGORY):
        least = 0.0
    step = next(
        step for power in (0.01, 0.1, 1.0, 10.0) for each in (1, 2, 5) if (step := power * each) * 4 >= most - least
    )  # fmt: skip
    first, last = int(least // step), int(-(-most // step))
    return [index * step for index in range(first, max(last, first + 1) + 1)]


def left_out(page: Page) -> tuple[str, Table | None]:
    """How the file was read, and what was wrong with how many rows and cells."""
    t, tally = page.texts, page.report.tally
    lead = t(
        "survey.left.lead",
        rows=page.count("survey.rows", tally.rows),
        answers=page.count("survey.answers", tally.answers),
        left_out=page.formats.number(tally.left_out),
    )
    columns = (Column(t("survey.left.reason")), Column(t("survey.left.count"), figures=True))
    rows = [
        Row(Cell(t(f"survey.trouble.{trouble}")), (Cell(page.formats.number(count)),))
        for trouble, count in sorted(tally.troubles.items(), key=lambda one: -one[1])
    ]
    masked = sum(tally.masked.values())
    if masked:
        kinds = ", ".join(
            f"{t.named('survey.masked', kind) or printable(kind)} {page.formats.number(count)}"
            for kind, count in sorted(tally.masked.items(), key=lambda one: -one[1])
        )
        rows.append(Row(Cell(t("survey.left.masked"), kinds), (Cell(page.formats.number(masked)),)))
    table = Table("left-out", t("survey.left.title"), columns, tuple(rows)) if rows else None
    return lead, table


def methods(page: Page) -> list[Method]:
    """How it is done, a paragraph each."""
    t, report = page.texts, page.report
    readers = report.readers
    values = {
        "hidden": {"minimum": str(report.minimum)},
        "comments": {
            "engine": printable(readers.engine) or "–",
            "codebook": printable(readers.codebook),
            "version": printable(readers.version),
            "read": page.count("survey.comments", readers.read),
            "review": page.formats.number(readers.review),
        },
    }
    names = ("unit", "hidden", "nps", "scores", "groups", "actions", "comments")
    return [
        Method(t(f"survey.method.{name}"), t(f"survey.method.{name}.text", **values.get(name, {})))
        for name in names
        if name != "comments" or readers.read
    ]
