"""Comments in the pieces that themes are made of: the quotes of a run where there is one, else their sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from passerelle.domain.surveys import Analysed
from passerelle.pipelines.surveys import segmenting

MOST_PIECES = 20_000  # that are looked at; of more, as many evenly
LONGEST = 600  # characters of a piece


@dataclass(frozen=True, slots=True)
class Piece:
    """Words of a comment, to the letter."""

    comment: str
    text: str


def pieces(comment: str, text: str, analysed: Analysed | None) -> Iterator[Piece]:
    """Of one comment."""
    said = [opinion.quote for opinion in analysed.opinions] if analysed is not None else []
    for each in said or [span.of(text) for span in segmenting.sentences(text)]:
        short = each.strip()[:LONGEST].strip()
        if any(sign.isalpha() for sign in short):
            yield Piece(comment, short)
