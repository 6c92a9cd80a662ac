"""What a model is to answer with: a JSON object of exactly a recipe's fields. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from passerelle.domain.content import LEVELS, LISTS, Operation, Recipe, Value
from passerelle.pipelines.enrichment.recipes import frame

NOTES = "notes"  # of a part of a long text, for what is written of the whole


def schema_of(
    recipe: Recipe, fields: Sequence[str], *, notes: int = 0, strict: bool = True
) -> dict[str, Any]:
    """The JSON Schema of an answer. Not `strict`: tags and levels may be any, for a check to find fault with."""
    told = described(recipe, fields, notes=notes)
    return {
        "title": "written",
        "type": "object",
        "properties": {
            name: {**_kind(recipe, name, strict=strict), "description": said} for name, said in told.items()
        },
        "required": list(told),
        "additionalProperties": False,
    }


def described(recipe: Recipe, fields: Sequence[str], *, notes: int = 0) -> dict[str, str]:
    """What each field is, in the recipe's language; `notes`: their most characters, nought for none."""
    said: Mapping[str, str] = frame(recipe.language)["fields"]
    bounds = recipe.bounds
    pairs = {
        "rewrite": bounds.ratio,
        "summary": bounds.summary_words,
        "tags": bounds.tags,
        "seo_title": (0, bounds.seo_title),
        "seo_description": (0, bounds.seo_description),
        NOTES: (0, notes),
    }
    told = {}
    for name in [*fields, *((NOTES,) if notes else ())]:
        key = name
        if name == "text":
            key = "translate" if Operation.TRANSLATE in recipe.operations else "rewrite"
        least, most = pairs.get(key, (0, 0))
        told[name] = said[key].replace("$least", f"{least:g}").replace("$most", f"{most:g}")
    return told


def values_of(document: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Value]:
    """An answer as values, in the fields' order: blanks around them gone, empty and repeated elements of lists too."""
    values: dict[str, Value] = {}
    for name in fields:
        said = document[name]
        if name in LISTS:
            values[name] = tuple(dict.fromkeys(" ".join(each.split()) for each in said if each.strip()))
        else:
            values[name] = said.strip()
    return values


def _kind(recipe: Recipe, name: str, *, strict: bool) -> dict[str, Any]:
    if name == "tags" and strict:
        names = [tag.name for tag in recipe.taxonomy]
        return {
            "type": "array",
            "items": {"type": "string", "enum": names},
            "maxItems": recipe.bounds.tags[1],
        }
    if name in LISTS:
        return {"type": "array", "items": {"type": "string"}}
    if name == "level" and strict:
        return {"type": "string", "enum": list(LEVELS)}
    return {"type": "string"}
