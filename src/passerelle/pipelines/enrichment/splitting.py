"""Long texts in parts that a model reads at once, cut at headings first, and put back as they were. Pure.

Whatever the text, its parts joined together are the text. No part ends inside of a fenced block, a table, a comment
or a tag; one of those that is longer than a part may be is a part of its own. What an HTML part holds is whole: tags
that begin or end outside of it stand around it and are shown to nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from passerelle.domain.content import Form
from passerelle.pipelines.enrichment.splitting_html import html_blocks
from passerelle.pipelines.enrichment.splitting_markdown import markdown_blocks
from passerelle.pipelines.enrichment.splitting_spans import Block, cut, paragraphs

LONGEST_PART = 6_000  # characters: some 2,000 tokens, beside as many of prompt and of answer
_SHOWN_BEFORE = 300  # characters of the part before that are shown with a part
_LONGEST_HEADING = 120
_SENTENCE = re.compile(r"(?<=[.!?…])\s+")
_TAG = re.compile(r"<[^<>]{0,2000}>")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a text: `lead`, `core`, `trail` are all of it, and only `core` is worked on.

    `headings` is the path of headings it stands under, `before` what the part before ends with.
    """

    lead: str
    core: str
    trail: str
    headings: tuple[str, ...] = ()
    before: str = ""

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.lead}{self.core}{self.trail}"


def split(text: str, form: Form, most: int = LONGEST_PART) -> tuple[Part, ...]:
    """The parts of a text in order, with cores of at most `most` characters where nothing whole is longer."""
    if len(text) <= most:
        return (_part([text], (), ""),)
    blocks = list(_finer(_blocks(text, form, most), most))
    parts = [_part(*each) for each in _packed(blocks, most)]
    return tuple(_with_before(parts))


def put_back(parts: Sequence[Part], written: Sequence[str]) -> str:
    """What was written of the cores, one for each, in the places of theirs."""
    return "".join([part.lead + said.strip() + part.trail for part, said in zip(parts, written, strict=True)])


def _blocks(text: str, form: Form, most: int) -> Iterable[Block]:
    if form is Form.MARKDOWN:
        return markdown_blocks(text)
    return html_blocks(text, most) if form is Form.HTML else paragraphs(text)


def _finer(blocks: Iterable[Block], most: int) -> Iterable[Block]:
    """Blocks that are longer than a part, in pieces where they may be cut."""
    for block in blocks:
        if block.whole or len(block.text) <= most:
            yield block
        else:
            yield from [replace(block, text=piece) for piece in cut(block.text, most)]


def _packed(blocks: Sequence[Block], most: int) -> list[tuple[list[str], tuple[str, ...], str]]:
    """Texts of blocks that make a part, with the headings above it and the glue behind it."""
    packed: list[tuple[list[str], tuple[str, ...], str]] = []
    path: list[tuple[int, str]] = []
    now: list[str] = []
    above: tuple[str, ...] = ()
    size, only_headings = 0, False
    sections = _section_sizes(blocks)
    for place, block in enumerate(blocks):
        fits = size + len(block.text) <= most
        # A heading begins a part where its section would not find room behind what is there.
        begins = bool(block.level) and size + min(sections[place], most) > most
        # A heading stays with what it stands above, where that is too long in any case.
        bare = only_headings and len(block.text) > most
        if now and (block.glue or (not bare and (not fits or begins))):
            packed.append((now, above, ""))
            now, size = [], 0
        if block.level:
            path = [(level, title) for level, title in path if level < block.level]
        if not now:
            above = tuple(title for _, title in path)
        if block.level:
            path.append((block.level, _heading(block.text)))
        if block.glue:
            if packed:
                texts, headings, glue = packed[-1]
                packed[-1] = (texts, headings, glue + block.text)
            else:
                packed.append(([], (), block.text))
            continue
        only_headings = bool(block.level) and (only_headings or not now)
        now.append(block.text)
        size += len(block.text)
    if now:
        packed.append((now, above, ""))
    return packed


def _section_sizes(blocks: Sequence[Block]) -> list[int]:
    """For each heading, the characters up to the next one of its level or above it; for other blocks nought."""
    sizes = [0] * len(blocks)
    open_: list[int] = []
    for place, block in enumerate(blocks):
        if block.level:
            open_ = [each for each in open_ if blocks[each].level < block.level]
            open_.append(place)
        for each in open_:
            sizes[each] += len(block.text)
    return sizes


def _part(texts: Sequence[str], headings: tuple[str, ...], glue: str) -> Part:
    text = "".join(texts)
    core = text.strip()
    if not core:
        return Part(text + glue, "", "", headings)
    begin = text.index(core)
    return Part(text[:begin], core, text[begin + len(core) :] + glue, headings)


def _with_before(parts: Sequence[Part]) -> Iterable[Part]:
    said = ""
    for part in parts:
        yield replace(part, before=said) if part.core else part
        if part.core:
            said = _end_of(part.core)


def _end_of(text: str) -> str:
    """The last whole sentences, as many as may be shown."""
    line = " ".join(_TAG.sub(" ", text[-3 * _SHOWN_BEFORE :]).split())
    if len(line) <= _SHOWN_BEFORE:
        return line
    sentences = _SENTENCE.split(line[-_SHOWN_BEFORE:])
    return " ".join(sentences[1:]) if len(sentences) > 1 else ""


def _heading(text: str) -> str:
    lines = _TAG.sub(" ", text).strip().strip("#=- \t\n")
    return " ".join(lines.split())[:_LONGEST_HEADING]
