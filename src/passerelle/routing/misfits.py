"""pydantic's errors in words for the person who edits the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from passerelle.config.billing import WebhookFields
from passerelle.config.fields import BackendOptions
from passerelle.config.policies import PolicyFields, SystemFields
from passerelle.routing.file import (
    FileFields,
    ModelFields,
    OperatorFields,
    TargetFields,
    TenantFields,
)
from passerelle.routing.notes import Notes, nearest
from passerelle.routing.source import Path

_MEMBER = re.compile(r"[A-Z][A-Za-z]+Fields")  # a model's name: which member of a union it tried


def misfits(error: ValidationError, notes: Notes, *, kinds: Mapping[str, type[BackendOptions]]) -> None:
    """Note every error with its place, its cause and its cure; one per place, since one repair is enough."""
    told: set[Path] = set()
    items = [(item, _path(item["loc"], kinds)) for item in error.errors(include_url=False)]
    for item, path in items:
        if item["type"] == "literal_error" and any(path == other[: len(path)] != other for _, other in items):
            continue  # a word might have stood there; what does stand there is told of below
        field = ".".join(str(part) for part in path) or "the file"
        kind, context = item["type"], item.get("ctx", {})
        if kind == "extra_forbidden":
            known = _known_fields(path[:-1], item["loc"], kinds)
            cure = nearest(str(path[-1]), known)
            notes.add("error", "C03", path, f"The key {str(path[-1])!r} is not known here.", cure)
        elif kind == "missing":
            notes.add("error", "C04", path[:-1], f"`{field}` is missing.", f"Add `{path[-1]}:`.")
        elif kind in ("union_tag_invalid", "union_tag_not_found"):
            wrong = str(context.get("tag", ""))
            message = (
                f"`{field}` has the kind {wrong!r}, which there is not."
                if wrong
                else f"`{field}` has no `kind`."
            )
            notes.add("error", "C05", (*path, "kind"), message, nearest(wrong, kinds))
        elif path not in told:
            cause, cure = _value(item)
            notes.add("error", "C06", path, f"`{field}` {cause}.", cure)
        told.add(path)


def _path(location: tuple[int | str, ...], kinds: Mapping[str, type[BackendOptions]]) -> Path:
    """Pydantic's location without the parts it adds: the kind's tag, `[key]`, the members of unions."""
    parts: list[str | int] = []
    for index, part in enumerate(location):
        if index == 2 and location[0] == "backends" and part in kinds:
            continue
        if part == "[key]" or (
            isinstance(part, str) and (part.startswith(("literal[", "function-", "constrained-")))
        ):
            continue
        if index > 2 and isinstance(part, str) and _MEMBER.fullmatch(part):
            continue
        parts.append(part)
    return tuple(parts)


def _known_fields(
    path: Path, location: tuple[int | str, ...], kinds: Mapping[str, type[BackendOptions]]
) -> list[str]:
    """The keys that may stand below a path."""
    match path:
        case ():
            return [*FileFields.model_fields, "backends"]
        case ("operator",):
            return list(OperatorFields.model_fields)
        case ("backends", _, *rest):
            options = kinds.get(str(location[2]))
            model: Any = options
            for part in rest:
                model = _inner(model, str(part))
            return list(model.model_fields) if model else []
        case ("models", _):
            return list(ModelFields.model_fields)
        case ("models", _, "targets", _):
            return list(TargetFields.model_fields)
        case ("models", _, "targets", _, str(field)):
            inner = _inner(TargetFields, field)
            return list(inner.model_fields) if inner else []
        case ("policies", _):
            return list(PolicyFields.model_fields)
        case ("systems", _):
            return list(SystemFields.model_fields)
        case ("webhooks", _):
            return list(WebhookFields.model_fields)
        case ("cors",):
            cors = _inner(FileFields, "cors")
            return list(cors.model_fields) if cors else []
        case ("tenants", _, *rest) | ("defaults", *rest):
            inside: Any = TenantFields
            for part in rest:
                inside = _inner(inside, str(part))
            return list(inside.model_fields) if inside else []
    return []


def _inner(model: Any, field: str) -> Any:
    """The model of a field, out of a union with None."""
    annotation: Any = model.model_fields[field].annotation if model and field in model.model_fields else None
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if hasattr(candidate, "model_fields"):
            return candidate
    return None


# By pydantic's type of error: what is wrong with the value, and the way out; {names} are its own particulars.
_VALUES = {
    "string_type": ("is not text", "Write text; put a number, true or false in quotes if it is one."),
    "int_type": ("is not a whole number", "Write a whole number, without quotes."),
    "int_from_float": ("is not a whole number", "Write a whole number, without quotes."),
    "float_type": ("is not a number", "Write a number, without quotes."),
    "bool_type": ("is neither true nor false", "Write true or false, without quotes."),
    "list_type": ("is not a list", "Write [one, two], or one `- ` line for each entry."),
    "tuple_type": ("is not a list", "Write [one, two], or one `- ` line for each entry."),
    "dict_type": (
        "is not a mapping",
        "Write {{key: value}}, or one indented `key: value` line for each entry.",
    ),
    "model_type": (
        "is not a mapping",
        "Write {{key: value}}, or one indented `key: value` line for each entry.",
    ),
    "model_attributes_type": ("is not a mapping", "Write {{key: value}}, or indented `key: value` lines."),
    "literal_error": ("is not one of the words that may stand here", "Write {expected}."),
    "greater_than": ("is too small", "Write more than {gt}."),
    "greater_than_equal": ("is too small", "Write {ge} or more."),
    "less_than_equal": ("is too large", "Write {le} or less."),
    "too_short": (
        "has too few entries",
        "Give it at least {min_length}, or remove it if it may be left out.",
    ),
    "string_too_short": ("is empty", "Write at least {min_length} character."),
    "string_too_long": ("is too long", "Write at most {max_length} characters."),
    "string_pattern_mismatch": ("does not have the right form", "Write text that matches {pattern}."),
}


def _value(item: Mapping[str, Any]) -> tuple[str, str]:
    """Cause and cure of a wrong value, neither of which quotes it."""
    kind, context = item["type"], item.get("ctx", {})
    if kind == "value_error":
        cause, _, cure = str(context.get("error")).partition("; ")
        return cause, f"{cure[:1].upper()}{cure[1:]}." if cure else "Change the value."
    if item["loc"][-1] == "[key]":
        return "is not a name", "Use letters, digits and . _ / : @ -, beginning with a letter or a digit."
    if item.get("input") is None and kind.endswith("_type"):
        return "has no value", "Write one, or remove the key if it may be left out."
    if kind in _VALUES:
        cause, cure = _VALUES[kind]
        return cause, cure.format(**context)
    message = str(item["msg"])  # pydantic's own sentence, for what no field of today can raise
    return f"is not valid: {message[:1].lower()}{message[1:].removesuffix('.')}", "Change the value."
