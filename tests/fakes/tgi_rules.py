"""What TGI 3.3.7 refuses and in which words: types serde cannot read, then values validation forbids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.fakes import axum
from tests.fakes.speech import count

_VARIANTS = ("json", "json_object", "regex", "json_schema")


class Refusal(Exception):
    """The request is refused: `kind` is a key of TGI's error table, the message is complete."""

    def __init__(self, message: str, kind: str = "validation") -> None:
        super().__init__(message)
        self.message, self.kind = message, kind


@dataclass(frozen=True, slots=True)
class Launch:
    """The flags TGI was started with, at their defaults, and how long a request seems to queue (ms)."""

    max_concurrent_requests: int = 128
    max_client_batch_size: int = 4
    max_input_tokens: int = 4096
    max_total_tokens: int = 8192
    max_stop_sequences: int = 4
    max_top_n_tokens: int = 5
    max_best_of: int = 2
    payload_limit: int = 2_000_000
    queue_time: int = 2


def _grammar(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        return f"invalid type: {axum.kind(value)}, expected adjacently tagged enum GrammarType"
    if "type" not in value:
        return "missing field `type`"
    if value["type"] not in _VARIANTS:
        return f"unknown variant `{value['type']}`, expected one of " + ", ".join(
            f"`{name}`" for name in _VARIANTS
        )
    return None if "value" in value else "missing field `value`"


def _floats(value: Any) -> str | None:
    wrong = axum.sequence(value)
    return wrong or next((bad for item in value or () if (bad := axum.number(item))), None)


def _texts(value: Any) -> str | None:
    wrong = axum.sequence(value)
    return wrong or next((bad for item in value or () if (bad := axum.some_text(item))), None)


def _messages(value: Any) -> str | None:
    if not isinstance(value, list):
        return f"invalid type: {axum.kind(value)}, expected a sequence"
    for message in value:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            return "missing field `role`"
        if not isinstance(message.get("content"), str | list) and not isinstance(
            message.get("tool_calls"), list
        ):
            return "data did not match any variant of untagged enum MessageBody"
    return None


def _prompt(value: Any) -> str | None:
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        return None
    return f"invalid type: {axum.kind(value)}, expected a string or an array of strings"


CHAT: Mapping[str, axum.Check] = {
    "messages": _messages,
    "model": axum.text,
    "frequency_penalty": axum.number,
    "logit_bias": _floats,
    "logprobs": axum.flag,
    "max_tokens": axum.integer,
    "max_completion_tokens": axum.integer,
    "n": axum.integer,
    "presence_penalty": axum.number,
    "response_format": _grammar,
    "seed": axum.integer,
    "stop": _texts,
    "stream": axum.boolean,
    "temperature": axum.number,
    "tools": axum.sequence,
    "top_logprobs": axum.integer,
    "top_p": axum.number,
}

COMPLETION: Mapping[str, axum.Check] = {
    "prompt": _prompt,
    "model": axum.text,
    "frequency_penalty": axum.number,
    "max_tokens": axum.integer,
    "repetition_penalty": axum.number,
    "seed": axum.integer,
    "stop": _texts,
    "stream": axum.boolean,
    "suffix": axum.text,
    "temperature": axum.number,
    "top_p": axum.number,
}

_PARAMETERS: Mapping[str, axum.Check] = {
    "best_of": axum.integer,
    "decoder_input_details": axum.boolean,
    "details": axum.boolean,
    "do_sample": axum.boolean,
    "frequency_penalty": axum.number,
    "grammar": _grammar,
    "max_new_tokens": axum.integer,
    "repetition_penalty": axum.number,
    "return_full_text": axum.flag,
    "seed": axum.integer,
    "stop": _texts,
    "temperature": axum.number,
    "top_k": axum.integer,
    "top_n_tokens": axum.integer,
    "top_p": axum.number,
    "truncate": axum.integer,
    "typical_p": axum.number,
    "watermark": axum.boolean,
}


def _parameters(value: Any) -> str | None:
    if not isinstance(value, dict):
        return f"invalid type: {axum.kind(value)}, expected struct GenerateParameters"
    return next(
        (wrong for name, item in value.items() if (wrong := _PARAMETERS.get(name, axum.anything)(item))), None
    )


GENERATE: Mapping[str, axum.Check] = {
    "inputs": axum.some_text,
    "parameters": _parameters,
    "stream": axum.boolean,
}


def parameters_of_chat(body: Mapping[str, Any]) -> dict[str, Any]:
    """A chat or completions body as TGI's own parameters, with TGI's own mistakes.

    `presence_penalty` p becomes a repetition penalty of p + 2.0, and a temperature of 0 means greedy.
    """
    if body.get("response_format") is not None and body.get("tools") is not None:
        raise Refusal("Tool error: Grammar and tools are mutually exclusive", "tool")
    penalty = body.get("presence_penalty")
    limit = (
        body.get("max_tokens") if body.get("max_tokens") is not None else body.get("max_completion_tokens")
    )
    return {
        "max_new_tokens": limit,
        "stop": body.get("stop") or [],
        "temperature": body.get("temperature") or None,
        "top_p": body.get("top_p"),
        "frequency_penalty": body.get("frequency_penalty"),
        "repetition_penalty": penalty + 2.0 if penalty is not None else body.get("repetition_penalty"),
        "top_n_tokens": body.get("top_logprobs"),
        "grammar": body.get("response_format"),
        "seed": body.get("seed"),
        "details": True,
    }


def validate(inputs: str, parameters: Mapping[str, Any], flags: Launch, *, stream: bool) -> None:
    """Raise Refusal where TGI's validation does, in its order and words."""
    for wrong, message in _rules(inputs, parameters, flags, stream=stream):
        if wrong:
            raise Refusal(f"Input validation error: {message}")
    grammar = parameters.get("grammar")
    schema = grammar["value"] if grammar and grammar["type"] != "regex" else None
    if grammar and grammar["type"] == "json_schema" and isinstance(schema, dict):
        schema = schema.get("schema")
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except ValueError as error:
            raise Refusal(f"Input validation error: grammar is not valid: {error}") from error
    if isinstance(schema, dict) and "properties" not in schema:
        raise Refusal("Input validation error: grammar is not valid: Grammar must have a 'properties' field")


def _rules(inputs: str, given: Mapping[str, Any], flags: Launch, *, stream: bool) -> list[tuple[bool, str]]:
    def value(name: str, default: float) -> float:
        return default if given.get(name) is None else float(given[name])

    tokens, stops = count(inputs), len(given.get("stop") or ())
    asked = given.get("max_new_tokens")
    new = asked if asked is not None else 0
    best, top_n = int(value("best_of", 1)), int(value("top_n_tokens", 0))
    return [
        (stream and best != 1, "`best_of` != 1 is not supported when streaming tokens"),
        (
            stream and bool(given.get("decoder_input_details")),
            "`decoder_input_details` == true is not supported when streaming tokens",
        ),
        (best > flags.max_best_of, f"`best_of` must be > 0 and <= {flags.max_best_of}. Given: {best}"),
        (value("temperature", 1.0) <= 0, "`temperature` must be strictly positive"),
        (value("repetition_penalty", 1.0) <= 0, "`repetition_penalty` must be strictly positive"),
        (not -2 <= value("frequency_penalty", 0) <= 2, "`frequency_penalty` must be >= -2.0 and <= 2.0"),
        (not 0 < value("top_p", 0.5) < 1, "`top_p` must be > 0.0 and < 1.0"),
        (not 0 < value("typical_p", 0.5) < 1, "`typical_p` must be > 0.0 and < 1.0"),
        (value("top_k", 1) <= 0, "`top_k` must be strictly positive"),
        (asked == 0, "`max_new_tokens` must be strictly positive"),
        (
            stops > flags.max_stop_sequences,
            f"`stop` supports up to {flags.max_stop_sequences} stop sequences. Given: {stops}",
        ),
        (
            top_n > flags.max_top_n_tokens,
            f"`top_n_tokens` must be >= 0 and <= {flags.max_top_n_tokens}. Given: {top_n}",
        ),
        (not inputs, "`inputs` cannot be empty"),
        (
            tokens + new > flags.max_total_tokens,
            f"`inputs` tokens + `max_new_tokens` must be <= {flags.max_total_tokens}. "
            f"Given: {tokens} `inputs` tokens and {new} `max_new_tokens`",
        ),
        (
            tokens > flags.max_input_tokens,
            f"`inputs` must have less than {flags.max_input_tokens} tokens. Given: {tokens}",
        ),
    ]
