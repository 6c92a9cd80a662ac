"""A document's content as passages whose ids stay the same as long as what is embedded of them does.

So a new version of a document costs the vectors of what changed in it, and nothing of what did not.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from passerelle.domain.rag import Origin, Setup
from passerelle.domain.retrieval import Chunk
from passerelle.jobs.kinds import ItemFailed
from passerelle.pipelines.documents.parse import parse
from passerelle.pipelines.documents.parsed import Limits, Notice, Parsed
from passerelle.pipelines.rag.taking_checks import LONGEST_TITLE, chunks_of
from passerelle.retrieval.store import MOST_AT_ONCE
from passerelle.text.words import language_of

_LONGEST_HEADING = 300
_MOST_HEADINGS = 12
_MOST_PAGES_SAID = 20
_SAMPLE = 20_000  # characters by which a language is told
_NOTICES = {
    Notice.PAGES_WITHOUT_TEXT: "Some pages have no text: they are pictures, perhaps.",
    Notice.EMBEDDED_NOT_READ: "Files inside the document were not read.",
    Notice.NAME_SAYS_OTHERWISE: "The content is of another kind than the name's ending says.",
    Notice.ROWS_OF_UNEQUAL_LENGTH: "Rows of the table have different numbers of cells.",
    Notice.BOILERPLATE_UNKNOWN: "The page was read as a whole: menus may be among the text.",
    Notice.CHARACTERS_LOST: "Some characters could not be read.",
}


@dataclass(frozen=True, slots=True)
class Source:
    """What is read of a document: its content, and what its sender says of it."""

    id: str
    origin: Origin
    content: bytes
    name: str
    url: str
    media_type: str
    title: str  # as its sender says, or empty
    language: str
    groups: frozenset[str]
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Passages:
    """A document as it is to be indexed, and what was learned of it."""

    chunks: tuple[Chunk, ...]
    title: str
    language: str
    pages: int
    characters: int
    warnings: tuple[str, ...] = ()


async def read(source: Source, setup: Setup, *, limits: Limits, gate: asyncio.Semaphore) -> Passages:
    """Its passages. `gate`: few are read at once. Raises Refused for what cannot be read, and ItemFailed."""
    if source.origin is Origin.CHUNKS:
        return await asyncio.to_thread(_given, source, setup)
    async with gate:
        name = source.url.partition("?")[0] if source.origin is Origin.URL else source.name
        parsed = await parse(source.content, name=name, declared_type=source.media_type, limits=limits)
        return await asyncio.to_thread(_cut, source, setup, parsed)


def _cut(source: Source, setup: Setup, parsed: Parsed) -> Passages:
    from passerelle.pipelines.documents.chunks import Cut, pieces  # noqa: PLC0415 - LangChain

    title = (source.title or parsed.title)[:LONGEST_TITLE].strip()
    cut = pieces(replace(parsed, title=title), Cut(setup.size, setup.overlap))
    pages = {block.page for block in parsed.blocks if block.page is not None}
    chunks = [
        Chunk(
            id="unnamed",
            document=source.id,
            text=piece.text,
            title=title,
            headings=_headings(piece.headings),
            page=piece.page,
            start=piece.start,
            end=piece.end,
            language=source.language or piece.language,
            groups=source.groups,
            metadata=source.metadata,
        )
        for piece in cut
    ]
    return Passages(
        chunks=_named(chunks, setup),
        title=title,
        language=source.language or parsed.language,
        pages=max(pages, default=0),
        characters=len(parsed.text),
        warnings=tuple(_warnings(parsed.warnings, pages)),
    )


def _given(source: Source, setup: Setup) -> Passages:
    said = chunks_of(source.content)
    language = source.language or language_of("\n".join(each.text for each in said)[:_SAMPLE])
    chunks = [
        Chunk(
            id="unnamed",
            document=source.id,
            text=each.text,
            title=source.title,
            headings=_headings(each.headings),
            page=each.page,
            start=each.start,
            end=each.end,
            language=source.language,
            groups=source.groups,
            metadata={**source.metadata, **each.metadata},
        )
        for each in said
    ]
    return Passages(
        chunks=_named(chunks, setup),
        title=source.title,
        language=language,
        pages=max((each.page or 0 for each in said), default=0),
        characters=sum(len(each.text) for each in said),
    )


def _named(chunks: Sequence[Chunk], setup: Setup) -> tuple[Chunk, ...]:
    """Named by what is embedded, and by whom; equal ones are counted."""
    if len(chunks) > MOST_AT_ONCE:
        message = f"The document has more than {MOST_AT_ONCE} passages. Send it in parts."
        raise ItemFailed("document_too_many_passages", message)
    seen: Counter[bytes] = Counter()
    named = []
    for chunk in chunks:
        parts = (chunk.document, setup.embedder or "", setup.behind or "", chunk.indexed)
        digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
        number = seen[digest]
        seen[digest] += 1
        name = hashlib.sha256(digest + number.to_bytes(4, "big")).hexdigest()[:32]
        named.append(replace(chunk, id=name))
    return tuple(named)


def _headings(headings: Iterable[str]) -> tuple[str, ...]:
    kept = [heading[:_LONGEST_HEADING].strip() for heading in headings]
    return tuple(heading for heading in kept if heading)[:_MOST_HEADINGS]


def _warnings(notices: Sequence[Notice], pages: set[int]) -> Iterable[str]:
    for notice in notices:
        bare = [page for page in range(1, max(pages, default=0)) if page not in pages]
        if notice is Notice.PAGES_WITHOUT_TEXT and bare:
            said = ", ".join(map(str, bare[:_MOST_PAGES_SAID])) + (
                ", …" if len(bare) > _MOST_PAGES_SAID else ""
            )
            what = f"Page {said} has" if len(bare) == 1 else f"Pages {said} have"
            yield f"{what} no text: pictures, perhaps."
        else:
            yield _NOTICES[notice]
