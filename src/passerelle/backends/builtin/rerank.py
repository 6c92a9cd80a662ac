"""Documents by their relevance to a query, by the measure that chooses the sentences of extractive answers."""

from __future__ import annotations

import orjson

from passerelle.backends import ranks
from passerelle.backends.base import Reply
from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.ranking import Ranker
from passerelle.domain.ask import Ask, Usage
from passerelle.text.words import language_of

_ITSELF = 2.0  # about what a text scores against itself: all words shared, and the same meaning


def rerank(ask: Ask, embedder: Embedder, *, model: str) -> Reply:
    """The reply to a rerank request; scores lie in 0..1 unless `raw_scores` asks for the sum they come from."""
    query, texts = ask.body["query"], ranks.documents_of(ask)
    scores = Ranker(texts, embedder, language_of(query)).scores(query)
    if not ask.body.get("raw_scores"):
        scores = [min(1.0, score / _ITSELF) for score in scores]
    tokens = sum(map(embedder.count_tokens, [query, *texts]))
    reply = ranks.ranking(ask, scores, model=f"builtin/{model}", tokens=tokens)
    usage = Usage(prompt_tokens=tokens)
    return Reply("self", orjson.dumps(reply), usage=usage, ignored=ranks.unread(ask))
