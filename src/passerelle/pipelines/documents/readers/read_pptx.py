"""Presentations: each slide a page under its title, with its shapes, its tables and the speaker's notes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pptx

from passerelle.pipelines.documents.kinds import Found
from passerelle.pipelines.documents.parsed import Limits
from passerelle.pipelines.documents.refusals import Unreadable
from passerelle.pipelines.documents.writing import Writer, line


def read(found: Found, writer: Writer, limits: Limits) -> None:
    """Blocks by slide. Raises Unreadable."""
    deck = pptx.Presentation(io.BytesIO(found.content))
    if len(deck.slides) > limits.pages:
        raise Unreadable("document_too_many_pages")
    own = line(deck.core_properties.title or "")
    writer.title = "" if own == "PowerPoint Presentation" else own
    for number, slide in enumerate(deck.slides, 1):
        writer.page = number
        writer.under([])
        title = slide.shapes.title
        said = line(title.text_frame.text) if title is not None else ""
        writer.heading(said, 1)
        writer.title = writer.title or said
        for shape in _shapes(slide.shapes):
            if title is None or shape.shape_id != title.shape_id:
                _write(writer, shape)
        if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None:
            writer.block(notes.text)


def _shapes(shapes: Any) -> Iterator[Any]:
    """All of them, those in groups too."""
    waiting = list(reversed(list(shapes)))
    while waiting:
        shape = waiting.pop()
        if hasattr(shape, "shapes"):
            waiting.extend(reversed(list(shape.shapes)))
        else:
            yield shape


def _write(writer: Writer, shape: Any) -> None:
    if getattr(shape, "has_table", False):
        rows = ([line(cell.text) for cell in row.cells if not cell.is_spanned] for row in shape.table.rows)
        writer.block("\n".join(" | ".join(cells) for cells in rows if any(cells)))
    elif getattr(shape, "has_text_frame", False):
        writer.block(shape.text_frame.text)
