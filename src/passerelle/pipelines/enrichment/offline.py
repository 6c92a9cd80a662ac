"""What can honestly be written of a piece without a language model: quoted, counted, sorted, and nothing worded anew.

A summary is made of the text's own sentences and tags are the nearest labels, both by the engine of this package; the
rest is found in the text by rule. What the text does not say stays empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import orjson

from passerelle.domain.ask import Route
from passerelle.domain.content import Bounds, Brand, Operation, Piece, Recipe, Value, Written
from passerelle.domain.errors import BadRequest
from passerelle.pipelines.enrichment.checks import check
from passerelle.pipelines.enrichment.offline_facts import (
    described_in,
    duration_in,
    level_in,
    objectives_in,
    prerequisites_in,
    slug_of,
    title_in,
)
from passerelle.pipelines.enrichment.offline_lines import Line, lines_of, prose
from passerelle.pipelines.enrichment.recipes import needs_model
from passerelle.pipelines.enrichment.writing_spent import Spent
from passerelle.pipelines.enrichment.writing_steps import language_told
from passerelle.pipelines.models.asker import Asker, Told, broken

ENGINE = "builtin"
_ORDERS = {"fr": "Résume ce texte en {most} phrases.", "en": "Summarise this text in {most} sentences."}
_WORDS = 25  # of a sentence
_MOST_SENTENCES = 5
_ENDS = re.compile(r"(?<=[.!?…])\s+")
_LABELS = {"fr": "Quels thèmes ce texte traite-t-il ?", "en": "Which topics does this text deal with?"}


async def write_offline(asker: Asker, piece: Piece, recipe: Recipe, brand: Brand, *, model: str) -> Written:
    """What is written of a piece. Raises BadRequest `recipe_needs_model` for a recipe that takes a language model."""
    if needs_model(recipe):
        message = "Rewriting and translating take a language model, and none may be asked here. Add one to the model."
        raise BadRequest(message, code="recipe_needs_model")
    lines = lines_of(piece)
    found: dict[str, Value] = {}
    spent = Spent()
    for operation in recipe.operations:
        if operation is Operation.SUMMARISE:
            found["summary"], spent = await _summary(asker, model, piece, lines, recipe.bounds, spent)
        elif operation is Operation.TAG:
            found["tags"], spent = await _tags(asker, model, piece, lines, recipe, spent)
        elif operation is Operation.SEO:
            found |= _seo(piece, lines, recipe.bounds)
        elif operation is Operation.METADATA:
            found |= _metadata(lines)
    values = {name: found[name] for name in recipe.fields}
    return Written(
        values=values,
        flaws=check(piece, values, recipe, brand),
        usage=spent.usage,
        cost=spent.cost,
        currency=spent.currency,
        calls=spent.calls,
        engine=ENGINE,
        offline=True,
    )


async def _summary(
    asker: Asker, model: str, piece: Piece, lines: tuple[Line, ...], bounds: Bounds, spent: Spent
) -> tuple[str, Spent]:
    """Whole sentences, as many as have room."""
    most = bounds.summary_words[1]
    sentences = max(1, min(_MOST_SENTENCES, most // _WORDS))
    order = _ORDERS[_language(piece)].format(most=sentences)
    said, spent = await _asked(asker, model, _question(order, prose(lines)), None, spent)
    kept: list[str] = []
    for sentence in _ENDS.split(" ".join(said.split())):
        if kept and len(" ".join([*kept, sentence]).split()) > most:
            break
        kept.append(sentence)
    return " ".join(kept), spent


async def _tags(
    asker: Asker, model: str, piece: Piece, lines: tuple[Line, ...], recipe: Recipe, spent: Spent
) -> tuple[tuple[str, ...], Spent]:
    """The nearest labels. A definition says more than a name, so that both are compared."""
    by_label = {
        f"{tag.name}: {tag.definition}" if tag.definition else tag.name: tag.name for tag in recipe.taxonomy
    }
    least, most = recipe.bounds.tags
    tags = {
        "type": "array",
        "items": {"type": "string", "enum": list(by_label)},
        "minItems": min(max(least, 1), len(by_label)),
        "maxItems": most,
    }
    schema = {
        "type": "object",
        "properties": {"tags": tags},
        "required": ["tags"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "tags", "schema": schema}}
    said, spent = await _asked(
        asker,
        model,
        _question(_LABELS[_language(piece)], "\n".join(line.text for line in lines)),
        form,
        spent,
    )
    try:
        labels = orjson.loads(said)["tags"]
        return tuple(by_label[label] for label in labels), spent
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise broken() from error


def _question(order: str, text: str) -> str:
    return f"{order}\n\n<document>\n{text.replace('</document>', '')}\n</document>"


async def _asked(
    asker: Asker, model: str, said: str, form: Mapping[str, object] | None, spent: Spent
) -> tuple[str, Spent]:
    body: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": said}]}
    if form is not None:
        body["response_format"] = form
    document, told = await asker.whole(Route.CHAT, body)
    try:
        content = str(document["choices"][0]["message"]["content"] or "")
    except (KeyError, IndexError, TypeError) as error:
        raise broken() from error
    return content, spent.plus([_Turn(document, told)])


class _Turn:
    """An answer as sums read it."""

    def __init__(self, document: Mapping[str, object], told: Told) -> None:
        used = document.get("usage")
        used = used if isinstance(used, Mapping) else {}
        self.usage_metadata = {
            "input_tokens": used.get("prompt_tokens", 0),
            "output_tokens": used.get("completion_tokens", 0),
        }
        self.response_metadata = told.metadata()


def _seo(piece: Piece, lines: tuple[Line, ...], bounds: Bounds) -> dict[str, Value]:
    title = piece.title.strip() or title_in(lines)
    return {
        "seo_title": described_in(title, bounds.seo_title),
        "seo_description": described_in(prose(lines), bounds.seo_description),
        "slug": slug_of(title),
    }


def _metadata(lines: tuple[Line, ...]) -> dict[str, Value]:
    return {
        "level": level_in(lines),
        "duration": duration_in(lines),
        "prerequisites": prerequisites_in(lines),
        "objectives": objectives_in(lines),
    }


def _language(piece: Piece) -> str:
    told = language_told(replace(piece, language=""))
    return told if told in _ORDERS else "fr"
