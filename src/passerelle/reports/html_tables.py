"""The middle of the page: the month divided up, hours of capacity, and what the month would have cost elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from passerelle.domain.ledger import EntryKind
from passerelle.domain.money import shared
from passerelle.reports.charts import Words, bar, stacked
from passerelle.reports.document import DIMENSIONS, BreakEven, Elsewhere, Hours, Slice
from passerelle.reports.formats import printable, ratio
from passerelle.reports.html_page import Cell, Column, Page, Row, Table

_SHOWN = 60  # lines of a table; what is beyond is added up in one more
_PRICE = re.compile(r"([\d.]+|\?)(?: / ([\d.]+|\?))? ([A-Z]{3})/(Mtok|h)")


def breakdowns(page: Page) -> list[Table]:
    """The month by every dimension, tags last. Each table adds up to the month's total to the cent."""
    by = page.report.by
    order = [name for name in ("tenant", *DIMENSIONS) if name in by]
    order += sorted(name for name in by if name not in order)
    return [_breakdown(page, name, by[name], index) for index, name in enumerate(order) if by[name]]


def _called(page: Page, dimension: str, name: str) -> str:
    """What a value is called; what has none is mostly hours that were shared out, where there are any."""
    key = f"shared.{dimension.partition(':')[0]}"
    hours = any(each.name == EntryKind.ALLOCATE for each in page.report.by.get("kind", ()))
    return page.texts(key) if not name and hours and key in page.texts else page.called(dimension, name)


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    part: Slice
    billed: Decimal  # rounded
    cost: Decimal
    share: Decimal | None


def _breakdown(page: Page, dimension: str, slices: Sequence[Slice], index: int) -> Table:
    missing = page.report.totals.billed - sum(each.billed for each in slices)
    if missing:  # what no value of the dimension stands for is shown, and the column still adds up
        slices = [*slices, Slice("", billed=missing)]
    names = [_called(page, dimension, each.name) for each in slices]
    parted = zip(names, slices, page.rounded(slices), page.costs(slices), _shares(slices), strict=True)
    lines = [_Line(*each) for each in parted]
    whole = _added(page.texts("total"), lines)
    if len(lines) > _SHOWN:
        rest = lines[_SHOWN:]
        lines = [*lines[:_SHOWN], _added(page.count("others", len(rest)), rest)]
    most = max(each.billed for each in slices)
    rows = tuple(_row(page, dimension, line, most) for line in lines)
    t = page.texts
    tag = dimension.startswith("tag:")
    known = f"by.{dimension}" in t
    title = t(f"by.{dimension}") if known else t("by.tag", tag=printable(dimension.removeprefix("tag:")))
    lead = t(f"by.{dimension}.lead") if f"by.{dimension}.lead" in t else ""
    foot = _row(page, dimension, whole, 0)
    columns = _columns(page, dimension)
    return Table(f"by-{index if tag else dimension}", title, columns, rows, foot, lead)


def _columns(page: Page, dimension: str) -> tuple[Column, ...]:
    t, currency = page.texts, page.report.currency
    counted = ("quantity", "requests") if dimension == "meter" else ("requests", "input", "output")
    amounts = ("billed",) if page.report.tenant is not None else ("cost", "billed")
    return (
        Column(t(f"name.{dimension}") if f"name.{dimension}" in t else t("name.tag")),
        Column(t("column.share")),
        *(Column(t(f"column.{name}"), figures=True) for name in counted),
        *(Column(t(f"column.{name}", currency=currency), figures=True) for name in amounts),
    )


def _row(page: Page, dimension: str, line: _Line, most: int) -> Row:
    """`most` is what the longest bar stands for; nought for a row without. Lines added up have none: it would dwarf."""
    f, part = page.formats, line.part
    mark = Cell("")
    if most > 0:
        mark = Cell(f.percent(line.share, 1), svg=bar(part.billed if part.billed <= most else 0, most))
    if dimension == "meter":
        unit = page.texts.named("unit", part.unit) or printable(part.unit)
        quantity = Cell(f"{f.number(part.quantity)}\xa0{unit}") if part.quantity else Cell("")
        counts = (quantity, *(page.numbers(part.requests) if part.requests else (Cell(""),)))
    else:
        counts = page.numbers(part.requests, part.input_tokens, part.output_tokens)
    paid = () if page.report.tenant is not None else (Cell(f.amount(line.cost)),)
    return Row(Cell(line.name), (mark, *counts, *paid, Cell(f.amount(line.billed))))


