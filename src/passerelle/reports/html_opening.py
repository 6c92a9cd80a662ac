"""The top of the page: whose month, the answer in one sentence, what to look into, key figures, the month's course."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from passerelle.domain.calendar import Month
from passerelle.reports.build_amounts import per_million_tokens, per_thousand_requests
from passerelle.reports.charts import Course, Labels, Words, course, gauge
from passerelle.reports.document import BudgetLine, Report
from passerelle.reports.formats import printable, ratio
from passerelle.reports.html_page import Cell, Column, Figure, Page, Row, Table


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that keeps figures from being final or whole, and what to do about it."""

    title: str
    what: str
    cure: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The chart of the month, for wide and for narrow screens, and what is said under it."""

    wide: str
    narrow: str
    notes: tuple[str, ...]


def letterhead(page: Page) -> list[tuple[str, str]]:
    """Names and values under the title."""
    t, f, report = page.texts, page.formats, page.report
    last = (report.ends - timedelta(microseconds=1)).astimezone(f.zone).date()
    span = t("head.span", first=f.day(report.begins.astimezone(f.zone).date()), last=f.day(last))
    operator = [(t("head.operator"), printable(report.operator))] if report.operator else []
    return [
        *operator,
        (t("head.tenant"), page.owner()),
        (t("head.period"), span),
        (t("head.status"), t("head.closed") if report.closed else t("head.open")),
        (t("head.written"), f.moment(report.written_at)),
        (t("head.zone"), t("head.zone_and_currency", zone=report.time_zone, currency=report.currency)),
    ]


def answer(page: Page) -> list[str]:
    """The month in a sentence or two, in plain words."""
    t, f, report, totals = page.texts, page.formats, page.report, page.report.totals
    form = "closed" if report.closed or report.written_at >= report.ends else "open"
    values = {"month": f.month(report.month), "who": page.owner(), "money": f.pico(totals.billed)}
    if totals.requests or totals.billed:
        budget = main_budget(report)
        share = ratio(budget.spent, budget.amount) if budget else None
        tail = (
            t("answer.budget", share=f.percent(share), amount=f.pico(budget.amount))
            if budget and share
            else ""
        )
        if totals.requests:
            values["requests"] = page.count("requests", totals.requests)
            said = [t(f"answer.{form}", **values, budget=tail)]
        else:
            said = [t(f"answer.{form}.idle", **values, budget=tail)]
    else:
        said = [t(f"answer.{form}.nothing", **values)]
    if report.forecast and form == "open":
        low, middle, high = (
            f.pico(each) for each in (report.forecast.p10, report.forecast.p50, report.forecast.p90)
        )
        said.append(t("answer.forecast", low=low, middle=middle, high=high))
    return said


def main_budget(report: Report) -> BudgetLine | None:
    """The budget of the tenant as a whole."""
    return next((each for each in report.budget if each.name == "tenant"), None)


def notices(page: Page) -> list[Notice]:
    """What to look into. What is in no amount is never left unsaid."""
    totals = page.report.totals
    keys = list(page.report.warnings)
    keys += ["unpriced"] * bool(totals.unpriced_requests)
    return [_notice(page, key) for key in dict.fromkeys(keys)]


def _notice(page: Page, key: str) -> Notice:
    t, totals = page.texts, page.report.totals
    name, _, detail = key.partition(":")
    if f"warning.{name}" not in t:
        return Notice(t("warning.other"), t("warning.other.what", key=printable(key)), t("warning.other.do"))
    if name == "unpriced" and not totals.unpriced_requests:
        name = "unpriced.calls"
    values = {
        "detail": printable(detail),
        "unpriced": page.count("requests", totals.unpriced_requests),
        "estimated": page.formats.pico(totals.estimated),
        "share": page.formats.percent(ratio(totals.estimated, totals.billed, 6), 1),
    }
    return Notice(
        t(f"warning.{name}"), t(f"warning.{name}.what", **values), t(f"warning.{name}.do", **values)
    )


def figures(page: Page) -> list[Figure]:
    """Key figures."""
    t, f, report, totals = page.texts, page.formats, page.report, page.report.totals
    unpriced = ratio(totals.unpriced_requests, totals.requests, 6)
    retries = ratio(totals.failed_tries, totals.tries, 6)
    return [
        Figure(t("figure.billed"), f.pico(totals.billed), t("figure.billed.note")),
        Figure(t("figure.requests"), f.number(totals.requests), t("figure.requests.note", tries=f.number(totals.tries))),
        Figure(t("figure.input"), f.number(totals.input_tokens), t("figure.input.note")),
        Figure(t("figure.output"), f.number(totals.output_tokens), t("figure.output.note")),
        Figure(t("figure.per_thousand"), f.money(per_thousand_requests(report), 4)),
        Figure(t("figure.per_million"), f.money(per_million_tokens(report), 4), t("figure.per_million.note")),
        Figure(t("figure.saved"), f.pico(totals.saved), _of_cache(page)),
        Figure(
            t("figure.retries"),
            f.pico(totals.retries),
            t("figure.retries.note", failed=page.count("tries", totals.failed_tries), share=f.percent(retries, 1)),
        ),
        Figure(
            t("figure.estimated"),
            f.percent(ratio(totals.estimated, totals.billed, 6), 1),
            t("figure.estimated.note", money=f.pico(totals.estimated)),
        ),
        Figure(
            t("figure.unpriced"),
            f.percent(unpriced, 1),
            t("figure.unpriced.note", requests=page.count("requests", totals.unpriced_requests)),
        ),
    ]  # fmt: skip


def _of_cache(page: Page) -> str:
    """How many answers the cache gave, and what is left of what that saved when its own calls are paid."""
    totals, f = page.report.totals, page.formats
    note = page.count("figure.saved.note", totals.cache_hits)
    if not totals.cache_cost:
        return note
    cost, net = f.pico(totals.cache_cost), f.pico(totals.saved_net)
    return f"{note}{page.texts('figure.saved.cost', cost=cost, net=net)}"


def progress(page: Page) -> Progress | None:
    """The course of the month; None where nothing was billed on any day."""
    t, f, report = page.texts, page.formats, page.report
    month = Month.read(report.month)
    length = (month.next.first - month.first).days
    elapsed = _elapsed(report, page)
    amounts = [0] * elapsed
    for day in report.days:
        if (day.day.year, day.day.month) == (month.year, month.month) and day.day.day <= elapsed:
            amounts[day.day.day - 1] += day.billed
    if not any(amounts):
        return None
    budget, forecast = main_budget(report), report.forecast if elapsed < length else None
    fan = (forecast.p10, forecast.p50, forecast.p90) if forecast else None
    drawn = Course(
        amounts,
        length,
        budget=budget.amount if budget else None,
        forecast=fan,
        weekends=frozenset(
            day for day in range(1, length + 1) if (month.first + timedelta(days=day - 1)).weekday() > 4
        ),
    )
    labels = Labels(
        sums=t("course.sums", currency=report.currency),
        days=t("course.days", currency=report.currency),
        budget=t("course.budget", money=f.pico(budget.amount)) if budget else "",
        forecast=("P10", "P50", "P90"),
        axis=lambda amount, places: f.rounded(Decimal(amount).scaleb(-12), places),
        money=lambda amount: f.amount(Decimal(amount).scaleb(-12)),
    )
    dearest = max(range(elapsed), key=amounts.__getitem__)
    title = t("course.title", month=f.month(report.month))
    said = t(
        "course.description",
        total=f.pico(sum(amounts)),
        day=f.day(month.first + timedelta(days=dearest)),
        most=f.pico(amounts[dearest]),
    )
    charts = [
        course(drawn, labels, Words(f"course-{width}", title, said), width=width) for width in (760, 360)
    ]
    return Progress(charts[0], charts[1], tuple(_notes(page, amounts, budget)))


def _elapsed(report: Report, page: Page) -> int:
    month = Month.read(report.month)
    if report.written_at >= report.ends:
        return (month.next.first - month.first).days
    return max(report.written_at.astimezone(page.formats.zone).day, 1)


def _notes(page: Page, amounts: list[int], budget: BudgetLine | None) -> Iterator[str]:
    t, f, report = page.texts, page.formats, page.report
    yield t("course.note")
    if budget and budget.amount > 4 * max(sum(amounts), report.forecast.p90 if report.forecast else 0):
        yield t("course.beyond", money=f.pico(budget.amount))
    if report.forecast and report.written_at < report.ends:
        forecast = report.forecast
        known = f"forecast.{forecast.method}" in t
        yield t(
            f"forecast.{forecast.method}" if known else "forecast.other",
            days=page.count("days", forecast.days),
        )
        if not forecast.confident:
            yield t("forecast.unsure")


def budgets(page: Page) -> Table | None:
    """Every ceiling and how far it is reached."""
    t, f = page.texts, page.formats
    if not page.report.budget:
        return None
    rows = []
    for index, line in enumerate(page.report.budget):
        share = ratio(line.spent, line.amount, 4)
        kind, _, name = line.name.partition(":")
        title = t(f"budget.{kind}", name=printable(name)) if f"budget.{kind}" in t else printable(line.name)
        said = t("budget.description", spent=f.pico(line.spent), amount=f.pico(line.amount))
        mark = gauge(line.spent, line.amount, Words(f"budget-{index}", title, said))
        over = t("budget.over", money=f.pico(line.spent - line.amount)) if line.spent > line.amount else ""
        rows.append(
            Row(
                Cell(title, note=page.texts.named("on_exceed", line.on_exceed) or printable(line.on_exceed)),
                (Cell(f.percent(share), svg=mark, note=over), Cell(f.pico(line.spent)), Cell(f.pico(line.amount))),
            )
        )  # fmt: skip
    columns = (
        Column(t("budget.name")),
        Column(t("budget.used")),
        Column(t("budget.spent"), figures=True),
        Column(t("budget.amount"), figures=True),
    )
    return Table("budget", t("budget.title"), columns, tuple(rows))
