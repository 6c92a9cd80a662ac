"""Themes as they are kept, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from passerelle.domain.survey_work import Theme
from passerelle.pipelines.surveys.sealed import BOUND
from passerelle.sealing.values import Opener

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


def theme_of(row: Row[Any], opener: Opener) -> Theme:
    """A row of `THEME`."""
    said: Mapping[str, Any] = opener.open_json(row.theme, BOUND)
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
