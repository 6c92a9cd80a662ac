"""OpenAI request bodies in, text with true token counts out. Pure but for the embedder, and deterministic."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from passerelle.backends.builtin.conversation import Turn, turns
from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.errors import BadInput, Unsupported
from passerelle.backends.builtin.extract import Extract, Kind, Quote, extract
from passerelle.backends.builtin.reading import read
from passerelle.backends.builtin.schema import fill

# Fields that change what an answer is, and that this engine cannot honour; a false or empty value is
# harmless.
REFUSED: Mapping[str, str] = {
    "tools": "it calls no tools",
    "functions": "it calls no functions",
    "logprobs": "it has no probabilities",
    "top_logprobs": "it has no probabilities",
    "logit_bias": "it draws no tokens",
    "audio": "it writes text only",
    "suffix": "it writes no text of its own",
    "echo": "it continues no text",
}
PIECE = re.compile(r"\s*\S+|\s+\Z")


@dataclass(frozen=True, slots=True)
class Produced:
    """One finished answer. `quotes` say where in the messages its sentences stand."""

    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    kind: Kind
    quotes: tuple[Quote, ...] = ()


def produce(body: Mapping[str, Any], embedder: Embedder) -> Produced:
    """The answer to a chat/completions body.

    Raises Unsupported or BadInput, naming the field; CannotFill, naming the property of the schema;
    ModelMissing.
    """
    check(body)
    return _produced(turns(body.get("messages")), body, embedder)


def produce_completion(body: Mapping[str, Any], embedder: Embedder) -> Produced:
    """The answer to a completions body, its prompt read as one user message. Raises as `produce`."""
    check(body)
    prompt = body.get("prompt")
    if isinstance(prompt, Sequence) and not isinstance(prompt, str) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise BadInput(
            "prompt", "must be one string; this engine reads neither several prompts nor token ids."
        )
    return _produced(turns([{"role": "user", "content": prompt}]), body, embedder)


def check(body: Mapping[str, Any]) -> None:
    """Refuses what this engine cannot do before anything is loaded. Raises Unsupported or BadInput."""
    for field, reason in REFUSED.items():
        if body.get(field) or (
            field == "logprobs" and body.get(field) is not None and body[field] is not False
        ):
            raise Unsupported(field, reason)
    for field in ("n", "best_of"):
        count = body.get(field)
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
            raise BadInput(field, "must be a whole number of at least 1.")
        if count is not None and count > 1:
            raise Unsupported(field, "its answers would all be the same")
    modalities = body.get("modalities") or ["text"]
    if modalities != ["text"]:
        raise Unsupported("modalities", "it writes text only")
    _limit(body)
    _stops(body)
    _format(body)


def pieces(text: str) -> Iterator[str]:
    """The text word by word, white space in front; joined together, the pieces are the text."""
    return (match.group() for match in PIECE.finditer(text))


def _produced(conversation: Sequence[Turn], body: Mapping[str, Any], embedder: Embedder) -> Produced:
    kind, schema = _format(body)
    reading = read(conversation)
    if kind == "json_schema":
        found = Extract(_json(fill(schema, reading, embedder)), "label")
    else:
        found = extract(reading, embedder)
        if kind == "json_object":
            found = Extract(_json({"answer": found.text}), found.kind, found.quotes)
    text = _before_stop(found.text, _stops(body))
    limit = _limit(body)
    kept = text if limit is None else embedder.tokens.cut(text, limit)
    return Produced(
        text=kept,
        finish_reason="stop" if kept == text else "length",
        prompt_tokens=sum(embedder.count_tokens(turn.text) for turn in conversation),
        completion_tokens=embedder.count_tokens(kept),
        kind=found.kind,
        quotes=found.quotes,
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _before_stop(text: str, stops: Sequence[str]) -> str:
    """The text up to the first stop sequence."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else text


def _limit(body: Mapping[str, Any]) -> int | None:
    """The most tokens of the answer; the newer field wins."""
    for field in ("max_completion_tokens", "max_tokens"):
        limit = body.get(field)
        if limit is None:
            continue
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise BadInput(field, "must be a whole number of at least 1.")
        return limit
    return None


def _stops(body: Mapping[str, Any]) -> list[str]:
    stop = body.get("stop")
    listed = [stop] if isinstance(stop, str) else stop if stop is not None else []
    if not isinstance(listed, Sequence) or not all(isinstance(entry, str) for entry in listed):
        raise BadInput("stop", "must be a string or a list of strings.")
    return [entry for entry in listed if entry]


def _format(body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The kind of `response_format`, and its schema if it has one."""
    wanted = body.get("response_format")
    if wanted is None:
        return "text", {}
    if not isinstance(wanted, Mapping) or not isinstance(wanted.get("type"), str):
        raise BadInput("response_format", "must be an object with a type.")
    kind = wanted["type"]
    if kind in ("text", "json_object"):
        return kind, {}
    if kind != "json_schema":
        raise Unsupported("response_format", "it knows text, json_object and json_schema")
    holder = wanted.get("json_schema")
    schema = holder.get("schema") if isinstance(holder, Mapping) else None
    if not isinstance(schema, Mapping):
        raise BadInput("response_format.json_schema.schema", "must be an object.")
    return kind, schema
