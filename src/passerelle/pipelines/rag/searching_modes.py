"""How a collection is best searched: by words, by meaning, or both, and in which language. Pure.

Words are the default. Meaning is added for a language and a kind of embedder where it finds more: here that is a paired
bootstrap over the questions of a test set whose 95 % interval of the gain lies above zero. The packaged embedder is in
no row: with it the words' gain over both together lies, in nDCG@10, between -0.006 and 0.026 in English (XQuAD) and
between 0.085 and 0.168 in French (PIAF). Rows of `multilingual` stand on published figures (MTEB), because no such model
was at hand to be measured; `rag eval` tells for the one that is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from passerelle.domain.errors import BadRequest
from passerelle.domain.rag import Rag, Setup
from passerelle.domain.retrieval import Mode
from passerelle.text.words import language_of

# Kinds of embedders by the names of their models, the first that fits.
_KINDS = (
    (
        "multilingual",
        re.compile(
            r"multilingual-e5|bge-m3|gte-multilingual|arctic-embed-[lm]-v2|qwen3-embedding", re.IGNORECASE
        ),
    ),
)
_BETTER: Mapping[tuple[str, str], Mode] = MappingProxyType(
    {
        ("multilingual", "fr"): Mode.HYBRID,
        ("multilingual", "en"): Mode.HYBRID,
        ("multilingual", ""): Mode.HYBRID,
    }
)  # kind, language ("": another one, or not known)


def mode_of(
    wanted: Mode | None, rules: Rag, setup: Setup, *, models: Sequence[str], language: str | None
) -> Mode:
    """The mode to search in: the asker's, else the tenant's, else what was measured to be best.

    `models` are those behind the name of the embedder. Raises BadRequest where a mode is asked for that needs vectors,
    and there are none.
    """
    if setup.embedder is None:
        if wanted not in (None, Mode.TEXT):
            raise BadRequest(
                f"This collection has no vectors, which the mode {wanted} needs. Search it by text, or index it "
                "again with an embedder.",
                code="collection_without_vectors",
                param="mode",
            )
        return Mode.TEXT
    return wanted or rules.mode or best_mode(models, language)


def best_mode(models: Sequence[str], language: str | None) -> Mode:
    """What was measured to be best for these models, all of which serve one name, and a language."""
    kinds = {_kind(model) for model in models}
    if len(kinds) != 1:
        return Mode.TEXT
    kind = kinds.pop()
    return _BETTER.get((kind, language or "")) or _BETTER.get((kind, "")) or Mode.TEXT


def language_in(question: str, languages: Sequence[str]) -> str | None:
    """Under which language's stems to look for a question among documents of these, the commonest first.

    None: it does not say, and forms of French and of English both count.
    """
    if len(languages) == 1 and languages[0]:
        return languages[0]  # what its passages are filed under, whoever asks
    told = told_language(question)
    if told in languages or not languages or "" in languages:
        return told
    return None if {"fr", "en"}.intersection(languages) else languages[0]


def told_language(text: str) -> str | None:
    """French or English, where the text tells."""
    said = language_of(text, "en")
    return said if said == language_of(text, "fr") else None


def _kind(model: str) -> str:
    return next((kind for kind, named in _KINDS if named.search(model)), "")
