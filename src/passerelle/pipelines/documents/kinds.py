"""What a document is, by its content; what it is called and sent as can only agree, or be refused."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath

from passerelle.pipelines.documents.charsets import text_of
from passerelle.pipelines.documents.packed import ends_as_archive, look
from passerelle.pipelines.documents.parsed import Kind, Limits, Notice
from passerelle.pipelines.documents.refusals import Unreadable
from passerelle.pipelines.documents.writing import clean

_OFFICE = "application/vnd.openxmlformats-officedocument"
_TEXTS = (Kind.HTML, Kind.MARKDOWN, Kind.CSV, Kind.TEXT)
_ZIPPED = ("application/zip", "application/x-zip-compressed", "application/x-zip")
# What each is sent as. Browsers on Windows say `vnd.ms-excel` of CSV.
_SENT_AS = {
    Kind.PDF: ("application/pdf", "application/x-pdf"),
    Kind.DOCX: (f"{_OFFICE}.wordprocessingml.document", "application/msword", *_ZIPPED),
    Kind.PPTX: (
        f"{_OFFICE}.presentationml.presentation",
        f"{_OFFICE}.presentationml.slideshow",
        "application/vnd.ms-powerpoint",
        *_ZIPPED,
    ),
}
_TEXTS_SENT_AS = (
    "application/xhtml+xml", "application/xml", "application/json", "application/x-ndjson", "application/csv",
    "application/vnd.ms-excel", "application/markdown", "application/x-markdown",
)  # fmt: skip
_SAYS_NOTHING = ("", "application/octet-stream", "binary/octet-stream", "application/x-download")
_ARCHIVES = (
    b"7z\xbc\xaf'\x1c", b"Rar!\x1a", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"MSCF",
)  # fmt: skip
_OTHERS = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"RIFF", b"\x7fELF", b"MZ\x90", b"{\\rtf", b"%!PS",
    b"SQLite format 3", b"OggS", b"ID3", b"\x00\x00\x01\x00", b"PAR1",
)  # fmt: skip
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_PDF = b"%PDF-"
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([\w.:-]{2,30})""", re.IGNORECASE)
_MARKDOWN_ENDINGS = (".md", ".markdown", ".mdown", ".mkd")
_BEFORE_HTML = re.compile(r"(?:\s+|<!--(?:(?!-->).){0,5000}-->|<\?xml(?:(?!\?>).){0,300}\?>)*", re.DOTALL)
_HTML = re.compile(
    r"<(?:!doctype\s+html\b|(?:html|head|body|title|meta|link|style|script|div|p|h[1-6]|article|section|main|header|nav"
    r"|table|ul|ol|span|br|a|b|i|strong|em|blockquote|form|img|iframe|font|center)(?=[\s>/]))",
    re.IGNORECASE,
)
_OTHER_MARKUP = re.compile(r"<(?:\?xml\b|!doctype\b|svg\b|rss\b|feed\b)", re.IGNORECASE)
_ENTITY = re.compile(r"<!entity\b", re.IGNORECASE)
_PROLOGUE = 100_000  # characters in which a document type may define entities
# Comments of programs look like headings of the first level.
_HEADING = re.compile(r"\A\s*# +\S|^#{2,6} +\S", re.MULTILINE)
_MARKED = re.compile(
    r"^(?:```|~~~|[-*+] +\S|\d+\. +\S|> +\S|\|.+\|$)|\[[^\]\n]{1,200}\]\([^)\s]{1,500}\)|\*\*\S", re.MULTILINE
)
_DELIMITERS = ";\t,|"
_SAMPLE = 100_000  # characters
_LONGEST_CELL = 2_000
_ROWS = 50


@dataclass(frozen=True, slots=True)
class Found:
    """What is to be read: `text` of kinds that are texts, `content` of all."""

    kind: Kind
    content: bytes
    text: str = ""
    delimiter: str = ""  # of CSV
    warnings: tuple[Notice, ...] = ()


def find(content: bytes, *, name: str, declared: str, limits: Limits) -> Found:
    """What it is. Raises Unreadable where it is nothing that is read, two things at once, or not what it is sent as."""
    if len(content) > limits.size:
        raise Unreadable("document_too_large")
    if not content.strip(b" \t\r\n\f\v\0"):
        raise Unreadable("document_empty")
    sent = declared.partition(";")[0].strip().lower()
    charset = _CHARSET.search(declared)
    found = _binary(content, limits) or _text(
        content, PurePosixPath(name.lower()).suffix, sent, charset.group(1) if charset else ""
    )
    if not _agrees(found.kind, sent):
        raise Unreadable("document_type_mismatch")
    return found


