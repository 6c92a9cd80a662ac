"""The JSON Schema says to an editor what the loader says to the operator."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from passerelle.routing.schema import json_schema
from tests.unit.routing.files import KINDS, SMALL, WHOLE, changed, loaded

_SCHEMA = json_schema(KINDS)
_CHECKED = frozenset(
    [
        "type",
        "properties",
        "patternProperties",
        "additionalProperties",
        "required",
        "items",
        "anyOf",
        "oneOf",
        "enum",
        "const",
        "pattern",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "minLength",
        "maxLength",
        "$ref",
    ]
)
_SAID = frozenset(["$schema", "$id", "$defs", "title", "description", "default", "examples"])
_BOUNDS = {"minimum": operator.ge, "maximum": operator.le, "exclusiveMinimum": operator.gt}
_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def _fits(data: Any, schema: Any) -> bool:
    """Does data fit a schema made of the keywords above? A validator small enough to be read."""
    if schema is False or schema is True:
        return bool(schema)
    assert set(schema) <= _CHECKED | _SAID, set(schema) - _CHECKED - _SAID
    return all(_keyword(name, schema[name], data, schema) for name in schema if name in _CHECKED)


def _keyword(name: str, wanted: Any, data: Any, schema: dict[str, Any]) -> bool:
    number = isinstance(data, int | float) and not isinstance(data, bool)
    match name:
        case "$ref":
            return _fits(data, _SCHEMA["$defs"][wanted.removeprefix("#/$defs/")])
        case "type":
            if wanted in ("integer", "number"):
                return number and (wanted == "number" or data == int(data))
            return isinstance(data, _TYPES[wanted])
        case "const":
            return type(data) is type(wanted) and data == wanted
        case "enum":
            return data in wanted
        case "anyOf":
            return any(_fits(data, choice) for choice in wanted)
        case "oneOf":
            return sum(_fits(data, choice) for choice in wanted) == 1
        case "pattern":
            return not isinstance(data, str) or re.search(wanted, data) is not None
        case "minimum" | "maximum" | "exclusiveMinimum":
            return not number or _BOUNDS[name](data, wanted)
        case "minItems" | "minLength":
            return not isinstance(data, list | str) or len(data) >= wanted
        case "maxLength" | "maxItems":
            return not isinstance(data, str | list) or len(data) <= wanted
        case "uniqueItems":
            return not isinstance(data, list) or len({str(item) for item in data}) == len(data)
        case "items":
            return not isinstance(data, list) or all(_fits(item, wanted) for item in data)
    return not isinstance(data, dict) or _object(name, wanted, data, schema)


def _object(name: str, wanted: Any, data: dict[str, Any], schema: dict[str, Any]) -> bool:
    match name:
        case "required":
            return set(wanted) <= set(data)
        case "minProperties":
            return len(data) >= wanted
        case "properties":
            return all(_fits(data[key], part) for key, part in wanted.items() if key in data)
        case "patternProperties":
            return all(
                _fits(value, part)
                for pattern, part in wanted.items()
                for key, value in data.items()
                if re.search(pattern, key)
            )
    known = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    others = [
        key for key in data if key not in known and not any(re.search(pattern, key) for pattern in patterns)
    ]
    return all(_fits(data[key], wanted) for key in others)


def _parts(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside a schema, with its path."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _parts(item, f"{path}/{index}")
    elif isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            if key not in ("default", "examples", "enum", "required"):
                yield from _parts(value, f"{path}/{key}")


def test_it_says_what_it_is() -> None:
    assert _SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert _SCHEMA["$id"] == "providers.schema.json"
    assert _SCHEMA["title"]
    assert _SCHEMA["description"]


def test_it_uses_only_words_of_json_schema() -> None:
    for path, part in _parts(_SCHEMA):
        if not path.endswith(("/properties", "/patternProperties", "/$defs")):
            assert set(part) <= _CHECKED | _SAID, path


def test_every_key_that_every_kind_has_is_described() -> None:
    own = {
        "HfProvidersOptions/provider",
        "HfProvidersOptions/token",
        "HfProvidersOptions/bill_to",
        "HfProvidersOptions/url",
        "TgiOptions/adapters",
    }
    bare = {
        f"{path.rpartition('/')[2]}/{key}"
        for path, part in _parts(_SCHEMA)
        for key, value in part.get("properties", {}).items()
        if isinstance(value, dict) and "description" not in value
    }

    assert bare <= own


def test_no_mapping_is_open_to_unknown_keys() -> None:
    for path, part in _parts(_SCHEMA):
        if part.get("type") == "object":
            assert part["additionalProperties"] is False, path


@pytest.mark.parametrize("text", [WHOLE, SMALL], ids=["whole", "small"])
def test_it_accepts_what_the_loader_accepts(text: str) -> None:
    assert loaded(text).catalog is not None
    assert _fits(yaml.safe_load(text), _SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        changed("version: 1", "version: 2"),
        changed("version: 1", 'version: "1"'),
        changed("kind: tgi", "kind: tgy"),
        changed(', url: "http://tgi:80"', ""),
        changed('"http://tgi:80"', '"tgi:80"'),
        changed("env:HF_TOKEN", "hf_0123456789"),
        changed("weight: 3", "wieght: 3"),
        changed("weight: 3", "weight: 0"),
        changed("weight: 3", 'weight: "3"'),
        changed("task: chat", "task: talk"),
        changed("policy: eu-only", "polcy: eu-only"),
        changed("policy: eu-only", "policy: ~"),
        changed("[EEA]", "[]"),
        changed("[EEA]", "EEA"),
        changed("  client-b:", "  client b:"),
        changed("degraded: true\n", "attempts: 99\n"),
        changed("{kind: builtin}", "{kind: builtin, url: x}"),
        changed("{kind: builtin}", "{kind: builtin, timeouts: {total: 5 d}}"),
        changed("{kind: builtin}", "{kind: builtin, timeouts: {total: 0}}"),
        WHOLE + "budget: {}\n",
        changed("operator: {", "operator: {email: x, "),
    ],
)
def test_it_refuses_what_the_loader_refuses_for_its_shape(text: str) -> None:
    assert loaded(text).catalog is None
    assert not _fits(yaml.safe_load(text), _SCHEMA)
