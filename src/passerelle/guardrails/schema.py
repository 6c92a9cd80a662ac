"""Is an answer the JSON that its caller's `response_format` asks for?

The schema is the caller's own, so nothing in it is trusted: no reference is followed out of it, patterns run on an
engine without backtracking, and its size is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from passerelle.guardrails.schema_cost import MOST, Cost, TooMuch

if TYPE_CHECKING:
    from jsonschema_rs import Validator

LARGEST = 65_536  # bytes of a schema
LONGEST = 1_048_576  # characters of an answer
_PATTERN_BYTES, _STATE_BYTES = 65_536, 10_485_760  # what one compiled pattern, and its states, may take

NOT_JSON = "not-json"
NOT_VALID = "not-valid"
TOO_LONG = "too-long"
TOO_COSTLY = "too-costly"  # nested too deeply, or more work than an answer is worth
UNREADABLE = "unreadable-schema"


class Unreadable(ValueError):
    """A schema that no answer can be held to here. Nothing of it is told."""


def wanted(body: Mapping[str, Any]) -> Callable[[str], str | None] | None:
    """What says of an answer's text what is wrong with it; None when the caller wants plain text.

    Raises Unreadable for a schema that is too large, is none, refers to another place, or has a pattern that needs
    backtracking (look-around, back-references), or makes work without a bound.
    """
    form = body.get("response_format")
    if not isinstance(form, dict) or form.get("type") not in ("json_schema", "json_object"):
        return None
    if form["type"] == "json_object":
        return _object
    inside = form.get("json_schema")
    schema = inside.get("schema") if isinstance(inside, dict) else None
    if schema is None:
        return _object
    validator, cost = _validator(schema)

    def check(text: str) -> str | None:
        answer, wrong = _read(text)
        if wrong is not None:
            return wrong
        try:
            if cost.total(answer) > MOST:
                return TOO_COSTLY
        except (TooMuch, RecursionError):
            return TOO_COSTLY
        return None if validator.is_valid(answer) else NOT_VALID

    return check


def _validator(schema: Any) -> tuple[Validator, Cost]:
    import jsonschema_rs  # noqa: PLC0415 - only where a rule of this kind is asked

    try:
        if len(orjson.dumps(schema)) > LARGEST:
            raise Unreadable
        options = jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES, dfa_size_limit=_STATE_BYTES)
        cost = Cost(schema)  # first: what it refuses would be too much for the validator too
        return jsonschema_rs.Draft202012Validator(schema, offline=True, pattern_options=options), cost
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable from error


def _object(text: str) -> str | None:
    answer, wrong = _read(text)
    if wrong is None and not isinstance(answer, dict):
        return NOT_VALID
    return wrong


def _read(text: str) -> tuple[Any, str | None]:
    if len(text) > LONGEST:
        return None, TOO_LONG
    try:
        return orjson.loads(text), None
    except orjson.JSONDecodeError:
        return None, NOT_JSON