def _agrees(kind: Kind, sent: str) -> bool:
    if sent in _SAYS_NOTHING:
        return True
    if kind in _TEXTS:
        return sent.startswith("text/") or sent in _TEXTS_SENT_AS
    return sent in _SENT_AS[kind]


def _binary(content: bytes, limits: Limits) -> Found | None:
    if content.startswith(_OLE):
        raise Unreadable("document_encrypted" if _OLE_ENCRYPTED in content else "document_unsupported")
    if content.startswith(_ARCHIVES) or content[257:262] == b"ustar":
        raise Unreadable("document_archive")
    if content.startswith(b"PK\x03\x04"):
        if _PDF in content[:1024]:
            raise Unreadable("document_ambiguous")
        kind, embedded = look(content, limits)
        return Found(kind, content, warnings=(Notice.EMBEDDED_NOT_READ,) if embedded else ())
    if content.startswith(b"PK\x05\x06"):
        raise Unreadable("document_archive")  # an empty one
    if ends_as_archive(content):
        raise Unreadable("document_ambiguous")
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_PDF):
        return Found(Kind.PDF, content)
    if content.startswith(_OTHERS) or content[4:8] == b"ftyp":
        # Many readers take a PDF that begins late: what looks like a picture here is a document there.
        raise Unreadable("document_ambiguous" if _PDF in content[:1024] else "document_unsupported")
    return None


def _text(content: bytes, ending: str, sent: str, charset: str) -> Found:
    if _PDF in content[:1024] and b"%%EOF" in content[-1024:]:
        raise Unreadable("document_ambiguous")
    raw = text_of(content, charset)
    text = clean(raw)
    if not text.strip():
        raise Unreadable("document_empty")
    warnings = (Notice.CHARACTERS_LOST,) if "\0" in raw or "\ufffd" in raw else ()
    start = _BEFORE_HTML.match(text)
    at = start.end() if start else 0
    # A list or a link of Markdown may begin with a tag; a page of HTML is not called .md.
    named_markdown = ending in _MARKDOWN_ENDINGS or sent == "text/markdown"
    if _HTML.match(text, at) and not (
        named_markdown and not text[at:].lower().startswith(("<!doctype", "<html"))
    ):
        if _ENTITY.search(text, 0, _PROLOGUE):
            raise Unreadable("document_entities")
        return Found(Kind.HTML, content, text, warnings=warnings)
    if _OTHER_MARKUP.match(text.lstrip()):
        raise Unreadable(
            "document_entities" if _ENTITY.search(text, 0, _PROLOGUE) else "document_unsupported"
        )
    if named_markdown:
        return Found(Kind.MARKDOWN, content, text, warnings=warnings)
    named_csv = ending in (".csv", ".tsv") or sent in (
        "text/csv",
        "text/tab-separated-values",
        "application/csv",
    )
    if delimiter := delimiter_of(text, sure=named_csv):
        return Found(Kind.CSV, content, text, delimiter, warnings)
    looks_marked = _HEADING.search(text, 0, _SAMPLE) and _MARKED.search(text, 0, _SAMPLE)
    return Found(Kind.MARKDOWN if looks_marked else Kind.TEXT, content, text, warnings=warnings)


def delimiter_of(text: str, *, sure: bool) -> str:
    """What stands between the cells of a table; empty where it is none. `sure`: it is said to be one."""
    best, most = "", 0.0
    whole = len(text) <= _SAMPLE
    for delimiter in _DELIMITERS:
        try:
            rows = [
                row
                for row in islice(csv.reader(io.StringIO(text[:_SAMPLE]), delimiter=delimiter), _ROWS + 1)
                if row
            ]
        except csv.Error:
            continue
        if not whole or len(rows) > _ROWS:
            rows = rows[:-1]  # cut off, perhaps
        widths = [len(row) for row in rows]
        usual = max(set(widths), key=widths.count, default=0)
        share = widths.count(usual) / len(rows) if rows else 0.0
        longest = max((len(cell) for row in rows for cell in row), default=0)
        fits = share >= 0.7 if sure else share == 1.0 and len(rows) >= 3 and longest <= _LONGEST_CELL
        if usual >= 2 and fits and share * usual > most:
            best, most = delimiter, share * usual
    return best
