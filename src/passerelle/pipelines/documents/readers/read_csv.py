"""Rows of a table, each with the names of its columns, so that it can be read on its own."""

from __future__ import annotations

import csv
import io
import re

from passerelle.pipelines.documents.kinds import Found
from passerelle.pipelines.documents.parsed import Limits, Notice
from passerelle.pipelines.documents.refusals import DAMAGED, Unreadable
from passerelle.pipelines.documents.writing import Writer, line

_NUMBER = re.compile(r"[-+]?[\d\s.,/:%€-]+")
_LONGEST_CELL = 1_000_000  # characters


def read(found: Found, writer: Writer, limits: Limits) -> None:
    """A block for each row: `column: value; column: value`. Without a header the values alone."""
    csv.field_size_limit(_LONGEST_CELL)
    rows = csv.reader(io.StringIO(found.text, newline=""), delimiter=found.delimiter)
    header: list[str] | None = None
    width = 0
    try:
        for row in rows:
            cells = [line(cell) for cell in row]
            if not any(cells):
                continue
            if header is None:
                header, width = (cells if _names(cells) else []), len(cells)
                if header:
                    continue
            if len(cells) != width:
                writer.warnings.add(Notice.ROWS_OF_UNEQUAL_LENGTH)
            writer.block(_said(header, cells), between="\n")
    except csv.Error:
        raise Unreadable(DAMAGED) from None
    if header and not writer.blocks:
        writer.block("; ".join(header))


def _names(cells: list[str]) -> bool:
    """Whether the first row names the columns: all there, all different, no numbers."""
    return len(set(cells)) == len(cells) and all(cell and not _NUMBER.fullmatch(cell) for cell in cells)


def _said(header: list[str], cells: list[str]) -> str:
    named = [*header, *[""] * (len(cells) - len(header))]
    return "; ".join(
        f"{name}: {cell}" if name else cell for name, cell in zip(named, cells, strict=False) if cell
    )
