"""How much a piece is: what it asks of a model, and what it may cost at most. Pure."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from passerelle.domain.content import Brand, Piece, Recipe
from passerelle.pipelines.enrichment.estimating import Load
from passerelle.pipelines.enrichment.writing_sizes import sizes

_TOKENS = 0.6  # of a character, at most: what the gateway holds for one, and the marks of JSON


def load_of(piece: Piece, recipe: Recipe, brand: Brand, *, formed: bool = True) -> Load:
    """What it asks in a course without repairs; `formed` as in `sizes`."""
    found = sizes(piece, recipe, brand, formed=formed)
    return Load(
        characters=len(piece.text),
        asked=sum(size.prompt_characters + size.form_characters for size in found),
        calls=len(found),
        language=found[0].language or "fr",
    )


def dearest(
    piece: Piece, recipe: Recipe, brand: Brand, *, price: Callable[[int, int], int | None]
) -> int | None:
    """What its dearest course comes to, in which every answer is repaired; None where nobody knows.

    `price` gives the most of an answer, by tokens of its prompt and its own.
    """
    total = 0
    for size in sizes(piece, recipe, brand):
        prompt = ceil(_TOKENS * size.prompt_characters)
        first = price(prompt, size.most_tokens)
        second = price(prompt + size.most_tokens, size.most_tokens)
        if first is None or second is None:
            return None
        total += first + second
    return total
