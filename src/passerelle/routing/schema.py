"""The JSON Schema of `providers.yaml`, for editors; made from the models that read the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from passerelle.config.fields import BackendOptions
from passerelle.routing.file import file_model

# What pydantic adds for other readers: OpenAPI's discriminator, and titles that repeat the names of keys.
_NOISE = frozenset({"discriminator", "title"})
_BY_NAME = frozenset({"properties", "patternProperties", "$defs"})  # their keys are names, not keywords


def json_schema(kinds: Mapping[str, type[BackendOptions]]) -> dict[str, Any]:
    """The schema (draft 2020-12) of a file in which backends may be of these kinds."""
    schema = _tidy(file_model(kinds).model_json_schema())
    about_kind = BackendOptions.model_fields["kind"].description
    for options in kinds.values():
        schema["$defs"][options.__name__]["properties"]["kind"].setdefault("description", about_kind)
    # A tenant of which nothing is said may be its name alone; no other key may stand without a value.
    tenants = schema["properties"]["tenants"]["patternProperties"]
    for pattern, tenant in tenants.items():
        tenants[pattern] = {"anyOf": [tenant, {"type": "null"}]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "providers.schema.json",
        "title": "providers.yaml of Passerelle",
        **schema,
    }


def _tidy(node: Any) -> Any:
    """A schema without nulls, which the file does not take, without noise, and closed to unknown names."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidy: dict[str, Any] = {}
    for key, value in node.items():
        if key in _BY_NAME:
            tidy[key] = {name: _tidy(part) for name, part in value.items()}
        elif key not in _NOISE and not (key == "default" and _empty(value)):
            tidy[key] = value if key in ("default", "examples") else _tidy(value)
    if "patternProperties" in tidy:
        tidy["additionalProperties"] = False
    choices = [choice for choice in tidy.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        del tidy["anyOf"]
        tidy = {**choices[0], **tidy}
    return tidy


def _empty(default: Any) -> bool:
    """Does a default say nothing that the fields below it do not say themselves?"""
    return default is None or default == [] or isinstance(default, dict)
