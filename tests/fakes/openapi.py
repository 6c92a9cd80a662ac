"""A validator for the few parts of OpenAPI 3.0 schemas that TGI and TEI use to describe their responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


@cache
def schemas(engine: str) -> Mapping[str, Any]:
    """The response schemas of `tgi` or `tei`, by name."""
    text = (Path(__file__).parent / "schemas" / f"{engine}.json").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = json.loads(text)["schemas"]
    return loaded


def problems(value: Any, name: str, engine: str) -> list[str]:
    """What is wrong with a value by the schema of this name; empty when it fits."""
    known = schemas(engine)
    return _check(value, known[name], known=known, where=name)


def _check(value: Any, schema: Mapping[str, Any], *, known: Mapping[str, Any], where: str) -> list[str]:
    if "$ref" in schema:
        return _check(value, known[schema["$ref"].rsplit("/", 1)[1]], known=known, where=where)
    if value is None and schema.get("nullable"):
        return []
    for part in schema.get("allOf", ()):
        if wrong := _check(value, part, known=known, where=where):
            return wrong
    choices = [_check(value, part, known=known, where=where) for part in schema.get("oneOf", ())]
    if choices and all(choices):
        return min(choices, key=len)
    kind = schema.get("type")
    if kind is None:
        return []
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return [f"{where}: {value!r} is not of type {kind}"]
    return _check_content(value, schema, known=known, where=where)


def _check_content(
    value: Any, schema: Mapping[str, Any], *, known: Mapping[str, Any], where: str
) -> list[str]:
    wrong: list[str] = []
    if "enum" in schema and value not in schema["enum"]:
        wrong.append(f"{where}: {value!r} is not one of {schema['enum']}")
    if "minimum" in schema and value < schema["minimum"]:
        wrong.append(f"{where}: {value!r} is too small")
    if isinstance(value, dict):
        wrong += [f"{where}: {name} is missing" for name in schema.get("required", ()) if name not in value]
        named, rest = schema.get("properties", {}), schema.get("additionalProperties")
        for name, item in value.items():
            if name in named:
                wrong += _check(item, named[name], known=known, where=f"{where}.{name}")
            elif rest:
                wrong += _check(item, rest, known=known, where=f"{where}.{name}")
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            wrong.append(f"{where}: {len(value)} items")
        for index, item in enumerate(value):
            wrong += _check(item, schema.get("items", {}), known=known, where=f"{where}[{index}]")
    return wrong
