"""The rows of a workbook's sheet, one after another: the archive is checked first, and no formula is ever worked out.

Written for this and not taken from openpyxl: a formula's kept value and the fact that it is one are seen in one pass,
a shared string is held once, and nothing of the workbook but five of its parts is believed. Office Open XML is
ECMA-376, part 1, section 18.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import NamedTuple
from xml.parsers import expat

from passerelle.pipelines.documents.packed import look
from passerelle.pipelines.documents.parsed import Limits
from passerelle.pipelines.documents.refusals import DAMAGED, Unreadable
from passerelle.pipelines.surveys.importing_merged import Merged, merged

_UNSUPPORTED = "document_unsupported"
_MAIN = b"spreadsheetml.sheet.main+xml"
_MACROS = b"application/vnd.ms-excel.sheet.macroEnabled.main+xml"
_DATES = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])  # 18.8.30
_QUOTED = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.')
_AT_ONCE = 128 * 1024
_WIDEST = 300  # columns that are read
_MOST_STRINGS = 3_000_000
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")  # 22.9.2.19


_NONE: Mapping[int, str] = MappingProxyType({})


class Row(NamedTuple):
    """A row as its file has it: its number from 1, its cells as text, and which of them are formulas."""

    number: int
    cells: list[str]
    formulas: frozenset[int] = frozenset()
    cells_lost: bool = False
    sparse: bool = False  # its file leaves out empty cells
    recoded: bool = False  # its encoding is not the file's
    merged: Mapping[int, str] = _NONE  # by column, of cells that are merged with one above


def is_workbook(content: bytes) -> bool:
    """Whether the bytes are an archive at all; what is in it is looked at by `sheet_rows`."""
    return content.startswith(b"PK\x03\x04")


def sheet_rows(content: bytes, limits: Limits, sheet: str = "") -> Iterator[Row]:
    """The rows of the sheet of that name, else of the first one that is shown, with text, numbers and ISO dates.

    Raises Unreadable where the file is no workbook, or one that is not safe to unpack.
    """
    try:
        look(content, limits)
    except Unreadable as refused:
        # All its checks are passed before it finds that an archive is no document of the kinds it knows.
        if refused.code != _UNSUPPORTED:
            raise
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        raise Unreadable(DAMAGED) from None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            types = archive.read("[Content_Types].xml")
            if _MAIN not in types and _MACROS not in types:
                raise Unreadable(_UNSUPPORTED)
            yield from _Workbook(archive).rows(sheet)
    except (expat.ExpatError, zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError, OverflowError):
        raise Unreadable(DAMAGED) from None


class _Workbook:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = {name.lower(): name for name in archive.namelist()}

    def rows(self, wanted: str) -> Iterator[Row]:
        book = _Book()
        self._feed("xl/workbook.xml", book.start)
        parts = _Relations()
        self._feed("xl/_rels/workbook.xml.rels", parts.start)
        chosen = _chosen(book.sheets, wanted)
        path = parts.of[chosen]
        strings, styles = _Strings(), _Styles()
        self._feed("xl/sharedStrings.xml", strings.start, strings.end, strings.text)
        self._feed("xl/styles.xml", styles.start, styles.end)
        full = path.lstrip("/") if path.startswith("/") else str(PurePosixPath("xl") / path)
        name = self._names[full.lower()]
        with self._archive.open(name) as opened:
            aside = merged(opened)
        sheet = _Sheet(strings.found, styles.dates, book.from_1904, aside)
        with self._archive.open(name) as opened:
            parser = _parser(sheet.start, sheet.end, sheet.text)
            while block := opened.read(_AT_ONCE):
                parser.Parse(block)
                yield from sheet.ready()
            parser.Parse(b"", True)  # noqa: FBT003 - it takes it so
            yield from sheet.ready()

    def _feed(self, name: str, *handlers: object) -> None:
        if known := self._names.get(name.lower()):
            with self._archive.open(known) as opened:
                parser = _parser(*handlers)
                while block := opened.read(_AT_ONCE):
                    parser.Parse(block)
                parser.Parse(b"", True)  # noqa: FBT003 - it takes it so


def _parser(start: object, end: object = None, text: object = None) -> expat.XMLParserType:
    parser = expat.ParserCreate(namespace_separator=None)
    parser.buffer_text = True
    parser.StartElementHandler = start  # type: ignore[assignment]
    parser.EndElementHandler = end  # type: ignore[assignment]
    parser.CharacterDataHandler = text  # type: ignore[assignment]
    return parser


def _chosen(sheets: list[tuple[str, str, bool]], wanted: str) -> str:
    """The relation of the sheet. Raises Unreadable where there is none of that name."""
    for name, relation, shown in sheets:
        if name.casefold() == wanted.casefold() if wanted else shown:
            return relation
    raise Unreadable("document_empty")


def _local(name: str) -> str:
    return name.rpartition(":")[2]


class _Book:
    def __init__(self) -> None:
        self.sheets: list[tuple[str, str, bool]] = []
        self.from_1904 = False

    def start(self, name: str, said: dict[str, str]) -> None:
        if _local(name) == "sheet":
            relation = next((value for key, value in said.items() if _local(key) == "id"), "")
            self.sheets.append((said.get("name", ""), relation, said.get("state", "visible") == "visible"))
        elif _local(name) == "workbookPr":
            self.from_1904 = said.get("date1904", "0") in ("1", "true")


class _Relations:
    def __init__(self) -> None:
        self.of: dict[str, str] = {}

    def start(self, name: str, said: dict[str, str]) -> None:
        if _local(name) == "Relationship" and said.get("TargetMode") != "External":
            self.of[said.get("Id", "")] = said.get("Target", "")


class _Strings:
    """Shared strings: their runs put together, without the reading aids of Japanese."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._now: list[str] = []
        self._inside = False
        self._aside = False

    def start(self, name: str, said: dict[str, str]) -> None:
        local = _local(name)
        if local == "si":
            self._now = []
        elif local == "rPh":
            self._aside = True
        elif local == "t":
            self._inside = not self._aside

    def end(self, name: str) -> None:
        local = _local(name)
        if local == "si":
            if len(self.found) >= _MOST_STRINGS:
                raise ValueError("More strings than are read.")
            self.found.append(_plain("".join(self._now)))
        elif local == "rPh":
            self._aside = False
        elif local == "t":
            self._inside = False

    def text(self, text: str) -> None:
        if self._inside:
            self._now.append(text)


