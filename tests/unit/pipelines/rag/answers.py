"""Passages to answer from, for tests."""

from __future__ import annotations

from collections.abc import Sequence

from passerelle.domain.rag import Citation, Found, Said
from passerelle.domain.retrieval import Chunk
from passerelle.pipelines.rag.citing import Citing


def passage(number: int, text: str, *, title: str = "", url: str | None = None) -> Found:
    """One that begins at a hundred times its number in its document."""
    start = 100 * number
    chunk = Chunk(
        f"c{number}", f"d{number}", text, title=title, start=start, end=start + len(text), page=number
    )
    return Found(chunk, score=1 / number, url=url)


def passages(*texts: str) -> tuple[Found, ...]:
    """They, numbered from 1."""
    return tuple(passage(number, text) for number, text in enumerate(texts, 1))


def told(
    found: Sequence[Found], pieces: Sequence[str], **options: object
) -> tuple[list[Said | Citation], Citing]:
    """What a reader is told of a model's words in these pieces."""
    citing = Citing(found, **options)  # type: ignore[arg-type]
    events = [event for piece in pieces for event in citing.feed(piece)]
    return events + citing.finish(), citing
