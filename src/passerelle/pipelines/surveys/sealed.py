"""Rows whose words are sealed, as they are read: what people said, themes, files."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Row

from passerelle.sealing.values import Opener

BOUND = b"survey"  # what all of it is sealed for


def opened(opener: Opener, rows: Iterable[Row[Any]]) -> list[Any]:
    """Rows with their `text` as it was said; their columns are found by name only."""
    return [SimpleNamespace(**{**row._mapping, "text": opener.open_text(row.text, BOUND)}) for row in rows]
