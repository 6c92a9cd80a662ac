"""TGI's words for what OpenAI's API says otherwise: grammars and finish reasons. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from passerelle.domain.errors import Fault, Told, UpstreamFailed

# Why TGI stopped, in OpenAI's words. An empty reason stands in the chunks of a completions stream that go on.
FINISH: Mapping[str, str | None] = {"stop_sequence": "stop", "eos_token": "stop", "": None}


def grammar_of(response_format: Any) -> dict[str, Any] | None:
    """TGI's grammar for OpenAI's `response_format`; None for plain text. Raises UpstreamFailed(UNSUPPORTED)."""
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind == "text":
        return None
    if kind == "json_schema":
        named = response_format.get("json_schema")
        schema = named.get("schema") if isinstance(named, dict) else None
        if schema is None and "value" in response_format:  # already in TGI's words
            return dict(response_format)
        # Its grammar compiler wants properties, be there none.
        return {"type": "json_object", "value": {"type": "object", "properties": {}, **(schema or {})}}
    if kind == "json_object" and "value" not in response_format:
        return {"type": "json_object", "value": {"type": "object", "properties": {}}}
    if isinstance(response_format, dict):
        return dict(response_format)
    raise unsupported("response_format")


def unsupported(param: str, how: str = "") -> UpstreamFailed:
    """The failure of a parameter that TGI cannot honour; `how` says in which company it cannot."""
    message = f"TGI does not support {param} {how}".strip() + "."
    return UpstreamFailed(Fault.UNSUPPORTED, message, told=Told(param=param))
