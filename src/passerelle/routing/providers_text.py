"""A `providers.yaml` as text, from plain data: one line for each backend and target, as people write it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

# What needs no quotes in YAML 1.1 or 1.2, in braces too; the words that either takes for something else are quoted.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./@-]*(:[A-Za-z0-9_./@-]+)*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def providers_text(document: Mapping[str, Any], *, comment: str) -> str:
    """The text of a file that holds `version`, `backends`, `models` and `tenants`, below a comment of one line."""
    return "\n".join((f"# {comment}", *_lines(document))) + "\n"


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    yield f"version: {_inline(document['version'])}"
    yield ""
    yield "backends:"
    for name, options in document["backends"].items():
        yield f"  {_inline(name)}: {_inline(options)}"
    yield ""
    yield "models:"
    for name, model in document["models"].items():
        yield f"  {_inline(name)}:"
        yield f"    task: {_inline(model['task'])}"
        yield "    targets:"
        for target in model["targets"]:
            yield f"      - {_inline(target)}"
    yield ""
    yield "tenants:"
    for name, tenant in document["tenants"].items():
        yield f"  {_inline(name)}: {_inline(tenant)}"


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_inline(name)}: {_inline(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inline(part) for part in value) + "]"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) is not None and value.lower() not in _WORDS
        return value if plain else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)
