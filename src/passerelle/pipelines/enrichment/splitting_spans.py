"""Blocks of a text, and where a long one may be cut: between lines, sentences, words, in this order. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_BLANK = re.compile(r"\n[ \t\r]*\n\s*|\r[ \t]*\r\s*")
_LINE = re.compile(r"\n")
_SENTENCE = re.compile(r"(?<=[.!?…»”\"])\s+(?=\S)")
_WORD = re.compile(r"(?<=\s)(?=\S)")  # a run of white space is looked at once
# What is not cut inside of where it can be helped: links and images, code in a line, tags, placeholders, addresses.
_WHOLE = re.compile(
    r"<([A-Za-z][A-Za-z0-9]{0,9})\b[^<>]{0,500}>[^<>]{0,300}</\1>|!?\[[^\[\]\n]{0,500}\]\([^()\n]{0,1000}\)|`[^`\n]{1,500}`|<[^<>]{1,2000}>|\{\{[^{}]{0,200}\}\}|\{[^{}\n]{0,200}\}"
    r"|&#?\w{1,32};"
)


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a text. `level` of a heading, 1 to 6, else nought; `whole`: never cut; `glue`: worked on by nobody."""

    text: str
    level: int = 0
    whole: bool = False
    glue: bool = False


def paragraphs(text: str) -> Iterator[Block]:
    """Plain text by blank lines, which belong to what stands before them."""
    begin = 0
    for gap in _BLANK.finditer(text):
        yield Block(text[begin : gap.end()])
        begin = gap.end()
    if begin < len(text):
        yield Block(text[begin:])


def cut(text: str, most: int) -> list[str]:
    """A text in pieces of at most `most` characters; longer ones only where something whole is."""
    pieces = []
    begin = 0
    whole = [found.span() for found in _WHOLE.finditer(text)]
    while len(text) - begin > most:
        end = _place(text, begin, begin + most, whole)
        if end >= len(text):
            break
        pieces.append(text[begin:end])
        begin = end
    pieces.append(text[begin:])
    return pieces


def _place(text: str, begin: int, end: int, whole: list[tuple[int, int]]) -> int:
    """Where to cut: behind the last line, sentence or word that fits and does not make a small piece."""
    near = [span for span in whole if span[1] > begin and span[0] < end + 1]
    for pattern, least in ((_LINE, 2), (_SENTENCE, 2), (_WORD, 4)):
        places = [found.end() for found in pattern.finditer(text, begin + (end - begin) // least, end)]
        for place in reversed(places):
            if place > begin and not any(first < place < last for first, last in near):
                return place
    inside = next((span for span in near if span[0] < end < span[1]), None)
    if inside is None:
        return end
    return inside[0] if inside[0] > begin else inside[1]
