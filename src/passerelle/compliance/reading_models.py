"""Where models come from, as `passerelle audit models --json` has printed it into `sources/models.json`.

A file, so that documents are made from what somebody saw and kept, and the same inputs give the same documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from passerelle.domain.errors import Finding

FILE: Final = "models.json"
_TEXTS: Final = ("revision", "author", "licence", "relation", "checked_at")
_CURE: Final = "Write it anew: `passerelle audit models --json > DPA/sources/models.json`."
_LONGEST: Final = 200

Origins = Mapping[str, Mapping[str, Any]]


def read_origins(content: str, *, file: str) -> Origins | Finding:
    """What is known by a model's id; or the one thing that is wrong with the file."""
    try:
        rows = orjson.loads(content)["models"]
        return {_text(row["model"]): _row(row) for row in rows}
    except (ValueError, TypeError, KeyError, AttributeError):
        return Finding(
            "error", "S07", "The file is not what `passerelle audit models --json` prints.", _CURE, file
        )


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {name: _text(row[name]) for name in _TEXTS if row.get(name) is not None}
    bases = row.get("base_models") or ()
    found["base_models"] = tuple(_text(each) for each in bases)
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ValueError("no short text")
    return value
