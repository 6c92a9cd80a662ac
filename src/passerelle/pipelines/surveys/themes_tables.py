"""Themes as they are kept, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from passerelle.domain.survey_work import Theme

THEME = "id, survey, theme, merged"


def theme_json(theme: Theme) -> dict[str, Any]:
    """For the table."""
    return {
        "name": theme.name,
        "keywords": list(theme.keywords),
        "comments": list(theme.comments),
        "quotes": [list(quote) for quote in theme.quotes],
        "cohesion": round(theme.cohesion, 6),
        "offline": theme.offline,
    }


def theme_of(row: Row[Any]) -> Theme:
    """A row of `THEME`."""
    said: Mapping[str, Any] = row.theme
    merged = row.merged
    return Theme(
        id=row.id,
        survey=row.survey,
        name=said["name"],
        keywords=tuple(said["keywords"]),
        comments=tuple(said["comments"]),
        quotes=tuple((comment, quote) for comment, quote in said["quotes"]),
        cohesion=said["cohesion"],
        offline=said["offline"],
        merged_into=None if merged is None else (merged["codebook"], merged["version"], merged["category"]),
    )