def _added(name: str, lines: Sequence[_Line]) -> _Line:
    """Several lines as one. Kinds of things are not added to one another, nor requests that use several of them."""
    parts = [line.part for line in lines]
    shares = [line.share for line in lines if line.share is not None]
    whole = Slice(
        name,
        requests=0 if any(part.unit for part in parts) else sum(part.requests for part in parts),
        input_tokens=sum(part.input_tokens for part in parts),
        output_tokens=sum(part.output_tokens for part in parts),
        billed=sum(part.billed for part in parts),
    )
    billed = sum((line.billed for line in lines), Decimal(0))
    cost = sum((line.cost for line in lines), Decimal(0))
    return _Line(name, whole, billed, cost, sum(shares, Decimal(0)) if shares else None)


def _shares(slices: Sequence[Slice]) -> list[Decimal | None]:
    """Shares of 1 in thousandths that add up to 1; none where a line is below nought, as a credit is."""
    weights = [each.billed for each in slices]
    if not any(weights) or min(weights) < 0:
        return [None] * len(weights)
    return [Decimal(each).scaleb(-3) for each in shared(1000, weights)]


def capacity(page: Page) -> Table | None:
    """Capacity that is paid by the hour: what worked, what stood idle, and who bears that."""
    if not page.report.hours:
        return None
    t = page.texts
    columns = (
        Column(t("hours.backend")),
        Column(t("hours.use")),
        Column(t("hours.paid"), figures=True),
        Column(t("hours.used"), figures=True),
        Column(t("hours.idle"), figures=True),
        Column(t("hours.cost"), figures=True),
        Column(t("hours.share") if page.report.tenant is not None else t("hours.shares"), figures=True),
    )
    rows = tuple(_hours(page, each, index) for index, each in enumerate(page.report.hours))
    return Table("hours", t("hours.title"), columns, rows, lead=t("hours.lead"))


def _hours(page: Page, hours: Hours, index: int) -> Row:
    t, f = page.texts, page.formats
    used, idle, share = (
        f.percent(hours.utilisation, 1),
        f.percent(1 - hours.utilisation, 1),
        f.pico(hours.share),
    )
    said = t("hours.description", used=used, idle=idle)
    mark = stacked(
        [(hours.used, "used"), (hours.idle, "idle")],
        Words(f"hours-{index}", t("hours.chart", backend=printable(hours.backend)), said),
    )
    bearer = t.named("idle", hours.idle_borne_by) or printable(hours.idle_borne_by)
    cells = (
        Cell(said, svg=mark),
        Cell(f.rounded(hours.hours, 1)),
        Cell(f.pico(hours.used)),
        Cell(f.pico(hours.idle)),
        Cell(f.pico(hours.cost)),
        Cell(share),
    )
    return Row(Cell(printable(hours.backend), note=bearer), cells)


def elsewhere(page: Page) -> list[Table]:
    """The same month at every place that the policy permits, a table for each model, in the report's order."""
    by_model: dict[str, list[Elsewhere]] = {}
    for place in page.report.elsewhere:
        by_model.setdefault(place.model, []).append(place)
    return [_places(page, model, places, index) for index, (model, places) in enumerate(by_model.items())]


