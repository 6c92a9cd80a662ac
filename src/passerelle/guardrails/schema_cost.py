"""How much work a schema makes of an answer, told before any of it is done.

A validator looks at the same value once for every way that leads to its rules, and references make ways: twenty
definitions that each name the next one twice are a million looks at one string. `Cost.looks` counts those ways for each
depth of an answer. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MOST = 5_000_000  # looks at values of one answer; more is refused
DEEPEST = 64  # levels of an answer
_MOST_RULES = 5_000

# Keywords whose schemas judge the value itself, and those that judge what is inside it.
_HERE_LISTS = ("allOf", "anyOf", "oneOf")
_HERE = ("not", "if", "then", "else")
_INSIDE = ("items", "additionalItems", "contains", "additionalProperties", "propertyNames", "unevaluatedItems",
           "unevaluatedProperties")  # fmt: skip
_ELSEWHERE = ("$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor")


class TooMuch(ValueError):
    """A schema whose work cannot be bounded here."""


class Cost:
    """The looks that a schema needs.

    Raises TooMuch for one with too many rules, or with references that are no pointers into it.
    """

    def __init__(self, schema: Any) -> None:
        self._root = schema
        self._known: dict[tuple[int, int], int] = {}
        self._open: set[tuple[int, int]] = set()
        self.looks(schema, 0)

    def total(self, answer: Any) -> int:
        """The most looks at all values of an answer. Raises TooMuch for one that is nested too deeply."""
        level, total = [answer], 0
        for depth in range(DEEPEST):
            total += len(level) * self.looks(self._root, depth)
            if total > MOST:
                return MOST + 1
            below: list[Any] = []
            for node in level:
                if isinstance(node, dict):
                    below += node.values()
                    total += len(node)
                elif isinstance(node, list):
                    below += node
            if not below:
                return total
            level = below
        raise TooMuch

    def looks(self, schema: Any, depth: int) -> int:
        """The most looks at one value so many levels below the one that the schema is for."""
        if not isinstance(schema, dict):
            return 1
        key = (id(schema), depth)
        if key in self._known:
            return self._known[key]
        if key in self._open or len(self._known) + len(self._open) > _MOST_RULES * (depth + 1):
            raise TooMuch  # it refers to itself without going deeper, or has too many rules
        self._open.add(key)
        found = 0 if depth else 1 + len(schema.get("enum", ())) + len(schema.get("required", ()))
        found += sum([self.looks(other, depth) for other in self._here(schema)])
        if depth:
            every, named = self._inside(schema)
            found += sum([self.looks(other, depth - 1) for other in every])
            found += max([self.looks(other, depth - 1) for other in named], default=0)
        if "unevaluatedProperties" in schema or "unevaluatedItems" in schema:
            found *= 2  # what the others have judged is gone through once more
        self._open.discard(key)
        self._known[key] = found = min(found, MOST + 1)
        return found

    def _here(self, schema: dict[str, Any]) -> Iterator[Any]:
        for name in _ELSEWHERE:
            if name in schema:
                raise TooMuch
        if "$id" in schema and schema is not self._root:
            raise TooMuch
        for name in _HERE_LISTS:
            yield from schema.get(name, ())
        for name in _HERE:
            if name in schema:
                yield schema[name]
        for name in ("dependentSchemas", "dependencies"):
            yield from schema.get(name, {}).values()
        if "$ref" in schema:
            yield self._referred(schema["$ref"])

    def _inside(self, schema: dict[str, Any]) -> tuple[list[Any], list[Any]]:
        """What judges every value inside, and what judges one of them by its name or place."""
        every = [schema[name] for name in _INSIDE if name in schema and not isinstance(schema[name], list)]
        every += schema.get("patternProperties", {}).values()
        named = [*schema.get("properties", {}).values(), *schema.get("prefixItems", ())]
        if isinstance(schema.get("items"), list):
            named += schema["items"]
        return every, named

    def _referred(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#") or "%" in reference:
            raise TooMuch
        node = self._root
        for step in reference[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            try:
                node = node[int(name)] if isinstance(node, list) else node[name]
            except (KeyError, ValueError, IndexError, TypeError):
                raise TooMuch from None
        if reference != "#" and not reference.startswith("#/"):
            raise TooMuch
        return node
