"""Themes out of comments: their pieces as vectors, in groups, each with its keywords and what is said in its middle.

A comment may be of several themes. What is like nothing else is of none, and counted. Imports numpy: imported late.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from passerelle.pipelines.surveys import themes_words
from passerelle.pipelines.surveys.themes_clusters import Groups, Rows, grouped, unit
from passerelle.pipelines.surveys.themes_pieces import MOST_PIECES, Piece
from passerelle.text.words import stems

QUOTES = 6
_FEWEST = 3  # pieces of a theme, and of them at least one in so many:
_ONE_IN = 150
_AT_ONCE = 1_000  # texts, of which vectors are asked for
_BUCKETS, _DIRECTIONS = 4_096, 256  # of words, where there is no embedding model
_TELLING = 3  # words, that a quote has at least where there are such


@dataclass(frozen=True, slots=True)
class Found:
    """A theme without a name."""

    keywords: tuple[str, ...]
    comments: tuple[str, ...]  # the nearest to its middle first
    quotes: tuple[tuple[str, str], ...]
    cohesion: float


@dataclass(frozen=True, slots=True)
class Finding:
    """The themes, the largest first; and of how many comments there are none: like nothing else, or not looked at."""

    themes: tuple[Found, ...]
    comments: int
    left_out: int


def find(
    pieces: Sequence[Piece],
    embed: Callable[[Sequence[str]], Any] | None,
    *,
    groups: int | None = None,
) -> Finding:
    """Themes of pieces. `embed` None: by words alone. `groups`: so many at most."""
    everybody = len({piece.comment for piece in pieces})
    looked = pieces[:: max(1, -(-len(pieces) // MOST_PIECES))]
    if not looked:
        return Finding((), everybody, everybody)
    rows = unit(vectors([piece.text for piece in looked], embed))
    fewest = max(_FEWEST, len(looked) // _ONE_IN)
    found = grouped(rows, fewest=fewest, groups=groups)
    themes = _themes(looked, found)
    told = {comment for theme in themes for comment in theme.comments}
    return Finding(tuple(themes), everybody, everybody - len(told))


def vectors(texts: Sequence[str], embed: Callable[[Sequence[str]], Any] | None) -> Rows:
    """(texts, dimensions); equal texts have equal vectors."""
    blocks = []
    for start in range(0, len(texts), _AT_ONCE):
        some = texts[start : start + _AT_ONCE]
        blocks.append(_by_words(some) if embed is None else np.asarray(embed(some), dtype=np.float32))
    return np.concatenate(blocks)


def _by_words(texts: Sequence[str]) -> Rows:
    """Stems in fixed directions that are nearly at right angles (Johnson and Lindenstrauss)."""
    counts = np.zeros((len(texts), _BUCKETS), dtype=np.float32)
    for row, text in enumerate(texts):
        for stem in set(stems(text)):
            counts[row, zlib.crc32(stem.encode("utf-8", "replace")) % _BUCKETS] = 1.0
    directions = np.random.default_rng(0).standard_normal((_BUCKETS, _DIRECTIONS)).astype(np.float32)
    rows = counts @ directions
    scaled: Rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return scaled


def _themes(pieces: Sequence[Piece], groups: Groups) -> list[Found]:
    members = [
        sorted(np.flatnonzero(groups.of == group).tolist(), key=lambda at: (-float(groups.nearness[at]), at))
        for group in range(groups.count)
    ]
    words = themes_words.keywords([[pieces[at].text for at in some] for some in members])
    themes = [
        Found(
            keywords,
            tuple(dict.fromkeys(pieces[at].comment for at in some)),
            _quotes([pieces[at] for at in some]),
            float(np.mean([groups.nearness[at] for at in some])),
        )
        for some, keywords in zip(members, words, strict=True)
    ]
    return sorted(themes, key=lambda theme: -len(theme.comments))


def _quotes(nearest: Sequence[Piece]) -> tuple[tuple[str, str], ...]:
    """What is said in the middle: each comment once, no words twice, those first that say something."""
    quotes: dict[str, tuple[str, str]] = {}
    seen: set[str] = set()
    telling = [piece for piece in nearest if len(piece.text.split()) >= _TELLING]
    for piece in [*telling, *nearest]:
        said = " ".join(piece.text.lower().split())
        if piece.comment in quotes or said in seen:
            continue
        seen.add(said)
        quotes[piece.comment] = (piece.comment, piece.text)
        if len(quotes) == QUOTES:
            break
    return tuple(quotes.values())
