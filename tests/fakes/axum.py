"""How axum's JSON extractor refuses a body: plain text, before the handler of TGI or TEI has seen anything.

The position at the end of serde's messages is the end of the body here; the real one points at the value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.wire import Received, Reply, text_reply

Check = Callable[[Any], str | None]


def refuse(request: Received, *, limit: int) -> Reply | None:
    """What axum answers before it looks at the fields, or None when the body is a JSON object or array."""
    if not request.headers.get("content-type", "").lower().split(";")[0].strip().endswith("json"):
        return text_reply("Expected request with `Content-Type: application/json`", 415)
    if len(request.raw) > limit:
        return text_reply("Failed to buffer the request body: length limit exceeded", 413)
    try:
        json.loads(request.raw)
    except json.JSONDecodeError as error:
        where = f"at line {error.lineno} column {error.colno}"
        return text_reply(f"Failed to parse the request body as JSON: expected value {where}", 400)
    except UnicodeDecodeError:
        return text_reply("Failed to parse the request body as JSON: invalid unicode code point", 400)
    return None


def mistyped(request: Received, checks: Mapping[str, Check], required: tuple[str, ...]) -> Reply | None:
    """The answer to a body whose fields do not fit, or None. As with serde, unknown fields are ignored."""
    body = request.body
    problem = f"invalid type: {kind(body)}, expected a map" if not isinstance(body, dict) else None
    if isinstance(body, dict):
        problem = next((f"missing field `{name}`" for name in required if name not in body), None)
        for name, check in checks.items():
            if name in body and (wrong := check(body[name])):
                problem = f"{name}: {wrong}"
                break
    if problem is None:
        return None
    where = f"at line 1 column {len(request.raw)}"
    return text_reply(f"Failed to deserialize the JSON body into the target type: {problem} {where}", 422)


def kind(value: Any) -> str:
    """A JSON value in serde's words."""
    match value:
        case None:
            return "null"
        case bool():
            return f"boolean `{str(value).lower()}`"
        case int():
            return f"integer `{value}`"
        case float():
            return f"floating point `{value}`"
        case str():
            return f"string {json.dumps(value, ensure_ascii=False)}"
        case list():
            return "sequence"
        case _:
            return "map"


def _expect(name: str, *types: type, optional: bool = True) -> Check:
    def check(value: Any) -> str | None:
        fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
        return (
            None if fits or (value is None and optional) else f"invalid type: {kind(value)}, expected {name}"
        )

    return check


sequence = _expect("a sequence", list)
number = _expect("f32", int, float)
text = _expect("a string", str)
some_text = _expect("a string", str, optional=False)
flag = _expect("a boolean", bool)
boolean = _expect("a boolean", bool, optional=False)


def integer(value: Any) -> str | None:
    """An unsigned integer, or null."""
    if isinstance(value, int) and not isinstance(value, bool) and value < 0:
        return f"invalid value: integer `{value}`, expected u32"
    return _expect("u32", int)(value)


def anything(_: Any) -> str | None:
    """A field nobody reads."""
    return None
