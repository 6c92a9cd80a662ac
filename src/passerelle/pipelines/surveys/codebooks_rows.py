"""Rows of codebooks, and what they hold as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from passerelle.domain.survey_work import Checked, Edition, Figures
from passerelle.domain.surveys import Category, Codebook
from passerelle.pipelines.surveys.sealed import BOUND
from passerelle.sealing.values import Opener, Seal

_IN_USE = "promoted_at DESC NULLS LAST, version DESC"  # what comes first is in use, if it was ever promoted
_EDITION = f"""name, version, language, categories, merged, base, note, created_by, created_at, promoted_by,
    promoted_at, checked, promoted_at IS NOT NULL
        AND version = first_value(version) OVER (PARTITION BY name ORDER BY {_IN_USE}) AS in_use"""

FIRST = text(f"""
SELECT DISTINCT ON (name) {_EDITION} FROM survey_codebook WHERE tenant = :tenant
    AND (CAST(:name AS text) IS NULL OR name = :name)
ORDER BY name, {_IN_USE}
""")  # noqa: S608 - constants
ALL = text(f"""
SELECT {_EDITION} FROM survey_codebook WHERE tenant = :tenant AND name = :name ORDER BY version DESC LIMIT :most
""")  # noqa: S608 - constants
ONE = text(f"""
SELECT * FROM (SELECT {_EDITION} FROM survey_codebook WHERE tenant = :tenant AND name = :name) AS every
WHERE version = CAST(:version AS bigint)
""")  # noqa: S608 - constants
COUNT = text("""
SELECT count(DISTINCT name) AS codebooks, count(*) FILTER (WHERE name = :name) AS versions
FROM survey_codebook WHERE tenant = :tenant
""")
MAKE = text("""
INSERT INTO survey_codebook (tenant, name, version, language, categories, merged, base, note, created_by,
    promoted_by, promoted_at)
VALUES (:tenant, :name, :version, :language, CAST(:categories AS jsonb), CAST(:merged AS jsonb), :base, :note, :by,
    CASE WHEN :version = 1 THEN :by ELSE '' END, CASE WHEN :version = 1 THEN clock_timestamp() END)
""")
CHECKED = text("""
UPDATE survey_codebook SET checked = CAST(:checked AS jsonb)
WHERE tenant = :tenant AND name = :name AND version = :version
""")
PROMOTE = text("""
UPDATE survey_codebook SET promoted_at = clock_timestamp(), promoted_by = :by, checked = CAST(:checked AS jsonb)
WHERE tenant = :tenant AND name = :name AND version = :version
""")
NAMED = text("SELECT EXISTS (SELECT FROM survey WHERE tenant = :tenant AND codebook = :name)")
DROP = text("DELETE FROM survey_codebook WHERE tenant = :tenant AND name = :name RETURNING version")
DROP_CORRECTIONS = text(
    "DELETE FROM survey_correction WHERE tenant = :tenant AND codebook = :name RETURNING id"
)
NAMES = text("""
SELECT name FROM survey_codebook WHERE tenant = :tenant
UNION SELECT codebook FROM survey_correction WHERE tenant = :tenant ORDER BY 1
""")


def edition_of(row: Row[Any], opener: Opener) -> Edition:
    """A row of a codebook."""
    categories = tuple(_category(one, opener) for one in row.categories)
    return Edition(
        Codebook(row.name, row.version, row.language, categories),
        row.merged,
        opener.open_text(row.note, BOUND),
        row.created_at,
        row.created_by,
        row.promoted_at,
        row.promoted_by,
        None if row.checked is None else checked_of(row.checked),
        row.in_use,
        row.base,
    )


def categories_json(categories: Sequence[Category], seal: Seal) -> str:
    """As they are kept: sealed but for their ids, for their examples are what people said."""
    kept = []
    for one in categories:
        said = {
            "name": one.name,
            "definition": one.definition,
            "include": one.include,
            "exclude": one.exclude,
            "examples": list(one.examples),
        }
        kept.append({"id": one.id, **({"said": seal.seal_json(said, BOUND)} if seal.on else said)})
    return json.dumps(kept)


def checked_json(checked: Checked | None) -> str | None:
    """As it is kept."""
    if checked is None:
        return None
    return json.dumps(
        {
            "before": None if checked.before is None else _figures_json(checked.before),
            "after": _figures_json(checked.after),
            "change": checked.change,
            "low": checked.low,
            "high": checked.high,
            "lost": list(checked.lost),
            "at": None if checked.at is None else checked.at.isoformat(),
            "forced": checked.forced,
        }
    )


def checked_of(kept: Mapping[str, Any]) -> Checked:
    """As it was."""
    before, at = kept["before"], kept["at"]
    return Checked(
        None if before is None else Figures(**before),
        Figures(**kept["after"]),
        kept["change"],
        kept["low"],
        kept["high"],
        tuple(kept["lost"]),
        None if at is None else datetime.fromisoformat(at),
        kept["forced"],
    )


def _figures_json(figures: Figures) -> dict[str, float]:
    return {
        "n": figures.n,
        "micro": figures.micro,
        "macro": figures.macro,
        "sentiment": figures.sentiment,
    }


def _category(kept: Mapping[str, Any], opener: Opener) -> Category:
    said = opener.open_json(kept["said"], BOUND) if "said" in kept else kept
    return Category(
        kept["id"],
        said["name"],
        said["definition"],
        said["include"],
        said["exclude"],
        tuple(said["examples"]),
    )
