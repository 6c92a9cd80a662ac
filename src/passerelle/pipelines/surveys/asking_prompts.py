"""What a language model is given to read a comment: rules and codebook first, then corrected examples, then the comment.

Rules are files of a version, in French and English; another wording is another file, so that what was measured can be
measured again. The first part is the same for a whole run, so that engines read it once. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any, Literal

from passerelle.domain.surveys import Category, Codebook, Correction, Polarity
from passerelle.pipelines.rag.fencing import defused, mark_of
from passerelle.text.words import Language

VERSION = 1
NOTHING_SAID = "none"  # in place of a polarity
LONGEST_EXAMPLE = 1_200  # characters of a corrected comment
_MOST_EXAMPLES = 6  # of a category
_LONGEST_PART = 1_000

_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "definition": "definition",
        "include": "belongs to it",
        "exclude": "does not belong to it",
        "examples": "for example",
        "corrected": "Earlier comments that a person has corrected:",
        "wrong": "was read as",
        "right": "right is",
        "categories": "categories",
        "polarity": "polarity",
        "none": "no category",
        "read": "The comment to code:",
    },
    "fr": {
        "definition": "définition",
        "include": "en fait partie",
        "exclude": "n'en fait pas partie",
        "examples": "par exemple",
        "corrected": "D'anciens commentaires, corrigés par une personne :",
        "wrong": "avait été lu comme",
        "right": "est juste",
        "categories": "catégories",
        "polarity": "polarité",
        "none": "aucune catégorie",
        "read": "Le commentaire à coder :",
    },
}


def prompt(name: Literal["read", "theme"], language: Language, **values: str) -> str:
    """A prompt with its values in place."""
    return _template(name, language).substitute(values)


@cache
def _template(name: str, language: Language) -> Template:
    file = files("passerelle.pipelines.surveys") / "prompts" / f"{name}.v{VERSION}.{language}.txt"
    return Template(file.read_text(encoding="utf-8").strip())


def language_for(code: str) -> Language:
    """The language of the rules, by that of a codebook."""
    return "fr" if code.lower().startswith("fr") else "en"


def mark_for(secret: bytes, tenant: str, codebook: Codebook) -> str:
    """The mark of the fences of a run. Whoever writes a comment cannot know it."""
    return mark_of(secret, ("survey", tenant, codebook.name, str(codebook.version)))


def system_for(codebook: Codebook, mark: str) -> str:
    """The rules and the codebook."""
    language = language_for(codebook.language)
    shown = "\n".join(_category(category, _WORDS[language]) for category in codebook.categories)
    return prompt("read", language, mark=mark, codebook=shown)


def question_for(comment: str, examples: Sequence[Correction], codebook: Codebook, mark: str) -> str:
    """The corrected examples and the comment."""
    words = _WORDS[language_for(codebook.language)]
    parts = []
    if examples:
        parts.append(words["corrected"])
        parts += [_example(example, words, mark) for example in examples]
    parts += [words["read"], fence(comment, mark)]
    return "\n\n".join(parts)


def fence(text: str, mark: str) -> str:
    """A text that somebody wrote, set apart."""
    return f"=== {mark} ===\n{defused(text).replace(mark, '')}\n=== {mark} ==="


def schema_for(codebook: Codebook) -> dict[str, Any]:
    """What an answer looks like, as JSON Schema."""
    polarities = [polarity.value for polarity in Polarity]
    confidence = {"type": "number"}
    ids: dict[str, Any] = {"type": "string"}
    if codebook.ids:
        ids["enum"] = list(codebook.ids)
    opinion = {
        "quote": {"type": "string"},
        "categories": {"type": "array", "items": ids},
        "polarity": {"type": "string", "enum": polarities},
        "confidence": confidence,
    }
    whole = {
        "opinions": {"type": "array", "items": _object(opinion)},
        "polarity": {"type": "string", "enum": [*polarities, NOTHING_SAID]},
        "confidence": confidence,
    }
    return {"title": "reading", **_object(whole)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _category(category: Category, words: Mapping[str, str]) -> str:
    lines = [f"- id `{category.id}`: {_line(category.name)}"]
    parts = {"definition": category.definition, "include": category.include, "exclude": category.exclude}
    lines += [f"  {words[part]}: {_line(said)}" for part, said in parts.items() if said]
    if category.examples:
        shown = " | ".join(_line(example) for example in category.examples[:_MOST_EXAMPLES])
        lines.append(f"  {words['examples']}: {shown}")
    return "\n".join(lines)


def _line(text: str) -> str:
    return " ".join(defused(text).split())[:_LONGEST_PART]


def _example(example: Correction, words: Mapping[str, str], mark: str) -> str:
    lines = [fence(example.text[:LONGEST_EXAMPLE], mark)]
    wrong = _said(example.wrong or None, example.wrong_polarity, words)
    if wrong:
        lines.append(f"{words['wrong']} ✗ {wrong}")
    lines.append(f"{words['right']} ✓ {_said(example.right, example.right_polarity, words)}")
    return "\n".join(lines)


def _said(ids: tuple[str, ...] | None, polarity: Polarity | None, words: Mapping[str, str]) -> str:
    parts = []
    if ids is not None:
        parts.append(f"{words['categories']}: {', '.join(ids) or words['none']}")
    if polarity is not None:
        parts.append(f"{words['polarity']}: {polarity.value}")
    return "; ".join(parts)
