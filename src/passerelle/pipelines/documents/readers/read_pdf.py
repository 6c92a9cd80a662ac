"""PDF, by PDFium: the text of each page, under the headings of the document's own table of contents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pypdfium2

from passerelle.pipelines.documents.kinds import Found
from passerelle.pipelines.documents.parsed import Limits, Notice
from passerelle.pipelines.documents.refusals import DAMAGED, Unreadable
from passerelle.pipelines.documents.writing import Writer, line

_PASSWORD, _SECURITY = 4, 5  # PDFium's reasons for not opening
_HYPHENATED = re.compile("[\ufffe\x02\xad]\r?\n?")  # a word parted at the end of a line
_PARAGRAPHS = re.compile(r"\n[ \t]*\n\s*")
_MOST_MARKS = 5_000
_DEEPEST = 6

Mark = tuple[int, str]  # level from 1, title


def read(found: Found, writer: Writer, limits: Limits) -> None:
    """Blocks by page. Raises Unreadable."""
    try:
        document = pypdfium2.PdfDocument(found.content)
    except pypdfium2.PdfiumError as error:
        locked = error.err_code in (_PASSWORD, _SECURITY)
        raise Unreadable("document_encrypted" if locked else DAMAGED) from None
    if len(document) > limits.pages:
        raise Unreadable("document_too_many_pages")
    writer.title = line(document.get_metadata_value("Title"))
    marks = _marks(document)
    for index in range(len(document)):
        writer.page = index + 1
        text = _page(document, index)
        if not text.strip():
            writer.warnings.add(Notice.PAGES_WITHOUT_TEXT)
        _write(writer, text, marks.get(index, []))


def _page(document: Any, index: int) -> str:
    try:
        page = document[index]
        try:
            shown = page.get_textpage()
            try:
                text: str = shown.get_text_range()
            finally:
                shown.close()
        finally:
            page.close()
    except pypdfium2.PdfiumError:
        return ""  # one damaged page is as one without text
    return _HYPHENATED.sub("", text).replace("\r\n", "\n")


def _marks(document: Any) -> dict[int, list[Mark]]:
    """The titles of the table of contents by the index of their page."""
    marks: dict[int, list[Mark]] = {}
    try:
        for entry in islice(document.get_toc(max_depth=_DEEPEST), _MOST_MARKS):
            goal = entry.get_dest()
            index = goal.get_index() if goal else None
            if index is not None and (title := line(entry.get_title())):
                marks.setdefault(index, []).append((entry.level + 1, title))
    except (pypdfium2.PdfiumError, ValueError, UnicodeError):
        return {}  # the text does not need it
    return marks


def _write(writer: Writer, text: str, marks: list[Mark]) -> None:
    for mark, part in _parted(text, marks):
        if mark is not None:
            level, title = mark
            writer.under([*writer.headings[: level - 1], title])
        for paragraph in _PARAGRAPHS.split(part):
            writer.block(paragraph)


def _parted(text: str, marks: list[Mark]) -> Iterator[tuple[Mark | None, str]]:
    """The page's text from each of its titles on; a title that is not found there stands at once."""
    at = 0
    under: Mark | None = None
    for mark in marks:
        pattern = r"\s+".join(map(re.escape, mark[1].split()[:30]))
        hit = re.compile(pattern, re.IGNORECASE).search(text, at)
        place = hit.start() if hit else at
        yield under, text[at:place]
        under, at = mark, place
    yield under, text[at:]
