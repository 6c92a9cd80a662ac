"""LiteLLM's replies as OpenAI's JSON. Pure; what LiteLLM made up itself (estimates, costs, nulls) is left behind."""

from __future__ import annotations

from collections.abc import Mapping
from time import time
from typing import Any

import orjson

from passerelle.backends import ranks
from passerelle.backends.http_backend import usage_of
from passerelle.domain.ask import Ask, Usage
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.base64 import from_base64, to_base64

_DETAILS = ("prompt_tokens_details", "completion_tokens_details")
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_CACHE = ("cache_creation_input_tokens", "cache_read_input_tokens")


def completion(ask: Ask, answer: Any) -> tuple[bytes, Usage | None]:
    """A whole chat completion, and what it used."""
    given = _plain(answer)
    payload = {**_outer(ask, given, "chat.completion"), "choices": [_choice(one) for one in given["choices"]]}
    return _with_usage(payload, given)


def chunk(ask: Ask, answer: Any) -> dict[str, Any] | None:
    """A chunk of a stream, None for one that says nothing."""
    given = _plain(answer)
    used = usage(given)
    choices = [_delta(one) for one in given.get("choices") or ()]
    # The chunk with the usage has a choice that says nothing, where OpenAI's has none.
    choices = [one for one in choices if one["delta"] or one["finish_reason"]]
    if not choices and used is None:
        return None
    payload = {**_outer(ask, given, "chat.completion.chunk"), "choices": choices}
    return payload if used is None else {**payload, "usage": used}


def finished(answer: Any) -> bool:
    """Whether a chunk says why the answer ended."""
    return any(getattr(choice, "finish_reason", None) for choice in getattr(answer, "choices", None) or ())


def embeddings(ask: Ask, answer: Any) -> tuple[bytes, Usage | None]:
    """Embeddings in the encoding that was asked for, and what they used."""
    given = _plain(answer)
    encode = ask.body.get("encoding_format") == "base64"
    data = []
    for index, item in enumerate(given.get("data") or ()):
        vector = item.get("embedding")
        vector = from_base64(vector) if isinstance(vector, str) else vector
        data.append(
            {"object": "embedding", "index": index, "embedding": to_base64(vector) if encode else vector}
        )
    payload = {"object": "list", "data": data, "model": given.get("model") or ask.model}
    return _with_usage(payload, given)


def ranking(ask: Ask, answer: Any, *, model: str) -> bytes:
    """A ranking of the request's documents. Raises UpstreamFailed where one of them has no score."""
    given, count = _plain(answer), len(ask.body["documents"])
    scores = {result["index"]: float(result["relevance_score"]) for result in given.get("results") or ()}
    if set(scores) != set(range(count)):
        raise UpstreamFailed(Fault.BROKEN, "The provider did not score every document.")
    tokens = ((given.get("meta") or {}).get("tokens") or {}).get("input_tokens")
    counted = tokens if isinstance(tokens, int) and tokens else None
    ordered = [scores[index] for index in range(count)]
    return orjson.dumps(ranks.ranking(ask, ordered, model=model, tokens=counted))


def usage(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """OpenAI's usage object; None where the provider counted nothing."""
    said = given.get("usage")
    if not isinstance(said, dict) or not any(said.get(name) for name in _COUNTS):
        return None
    counts = {name: said.get(name) or 0 for name in _COUNTS[:2]}
    counts["total_tokens"] = sum(
        counts.values()
    )  # LiteLLM counts cached tokens in the parts and not in the sum
    details = {name: _known(said[name]) for name in _DETAILS if isinstance(said.get(name), dict)}
    cache = {name: said[name] for name in _CACHE if said.get(name)}
    return {**counts, **{name: value for name, value in details.items() if value}, **cache}


def _with_usage(payload: dict[str, Any], given: Mapping[str, Any]) -> tuple[bytes, Usage | None]:
    used = usage(given)
    if used is not None:
        payload["usage"] = used
    return orjson.dumps(payload), usage_of(payload)


def _plain(answer: Any) -> dict[str, Any]:
    # LiteLLM assigns fields against its own types, of which pydantic warns.
    plain: dict[str, Any] = answer.model_dump(exclude_none=True, warnings=False)
    return plain


def _outer(ask: Ask, given: Mapping[str, Any], kind: str) -> dict[str, Any]:
    outer = {
        "id": given.get("id") or f"chatcmpl-{ask.request_id}",
        "object": kind,
        "created": given.get("created") or int(time()),
        "model": given.get("model") or ask.model,
    }
    named = ("system_fingerprint", "service_tier")
    return outer | {name: given[name] for name in named if isinstance(given.get(name), str)}


def _choice(given: Mapping[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": None, "refusal": None, **_said(given.get("message") or {})}
    return {**_end(given), "message": message}


def _delta(given: Mapping[str, Any]) -> dict[str, Any]:
    return {**_end(given), "delta": _said(given.get("delta") or {})}


def _end(given: Mapping[str, Any]) -> dict[str, Any]:
    logprobs = given.get("logprobs")
    return {
        "index": given.get("index") or 0,
        "logprobs": logprobs if isinstance(logprobs, dict) else None,
        "finish_reason": given.get("finish_reason"),
    }


def _said(part: Mapping[str, Any]) -> dict[str, Any]:
    """What a message or a delta says; LiteLLM's own remarks only where there are any."""
    said = {name: value for name, value in part.items() if value is not None and value != []}
    remarks = said.pop("provider_specific_fields", None)
    if isinstance(remarks, dict) and (remarks := _known(remarks)):
        said["provider_specific_fields"] = remarks
    return said


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
