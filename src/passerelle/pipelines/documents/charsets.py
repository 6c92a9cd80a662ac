"""Which characters the bytes of a text are: marks, declarations, then what the bytes can be and French would be."""

from __future__ import annotations

import codecs
import re

from passerelle.pipelines.documents.refusals import Unreadable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(
    rb"""<(?:meta|\?xml)\b[^<>]{0,200}?(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]{2,30})""", re.IGNORECASE
)
_EXPECTED = frozenset("éèêëàâçùûüôöîïœæÉÈÊËÀÂÇÙÛÔÎŒ«»’‘“”–—…€°\u00a0")
_OLD = ("cp1252", "mac_roman", "cp850")  # the first of those that fit equally well
_SAMPLE = 200_000  # bytes
_MOST_CONTROLS = 0.002  # of the characters of a text
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def text_of(content: bytes, charset: str = "") -> str:
    """The text. `charset`: as it was sent, if that was said. Raises Unreadable where the bytes are no text."""
    text = _decoded(content, charset)
    sample = text[:_SAMPLE]
    if len(_CONTROL.findall(sample)) > _MOST_CONTROLS * len(sample):
        raise Unreadable("document_unsupported")
    return text


def _decoded(content: bytes, charset: str) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _strict(content[len(mark) :], encoding)
    if wide := _without_mark(content):
        return _strict(content, wide)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end == len(content) and error.reason == "unexpected end of data" and error.start > 1000:
            return content.decode("utf-8", "ignore")  # cut off inside its last letter
    declared = _DECLARED.search(content[:2048])
    # What was sent along goes before what it says itself, as in browsers.
    for said in (charset, declared.group(1).decode("ascii") if declared else ""):
        if (text := _as_said(content, said)) is not None:
            return text
    return _old(content)


def _as_said(content: bytes, charset: str) -> str | None:
    try:
        name = codecs.lookup(charset).name
        # Browsers read these two as Windows' own, and so do the people who write them.
        return content.decode("cp1252" if name in ("iso8859-1", "ascii") else name)
    except (LookupError, UnicodeError):  # none, not one of text, or not that one
        return None


def _strict(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise Unreadable("document_damaged") from None


def _without_mark(content: bytes) -> str | None:
    """UTF-16 by its zeros: of Latin letters every other byte is one."""
    sample = content[:_SAMPLE]
    if len(content) % 2 or not (half := len(sample) // 2):
        return None
    first, second = sample[0::2].count(0) / half, sample[1::2].count(0) / half
    if second > 0.4 and first < 0.02:
        return "utf-16-le"
    return "utf-16-be" if first > 0.4 and second < 0.02 else None


def _old(content: bytes) -> str:
    """By the letters French would have there; Latin-1 takes what Windows has no sign for."""
    sample = bytes(byte for byte in content[:_SAMPLE] if byte > 0x7F)
    best = max(_OLD, key=lambda encoding: _fit(sample, encoding))
    try:
        return content.decode(best)
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _fit(sample: bytes, encoding: str) -> int:
    text = sample.decode(encoding, "replace")
    return sum(1 if character in _EXPECTED else -1 for character in text)
