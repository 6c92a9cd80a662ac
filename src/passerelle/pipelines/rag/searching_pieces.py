"""What was found, made fit to be read: without what is said twice, neighbours as one passage. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from passerelle.domain.rag import MOST_QUESTION, Found
from passerelle.domain.retrieval import Chunk


def shortened(question: str) -> str:
    """A question that is not too long to be looked for: of a long one its beginning and its end, where questions stand."""
    question = question.strip()
    if len(question) <= MOST_QUESTION:
        return question
    half = MOST_QUESTION // 2 - 1
    head, tail = question[:half], question[-half:]
    return f"{head.rsplit(None, 1)[0]}\n{tail.split(None, 1)[-1]}"


def distinct(found: Iterable[Found]) -> list[Found]:
    """Of passages that say the same, the first."""
    seen: set[str] = set()
    kept = []
    for one in found:
        said = " ".join(one.chunk.text.split()).casefold()
        if said not in seen:
            seen.add(said)
            kept.append(one)
    return kept


def joined(found: Sequence[Found], k: int, *, longest: int) -> list[Found]:
    """The first k passages; where one goes on or overlaps with one before it in the list, both are one.

    So nothing is said twice, and a sentence that was cut is whole. What is joined has the better one's id, place and
    scores, and the offsets of both: its text is the document's between them. None is longer than `longest`.
    """
    chosen: list[Found] = []
    for one in found:
        for place, other in enumerate(chosen):
            whole = _whole(other.chunk, one.chunk, longest)
            if whole is not None:
                chosen[place] = replace(other, chunk=whole)
                break
        else:
            if len(chosen) == k:
                break
            chosen.append(one)
    return chosen


def _whole(better: Chunk, other: Chunk, longest: int) -> Chunk | None:
    """Both as one; None where they do not touch, or it cannot be told for certain."""
    first, second = sorted((better, other), key=lambda chunk: -1 if chunk.start is None else chunk.start)
    if not (_exact(first) and _exact(second) and _same_place(first, second)):
        return None
    start, between, end = first.start or 0, second.start or 0, second.end or 0
    overlap = (first.end or 0) - between
    if overlap < 0 or end <= (first.end or 0) or end - start > longest:
        return None
    if first.text[len(first.text) - overlap :] != second.text[:overlap]:
        return None
    return replace(better, text=first.text + second.text[overlap:], start=start, end=end)


def _exact(chunk: Chunk) -> bool:
    return (
        chunk.start is not None and chunk.end is not None and chunk.end - chunk.start == len(chunk.text) > 0
    )


def _same_place(one: Chunk, other: Chunk) -> bool:
    return (one.document, one.page, one.headings) == (other.document, other.page, other.headings)
