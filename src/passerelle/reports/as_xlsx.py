"""A report as a workbook: every amount once as a number to reckon with and once as its exact text.

No cell is a formula or a link: what comes from outside is only ever written as text.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import xlsxwriter

from passerelle.domain.money import decimal, exact, plain
from passerelle.reports.as_csv import guarded
from passerelle.reports.build_amounts import (
    billed_total,
    per_million_tokens,
    per_thousand_requests,
    places,
    rounded_slices,
)
from passerelle.reports.document import Report

# By language: sheets, headings and the summary's lines.
_TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "summary": "Summary", "parts": "Breakdown", "days": "Days", "capacity": "Capacity", "places": "Elsewhere",
        "prices": "Prices", "figure": "Figure", "value": "Value", "exact": "Exact amount", "tenant": "Tenant",
        "operator": "Operator", "month": "Month", "currency": "Currency", "closed": "Closed", "yes": "yes", "no": "no",
        "billed": "Billed", "cost": "Cost", "requests": "Requests", "tries": "Tries", "failed": "Failed tries",
        "input": "Input tokens", "output": "Output tokens", "retries": "Retries borne by the operator",
        "saved": "Saved by the cache", "cache_cost": "Of it for the cache's own calls", "saved_net": "Saved, less that",
        "estimated": "Of it estimated", "unpriced": "Unpriced requests",
        "corrections": "Of it corrections", "thousand": "Per 1,000 requests", "million": "Per million tokens",
        "dimension": "By", "name": "Name", "quantity": "Quantity", "unit": "Unit", "rounded": "Billed, rounded",
        "day": "Day", "backend": "Backend", "hours": "Hours", "used": "Used", "idle": "Idle", "borne": "Idle borne by",
        "share": "Share", "utilisation": "Utilisation", "target": "Target", "kind": "Kind", "provider": "Provider",
        "country": "Country", "here": "Here", "price": "Price", "first": "First token, ms", "reason": "Why not",
        "rate": "Exchange rate", "on": "Rate of", "amount": "Amount",
    },
    "fr": {
        "summary": "Résumé", "parts": "Répartition", "days": "Jours", "capacity": "Capacité", "places": "Ailleurs",
        "prices": "Prix", "figure": "Donnée", "value": "Valeur", "exact": "Montant exact", "tenant": "Client",
        "operator": "Opérateur", "month": "Mois", "currency": "Devise", "closed": "Clôturé", "yes": "oui", "no": "non",
        "billed": "Facturé", "cost": "Coût", "requests": "Requêtes", "tries": "Tentatives",
        "failed": "Tentatives échouées", "input": "Jetons en entrée", "output": "Jetons en sortie",
        "retries": "Reprises à la charge de l'opérateur", "saved": "Économisé par le cache",
        "cache_cost": "Dont appels du cache lui-même", "saved_net": "Économie nette du cache",
        "estimated": "Dont estimé", "unpriced": "Requêtes sans prix", "corrections": "Dont corrections",
        "thousand": "Pour 1 000 requêtes", "million": "Par million de jetons", "dimension": "Par", "name": "Nom",
        "quantity": "Quantité", "unit": "Unité", "rounded": "Facturé, arrondi", "day": "Jour", "backend": "Backend",
        "hours": "Heures", "used": "Utilisé", "idle": "Inactif", "borne": "Inactivité à la charge de",
        "share": "Part", "utilisation": "Utilisation", "target": "Cible", "kind": "Type", "provider": "Fournisseur",
        "country": "Pays", "here": "Ici", "price": "Prix", "first": "Premier jeton, ms", "reason": "Pourquoi pas",
        "rate": "Taux de change", "on": "Taux du", "amount": "Montant",
    },
}  # fmt: skip

_Cell = str | int | Decimal | date | None
WORKBOOK = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "default_date_format": "yyyy-mm-dd",
}
_WIDEST = 60  # characters


def to_xlsx(report: Report, language: str = "en") -> bytes:
    """The workbook's bytes, in English or, with `fr`, in French; the same report gives the same bytes."""
    texts = _TEXTS["fr" if language.lower().startswith("fr") else "en"]
    written = io.BytesIO()
    book: Any = xlsxwriter.Workbook(written, WORKBOOK)
    book.set_properties({"created": report.written_at.replace(tzinfo=None, microsecond=0)})
    formats = _Formats(book, places(report.currency))
    _sheet(book, formats, texts["summary"], _head(texts, "figure", "value", "exact"), _summary(report, texts))
    named = _head(
        texts, "dimension", "name", "requests", "input", "output", "quantity", "unit", "cost", "billed", "exact",
        "rounded",
    )  # fmt: skip
    _sheet(book, formats, texts["parts"], named, _parts(report))
    days: list[list[_Cell]] = [
        [each.day, each.requests, decimal(each.billed), exact(each.billed)] for each in report.days
    ]
    _sheet(book, formats, texts["days"], _head(texts, "day", "requests", "billed", "exact"), days)
    _sheet(book, formats, texts["capacity"], _head(texts, *_HOURS), _hours(report))
    _sheet(book, formats, texts["places"], _head(texts, *_PLACES), _places(report, texts))
    _sheet(book, formats, texts["prices"], _head(texts, *_PRICES), _prices(report))
    book.close()
    return written.getvalue()


