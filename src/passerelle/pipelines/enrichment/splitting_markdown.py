"""The blocks of a Markdown text by its lines: headings, fenced code, tables, HTML blocks, paragraphs. Pure.

A fence that is never closed is a line like any other, so that it does not make one block of all that follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from passerelle.pipelines.enrichment.splitting_spans import Block

_FENCE = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]|\r?\n|$)")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*\r?$")
_DELIMITER = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t\r]*$")
_HTML = re.compile(r"[ \t]*<(table|pre|script|style|svg|textarea|!--)", re.IGNORECASE)
_MATTER = re.compile(r"---[ \t]*\r?\n$")


def markdown_blocks(text: str) -> Iterator[Block]:
    """Its blocks in order; joined, they are the text."""
    lines = text.splitlines(keepends=True)
    at = 0
    if lines and _MATTER.match(lines[0]):
        end = next((i for i in range(1, min(len(lines), 200)) if lines[i].rstrip() in ("---", "...")), None)
        if end is not None:
            yield Block("".join(lines[: end + 1]), whole=True)
            at = end + 1
    closing = _Closings(lines)
    begin = at
    while at < len(lines):
        end = closing.of(at) or _table(lines, at)
        level = 0 if end else _level(lines, at, begin)
        if end or level:
            if begin < at:
                yield Block("".join(lines[begin:at]))
            stop = end or at + (1 if _ATX.match(lines[at]) else 2)
            stop = _behind_blank(lines, stop)
            yield Block("".join(lines[at:stop]), level=level, whole=bool(end))
            begin = at = stop
            continue
        at += 1
        if not lines[at - 1].strip():
            at = _behind_blank(lines, at)
            yield Block("".join(lines[begin:at]))
            begin = at
    if begin < len(lines):
        yield Block("".join(lines[begin:]))


class _Closings:
    """Where what begins at a line ends; what is never closed is looked for once."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._unclosed: set[str] = set()

    def of(self, at: int) -> int | None:
        """The line behind a fenced block or an HTML block that begins here; None where none does."""
        line = self._lines[at]
        if fence := _FENCE.match(line):
            if fence[1][0] == "`" and "`" in line[fence.end() :]:
                return None  # code inside of a line
            return self._find(at, fence[1], lambda other: _closes(other, fence[1]))
        if html := _HTML.match(line):
            tag = html[1].lower()
            mark = "-->" if tag == "!--" else f"</{tag}"
            if mark in line.lower()[html.end() :]:
                return at + 1
            return self._find(at, mark, lambda other: mark in other.lower())
        return None

    def _find(self, at: int, mark: str, ends: Callable[[str], bool]) -> int | None:
        if mark in self._unclosed:
            return None
        for place in range(at + 1, len(self._lines)):
            if ends(self._lines[place]):
                return place + 1
        self._unclosed.add(mark)
        return None


def _closes(line: str, fence: str) -> bool:
    bare = line.strip().lstrip("> \t")
    return bare.startswith(fence) and not bare.strip(fence[0])


def _table(lines: list[str], at: int) -> int | None:
    """The line behind a table that begins here: a row, the line below it that makes it one, and further rows."""
    if "|" not in lines[at] or at + 1 >= len(lines):
        return None
    below = lines[at + 1]
    if "-" not in below or not _DELIMITER.match(below) or ("|" not in below and ":" not in below):
        return None
    end = at + 2
    while end < len(lines) and "|" in lines[end] and lines[end].strip():
        end += 1
    return end


def _level(lines: list[str], at: int, begin: int) -> int:
    """Of a heading that begins here; nought: none does."""
    if heading := _ATX.match(lines[at]):
        return len(heading[1])
    if at != begin or not lines[at].strip() or at + 1 >= len(lines):
        return 0
    under = _SETEXT.match(lines[at + 1].rstrip("\n"))
    if under is None or lines[at].lstrip().startswith((">", "- ", "* ", "+ ", "|")):
        return 0
    return 1 if under[1][0] == "=" else 2


def _behind_blank(lines: list[str], at: int) -> int:
    while at < len(lines) and not lines[at].strip():
        at += 1
    return at
