"""An answer from documents in OpenAI's words: one chat completion, or the chunks of one.

Sources are annotations as OpenAI writes them, so that any client shows them; what OpenAI has no words for stands under
`passerelle`, in the message or in the last chunk.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from passerelle.domain.ask import Ask, Usage
from passerelle.domain.rag import MODEL_PREFIX, Answered, Citation
from passerelle.wire.sse import event_of

_REASONS = ("stop", "length", "content_filter")


class Chunks:
    """The chunks of one stream."""

    def __init__(self, ask: Ask) -> None:
        outer = _outer(ask, "chat.completion.chunk")
        self._outer = orjson.dumps(outer)[:-1]  # the object stays open
        self._begun = False
        self._said = ""
        self._told: set[tuple[int, tuple[int, int]]] = set()
        self._ask = ask

    def said(self, text: str) -> bytes:
        """A piece of the text."""
        self._said += text
        return self._delta({"content": text}) if text else b""

    def cited(self, citations: Sequence[Citation], collection: str = "") -> bytes:
        """Annotations of places that were not told of yet."""
        told = []
        for citation in citations:
            for place in citation.places:
                if (citation.number, place) not in self._told:
                    annotation = _annotation(citation, place, collection or _collection(self._ask))
                    # OpenAI's SDK puts the lists of a stream's deltas together by `index`, and stops without it.
                    told.append({"index": len(self._told), **annotation})
                    self._told.add((citation.number, place))
        return self._delta({"annotations": told}) if told else b""

    def ended(self, answered: Answered) -> list[bytes]:
        """What was not told yet, and the end."""
        rest = answered.text.removeprefix(self._said) if answered.text.startswith(self._said) else ""
        last = {"choices": [_choice({}, _reason(answered))], "passerelle": _ours(answered)}
        return [
            self.said(rest) if rest else b"",
            self.cited(answered.citations, answered.collection),
            b"" if self._begun else self._delta({}),
            self._event(last),
        ]

    def used(self, usage: Usage) -> bytes:
        """The usage, in a chunk without choices."""
        return self._event({"choices": [], "usage": _usage(usage)})

    def _delta(self, delta: dict[str, Any]) -> bytes:
        head = b""
        if not self._begun:
            self._begun = True
            head = self._event({"choices": [_choice({"role": "assistant", "content": ""})]})
        return (head + self._event({"choices": [_choice(delta)]})) if delta else head

    def _event(self, said: Mapping[str, Any]) -> bytes:
        return event_of(self._outer + b"," + orjson.dumps(said)[1:])


def _choice(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def whole(ask: Ask, answered: Answered) -> bytes:
    """The completion as JSON."""
    annotations = [
        _annotation(citation, place, answered.collection)
        for citation in answered.citations
        for place in citation.places
    ]
    message = {
        "role": "assistant",
        "content": answered.text,
        "refusal": None,
        "annotations": annotations,
        "passerelle": _ours(answered),
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _reason(answered)}
    return orjson.dumps(
        {**_outer(ask, "chat.completion"), "choices": [choice], "usage": _usage(answered.usage)}
    )


def _outer(ask: Ask, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": kind,
        "created": int(time.time()),
        "model": ask.model,
    }


def _annotation(citation: Citation, place: tuple[int, int], collection: str) -> dict[str, Any]:
    """As OpenAI annotates what it found on the web; clients that check types know no other annotation in a chat.

    A document without a URL has the place where its collection has it. Beside, as OpenAI names files, our own fields.
    """
    start, end = place
    url = citation.url or document_path(collection, citation.document)
    return {
        "type": "url_citation",
        "url_citation": {"start_index": start, "end_index": end, "url": url, "title": citation.title},
        "file_citation": {
            "file_id": citation.document,
            "filename": citation.title,
            "index": end,
            "number": citation.number,
            "quote": citation.quote,
            "page": citation.page,
            "supported": citation.supported,
        },
    }


def document_path(collection: str, document: str) -> str:
    """Where a document of a collection is found on this server."""
    return f"/v1/rag/collections/{quote(collection, safe='')}/documents/{quote(document, safe='')}"


def citation_of(citation: Citation) -> dict[str, Any]:
    """A source as JSON."""
    return {
        "number": citation.number,
        "document": citation.document,
        "chunk": citation.chunk,
        "title": citation.title,
        "quote": citation.quote,
        "score": citation.score,
        "url": citation.url,
        "page": citation.page,
        "start": citation.start,
        "end": citation.end,
        "supported": citation.supported,
        "places": [list(place) for place in citation.places],
    }


def _ours(answered: Answered) -> dict[str, Any]:
    """What OpenAI has no words for."""
    return {
        "id": answered.id,
        "collection": answered.collection,
        "conversation": answered.conversation,
        "model": answered.model,
        "refused": answered.refusal is not None,
        "refusal": answered.refusal.value if answered.refusal is not None else None,
        "citations": [citation_of(each) for each in answered.citations],
        "nearest": [citation_of(each) for each in answered.nearest],
        "searched": answered.searched,
        "cost": answered.cost,
        "latency": dict(answered.seconds),
        "served": dict(answered.facts),
        **({"disclosure": answered.disclosure} if answered.disclosure else {}),
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _reason(answered: Answered) -> str:
    return answered.finish_reason if answered.finish_reason in _REASONS else "stop"


def _collection(ask: Ask) -> str:
    return ask.model.removeprefix(MODEL_PREFIX)
