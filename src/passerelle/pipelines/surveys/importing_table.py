"""The rows of a file, whatever it is: a table of text in any of the usual encodings, or a workbook.

A quotation mark that nobody closes takes no other row with it: its row stands alone, and reading goes on behind it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from passerelle.pipelines.documents.charsets import text_of
from passerelle.pipelines.documents.kinds import delimiter_of
from passerelle.pipelines.documents.parsed import Limits
from passerelle.pipelines.documents.refusals import Unreadable
from passerelle.pipelines.surveys.importing_sheet import Row, is_workbook, sheet_rows

_OLE = b"\xd0\xcf\x11\xe0"  # files of before 2007, and those with a password
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_SAID = re.compile(r"\Asep=(.)\r?\n")
_ONE_COLUMN = "\x1f"  # no text has it: a line is a cell
_MOST_LINES = 100  # that one quoted cell goes over
_WIDEST = 300
_CONTROLS = bytes([*range(9), *range(0x0E, 0x20)])
_MOSTLY_TEXT = 0.95
_OTHERWISE = "\ufdd0"  # of no text: Unicode keeps it for programs
_MIXED = 0.1  # of the lines with more than ASCII are UTF-8 at least, or none is by intent


def rows(content: bytes, limits: Limits, sheet: str = "") -> Iterator[Row]:
    """Every row, the headings first, numbered as a spreadsheet does it. Raises Unreadable where it is no table."""
    if not content.strip(b" \t\r\n\f\v\0"):
        raise Unreadable("document_empty")
    if len(content) > limits.size:
        raise Unreadable("document_too_large")
    if is_workbook(content):
        return sheet_rows(content, limits, sheet)
    if content.startswith(_OLE) and _ENCRYPTED in content:
        raise Unreadable("document_encrypted")
    if content.startswith((_OLE, b"%PDF-", b"7z\xbc\xaf", b"\x1f\x8b", b"Rar!")):
        raise Unreadable("document_unsupported")
    return text_rows(_text(content))


def _text(content: bytes) -> str:
    """The text. Characters that steer and do not belong into one become another such, which each row tells about.

    Lines of two encodings, one of them UTF-8, are read each in its own; those that are not UTF-8 end in `_OTHERWISE`.
    """
    if mixed := _line_by_line(content):
        content = mixed
    try:
        return text_of(content)
    except Unreadable as refused:
        bare = content.translate(None, _CONTROLS)
        if refused.code != "document_unsupported" or len(bare) < _MOSTLY_TEXT * len(content):
            raise
    return text_of(content.translate(bytes.maketrans(_CONTROLS, b"\x7f" * len(_CONTROLS))))


def _line_by_line(content: bytes) -> bytes | None:
    """As UTF-8, what is partly so; None for what is all of one encoding."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or content.count(0, 0, 4096) > 40 or _whole(content):
        return None
    lines = content.split(b"\n")
    beyond = [line for line in lines if not line.isascii()]
    known = sum(map(_whole, beyond))
    if known < max(1, _MIXED * len(beyond)):
        return None
    return b"\n".join(line if _whole(line) else _recoded(line) for line in lines)


def _whole(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _recoded(line: bytes) -> bytes:
    """A line of Windows, with the sign that says so in front of its end."""
    try:
        text = line.decode("cp1252")
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    return (text.removesuffix("\r") + _OTHERWISE + "\r" * text.endswith("\r")).encode()


def _delimiter(text: str) -> str:
    """What most rows agree on, unless the headings have another one; where they do not agree, what stands in the headings."""
    first = text.lstrip("\r\n").partition("\n")[0]
    counts = {each: first.count(each) for each in ";\t|"}
    best = max(counts, key=lambda each: counts[each])
    found = delimiter_of(text, sure=True)
    if found and (found in first or not counts[best]):
        return found
    if counts[best]:
        return best
    lines = text[:100_000].splitlines()
    usual = sum(line.count(",") == first.count(",") for line in lines)
    return "," if "," in first and usual * 2 >= len(lines) else _ONE_COLUMN


def text_rows(text: str) -> Iterator[Row]:
    """The rows of a table of text; where no delimiter is found, every line is one cell."""
    text = text.removeprefix("\ufeff")
    number = 0
    if said := _SAID.match(text):
        delimiter, text, number = said.group(1), text[said.end() :], 1
    else:
        delimiter = _delimiter(text)
    lines = _Lines(text)
    width = 0
    while lines.more():
        number += 1
        cells = _record(lines, delimiter, width)
        width = width or len(cells)
        yield Row(number, cells[:_WIDEST], cells_lost=any(cells[_WIDEST:]), recoded=lines.recoded())


def _record(lines: _Lines, delimiter: str, width: int) -> list[str]:
    """One row. Lines that a quotation mark took by mistake are given back."""
    lines.begin()
    try:
        cells: list[str] | None = next(csv.reader(lines, delimiter=delimiter), [])
    except (csv.Error, _TooFar):
        cells = None
    if not lines.taken:
        return []
    alone = lines.taken[0].rstrip("\r\n").split(delimiter)
    if cells is not None:
        unclosed = lines.unbalanced() and not lines.more()
        fits = len(cells) == width or not width
        if not unclosed and (fits or len(lines.taken) == 1 or len(alone) != width):
            return cells
        if len(lines.taken) == 1 and (fits or len(alone) != width):
            return cells
    lines.keep_first()
    return alone


class _TooFar(Exception):
    """One cell goes over more lines than anybody writes."""


class _Lines:
    """The lines of a text, of which the last ones taken can be given back."""

    def __init__(self, text: str) -> None:
        self._source = iter(io.StringIO(text, newline=""))
        self._back: list[str] = []
        self._raw: list[str] = []
        self.taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if len(self.taken) >= _MOST_LINES:
            raise _TooFar
        line = self._back.pop() if self._back else next(self._source)
        self._raw.append(line)
        self.taken.append(line.replace(_OTHERWISE, ""))
        return self.taken[-1]

    def more(self) -> bool:
        """Whether another line follows."""
        if not self._back:
            following = next(self._source, None)
            if following is None:
                return False
            self._back.append(following)
        return True

    def begin(self) -> None:
        """A row begins."""
        self.taken, self._raw = [], []

    def recoded(self) -> bool:
        """Whether a line of this row is of another encoding than the file."""
        return any(_OTHERWISE in line for line in self._raw)

    def keep_first(self) -> None:
        """All lines but the first of this row are given back."""
        self._back.extend(reversed(self._raw[1:]))
        del self.taken[1:], self._raw[1:]

    def unbalanced(self) -> bool:
        """Whether a quotation mark of this row is never closed."""
        return sum(line.count('"') for line in self.taken) % 2 == 1
