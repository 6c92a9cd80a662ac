"""Words as sparse vectors: BM25's weight for each stem of a passage, and a question's stems.

Qdrant's own code works them out (`qdrant-edge-py`, imported in 5 ms), here and for a server alike, so that both find
the same; how rare a stem is, the engine counts when it is asked, among the collection's own passages.
"""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass

import qdrant_edge as edge

from passerelle.retrieval.store import Unfit
from passerelle.text.words import language_of

_BY_CODE = {
    "fr": "french", "en": "english", "de": "german", "es": "spanish", "it": "italian", "nl": "dutch",
    "pt": "portuguese",
}  # fmt: skip
_WHEN_UNKNOWN = ("fr", "en")  # a question in a language that is not told
_TELLING = 400  # characters that tell a language; all of them would cost more than the rest of this
_USUAL_LENGTH = 100.0  # stems of a passage of some 1,000 characters


@dataclass(frozen=True, slots=True)
class Words:
    """Stems by number, each once, with their weights."""

    stems: tuple[int, ...]
    weights: tuple[float, ...]


def of_passage(text: str, language: str) -> Words:
    """Its stems, weighed by how often they occur and how long it is. No language: found out from the text."""
    text = _normal(text)
    sparse = _model(_code(language) or language_of(text[:_TELLING])).embed_document(text)
    return Words(tuple(sparse.indices), tuple(sparse.values))


def of_question(text: str, language: str | None) -> Words:
    """Its stems, each of weight 1. Without a language, the stems it would have in any that passages are likely in."""
    text = _normal(text)
    code = _code(language or "")
    stems = {
        stem
        for each in ([code] if code else _WHEN_UNKNOWN)
        for stem in _model(each).embed_query(text).indices
    }
    return Words(tuple(sorted(stems)), (1.0,) * len(stems))


def _code(language: str) -> str:
    code = language.lower()[:2]
    return code if code in _BY_CODE else ""


def _normal(text: str) -> str:
    """One way to write a letter: PDF has ligatures, and accents as signs of their own. Raises Unfit."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unfit("A text holds halves of characters.") from None
    return unicodedata.normalize("NFKC", text)


@functools.cache
def _model(code: str) -> edge.Bm25:
    return edge.Bm25(edge.Bm25Config(language=_BY_CODE[code], avg_len=_USUAL_LENGTH))
