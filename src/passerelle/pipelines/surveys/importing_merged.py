"""Cells of a sheet that are merged over several rows: the value stands in the first of them, and is meant for all.

Which cells are merged stands behind the rows, so the sheet is looked through for that before its rows are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import IO

_MERGED = re.compile(
    rb"<(?:\w+:)?mergeCell\b[^<>]{0,200}?\bref=[\"']([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})[\"']"
)
_AT_ONCE = 256 * 1024
_OVERLAP = 256  # bytes, which a reference is shorter than
_MOST = 200_000


class Merged:
    """What rows get from the merged cell that they are in. Rows are given in their order."""

    def __init__(self, begun: Mapping[int, list[tuple[int, int]]]) -> None:
        self._begun = begun
        self._now: dict[int, tuple[int, str]] = {}  # by column: the last row, and the value

    def of(self, number: int, cells: list[str]) -> dict[int, str]:
        """Values by column, for cells of this row that are merged with one above."""
        if not self._begun:
            return {}
        self._now = {column: held for column, held in self._now.items() if held[0] >= number}
        given = {column: value for column, (_, value) in self._now.items() if value}
        for column, last in self._begun.get(number, ()):
            self._now[column] = last, cells[column] if column < len(cells) else ""
        return given


def merged(part: IO[bytes]) -> Merged:
    """Of a sheet's part. Cells merged within one row give nobody anything."""
    begun: dict[int, list[tuple[int, int]]] = {}
    kept = b""
    count = 0
    while block := part.read(_AT_ONCE):
        text = kept + block
        end = 0
        for match in _MERGED.finditer(text):
            end = match.end()
            first, last = int(match[2]), int(match[3])
            if last > first and count < _MOST:
                begun.setdefault(first, []).append((_column(match[1]), last))
                count += 1
        kept = text[max(end, len(text) - _OVERLAP) :]
    return Merged(begun)


def _column(letters: bytes) -> int:
    index = 0
    for letter in letters:
        index = index * 26 + letter - 64
    return index - 1
