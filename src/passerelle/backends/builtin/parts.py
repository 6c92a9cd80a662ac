"""Cuts one message into the text it gives and what it asks, by its marks or else by its sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from passerelle.backends.builtin.conversation import Turn
from passerelle.backends.builtin.marks import LABEL, fences, is_about_the_task, is_order, is_question
from passerelle.backends.builtin.sentences import BLANK, Span, split

SHORT_ASK = 400  # characters: a longer paragraph is text, not a question
SHORTEST_TEXT = 12  # characters after `Summarise this:` that count as the text to work on
COLON = re.compile(r"[ \t\xa0\u202f]?:(?=\s)")


class Sort(Enum):
    """What a stretch of a message is."""

    MARKED = "text that the sender set apart"
    LOOSE = "text that nothing marks"
    ASK = "a question or an order"


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of one message, and what it is."""

    sort: Sort
    span: Span


def parts(turn: Turn) -> list[Part]:
    """Everything in a turn, in order; white space between parts is left out. Pure."""
    text = turn.text
    if turn.role == "tool":
        return _trimmed(text, [Part(Sort.MARKED, Span(0, len(text)))])
    found: list[Part] = []
    start = 0
    for opened, inside, closed, ended in fences(text):
        if text[inside:closed].strip():
            found.extend(_labelled(turn, Span(start, opened)))
            found.append(Part(Sort.MARKED, Span(inside, closed)))
            start = ended
    found.extend(_labelled(turn, Span(start, len(text))))
    return _trimmed(text, found)


def _labelled(turn: Turn, span: Span) -> Iterator[Part]:
    """What labels at line starts say; text before the first label is loose."""
    labels = [match for match in LABEL.finditer(turn.text, span.start, span.end) if match.end() <= span.end]
    ends = [*(match.start() for match in labels[1:]), span.end][: len(labels)]
    sections = [(label, Span(label.end(), end)) for label, end in zip(labels, ends, strict=True)]
    yield from _loose(turn, Span(span.start, labels[0].start() if labels else span.end))
    sort = Sort.LOOSE
    asked = labels and labels[-1]["question"]
    for i, (label, section) in enumerate(sections):
        following = sections[i + 1] if i + 1 < len(sections) else None
        answered = following is not None and following[0]["answer"] and following[1].of(turn.text).strip()
        if label["context"]:
            sort = Sort.MARKED
        elif label["question"] and not answered:
            sort = Sort.ASK
        elif (
            label["question"] or label["answer"]
        ):  # a pair of a list of questions and answers, or an empty `Answer:`
            sort = Sort.MARKED
        if sort is Sort.MARKED and not asked and following is None:
            yield from _with_ask_at_end(turn.text, section)
        else:
            yield Part(sort, section)


def _with_ask_at_end(text: str, section: Span) -> Iterator[Part]:
    """A marked text whose last paragraph may be the question."""
    blanks = list(BLANK.finditer(text, section.start, section.end))
    blank = blanks[-1] if blanks else None
    last = Span(blank.end(), section.end) if blank else section
    words = last.of(text).strip()
    if blank and 0 < len(words) <= SHORT_ASK and (is_question(words) or is_about_the_task(words)):
        yield Part(Sort.MARKED, Span(section.start, blank.start()))
        yield Part(Sort.ASK, last)
    else:
        yield Part(Sort.MARKED, section)


def _loose(turn: Turn, span: Span) -> Iterator[Part]:
    """Sentences nobody marked: asks are told by form and place, neighbours of one sort are joined."""
    text = turn.text
    sentences = split(text, span.start, span.end)
    asks = _asks(turn, [sentence.of(text) for sentence in sentences])
    pieces: list[Part] = []
    for i, sentence in enumerate(sentences):
        pieces.extend(_announced(text, sentence) if i in asks else [Part(Sort.LOOSE, sentence)])
    current: Part | None = None
    for piece in pieces:
        if current and current.sort is piece.sort:
            current = Part(current.sort, Span(current.span.start, piece.span.end))
            continue
        if current:
            yield current
        current = piece
    if current:
        yield current


def _asks(turn: Turn, sentences: list[str]) -> set[int]:
    """Which sentences of loose text ask for something.

    In system text, orders about answering. In a user's, what stands at either end of the text; a question in
    the middle only when there is none at the ends; and beside a question, only orders about answering it.
    """
    if turn.role != "user":
        return {i for i, sentence in enumerate(sentences) if is_about_the_task(sentence)}
    questions = {i for i, sentence in enumerate(sentences) if is_question(sentence)}
    sure = questions | {i for i, sentence in enumerate(sentences) if is_about_the_task(sentence)}
    orders = sure | {i for i, sentence in enumerate(sentences) if is_order(sentence)}
    edges = {*_run(sentences, range(len(sentences)), orders, sure)}
    edges |= {*_run(sentences, reversed(range(len(sentences))), orders, sure)}
    if not edges & questions:
        edges |= questions
    return edges & sure if edges & questions else edges


def _run(sentences: list[str], places: Iterable[int], orders: set[int], sure: set[int]) -> Iterator[int]:
    """The asks at one end: any order first, after it only sure ones; what announces a text (`:`) is the last."""
    allowed = orders
    for i in places:
        if i not in allowed:
            return
        yield i
        if sentences[i].endswith(":"):
            return
        allowed = sure


def _announced(text: str, sentence: Span) -> list[Part]:
    """An ask; `Summarise this: <text>` is an ask and a text."""
    colon = COLON.search(text, sentence.start, sentence.end)
    if not colon or is_question(sentence.of(text)) or sentence.end - colon.end() < SHORTEST_TEXT:
        return [Part(Sort.ASK, sentence)]
    return [
        Part(Sort.ASK, Span(sentence.start, colon.end())),
        Part(Sort.LOOSE, Span(colon.end(), sentence.end)),
    ]


def _trimmed(text: str, found: Iterable[Part]) -> list[Part]:
    """Without the white space around each part, and without empty parts."""
    kept = []
    for part in found:
        inside = part.span.of(text)
        start = part.span.start + len(inside) - len(inside.lstrip())
        end = part.span.end - len(inside) + len(inside.rstrip())
        if start < end:
            kept.append(Part(part.sort, Span(start, end)))
    return kept
