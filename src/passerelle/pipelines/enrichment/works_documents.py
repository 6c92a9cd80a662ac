"""Documents that were taken into a collection, as pieces: as they came where that is text, else their passages joined."""

from __future__ import annotations

from collections.abc import Sequence

from passerelle.domain.content import Form, Piece
from passerelle.domain.errors import BadRequest, NotFound
from passerelle.domain.retrieval import Chunk
from passerelle.pipelines.enrichment.desk import Mapped
from passerelle.pipelines.enrichment.reading import Rules, key_of
from passerelle.pipelines.enrichment.reading_apart import read_apart
from passerelle.pipelines.rag.desk import Groups, Library

_ENDINGS = {
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/x-markdown": ".md",
    "text/html": ".html",
    "application/xhtml+xml": ".html",
}


async def piece_of_document(
    library: Library, tenant: str, collection: str, document: str, *, groups: Groups, rules: Rules
) -> Piece:
    """One document. Its key is its collection's name and its own, so that it is the same piece from job to job.

    Raises NotFound, and BadRequest `document_without_text` where nothing of it is there to be read.
    """
    about = await library.document(tenant, collection, document, groups=groups)
    key = key_of(f"{collection}/{about.key}")
    if len(key) < len(f"{collection}/{about.key}"):
        key = key_of(f"{collection}/{about.id}")
    ending = _ENDINGS.get(about.media_type.partition(";")[0].strip().lower())
    found = None
    if ending is not None:
        try:
            content, _ = await library.content(tenant, collection, document, groups=groups)
        except NotFound:
            content = b""  # what its sender had cut is kept as passages only
        if content.strip():
            read = await read_apart(f"document{ending}", content, Mapped(), rules)
            found = read.pieces[0] if read.pieces else None
            if read.skipped:
                raise _refused(document, read.skipped[0].message)
    if found is None:
        passages = await library.passages(tenant, collection, document, groups=groups)
        found = Piece(key, joined(passages), Form.PLAIN)
    if not found.text.strip():
        raise _refused(document, "It has no text yet: wait until it is read, or see why it was not.")
    return Piece(key, found.text, found.form, about.title, about.language)


def joined(passages: Sequence[Chunk]) -> str:
    """Passages as one text: headings above their sections, what two of them share once."""
    parts: list[str] = []
    headings: tuple[str, ...] = ()
    page: int | None = None
    end = -1
    for passage in passages:
        if passage.headings != headings:
            headings = passage.headings
            if headings and not passage.text.lstrip().startswith(headings[-1]):
                parts.append(headings[-1])
        words = passage.text
        shared = end - passage.start if passage.start is not None and passage.page == page else 0
        overlaps = 0 < shared < len(words)
        if overlaps and parts:
            parts[-1] += words[shared:]
        elif shared < len(words) or shared <= 0:
            parts.append(words.strip("\n"))
        page, end = passage.page, passage.end if passage.end is not None else -1
    return "\n\n".join(part for part in parts if part.strip())


def _refused(document: str, why: str) -> BadRequest:
    message = f"The document {document[:100]!r} cannot be worked on. {why}"
    return BadRequest(message, code="document_without_text", param="documents")
