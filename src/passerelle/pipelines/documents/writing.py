"""Puts a document's text together, block by block, so that every block knows where it stands."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from passerelle.pipelines.documents.parsed import Limits, Notice
from passerelle.pipelines.documents.refusals import Unreadable

BETWEEN = "\n\n"
_LONGEST_HEADING = 300  # characters
_DEEPEST = 9
# Controls that no text needs, halves of letters, and signs that only a font or a browser knows what to do with.
_LOST = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_LINES = re.compile("\r\n?|\x0b|\x0c|\x85|\u2028|\u2029")
_SPACES = re.compile(r"\s+")


def clean(text: str) -> str:
    """The text as it is kept: composed letters (NFC), one sign for the end of a line, nothing a database refuses."""
    return unicodedata.normalize("NFC", _LOST.sub("", _LINES.sub("\n", text)))


def line(text: str) -> str:
    """The text in one line."""
    return _SPACES.sub(" ", clean(text)).strip()


class Writer:
    """The text so far, its blocks, and the headings that the next block stands under."""

    def __init__(self, limits: Limits) -> None:
        self.title = ""
        self.opening = ""  # the first heading
        self.warnings: set[Notice] = set()
        self.page: int | None = None
        self.blocks: list[tuple[int, int, tuple[str, ...], int | None, bool]] = []
        self._limits = limits
        self._parts: list[str] = []
        self._length = 0
        self._path: list[tuple[int, str]] = []

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._parts)

    @property
    def headings(self) -> tuple[str, ...]:
        """Those that the next block stands under."""
        return tuple(text for _, text in self._path)

    def under(self, path: Sequence[str]) -> None:
        """What follows stands under these."""
        self._path = [(level, line(text)[:_LONGEST_HEADING]) for level, text in enumerate(path[:_DEEPEST], 1)]

    def heading(self, text: str, level: int, *, written: str | None = None) -> None:
        """A heading of that level (1 is the outermost), and a block of it; `written` as it stands in the text."""
        said = line(text)
        if not said:
            return
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        if len(self._path) < _DEEPEST:
            self._path.append((level, said[:_LONGEST_HEADING]))
        self.opening = self.opening or said
        self.block(written or said, heading=True)

    def block(self, text: str, *, between: str = BETWEEN, heading: bool = False) -> None:
        """One more block; nothing, when there is nothing in it. Raises Unreadable past a limit."""
        text = clean(text).strip()
        if not text:
            return
        if self._parts:
            self._parts.append(between)
            self._length += len(between)
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        if self._length > self._limits.characters or len(self.blocks) >= self._limits.blocks:
            raise Unreadable("document_too_long")
        self.blocks.append((start, self._length, self.headings, self.page, heading))