class _Styles:
    """Which styles of cells show a number as a date."""

    def __init__(self) -> None:
        self.dates: list[bool] = []
        self._own: dict[str, bool] = {}
        self._cells = False

    def start(self, name: str, said: dict[str, str]) -> None:
        local = _local(name)
        if local == "numFmt":
            code = _QUOTED.sub("", said.get("formatCode", "")).lower()
            self._own[said.get("numFmtId", "")] = "general" not in code and any(each in code for each in "dy")
        elif local == "cellXfs":
            self._cells = True
        elif local == "xf" and self._cells:
            known = said.get("numFmtId", "0")
            self.dates.append(self._own.get(known, known.isdigit() and int(known) in _DATES))

    def end(self, name: str) -> None:
        if _local(name) == "cellXfs":
            self._cells = False


class _Sheet:
    """Rows as they are read. A row that says no number of its own follows the one before."""

    def __init__(self, strings: list[str], dates: list[bool], from_1904: bool, aside: Merged) -> None:  # noqa: FBT001
        self._strings, self._dates, self._aside_of = strings, dates, aside
        self._epoch = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet's day
        self._rows: list[Row] = []
        self._number = 0
        self._cells: list[str] = []
        self._formulas: set[int] = set()
        self._lost = False
        self._at = -1
        self._type = self._style = ""
        self._text: list[str] = []
        self._inside = self._aside = False

    def ready(self) -> list[Row]:
        rows, self._rows = self._rows, []
        return rows

    def start(self, name: str, said: dict[str, str]) -> None:
        local = _local(name)
        if local in ("v", "t"):
            self._inside = not self._aside
        elif local == "c":
            self._at = _column(said.get("r", "")) if "r" in said else self._at + 1
            self._type, self._style = said.get("t", "n"), said.get("s", "")
            self._text = []
        elif local == "f":
            self._formulas.add(self._at)
        elif local == "rPh":
            self._aside = True
        elif local == "row":
            said_number = said.get("r", "")
            self._number = max(self._number + 1, int(said_number) if said_number.isdigit() else 0)
            self._cells, self._formulas, self._lost, self._at = [], set(), False, -1

    def end(self, name: str) -> None:
        local = _local(name)
        if local in ("v", "t"):
            self._inside = False
        elif local == "c":
            self._put(self._value("".join(self._text)))
        elif local == "rPh":
            self._aside = False
        elif local == "row":
            given = self._aside_of.of(self._number, self._cells)
            row = Row(self._number, self._cells, frozenset(self._formulas), self._lost, sparse=True)
            self._rows.append(row._replace(merged=given) if given else row)

    def text(self, text: str) -> None:
        if self._inside:
            self._text.append(text)

    def _put(self, value: str) -> None:
        if self._at >= _WIDEST:
            self._lost = self._lost or bool(value)
            return
        if value:
            self._cells.extend([""] * (self._at + 1 - len(self._cells)))
            self._cells[self._at] = value

    def _value(self, raw: str) -> str:
        if self._type == "s":
            index = int(raw) if raw.strip() else -1
            return self._strings[index] if 0 <= index < len(self._strings) else ""
        if self._type in ("inlineStr", "str"):
            return _plain(raw)
        if self._type == "b":
            return {"1": "TRUE", "0": "FALSE"}.get(raw, raw)
        if self._type == "n" and raw:
            return self._number_of(raw)
        return raw

    def _number_of(self, raw: str) -> str:
        try:
            number = float(raw)
        except ValueError:
            return raw
        if self._style.isdigit() and int(self._style) < len(self._dates) and self._dates[int(self._style)]:
            try:
                moment = self._epoch + timedelta(days=number)
            except (OverflowError, ValueError):
                return raw
            return moment.date().isoformat()
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _column(reference: str) -> int:
    """`C7` is the third column, 2."""
    index = 0
    for letter in reference:
        if not "A" <= letter <= "Z" or index > 100_000:
            break
        index = index * 26 + ord(letter) - 64
    return index - 1


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match.group(1), 16)), text) if "_x" in text else text
