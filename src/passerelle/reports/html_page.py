"""What the page's template is given: tables and figures whose every word and number is already written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from passerelle.reports.build_amounts import rounded_slices
from passerelle.reports.document import Report, Slice
from passerelle.reports.formats import Formats, printable
from passerelle.reports.texts import Texts

# Lines of slices rounded to so many decimals so that they add up to the rounded total.
Rounding = Callable[[Sequence[Slice], int, int], Sequence[Decimal]]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading and whether it holds figures."""

    label: str
    figures: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its text, a smaller second line, and a mark as SVG."""

    text: str
    note: str = ""
    svg: str = ""
    mute: bool = False  # less to be seen than its neighbours


@dataclass(frozen=True, slots=True)
class Row:
    """A row: what it is about, and a cell for every other column."""

    name: Cell
    cells: tuple[Cell, ...]
    here: bool = False  # set off from the others


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `foot` is its total."""

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    foot: Row | None = None
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure set large."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A report and the language in which it is written down."""

    report: Report
    formats: Formats
    texts: Texts
    rounding: Rounding = rounded_slices

    def rounded(self, slices: Sequence[Slice]) -> Sequence[Decimal]:
        """What is billed for each slice, adding up to the report's rounded total."""
        return self.rounding(slices, self.report.totals.billed, self.formats.places)

    def costs(self, slices: Sequence[Slice]) -> Sequence[Decimal]:
        """What was paid for each slice, adding up to the rounded sum of it."""
        paid = [Slice(each.name, billed=each.cost) for each in slices]
        return self.rounding(paid, sum(each.cost for each in slices), self.formats.places)

    def count(self, key: str, count: int) -> str:
        """So many of something, in words."""
        return self.texts.count(key, count, self.formats)

    def numbers(self, *numbers: int) -> tuple[Cell, ...]:
        """Cells of whole numbers; nought is mute."""
        return tuple(Cell(self.formats.number(each), mute=not each) for each in numbers)

    def owner(self) -> str:
        """Whose month it is."""
        return self.texts("all_tenants") if self.report.tenant is None else printable(self.report.tenant)

    def called(self, dimension: str, name: str) -> str:
        """What a value of a dimension is called."""
        word = self.texts.named(dimension.partition(":")[0], name) or (
            "" if name else self.texts("unattributed")
        )
        if not word and dimension == "country" and (country := self.formats.country(name)):
            word = f"{country} ({printable(name.upper())})"
        return word or printable(name)
