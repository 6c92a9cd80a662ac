"""Plain text: its paragraphs."""

from __future__ import annotations

import re

from passerelle.pipelines.documents.kinds import Found
from passerelle.pipelines.documents.parsed import Limits
from passerelle.pipelines.documents.writing import Writer

_PARAGRAPHS = re.compile(r"\n[ \t]*\n\s*")


def read(found: Found, writer: Writer, limits: Limits) -> None:
    """A block for each paragraph; pages, where form feeds part them, are not kept."""
    for paragraph in _PARAGRAPHS.split(found.text):
        writer.block(paragraph)
