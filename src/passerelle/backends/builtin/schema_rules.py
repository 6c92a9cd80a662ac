"""The part of JSON Schema that the built-in engine reads: its keywords, their form, what they allow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from passerelle.backends.builtin.errors import CannotFill

Schema = Mapping[str, Any]

DEEPEST = 12  # levels of nesting and references
NUMBERS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
COUNTS = frozenset({"minItems", "maxItems", "minLength", "maxLength"})
CHOICES = frozenset({"anyOf", "oneOf"})
RULES = NUMBERS | COUNTS | CHOICES | frozenset(
    {"type", "enum", "const", "properties", "required", "additionalProperties", "items"}
    | {"uniqueItems", "$ref"}
)  # fmt: skip
# Say nothing about which values are valid.
NOTES = frozenset(
    {"title", "description", "default", "examples", "$defs", "definitions", "$schema", "$id", "$comment"}
    | {"deprecated", "readOnly", "writeOnly"}
)
TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


def checked(schema: Any, path: str) -> Schema:
    """The schema, if every keyword is read here and well formed. Raises CannotFill, naming it."""
    if schema is True:
        return {}
    if not isinstance(schema, Mapping):
        raise CannotFill(path, "its schema is not an object, or allows nothing")
    unknown = next((key for key in schema if key not in RULES and key not in NOTES), None)
    if unknown is not None:
        raise CannotFill(path, f"its schema uses '{unknown}'")
    for key, value in schema.items():
        if not _well_formed(key, value):
            raise CannotFill(path, f"'{key}' is malformed in its schema")
    alone = [key for key in ("$ref", "anyOf", "oneOf") if key in schema]
    if alone and len(schema.keys() & RULES) > 1:
        raise CannotFill(path, f"its schema combines '{alone[0]}' with other rules")
    return schema


def referred(root: Schema, schema: Schema, path: str) -> Schema:
    """The schema that a `$ref` inside the same document points to, with the notes beside it on top."""
    for _ in range(DEEPEST):
        if "$ref" not in schema:
            return schema
        found: Any = root
        for step in schema["$ref"].removeprefix("#").strip("/").split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if step and (not isinstance(found, Mapping) or key not in found):
                raise CannotFill(path, "its $ref points to nothing in the schema")
            found = found[key] if step else found
        beside = {key: value for key, value in schema.items() if key in NOTES}
        schema = {**checked(found, path), **beside}
    raise CannotFill(path, "its $ref leads in a circle")


def options(schema: Schema, path: str) -> list[Schema]:
    """What the schema leaves to choose from: its alternatives, or itself once per type it allows."""
    if "anyOf" in schema or "oneOf" in schema:
        notes = {key: value for key, value in schema.items() if key == "description"}
        listed = [checked(option, path) for option in schema.get("anyOf") or schema["oneOf"]]
        names = [option.get("type") for option in listed]
        if "oneOf" in schema and not _disjoint(names):
            raise CannotFill(path, "the options of its 'oneOf' may overlap")
        return [{**notes, **option} for option in listed]
    types = schema.get("type")
    if types is None:
        types = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return [{**schema, "type": name} for name in ([types] if isinstance(types, str) else types)]


def allows(schema: Schema, value: Any) -> bool:
    """Is a value valid? Only types and bounds are looked at; `enum` and `const` are left to the caller."""
    types = schema.get("type", list(TYPES))
    named = [types] if isinstance(types, str) else types
    if not any(_is(value, name) for name in named):
        return False
    if isinstance(value, str):
        return bool(schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    step = schema.get("multipleOf")
    return bool(
        schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
        and schema.get("exclusiveMinimum", -math.inf) < value < schema.get("exclusiveMaximum", math.inf)
        and (not step or math.isclose(value / step, round(value / step), abs_tol=1e-9))
    )


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES.get(name, ()))


def _disjoint(names: Sequence[Any]) -> bool:
    if not all(isinstance(name, str) for name in names) or {"integer", "number"} <= set(names):
        return False
    return len(set(names)) == len(names)


def _well_formed(key: str, value: Any) -> bool:
    if key in NUMBERS:
        return (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and (key != "multipleOf" or value > 0)
        )
    if key in COUNTS:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if key in ("enum", "anyOf", "oneOf"):
        return isinstance(value, list) and bool(value)
    if key == "required":
        return isinstance(value, list) and all(isinstance(name, str) for name in value)
    if key == "properties":
        return isinstance(value, Mapping)
    if key == "$ref":
        return isinstance(value, str) and value.startswith("#")
    if key == "type":
        names = [value] if isinstance(value, str) else value
        return (
            isinstance(names, list) and bool(names) and all(isinstance(n, str) and n in TYPES for n in names)
        )
    return True
