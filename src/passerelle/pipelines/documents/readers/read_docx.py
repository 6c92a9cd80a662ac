"""Word documents: paragraphs and tables in their order under their headings, then notes; text as it stands after all changes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import docx
from docx.oxml.parser import parse_xml

from passerelle.pipelines.documents.kinds import Found
from passerelle.pipelines.documents.parsed import Limits
from passerelle.pipelines.documents.writing import Writer, line

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_BREAKS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_HOLDERS = {f"{_W}{name}" for name in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag")}
_TITLE = 0
_BODY_LEVEL = 9  # Word's outline level of what is no heading
_LONGEST_FAMILY = 12  # styles that a style may be based on, one on another


def read(found: Found, writer: Writer, limits: Limits) -> None:
    """Blocks; the title is the properties', else the first paragraph's in the style of titles."""
    document = docx.Document(io.BytesIO(found.content))
    writer.title = line(document.core_properties.title or "")
    levels = _levels(document.styles.element)
    for element in _children(document.element.body):
        if element.tag == f"{_W}tbl":
            writer.block("\n".join(_rows(element)))
            continue
        level = _level(element, levels)
        text = _text(element)
        if level is None:
            writer.block(text)
        elif level == _TITLE:
            writer.title = writer.title or line(text)
            writer.block(text)
        else:
            writer.heading(text, level)
    writer.under([])
    for note in _notes(document.part):
        writer.block(note)


def _notes(part: Any) -> Iterator[str]:
    """Footnotes and endnotes, without the lines that Word draws above them."""
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.endswith(("/footnotes", "/endnotes")):
            for note in parse_xml(relation.target_part.blob):
                if note.get(f"{_W}type") is None:
                    yield _text(note)


def _children(holder: Any) -> Iterator[Any]:
    """Paragraphs and tables in their order, those inside content controls and accepted changes too."""
    waiting = [holder]
    while waiting:
        element = waiting.pop()
        if element.tag in (f"{_W}p", f"{_W}tbl"):
            yield element
        elif element is holder or element.tag in _HOLDERS:
            waiting.extend(reversed(element))


def _text(element: Any) -> str:
    """What is read in it. Deleted text has another tag, and what only old programs show is passed over."""
    parts: list[str] = []
    waiting = [element]
    while waiting:
        node = waiting.pop()
        if node.tag == f"{_W}t":
            parts.append(node.text or "")
        elif node.tag in _BREAKS and node.getparent().tag != f"{_W}tabs":
            parts.append(_BREAKS[node.tag])
        elif node.tag != _FALLBACK:
            if node.tag == f"{_W}p" and parts and node is not element:
                parts.append("\n")
            waiting.extend(reversed(node))
    return "".join(parts)


def _rows(table: Any) -> Iterator[str]:
    for row in table.iterchildren(f"{_W}tr", f"{_W}sdt"):
        cells = [line(_text(cell)) for cell in row.iter(f"{_W}tc") if _outermost(cell, table)]
        if any(cells):
            yield " | ".join(cells)


def _outermost(cell: Any, table: Any) -> bool:
    """A table inside a cell is part of that cell's text."""
    return next(cell.iterancestors(f"{_W}tbl")) is table


def _levels(styles: Any) -> dict[str, int]:
    """The level of each style of headings, by its id: its own, its name's, or that of the style it is based on."""
    own: dict[str, int] = {}
    bases: dict[str, str] = {}
    for style in styles.iterchildren(f"{_W}style"):
        name = style.get(f"{_W}styleId") or ""
        said = style.find(f"{_W}name")
        level = _named(said.get(f"{_W}val", "") if said is not None else "")
        outline = style.find(f"{_W}pPr/{_W}outlineLvl")
        if level is None and outline is not None:
            level = _outline(outline)
        if level is not None:
            own[name] = level
        base = style.find(f"{_W}basedOn")
        if base is not None:
            bases[name] = base.get(f"{_W}val", "")
    levels = dict(own)
    for name in bases:
        ancestor = name
        for _ in range(_LONGEST_FAMILY):
            if ancestor in own:
                levels[name] = own[ancestor]
                break
            ancestor = bases.get(ancestor, "")
    return levels


def _named(name: str) -> int | None:
    """Word writes the names of its own styles in English, whatever it shows; other programs do not."""
    words = name.lower().split()
    if words in (["title"], ["titre"]):
        return _TITLE
    if len(words) == 2 and words[0] in ("heading", "titre", "überschrift") and words[1] in "123456789":
        return int(words[1])
    return None


def _outline(outline: Any) -> int | None:
    said = outline.get(f"{_W}val", "")
    return int(said) + 1 if said.isdecimal() and int(said) < _BODY_LEVEL else None


def _level(paragraph: Any, levels: dict[str, int]) -> int | None:
    if paragraph.tag != f"{_W}p":
        return None
    outline = paragraph.find(f"{_W}pPr/{_W}outlineLvl")
    if outline is not None:
        return _outline(outline)
    style = paragraph.find(f"{_W}pPr/{_W}pStyle")
    return levels.get(style.get(f"{_W}val", "")) if style is not None else None
