"""Rankings in the shape that Cohere, Jina and vLLM share, from one score for each document. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from passerelle.domain.ask import Ask

# What other rerankers know and no engine here reads; each would change the scores.
_UNREAD = ("rank_fields", "max_chunks_per_doc", "max_tokens_per_doc", "instruction")


def documents_of(ask: Ask) -> list[str]:
    """The texts of a request's documents, in order."""
    return [document if isinstance(document, str) else document["text"] for document in ask.body["documents"]]


def unread(ask: Ask) -> tuple[str, ...]:
    """Parameters of a request that are not passed on."""
    return tuple(name for name in _UNREAD if ask.body.get(name) is not None)


def ranking(ask: Ask, scores: Sequence[float], *, model: str, tokens: int | None) -> dict[str, Any]:
    """The reply: the highest score first, equals in the order of the documents. `tokens` None = not counted."""
    texts = documents_of(ask) if ask.body.get("return_documents") else None
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    results: list[dict[str, Any]] = []
    for index in order[: ask.body.get("top_n")]:
        result: dict[str, Any] = {"index": index, "relevance_score": scores[index]}
        results.append(result if texts is None else {**result, "document": {"text": texts[index]}})
    reply = {"id": f"rerank-{ask.request_id}", "object": "list", "model": model, "results": results}
    return reply if tokens is None else {**reply, "usage": used(tokens)}


def used(tokens: int) -> dict[str, int]:
    """A usage in OpenAI's shape, of an answer without tokens of its own."""
    return {"prompt_tokens": tokens, "total_tokens": tokens}