def _places(page: Page, model: str, places: Sequence[Elsewhere], index: int) -> Table:
    t = page.texts
    columns = (
        Column(t("elsewhere.place")),
        Column(t("elsewhere.cost_chart")),
        Column(t("elsewhere.cost"), figures=True),
        Column(t("elsewhere.difference"), figures=True),
        Column(t("elsewhere.measured"), figures=True),
        Column(t("elsewhere.listed"), figures=True),
    )
    most = max((place.cost or 0 for place in places), default=0)
    # Beside two homes there is no one difference to show.
    homes = [place.cost for place in places if place.here]
    here = homes[0] if len(homes) == 1 else None
    title = t("elsewhere.of", model=printable(model)) if model else t("elsewhere.places")
    return Table(
        f"elsewhere-{index}", title, columns, tuple(_place(page, place, most, here) for place in places)
    )


def _place(page: Page, place: Elsewhere, most: int, here: int | None) -> Row:
    t, f = page.texts, page.formats
    facts = [t.named("place", place.kind) or printable(place.kind)]
    if place.provider:
        facts.append(printable(place.provider))
    facts.append(page.called("country", place.country or ""))
    facts.append(priced(page, place.price))
    if place.why_not:
        facts.append(t("elsewhere.why_not", why=t.named("why", place.why_not) or printable(place.why_not)))
    title = f"{printable(place.backend)} · {printable(place.target)}"
    difference = None if place.here or place.cost is None or here is None else place.cost - here
    sign = "+" if difference and difference > 0 else ""
    apart = t("elsewhere.here") if place.here else "–" if difference is None else sign + f.pico(difference)
    mark = "" if place.cost is None else bar(place.cost, most, shade="mark" if place.here else "other")
    cells = (
        Cell("", svg=mark),
        Cell(f.pico(place.cost) if place.cost is not None else t("elsewhere.unpriced")),
        Cell(apart, mute=difference is None and not place.here),
        _wait(page, place.first_token_ms),
        _wait(page, place.listed_first_token_ms),
    )
    return Row(Cell(title, note=" · ".join(facts)), cells, here=place.here)


def _wait(page: Page, milliseconds: int | None) -> Cell:
    if milliseconds is None:
        return Cell("–", mute=True)
    return Cell(page.texts("milliseconds", count=page.formats.number(milliseconds)))


def priced(page: Page, price: str) -> str:
    """A price in the words of the language; one of another form stays as it is written."""
    found = _PRICE.fullmatch(price)
    if found is None:
        return page.texts("price.unknown") if price in ("", "?") else printable(price)
    first, second = (
        page.formats.number(Decimal(each)) if each and each != "?" else "?" for each in found.groups()[:2]
    )
    if found[4] == "h":
        return page.texts("price.hour", amount=first, currency=found[3])
    if found[2] is None:
        return page.texts("price.million", amount=first, currency=found[3])
    return page.texts("price.tokens", input=first, output=second, currency=found[3])


def break_even(page: Page) -> list[str]:
    """From when an hour is cheaper than tokens, a sentence for each pair."""
    return [sentence for each in page.report.break_even for sentence in _even(page, each)]


def _even(page: Page, even: BreakEven) -> Iterator[str]:
    t, f = page.texts, page.formats
    enough = even.actual_tokens_per_second >= even.tokens_per_second
    share = None
    if even.tokens_per_second > 0:
        share = even.actual_tokens_per_second / even.tokens_per_second
    places = 0 if even.tokens_per_second >= 10 else 2
    said = t(
        "break_even.above" if enough else "break_even.below",
        hourly=printable(even.hourly),
        tokens=printable(even.tokens),
        needed=f.rounded(even.tokens_per_second, places),
        actual=f.rounded(even.actual_tokens_per_second, 2 if even.actual_tokens_per_second < 10 else 0),
        share=f.percent(share, _decimals(share)),
    )
    yield f"{t('break_even.of', model=printable(even.model))} {said}" if even.model else said


def _decimals(share: Decimal | None) -> int:
    """So many that a small share is not shown as nought."""
    if share is None or share >= Decimal("0.1"):
        return 0
    return 1 if share >= Decimal("0.01") else 2


def used_share(page: Page) -> str:
    """How much of all paid hours worked."""
    used, cost = sum(each.used for each in page.report.hours), sum(each.cost for each in page.report.hours)
    return page.formats.percent(ratio(used, cost, 6), 1)
