"""The end of the page: energy, tax, corrections, and how every figure was worked out and can be worked out again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from shlex import quote

from passerelle.domain.money import rounded
from passerelle.reports.build_amounts import places as decimals
from passerelle.reports.document import SCHEMA
from passerelle.reports.formats import printable
from passerelle.reports.html_page import Cell, Column, Figure, Page, Row, Table


@dataclass(frozen=True, slots=True)
class Method:
    """One thing that is done in a way that somebody may ask about."""

    title: str
    text: str
    items: tuple[str, ...] = ()


def energy(page: Page) -> tuple[list[Figure], list[str]]:
    """Figures of energy and emissions, each from least to most, and how they were found."""
    t, f, found = page.texts, page.formats, page.report.energy
    if found is None:
        return [], [t("energy.none")]
    figures = [
        Figure(t("energy.energy"), *_between(page, found.watt_hours, ("watt_hours", "kilowatt_hours"))),
        Figure(t("energy.emissions"), *_between(page, found.grams_co2e, ("grams", "kilograms"))),
    ]
    known = t.named("energy.method", found.method) or t("energy.method.other", method=printable(found.method))
    said = [known, t("energy.covered", share=f.percent(found.covered, 0))]
    if found.note:
        said.append(t(found.note) if found.note in t else printable(found.note))
    return figures, said


def _between(page: Page, ends: tuple[Decimal, Decimal], units: tuple[str, str]) -> tuple[str, str]:
    t, f = page.texts, page.formats
    large = ends[1] >= 1000
    low, high = (each.scaleb(-3) for each in ends) if large else ends
    places = 0 if low >= 100 else 1 if low >= 10 else 2
    unit, first, last = t(f"unit.{units[large]}"), f.rounded(low, places), f.rounded(high, places)
    if first == last:
        return f"{first}\xa0{unit}", t("energy.mean_only")
    return t("energy.range", low=first, high=last, unit=unit), t("energy.range.note")


def total(page: Page) -> Table:
    """Net, tax and what is to be paid."""
    t, f, report = page.texts, page.formats, page.report
    net = rounded(report.totals.billed, f.places)
    columns = (Column(t("total.line")), Column(t("total.amount"), figures=True))
    if report.tax is None:
        foot = Row(Cell(t("total.net")), (Cell(f.money(net)),))
        return Table("total", t("total.title"), columns, (), foot, t("total.untaxed"))
    tax = report.tax
    label = t("total.tax", name=printable(tax.name), rate=f.rate(tax.percent))
    rows = (
        Row(Cell(t("total.net")), (Cell(f.money(net)),)),
        Row(Cell(label), (Cell(f.money(tax.amount)),)),
    )
    return Table(
        "total",
        t("total.title"),
        columns,
        rows,
        Row(Cell(t("total.gross")), (Cell(f.money(net + tax.amount)),)),
    )


def corrections(page: Page) -> list[str]:
    """What was corrected, and which invoices have been compared."""
    t, f, report = page.texts, page.formats, page.report
    said = [
        t("corrections.some", money=f.pico(report.corrections))
        if report.corrections
        else t("corrections.none")
    ]
    names = ", ".join(printable(each) for each in report.reconciled)
    said.append(t("corrections.reconciled", names=names) if names else t("corrections.unreconciled"))
    return said


def prices(page: Page) -> Table | None:
    """Every price that entries of the month were worked out with."""
    t, f = page.texts, page.formats
    used = [
        each for each in page.report.prices if each.amount
    ]  # tokens cost nothing where the hours are paid
    if not used:
        return None
    columns = (
        Column(t("prices.id")),
        Column(t("prices.quantity"), figures=True),
        Column(t("prices.amount"), figures=True),
        Column(t("prices.rate"), figures=True),
    )
    rows = []
    for each in used:
        rate = Cell("–", mute=True)
        if each.fx_rate is not None and each.currency != page.report.currency:
            value = f.number(Decimal(each.fx_rate))
            rate = Cell(
                t("prices.exchange", rate=value, source=each.currency, currency=page.report.currency),
                note=f.day(each.fx_date),
            )
        places = max(decimals(each.currency), 4)
        amount = Cell(f.pico(each.amount, places, each.currency))
        rows.append(Row(Cell(printable(each.price_id)), (Cell(f.number(each.quantity)), amount, rate)))
    return Table("prices", t("prices.title"), columns, tuple(rows), lead=t("prices.lead"))


def methods(page: Page) -> list[Method]:
    """How it is done, a paragraph each."""
    t, report = page.texts, page.report
    weights = tuple(
        t("method.weights.of", backend=printable(each.backend), weights=_weights(page, each.weights))
        for each in report.hours
        if each.weights
    )
    who = f" --tenant {quote(printable(report.tenant))}" if report.tenant is not None else ""
    return [
        Method(t("method.counting"), t("method.counting.text")),
        Method(t("method.estimated"), t("method.estimated.text")),
        Method(t("method.unpriced"), t("method.unpriced.text")),
        Method(
            t("method.rounding"), t("method.rounding.text", places=page.formats.number(page.formats.places))
        ),
        Method(t("method.exchange"), t("method.exchange.text", currency=report.currency)),
        Method(t("method.weights"), t("method.weights.text"), weights),
        Method(t("method.elsewhere"), t("method.elsewhere.text")),
        Method(t("method.forecast"), t("method.forecast.text")),
        Method(
            t("method.again"),
            t("method.again.text", schema=SCHEMA),
            (f"`passerelle costs verify{who} --month {report.month}`",),
        ),
    ]


def _weights(page: Page, weights: Mapping[str, str]) -> str:
    t, f = page.texts, page.formats
    return ", ".join(
        f"{t.named('meter', kind) or printable(kind)} {f.number(Decimal(weight))}"
        for kind, weight in weights.items()
    )
