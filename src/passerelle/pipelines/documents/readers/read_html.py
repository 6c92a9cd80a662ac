"""Web pages, by trafilatura: title and content without menus and footers; all the text where that finds too little."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import trafilatura

from passerelle.pipelines.documents.kinds import Found
from passerelle.pipelines.documents.parsed import Limits, Notice
from passerelle.pipelines.documents.writing import Writer, line

_LEAST_SHARE = 0.1  # of a page's words that its content has
_FEW = 400  # characters in which there is no telling
_UNSEEN = frozenset({"script", "style", "template", "noscript", "svg", "head", "iframe", "object", "select"})
_AROUND = frozenset({"nav", "footer", "aside", "form"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_BLOCKS = frozenset(
    re.split(
        r"\s+",
        "address article aside blockquote body caption dd details div dl dt fieldset figcaption figure footer form h1 h2 h3"
        " h4 h5 h6 header hr html li main nav ol p pre section summary table tr ul",
    )
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


def read(found: Found, writer: Writer, limits: Limits) -> None:
    """Blocks: the content, else everything that is shown."""
    plain = _Plain()
    plain.feed(found.text)
    plain.close()
    plain.flush()
    writer.title = line("".join(plain.title))
    blocks = _content(found.text, writer)
    shown = sum(len(text) for text, _ in plain.blocks)
    size = sum(len(text) for text, _ in blocks)
    if len(blocks) < min(2, len(plain.blocks)) or size < max(_LEAST_SHARE * shown, min(_FEW, 0.7 * shown)):
        blocks = plain.blocks
        writer.warnings.add(Notice.BOILERPLATE_UNKNOWN)
    for text, level in blocks:
        if level:
            writer.heading(text, level)
        else:
            writer.block(text)


def _content(text: str, writer: Writer) -> list[tuple[str, int]]:
    """What trafilatura takes for the content: texts with the level of those that are headings (0: none)."""
    try:
        document: Any = trafilatura.bare_extraction(
            text, include_comments=False, include_tables=True, favor_recall=True, with_metadata=False
        )
    except Exception:  # noqa: BLE001 - made for pages as people write them; all the text is read where it fails
        return []
    if document is None or document.body is None:
        return []
    writer.title = writer.title or line(document.title or "")
    blocks: list[tuple[str, int]] = []
    for element in document.body:
        if element.tag == "head":
            blocks.append((_joined(element), _HEADINGS.get(element.get("rend", "h2"), 2)))
        elif element.tag == "list":
            blocks.append(("\n".join(f"- {_joined(item)}" for item in element.iter("item")), 0))
        elif element.tag == "table":
            rows = (" | ".join(_joined(cell) for cell in row.iter("cell")) for row in element.iter("row"))
            blocks.append(("\n".join(rows), 0))
        else:
            kept = element.tag in ("code", "pre")
            blocks.append(("".join(element.itertext()) if kept else _joined(element), 0))
        if (element.tail or "").strip():
            blocks.append((line(element.tail), 0))
    return [(text, level) for text, level in blocks if text.strip()]


def _joined(element: Any) -> str:
    return line(" ".join(element.itertext())).replace(" ,", ",").replace(" .", ".")


class _Plain(HTMLParser):
    """Everything that is shown, block by block; menus and the like only where there is nothing else around them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.blocks: list[tuple[str, int]] = []
        self._parts: list[str] = []
        self._level = 0
        self._hidden: list[str] = []
        self._titled = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title" and not self.title:
            self._titled = True
        if tag == "body" and "head" in self._hidden:
            self._hidden.clear()  # a head need not be closed
        if tag in _UNSEEN | _AROUND:
            self.flush()
            self._hidden.append(tag)
        elif tag in _BLOCKS:
            self.flush()
            self._level = _HEADINGS.get(tag, 0)
        elif tag == "br":
            self._parts.append("\n")
        elif tag in ("td", "th") and self._parts:
            self._parts.append(" | ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._titled = False
        if tag in self._hidden:
            while self._hidden.pop() != tag:
                pass
        elif tag in _BLOCKS:
            self.flush()

    def handle_data(self, data: str) -> None:
        if self._titled:
            self.title.append(data)
        elif not self._hidden:
            self._parts.append(data)

    def flush(self) -> None:
        """What was said so far is a block."""
        text = line("".join(self._parts))
        if text:
            self.blocks.append((text, self._level))
        self._parts.clear()
        self._level = 0
