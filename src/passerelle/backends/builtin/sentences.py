"""Splits French and English text into sentences, as spans of the text itself: nothing is changed or lost.

A full stop after an abbreviation, an initial or between digits ends nothing; a blank line, a bullet or a
heading always ends something; a line that was only wrapped does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from passerelle.text.words import STOP, folded

# Titles stand in front of a name, so a capital after them starts no sentence.
_TITLES = """
    m mm mme mmes mlle mlles dr drs pr prof mgr st ste mr mrs ms sr jr rev gen col capt lt
"""
# These may close a sentence: it ends there only when the next word could open one.
_ABBREVIATIONS = """
    etc cf ex env art al vol no nos num fig ed eds av apr approx p pp chap sect tel min max janv fevr avr
    juil sept oct nov dec jan feb mar jun jul aug vs inc ltd co corp dept est e.g i.e c.-a-d c.a.d p.ex
    j.-c s.a u.s u.k a.m p.m ca viz op cit bd hab
"""
TITLES = frozenset(_TITLES.split())
ABBREVIATIONS = frozenset(_ABBREVIATIONS.split())
LONGEST = 600  # characters: text without punctuation is cut at a space about here
LONGEST_WORD = 24  # characters before a full stop that are looked at
WRAPPED_WIDTH = 60  # characters: shorter lines were ended by hand

BLANK = re.compile(r"\n(?:[^\S\n]*\n)+")
BULLET = re.compile(r"[ \t]*(?:[-*•‣▪◦–—]|\(?(?:\d{1,3}|[a-zA-Z])[.)]|#{1,6}|>|\||\[\d+\])[ \t]+")
TERMINAL = re.compile(r"(?:[.!?…]+|[。！？]+)[\"'”’»)\]]*(?:\s?»)?")
LAST_WORD = re.compile(r"[\w.\-]+$")
NEXT_WORD = re.compile(r"[\s\"'“‘«(\[]*(\w*)")
ENDED = (".", "!", "?", "…", ":", ";", "»", '"', "”")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of a text."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """The characters themselves."""
        return text[self.start : self.end]


def split(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """The sentences of text[start:end] in order: without the white space around them, none empty."""
    end = len(text) if end is None else end
    spans: list[Span] = []
    for block in _blocks(text, start, end):
        for line in _lines(text, block):
            spans.extend(_sentences(text, line))
    return spans


def _blocks(text: str, start: int, end: int) -> Iterator[Span]:
    """Paragraphs: what blank lines separate."""
    for blank in BLANK.finditer(text, start, end):
        if blank.start() > start:
            yield Span(start, blank.start())
        start = blank.end()
    if start < end:
        yield Span(start, end)


def _lines(text: str, block: Span) -> Iterator[Span]:
    """The lines of a paragraph, with those that were only wrapped put together again."""
    lines: list[Span] = []
    start = block.start
    while start < block.end:
        stop = text.find("\n", start, block.end)
        stop = block.end if stop < 0 else stop
        lines.append(Span(start, stop))
        start = stop + 1
    width = max(len(line.of(text).rstrip()) for line in lines)
    wrapped = (
        len(lines) > 2
        and width >= WRAPPED_WIDTH
        and all(_full(text, lines[i], lines[i + 1], width) for i in range(len(lines) - 1))
    )
    current = lines[0]
    for line in lines[1:]:
        if _continues(text, current, line, wrapped=wrapped):
            current = Span(current.start, line.end)
        else:
            yield current
            current = line
    yield current


def _full(text: str, line: Span, following: Span, width: int) -> bool:
    """True when the first word of the following line would not have fitted on this one."""
    word = following.of(text).split(maxsplit=1)
    return not word or len(line.of(text).rstrip()) + 1 + len(word[0]) > width


def _continues(text: str, line: Span, following: Span, *, wrapped: bool) -> bool:
    before, after = line.of(text).rstrip(), following.of(text)
    if not before or not after.strip() or BULLET.match(after):
        return False
    return wrapped or (after.lstrip()[0].islower() and not before.endswith(ENDED))


def _sentences(text: str, line: Span) -> Iterator[Span]:
    start = line.start
    bullet = BULLET.match(text, start, line.end)
    search = bullet.end() if bullet else start
    for match in TERMINAL.finditer(text, search, line.end):
        if match.end() < line.end and not _ends(text, match, line, max(start, search)):
            continue
        yield from _pieces(text, Span(start, match.end()))
        start = match.end()
    yield from _pieces(text, Span(start, line.end))


def _ends(text: str, match: re.Match[str], line: Span, start: int) -> bool:
    """Does the punctuation of `match` close the sentence that began at `start`?"""
    if match.group()[0] in "。！？":
        return True
    if not text[match.end()].isspace():
        return False
    following = NEXT_WORD.match(text, match.end(), line.end)
    word = following.group(1) if following else ""
    if word and word[0].islower():
        return False
    if not match.group().startswith(".") or match.group().startswith(".."):
        return True
    previous = LAST_WORD.search(text, max(start, match.start() - LONGEST_WORD), match.start())
    before = folded(previous.group()).strip(".-") if previous else ""
    if previous and previous.group()[0].isupper() and before in TITLES:
        return False
    if before in ABBREVIATIONS or (len(before) == 1 and before.isalpha()):
        return folded(word) in STOP and not word[:1].isdigit() and len(word) > 1
    return True


def _pieces(text: str, span: Span) -> Iterator[Span]:
    """The span without the white space around it, in pieces of bounded length."""
    start, end = span.start, span.end
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > LONGEST:
        middle = start + LONGEST // 2
        cut = max(text.rfind("; ", middle, start + LONGEST), text.rfind("\n", middle, start + LONGEST))
        cut = cut if cut > 0 else text.rfind(" ", middle, start + LONGEST)
        cut = cut + 1 if cut > 0 else start + LONGEST
        yield from _pieces(text, Span(start, cut))
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if any(character.isalnum() for character in text[start:end]):
        yield Span(start, end)
