"""The words that models and readers are given, in French and English: prompts in files of a version, and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Template
from typing import Literal

from passerelle.domain.rag import Refusal
from passerelle.text.words import Language

VERSION = 1  # of the files; another wording is another file, so that what was measured can be measured again

# What a model is to say when the passages hold no answer, word for word.
NO_ANSWER: Mapping[Language, str] = {
    "en": "I do not know: the passages do not answer this question.",
    "fr": "Je ne sais pas : les passages ne répondent pas à cette question.",
}

# What a reader is told instead of an answer.
REFUSALS: Mapping[tuple[Refusal, Language], str] = {
    (Refusal.NOTHING_FOUND, "en"): "I do not know: nothing about this was found in the documents.",
    (Refusal.NOTHING_FOUND, "fr"): "Je ne sais pas : rien à ce sujet n'a été trouvé dans les documents.",
    (Refusal.NOT_RELEVANT, "en"): "I do not know: no passage of the documents answers this question.",
    (Refusal.NOT_RELEVANT, "fr"): "Je ne sais pas : aucun passage des documents ne répond à cette question.",
    (Refusal.MODEL, "en"): "I do not know: the passages that were found do not answer this question.",
    (Refusal.MODEL, "fr"): "Je ne sais pas : les passages trouvés ne répondent pas à cette question.",
    (Refusal.UNCITED, "en"): "I do not know: nothing in the documents bears out an answer to this question.",
    (
        Refusal.UNCITED,
        "fr",
    ): "Je ne sais pas : rien dans les documents n'appuie une réponse à cette question.",
}

REMOVED: Mapping[Language, str] = {"en": "(link removed)", "fr": "(lien retiré)"}


def prompt(name: Literal["answer", "rewrite"], language: Language, **values: str) -> str:
    """A prompt with its values in place."""
    return _template(name, language).substitute(values)


@cache
def _template(name: str, language: Language) -> Template:
    file = files("passerelle.pipelines.rag") / "prompts" / f"{name}.v{VERSION}.{language}.txt"
    return Template(file.read_text(encoding="utf-8").strip())
