"""Markdown: its paragraphs under their headings (CommonMark's two forms), code as it stands."""

from __future__ import annotations

import re

from passerelle.pipelines.documents.kinds import Found
from passerelle.pipelines.documents.parsed import Limits
from passerelle.pipelines.documents.writing import Writer

_HEADING = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_CLOSING = re.compile(r"(?:^|(?<=[ \t]))#+$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_TITLE = re.compile(r"^title:[ \t]*(.+)$", re.MULTILINE | re.IGNORECASE)
_NO_HEADING = re.compile(r" {0,3}(?:[-*+>|]|\d+[.)]) | {4}|\t|$")
_FRONT = re.compile(r"---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
_LONGEST_FRONT = 20_000  # characters


def read(found: Found, writer: Writer, limits: Limits) -> None:
    """Blocks; the title is the front matter's, else the first heading's."""
    text = found.text.lstrip("\n")
    if front := _FRONT.match(text, 0, _LONGEST_FRONT):
        if title := _TITLE.search(front.group(1)):
            writer.title = title.group(1).strip().strip("\"'")
        text = text[front.end() :]
    paragraph: list[str] = []
    fence = ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if fence:
            paragraph.append(line)
            if mark and mark.group(1).startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif mark:
            fence = mark.group(1)
            paragraph.append(line)
        elif heading := _HEADING.match(line):
            _flush(writer, paragraph)
            said = _CLOSING.sub("", line[heading.end() :].strip())
            _heading(writer, said, len(heading.group(1)), line.strip())
        elif (
            (under := _UNDERLINE.match(line)) and len(paragraph) == 1 and not _NO_HEADING.match(paragraph[0])
        ):
            said = paragraph.pop()
            _heading(writer, said, 1 if "=" in under.group(1) else 2, f"{said}\n{line}")
        elif line.strip():
            paragraph.append(line)
        else:
            _flush(writer, paragraph)
    _flush(writer, paragraph)


def _heading(writer: Writer, text: str, level: int, written: str) -> None:
    writer.title = writer.title or text.strip()
    writer.heading(text, level, written=written)


def _flush(writer: Writer, paragraph: list[str]) -> None:
    writer.block("\n".join(paragraph))
    paragraph.clear()
