"""A document as text: its blocks, where each stands, and how much of everything a document may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from passerelle.text.words import Language

MEBIBYTE = 1024 * 1024


class Kind(StrEnum):
    """What a document is, by its content."""

    PDF = "pdf"
    DOCX = "docx"
    PPTX = "pptx"
    HTML = "html"
    MARKDOWN = "markdown"
    CSV = "csv"
    TEXT = "text"


class Notice(StrEnum):
    """What is worth knowing about a document that could be read."""

    PAGES_WITHOUT_TEXT = "pages_without_text"  # scanned, perhaps
    EMBEDDED_NOT_READ = "embedded_not_read"  # other files inside
    NAME_SAYS_OTHERWISE = "name_says_otherwise"  # the content is of another kind than the name's ending
    ROWS_OF_UNEQUAL_LENGTH = "rows_of_unequal_length"
    BOILERPLATE_UNKNOWN = "boilerplate_unknown"  # a web page read as a whole: menus may be among the text
    CHARACTERS_LOST = "characters_lost"  # that no text can hold


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may take. Times in seconds, sizes in bytes."""

    size: int = 64 * MEBIBYTE
    unpacked: int = 512 * MEBIBYTE  # the parts of an Office file, together
    pages: int = 3_000
    characters: int = 5_000_000
    blocks: int = 500_000
    seconds: float = 60.0  # by the clock
    cpu_seconds: int = 40
    memory: int = 1024 * MEBIBYTE  # of the child's address space

    def __post_init__(self) -> None:
        if min(self.size, self.pages, self.characters, self.blocks, self.cpu_seconds, self.memory) < 1:
            raise ValueError("Every limit of a document is at least 1.")

    @property
    def output(self) -> int:
        """The longest answer of the child: four bytes a character, and each block's place."""
        return 4 * self.characters + 64 * self.blocks + MEBIBYTE


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, heading, table, row or section. `start` and `end` are offsets into the whole document's text.

    `page` counts from 1; a slide is a page. `headings` are those it stands under, the outermost first; a heading
    stands under itself.
    """

    text: str
    headings: tuple[str, ...]
    page: int | None
    start: int
    end: int
    heading: bool = False


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document that was read. `text[block.start:block.end] == block.text` for every block, in order."""

    kind: Kind
    title: str
    language: Language
    text: str
    blocks: tuple[Block, ...]
    warnings: tuple[Notice, ...] = ()


def from_answer(answer: Mapping[str, Any]) -> Parsed:
    """What the child said, believed only where it is possible. Raises KeyError, TypeError or ValueError."""
    text, title, language = answer["text"], answer["title"], answer["language"]
    if not (isinstance(text, str) and isinstance(title, str)) or language not in ("fr", "en"):
        raise TypeError("An answer has texts and a language.")
    headings = [tuple(map(str, path)) for path in answer["headings"]]
    blocks = []
    before = 0
    for start, end, path, page, heading in answer["blocks"]:
        if not (isinstance(start, int) and isinstance(end, int) and before <= start < end <= len(text)):
            raise ValueError("Blocks stand in order inside the text.")
        if not (page is None or isinstance(page, int)):
            raise TypeError("A page is a number.")
        before = end
        blocks.append(Block(text[start:end], headings[path], page, start, end, bool(heading)))
    return Parsed(
        kind=Kind(answer["kind"]),
        title=title,
        language=language,
        text=text,
        blocks=tuple(blocks),
        warnings=tuple(Notice(warning) for warning in answer["warnings"]),
    )
