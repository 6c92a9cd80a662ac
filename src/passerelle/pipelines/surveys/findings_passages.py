"""A survey's comments as documents that were cut by their sender: one passage is one comment, or a part of a long one.

A passage's page is its comment's number, so that a citation leads back to its comment; its text is the comment's, to
the letter, its heading the question that was answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from passerelle.domain.rag import Given, GivenChunk
from passerelle.domain.retrieval import LONGEST_NAME
from passerelle.domain.survey_data import Answer, Comment
from passerelle.domain.surveys import Analysed

KEY = "comments-"
_AT_ONCE = 500  # comments of one document: what changes in one is written again with it
_LONGEST = 1_200  # characters of a passage
_MOST_SAID, _LONGEST_SAID = 60, 12_000  # values of metadata, and bytes of them all
_MOST_LABELS = 100
_LONGEST_HEADING = 300


def how_many(comments: int) -> int:
    """Documents that so many comments make."""
    return -(-comments // _AT_ONCE)


def documents(answers: Sequence[Answer], analysed: Mapping[str, Analysed]) -> Iterator[Given]:
    """All comments in their order, some in each document. `analysed` by comment id."""
    asked = {comment.column for answer in answers for comment in answer.comments}
    chunks: list[GivenChunk] = []
    count = first = number = 0
    for answer in answers:
        for comment in answer.comments:
            number += 1
            first = first or number
            headings = (comment.column[:_LONGEST_HEADING],) if len(asked) > 1 else ()
            said = metadata(answer, comment, analysed.get(comment.id))
            chunks += (
                GivenChunk(comment.text[start:end], headings, number, start, end, said)
                for start, end in spans(comment.text)
            )
            count += 1
            if count == _AT_ONCE:
                yield _document(first, chunks)
                chunks, count, first = [], 0, 0
    if chunks:
        yield _document(first, chunks)


def metadata(answer: Answer, comment: Comment, analysed: Analysed | None) -> dict[str, Any]:
    """What searches may ask for: who read what in it, scores, the day, and segments as `segment:<name>`."""
    said: dict[str, Any] = {"comment": comment.id, "row": answer.row}
    if comment.language:
        said["comment_language"] = comment.language
    if analysed is not None:
        if analysed.polarity is not None:
            said["polarity"] = analysed.polarity.value
        said["categories"] = [label.category for label in analysed.labels][:_MOST_LABELS]
    for name in ("nps", "csat", "ces"):
        if (value := getattr(answer, name)) is not None:
            said[name] = value
    if answer.day is not None:
        said["day"] = answer.day.isoformat()
    more: dict[str, Any] = {f"rating:{name}": score.value for name, score in answer.ratings.items()}
    more |= {f"segment:{name}": value for name, value in answer.segments.items()}
    size = len(orjson.dumps(said))
    for name, value in more.items():
        plain = _plain(name)
        size += len(orjson.dumps({plain: value}))
        if len(said) >= _MOST_SAID or size > _LONGEST_SAID:
            break
        said[plain] = value
    return said


def spans(text: str) -> list[tuple[int, int]]:
    """A text's parts, none too long to be found by: cut after sentences where that is possible. Blank ones are none."""
    found = []
    start = 0
    while start < len(text):
        end = _end(text, start)
        if text[start:end].strip():
            found.append((start, end))
        start = end
    return found


def _end(text: str, start: int) -> int:
    if len(text) - start <= _LONGEST:
        return len(text)
    piece = text[start : start + _LONGEST]
    for sign in (". ", "! ", "? ", "\n", " "):
        at = piece.rfind(sign, _LONGEST // 2)
        if at > 0:
            return start + at + len(sign)
    return start + _LONGEST


def _document(first: int, chunks: Sequence[GivenChunk]) -> Given:
    return Given(chunks=tuple(chunks), key=f"{KEY}{first:07d}")


def _plain(name: str) -> str:
    """A name that metadata can have."""
    kept = "".join(" " if sign in '"\\\0' else sign for sign in name)
    return " ".join(kept.split())[: LONGEST_NAME - 1]