_HOURS = ("backend", "hours", "cost", "used", "idle", "borne", "share", "exact", "utilisation")
_PLACES = (
    "backend",
    "target",
    "kind",
    "provider",
    "country",
    "here",
    "price",
    "cost",
    "exact",
    "first",
    "reason",
)
_PRICES = ("price", "currency", "rate", "on", "quantity", "amount", "exact")


class _Formats:
    """How cells of one workbook look."""

    def __init__(self, book: Any, decimals: int) -> None:
        more = "#" * max(0, 6 - decimals)
        self.head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self.whole = book.add_format({"num_format": "#,##0"})
        self.money = book.add_format({"num_format": f"#,##0.{'0' * decimals}{more}"})
        self.day = book.add_format({"num_format": "yyyy-mm-dd", "align": "left"})


def _head(texts: dict[str, str], *names: str) -> list[str]:
    return [texts[name] for name in names]


def _sheet(
    book: Any, formats: _Formats, name: str, head: Sequence[str], rows: Sequence[Sequence[_Cell]]
) -> None:
    sheet = book.add_worksheet(name)
    sheet.freeze_panes(1, 0)
    for column, title in enumerate(head):
        sheet.write_string(0, column, title, formats.head)
        widths = [len(str(row[column])) for row in rows if row[column] is not None]
        sheet.set_column(column, column, min(_WIDEST, max([10, *widths]) + 2))
    for number, row in enumerate(rows, 1):
        for column, cell in enumerate(row):
            _write(sheet, number, column, cell, formats)
    if rows:
        sheet.autofilter(0, 0, len(rows), len(head) - 1)


def _write(sheet: Any, row: int, column: int, cell: _Cell, formats: _Formats) -> None:
    if isinstance(cell, str):
        sheet.write_string(row, column, _shown(cell))
    elif isinstance(cell, date):
        sheet.write_datetime(row, column, cell, formats.day)
    elif isinstance(cell, int):
        sheet.write_number(row, column, cell, formats.whole)
    elif cell is not None:
        sheet.write_number(row, column, float(cell), formats.money)


def _shown(text: str) -> str:
    """Safe also in the CSV that somebody saves the sheet as; an amount below nought is no formula."""
    try:
        Decimal(text)
    except ArithmeticError:
        return guarded(text)
    return text


def _summary(report: Report, texts: dict[str, str]) -> list[list[_Cell]]:
    totals = report.totals
    named: list[tuple[str, _Cell]] = [
        ("operator", report.operator),
        ("tenant", report.tenant or ""),
        ("month", report.month),
        ("currency", report.currency),
        ("closed", texts["yes" if report.closed else "no"]),
    ]
    rows: list[list[_Cell]] = [[texts[name], value, None] for name, value in named]
    rows.append([texts["rounded"], billed_total(report), str(billed_total(report))])
    amounts = {
        "billed": totals.billed, "cost": totals.cost, "estimated": totals.estimated, "corrections": report.corrections,
        "cache_cost": totals.cache_cost, "retries": totals.retries, "saved": totals.saved, "saved_net": totals.saved_net,
    }  # fmt: skip
    rows += [[texts[name], decimal(amount), exact(amount)] for name, amount in amounts.items()]
    if report.tax:
        rows.append(
            [f"{report.tax.name} {plain(report.tax.percent)} %", report.tax.amount, str(report.tax.amount)]
        )
    for name, each in (("thousand", per_thousand_requests(report)), ("million", per_million_tokens(report))):
        rows.append([texts[name], each, None if each is None else plain(each)])
    counts = {
        "requests": totals.requests, "tries": totals.tries, "failed": totals.failed_tries,
        "unpriced": totals.unpriced_requests, "input": totals.input_tokens, "output": totals.output_tokens,
    }  # fmt: skip
    return rows + [[texts[name], count, None] for name, count in counts.items()]


def _parts(report: Report) -> list[list[_Cell]]:
    rows: list[list[_Cell]] = []
    for dimension, parts in report.by.items():
        rounded = rounded_slices(parts, report.totals.billed, places(report.currency))
        for part, billed in zip(parts, rounded, strict=True):
            rows.append(
                [dimension, part.name, part.requests, part.input_tokens, part.output_tokens,
                 part.quantity if part.unit else None, part.unit, decimal(part.cost), decimal(part.billed),
                 exact(part.billed), billed]
            )  # fmt: skip
    return rows


def _hours(report: Report) -> list[list[_Cell]]:
    return [
        [each.backend, each.hours, decimal(each.cost), decimal(each.used), decimal(each.idle), each.idle_borne_by,
         decimal(each.share), exact(each.share), each.utilisation]
        for each in report.hours
    ]  # fmt: skip


def _places(report: Report, texts: dict[str, str]) -> list[list[_Cell]]:
    return [
        [each.backend, each.target, each.kind, each.provider, each.country, texts["yes" if each.here else "no"],
         each.price, None if each.cost is None else decimal(each.cost), None if each.cost is None else exact(each.cost),
         each.first_token_ms, each.why_not]
        for each in report.elsewhere
    ]  # fmt: skip


def _prices(report: Report) -> list[list[_Cell]]:
    return [
        [each.price_id, each.currency, each.fx_rate, each.fx_date, each.quantity, decimal(each.amount),
         exact(each.amount)]
        for each in report.prices
    ]  # fmt: skip
