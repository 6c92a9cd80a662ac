"""A text as lines of plain words, with what is a heading and what an item of a list. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

from typing_extensions import override

from passerelle.domain.content import Form, Piece


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ATX = re.compile(r"\s{0,3}#{1,6}\s+(.*?)\s*#*\s*$")
_ITEM = re.compile(r"\s*(?:[-*+•–·‣▪]|\d{1,3}[.)])\s+(.*)")
_LINK = re.compile(r"!?\[([^\[\]]{0,500})\]\([^()\s]{0,1000}(?:\s[^()]{0,300})?\)")
_MARKS = re.compile(r"\*{1,3}|(?<!\w)_{1,3}|_{1,3}(?!\w)|`{1,3}|~~")
_UNDER = re.compile(r"\s*(?:=+|-+)\s*$")
_OPEN = re.compile(r"<(?![^<>]*>)")
_LONGEST_HEADING = 80
_BLOCKS = _set(
    "p div section article header footer main li ul ol table tr td th h1 h2 h3 h4 h5 h6 br hr pre blockquote dt dd "
    "figure figcaption aside nav form title"
)
_UNSEEN = frozenset({"script", "style", "template", "noscript"})


@dataclass(frozen=True, slots=True)
class Line:
    """A line of words. A heading may be one because it says so, or because it is short and ends with a colon."""

    text: str
    heading: bool = False
    item: bool = False


def lines_of(piece: Piece) -> tuple[Line, ...]:
    """The lines of a piece that say something."""
    if piece.form is Form.HTML:
        reader = _Reader()
        reader.feed(_closed(piece.text))
        reader.close()
        reader.end()
        return tuple(reader.lines)
    found: list[Line] = []
    fenced = False
    for raw in piece.text.splitlines():
        if raw.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
            continue
        if fenced or not raw.strip():
            continue
        if _UNDER.match(raw):
            if found and not found[-1].item and piece.form is Form.MARKDOWN:
                found[-1] = Line(found[-1].text, heading=True)
            continue
        if line := _line(raw, marked=piece.form is Form.MARKDOWN):
            found.append(line)
    return tuple(found)


def prose(lines: tuple[Line, ...]) -> str:
    """Its sentences in a row, without headings, lists and bare facts where there is anything else."""
    plain = [line.text for line in lines if not line.heading and not line.item]
    said = [text for text in plain if text.endswith((".", "!", "?", "…", "»", '"', ")"))]
    return " ".join(
        said or plain or [line.text for line in lines if not line.heading] or [line.text for line in lines]
    )


def _line(raw: str, *, marked: bool) -> Line | None:
    heading = _ATX.match(raw) if marked else None
    item = None if heading else _ITEM.match(raw)
    text = heading[1] if heading else item[1] if item else raw
    if marked:
        text = _MARKS.sub("", _LINK.sub(r"\1", text)).replace("|", " ")
    text = " ".join(text.split())
    if not any(map(str.isalnum, text)):
        return None
    named = not item and len(text) <= _LONGEST_HEADING and text.endswith(":")
    return Line(text, heading=bool(heading) or named, item=bool(item))


def _closed(text: str) -> str:
    """A page without comments, in which what begins no tag is plain: the parser would look for each one's end anew."""
    kept, at = [], 0
    while (begin := text.find("<!--", at)) >= 0 and (end := text.find("-->", begin + 4)) >= 0:
        kept.append(text[at:begin])
        at = end + 3
    return _OPEN.sub("&lt;", "".join([*kept, text[at:]]))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[Line] = []
        self._now: list[str] = []
        self._kind = ""
        self._unseen = 0

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        if tag in _BLOCKS:
            self.end()
            self._kind = tag

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        if tag in _BLOCKS:
            self.end()

    @override
    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._now.append(data)

    def end(self) -> None:
        """A line ends here."""
        text = " ".join("".join(self._now).split())
        self._now = []
        if any(map(str.isalnum, text)):
            named = len(text) <= _LONGEST_HEADING and text.endswith(":") and self._kind != "li"
            heading = (len(self._kind) == 2 and self._kind[1].isdigit()) or named
            self.lines.append(Line(text, heading=heading, item=self._kind in ("li", "dd")))
        self._kind = ""
