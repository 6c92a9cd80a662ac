"""The filter of a search: a small JSON language that says what a passage's metadata must be.

`{"year": {"gte": 2020}, "lang": ["fr", "en"], "draft": {"not": true}}`: every name must hold. A value stands for itself,
a list for any of its values; an object says `in`, `not` (a value or a list), `gt`, `gte`, `lt`, `lte`, together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from passerelle.domain.errors import BadRequest
from passerelle.domain.retrieval import Condition

_MOST_NAMES, _MOST_VALUES, _LONGEST_VALUE = 16, 64, 1_000
_LARGEST = 2**63
_BOUNDS = {"gt": "above", "gte": "at_least", "lt": "below", "lte": "at_most"}
_WORDS = ", ".join(("in", "not", *_BOUNDS))

Scalar = str | int | bool

Filter = Annotated[
    dict[str, Any],
    Field(
        description="What passages' metadata must be: `{name: value | [values] | {in, not, gt, gte, lt, lte}}`.",
        examples=[{"year": {"gte": 2020}, "lang": ["fr", "en"], "draft": {"not": True}}],
        max_length=_MOST_NAMES,
    ),
]


def conditions_of(given: Mapping[str, Any] | None) -> tuple[Condition, ...]:
    """The conditions that a filter means. Raises BadRequest `invalid_filter` naming what is wrong."""
    return tuple(_condition(name, value) for name, value in (given or {}).items())


def _condition(name: str, value: Any) -> Condition:
    if not _whole(name):
        raise _wrong(name, "is no name")
    said: dict[str, Any] = {}
    if isinstance(value, dict):
        for word, what in value.items():
            if word in _BOUNDS:
                said[_BOUNDS[word]] = _bound(name, word, what)
            elif word == "in" and isinstance(what, list):
                said["any_of"] = _values(name, what)
            elif word == "not":
                said["none_of"] = _values(name, what)
            else:
                raise _wrong(name, f"takes {_WORDS}; `in` takes a list")
    else:
        said["any_of"] = _values(name, value)
    try:
        return Condition(name, **said)
    except ValueError as error:
        raise _wrong(name, f"cannot be: {error}") from error


def _values(name: str, what: Any) -> tuple[Scalar, ...]:
    values = what if isinstance(what, list) else [what]
    if not 1 <= len(values) <= _MOST_VALUES:
        raise _wrong(name, f"takes 1 to {_MOST_VALUES} values")
    for value in values:
        if isinstance(value, str):
            if len(value) > _LONGEST_VALUE or not _whole(value):
                raise _wrong(name, f"takes strings of at most {_LONGEST_VALUE} characters")
        elif isinstance(value, bool | int):
            if not -_LARGEST <= value < _LARGEST:
                raise _wrong(name, "takes whole numbers of 64 bits")
        else:
            raise _wrong(name, "takes strings, whole numbers, true and false; say bounds for other numbers")
    return tuple(values)


def _bound(name: str, word: str, what: Any) -> float:
    if isinstance(what, bool) or not isinstance(what, int | float):
        raise _wrong(name, f"takes a number as `{word}`")
    try:
        bound = float(what)
    except OverflowError:
        bound = math.inf
    if not math.isfinite(bound):
        raise _wrong(name, f"takes a finite number as `{word}`")
    return bound


def _whole(text: str) -> bool:
    """Is it a text that can be kept: no NUL, and no half of a letter?"""
    return "\0" not in text and text.encode("utf-8", "ignore").decode() == text


def _wrong(name: str, what: str) -> BadRequest:
    shown = name[:100].encode("utf-8", "replace").decode()
    return BadRequest(f"`filter`: {shown!r} {what}.", code="invalid_filter", param="filter")
