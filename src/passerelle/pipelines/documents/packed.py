"""Office files are archives of XML: what they hold and how far they unpack is known before any of it is believed."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from pathlib import PurePosixPath

from passerelle.pipelines.documents.parsed import MEBIBYTE, Kind, Limits
from passerelle.pipelines.documents.refusals import DAMAGED, Unreadable

_END = b"PK\x05\x06"
_END_LENGTH = 22
_TYPES = "[Content_Types].xml"
_MAIN = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml": Kind.DOCX,
    "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml": Kind.PPTX,
    "application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml": Kind.PPTX,
}
_PACKED = (
    ".zip",
    ".docx",
    ".pptx",
    ".xlsx",
    ".odt",
    ".jar",
    ".7z",
    ".rar",
    ".gz",
    ".tar",
    ".bz2",
    ".xz",
    ".zst",
)
_PACKED_SIGNS = (b"PK\x03\x04", b"7z\xbc\xaf'\x1c", b"Rar!\x1a", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\x00")
_MOST_PARTS = 10_000
_STEEPEST = 200  # times its packed size, of a part that matters
_MATTERS = 8 * MEBIBYTE
_ENCRYPTED = 0x1
_OWN_TYPES = (
    tuple(word.encode(encoding) for word in ("<!DOCTYPE", "<!ENTITY") for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
)  # fmt: skip
_ENCODING = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([^"']{1,40})""")


def ends_as_archive(content: bytes) -> bool:
    """Whether its last bytes are those of an archive, whatever its first ones are."""
    at = content.rfind(_END, max(0, len(content) - 65_535 - _END_LENGTH))
    if at < 0 or at + _END_LENGTH > len(content):
        return False
    comment: int = struct.unpack_from("<H", content, at + 20)[0]
    return at + _END_LENGTH + comment == len(content)


def look(content: bytes, limits: Limits) -> tuple[Kind, bool]:
    """Which Office document it is, and whether other files are embedded in it.

    Raises Unreadable, and what the library raises of a damaged archive.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return _look(archive, limits)


def _look(archive: zipfile.ZipFile, limits: Limits) -> tuple[Kind, bool]:
    parts = archive.infolist()
    names = [part.filename for part in parts]
    if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > limits.unpacked:
        raise Unreadable("document_bomb")
    for part in parts:
        if part.file_size > _MATTERS and part.file_size > _STEEPEST * max(1, part.compress_size):
            raise Unreadable("document_bomb")
    if any(part.flag_bits & _ENCRYPTED for part in parts):
        raise Unreadable("document_encrypted")
    if _TYPES not in names:
        raise Unreadable("document_archive")
    if len(set(names)) < len(names) or any(".." in PurePosixPath(name).parts for name in names):
        raise Unreadable(DAMAGED)
    embedded = False
    for part in parts:
        embedded |= _part(archive, part)
    kinds = _kinds(archive.read(_TYPES))
    if len(kinds) > 1:
        raise Unreadable("document_ambiguous")
    if not kinds:
        raise Unreadable("document_unsupported")
    return kinds.pop(), embedded


def _part(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    """Whether it is an embedded file, which nobody opens. Raises Unreadable for what must not be inside."""
    name = part.filename.lower()
    if "/embeddings/" in name:
        return True
    if name.endswith(_PACKED):
        raise Unreadable("document_archive")
    if name.endswith((".xml", ".rels", ".vml")):
        text = archive.read(part)
        if any(word in text for word in _OWN_TYPES):
            raise Unreadable("document_entities")
        declared = _ENCODING.match(text.lstrip(b"\xef\xbb\xbf"))
        if declared and declared.group(1).lower() not in (
            b"utf-8",
            b"utf8",
            b"utf-16",
            b"us-ascii",
            b"ascii",
        ):
            raise Unreadable(DAMAGED)  # the standard knows no other, and other readers see other text
        return False
    with archive.open(part) as opened:
        if opened.read(8).startswith(_PACKED_SIGNS):
            raise Unreadable("document_archive")
    return False


def _kinds(types: bytes) -> set[Kind]:
    return {kind for name, kind in _MAIN.items() if f'"{name}"'.encode() in types.replace(b"'", b'"')}
