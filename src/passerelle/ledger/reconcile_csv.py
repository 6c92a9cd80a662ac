"""A provider's invoice as CSV.

It has a line of names and a line for each charge: `month` (2026-10, or the dates of a period in it), `provider` or
`product`, `description`, `model`, `resource group`, `quantity`, `unit`, `amount` and `currency`. Only month, amount and
currency must be there; other columns are left alone. Fields are separated by commas, semicolons or tabs. The decimal
mark is a point, or in files with semicolons or tabs a comma; thousands are not separated; what is given back is
negative.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence

from passerelle.domain.calendar import Month
from passerelle.domain.errors import CannotRun
from passerelle.ledger.reconcile_lines import Charge, check_month, figure, whole_pico

_MOST_LINES = 200_000
_NAMES: Mapping[str, frozenset[str]] = {
    "month": frozenset({"month", "period", "billing month", "billing period", "usage month", "date"}),
    "begins": frozenset({"period start", "billing period start", "start date", "start", "from"}),
    "ends": frozenset({"period end", "billing period end", "end date", "end", "to"}),
    "product": frozenset({"product", "provider", "service", "product name", "service name"}),
    "description": frozenset({"description", "item", "label", "charge description", "details"}),
    "model": frozenset({"model", "model id", "model name"}),
    "group": frozenset({"resource group", "resource group name", "resourcegroup", "group"}),
    "quantity": frozenset({"quantity", "usage", "units", "usage quantity"}),
    "unit": frozenset({"unit", "usage unit"}),
    "amount": frozenset({"amount", "cost", "total", "total cost", "net amount", "billed cost"}),
    "currency": frozenset({"currency", "billing currency", "currency code"}),
}
_LIKE_THOUSANDS = re.compile(r"-?[1-9]\d{0,2}[.,]\d{3}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_SUM_WORDS = frozenset({"total", "totals", "subtotal", "sub total", "grand total", "sum", "somme", "summe"})


def from_csv(text: str, *, month: Month, source: str) -> list[Charge]:
    """The charges of a month. Raises CannotRun for a file that is not whole, of another month, or has two readings."""
    if not text.endswith(("\n", "\r")):
        raise CannotRun(
            f"The last line of {source} has no end, and may not be whole.",
            "Download it again, or end the line if it is.",
        )
    separator = max(",;\t", key=text.splitlines()[0].count)
    try:
        table = list(csv.reader(io.StringIO(text), delimiter=separator, strict=True))
    except csv.Error as error:
        raise CannotRun(f"{source} is not whole: {error}.", "Download it again.") from None
    names = _columns(table[0], source)
    lines = [
        (number, cells) for number, cells in enumerate(table[1:], 2) if any(cell.strip() for cell in cells)
    ]
    if len(lines) > _MOST_LINES:
        raise CannotRun(f"{source} has more than {_MOST_LINES} lines.", "Give the month's summary.")
    seen: dict[tuple[str, ...], int] = {}
    rows: list[tuple[int, dict[str, str]]] = []
    for number, cells in lines:
        if len(cells) != len(table[0]):
            raise CannotRun(
                f"Line {number} of {source} has {len(cells)} fields and its first line has {len(table[0])}.",
                "The file is not whole, or a field with a separator in it has no quotes; download it again.",
            )
        first = seen.setdefault(tuple(cells), number)
        if first != number:
            raise CannotRun(
                f"Line {number} of {source} is the same as line {first}.",
                "Remove it, or write both as one if both are charged.",
            )
        rows.append((number, {name: cells[index].strip() for name, index in names.items()}))
    figures = [row[name] for _, row in rows for name in ("amount", "quantity") if row.get(name)]
    _check_mark(figures, separator, source)
    return [_charge(row, f"Line {number} of {source}", month) for number, row in rows]


def _columns(header: Sequence[str], source: str) -> dict[str, int]:
    """Where each thing stands."""
    found: dict[str, int] = {}
    for index, title in enumerate(header):
        plain = re.sub(r"[\s_-]+", " ", title).strip().lower()
        name = next((name for name, titles in _NAMES.items() if plain in titles), None)
        if name is None:
            continue
        if name == "product" and "product" in found:  # `provider` beside `product`
            continue
        if name in found:
            raise CannotRun(
                f"The columns {header[found[name]]!r} and {title!r} of {source} both are the {name}.",
                "Remove the one that does not count.",
            )
        found[name] = index
    missing = [name for name in ("amount", "currency") if name not in found]
    missing += [] if found.keys() & {"month", "begins"} else ["month"]
    if missing:
        raise CannotRun(
            f"{source} has no column for {', '.join(missing)}.",
            "Its first line names them: month, product, description, quantity, unit, amount, currency.",
        )
    return found


def _check_mark(figures: Sequence[str], separator: str, source: str) -> None:
    """Is it plain what the points and commas in the figures mean?"""
    marks = {mark for each in figures for mark in ".," if mark in each}
    if any(
        len(re.findall(r"[.,]", each)) > 1 or re.search(r"\d[ '’\u00a0\u202f]\d", each) for each in figures
    ):
        raise CannotRun(
            f"{source} separates thousands.", "Export its figures without separators of thousands."
        )
    if len(marks) > 1:
        raise CannotRun(
            f"{source} has figures with a comma and figures with a point.", "Write one decimal mark."
        )
    if "," in marks and separator == ",":
        raise CannotRun(
            f"{source} is separated by commas and has commas in its figures.",
            "Write the decimal mark as a point, or separate the fields by semicolons.",
        )
    marked = [each for each in figures if marks & set(each)]
    if marked and separator != "," and all(_LIKE_THOUSANDS.fullmatch(each) for each in marked):
        raise CannotRun(
            f"{marked[0]!r} in {source} may be a thousandth or a thousand.",
            "Write the figures with two or more than three decimals, or none.",
        )


def _charge(row: Mapping[str, str], where: str, month: Month) -> Charge:
    check_month(row, where, month)
    for name in ("product", "description"):
        if re.sub(r"[\s:_-]+", " ", row.get(name, "")).strip().lower() in _SUM_WORDS:
            raise CannotRun(f"{where} is a sum of others.", "Remove it: only charges are counted.")
    currency = row["currency"].upper()
    if not _CURRENCY.fullmatch(currency):
        raise CannotRun(f"{where} has the currency {row['currency']!r}.", "Write its code, such as USD.")
    quantity = figure(row["quantity"], where) if row.get("quantity") else None
    return Charge(
        amount=whole_pico(figure(row["amount"], where), where),
        currency=currency,
        product=row.get("product", ""),
        description=row.get("description", ""),
        model=row.get("model", ""),
        group=row.get("group", ""),
        quantity=quantity,
        unit=row.get("unit", ""),
    )
