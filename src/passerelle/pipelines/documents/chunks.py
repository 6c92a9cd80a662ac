"""A parsed document in pieces short enough to be searched for, each of whole sentences where they fit.

The pieces of a section are a part of its text without gaps; overlap is added before a piece, from where a sentence or
a word begins. So every piece knows exactly where it stands. Stands on LangChain's splitters: import it late.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from langchain_text_splitters import RecursiveCharacterTextSplitter

from passerelle.domain.retrieval import LONGEST_TEXT
from passerelle.pipelines.documents.parsed import Block, Parsed
from passerelle.text.words import Language, language_of

# Before a dot these end no sentence: M. Dupont, p. ex., art. 3, n. 4, e.g. this.
_SHORT = (
    "M",
    "MM",
    "Mr",
    "Mrs",
    "Dr",
    "Pr",
    "Me",
    "St",
    "art",
    "Art",
    "p",
    "pp",
    "ex",
    "cf",
    "Cf",
    "env",
    "fig",
    "chap",
    "vol",
    "éd",
    "al",
    "No",
    "no",
    "vs",
    "e.g",
    "i.e",
)
_NOT_AFTER = "".join(rf"(?<!\b{re.escape(word)})" for word in _SHORT)
# The end of a sentence, with the quotation mark or bracket that closes after it, French space between them or not;
# what begins then has a capital, a figure or an opening mark: « Vraiment ! » dit-il goes on.
_SENTENCE = (
    rf"(?<![.!?…])(?:{_NOT_AFTER}\.|[!?…])+(?:[ \u00a0\u202f]?[»”\"’)\]])*\s+"
    r"(?=[«“\"‘(\[—–-]?[ \u00a0\u202f]?[A-ZÀ-ÖØ-ÞŒ0-9])"
)
_SEPARATORS = [r"\n[ \t]*\n\s*", r"\n", _SENTENCE, r"[;:][ \u00a0\u202f\t]+", r",[ \t]+", r"\s+", ""]
_STARTS = (re.compile(rf"\n\s*|{_SENTENCE}"), re.compile(r"\s+"))


@dataclass(frozen=True, slots=True)
class Cut:
    """How long pieces are, in characters: at most `size`, of which at most `overlap` are the end of the one before."""

    size: int = 1_200
    overlap: int = 150

    def __post_init__(self) -> None:
        if not 50 <= self.size <= LONGEST_TEXT:
            raise ValueError(f"A piece has 50 to {LONGEST_TEXT} characters.")
        if not 0 <= self.overlap <= self.size // 2:
            raise ValueError("Pieces overlap by at most half their size.")


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage: `parsed.text[start:end] == text`, on one page (from 1; None without pages), under its headings."""

    text: str
    title: str
    headings: tuple[str, ...]
    page: int | None
    start: int
    end: int
    language: Language


_DEFAULT = Cut()


def pieces(parsed: Parsed, cut: Cut = _DEFAULT) -> tuple[Piece, ...]:
    """All of the document's text, in order.

    Pure; it takes one to three seconds of CPU a million characters, so call it in a thread.
    """
    splitter = RecursiveCharacterTextSplitter(
        separators=_SEPARATORS,
        is_separator_regex=True,
        keep_separator="end",
        chunk_size=cut.size - cut.overlap,
        chunk_overlap=0,
        strip_whitespace=False,
    )
    return tuple(
        Piece(
            text=parsed.text[start:end],
            title=parsed.title,
            headings=one.headings,
            page=one.page,
            start=start,
            end=end,
            language=language_of(parsed.text[start:end], parsed.language),
        )
        for one, section in _sections(parsed)
        for start, end in _spans(parsed.text[section], section.start, splitter, cut)
    )


def _sections(parsed: Parsed) -> Iterator[tuple[Block, slice]]:
    """Runs of blocks under the same headings on the same page, with one of each.

    A heading without text of its own is no section: it begins the first one below it.
    """
    one: Block | None = None
    start = end = 0
    bare = True
    for block in parsed.blocks:
        if one is not None and (block.headings, block.page) != (one.headings, one.page):
            if bare and _below(block, one):
                one = block
            else:
                yield one, slice(start, end)
                one = None
        if one is None:
            one, start, bare = block, block.start, True
        bare &= block.heading
        end = block.end
    if one is not None:
        yield one, slice(start, end)


def _below(block: Block, other: Block) -> bool:
    return block.page == other.page and block.headings[: len(other.headings)] == other.headings


def _spans(
    text: str, offset: int, splitter: RecursiveCharacterTextSplitter, cut: Cut
) -> Iterator[tuple[int, int]]:
    """Where the pieces of a section stand in the document, without space around them."""
    at = 0
    for part in [text] if len(text) <= cut.size else splitter.split_text(text):
        start, end = at, at + len(part)
        at = end
        if cut.overlap and start:
            start = _earlier(text, start, cut.overlap)
        piece = text[start:end]
        if piece.strip():
            yield offset + start + len(piece) - len(piece.lstrip()), offset + start + len(piece.rstrip())


def _earlier(text: str, start: int, overlap: int) -> int:
    """Where a sentence, else a word, begins at most so far before."""
    window = text[start - min(overlap, start) : start]
    if len(window) == start:
        return 0  # all there is
    for pattern in _STARTS:
        if (hit := pattern.search(window)) and hit.end() < len(window):
            return start - len(window) + hit.end()
    return start
