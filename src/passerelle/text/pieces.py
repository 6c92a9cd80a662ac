"""Long texts in pieces that an embedding model reads whole. Pure."""

from __future__ import annotations

import re

LONGEST = 500  # characters: the packaged model reads 256 tokens
_END_OF_SENTENCE = re.compile(r"(?<=[.!?…\n])\s+")


def pieces(text: str) -> list[str]:
    """A text in pieces, cut between sentences where there are any; those without a letter or a digit are left out."""
    found: list[str] = []
    now = ""
    for sentence in [text] if len(text) <= LONGEST else _END_OF_SENTENCE.split(text.strip()):
        if now and len(now) + len(sentence) >= LONGEST:
            found.append(now)
            now = ""
        now = f"{now} {sentence}" if now else sentence
        while len(now) > LONGEST:
            found.append(now[:LONGEST])
            now = now[LONGEST:]
    return [piece for piece in [*found, now] if any(map(str.isalnum, piece))]
