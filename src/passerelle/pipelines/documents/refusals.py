"""Why a document is not read: one code, one sentence of cause and one of cure."""

from __future__ import annotations

from passerelle.domain.errors import BadRequest, Refused, TooLarge, UnsupportedMedia

_REFUSALS: dict[str, tuple[type[Refused], str]] = {
    "document_empty": (BadRequest, "The document is empty. Send one with text in it."),
    "document_without_text": (
        BadRequest,
        "The document has no text: its pages are pictures, perhaps. Send one with text, after character recognition.",
    ),
    "document_too_large": (TooLarge, "The document is larger than is read at once. Send it in parts."),
    "document_too_many_pages": (
        TooLarge,
        "The document has more pages than are read at once. Send it in parts.",
    ),
    "document_too_long": (TooLarge, "The document's text is longer than is read at once. Send it in parts."),
    "document_too_costly": (
        TooLarge,
        "Reading the document takes more time or memory than one document may. Simplify it, or send it in parts.",
    ),
    "document_bomb": (
        TooLarge,
        "The document unpacks to far more than its size. Save it anew and send that.",
    ),
    "document_archive": (
        UnsupportedMedia,
        "The file is an archive, or holds one. Send the documents in it one by one.",
    ),
    "document_ambiguous": (
        UnsupportedMedia,
        "The file is two kinds of document at once. Save it anew as one of them and send that.",
    ),
    "document_type_mismatch": (
        UnsupportedMedia,
        "The file's content is not of the type it is sent as. Send it with its own content type, or with none.",
    ),
    "document_unsupported": (
        UnsupportedMedia,
        "This kind of file is not read. Send PDF, DOCX, PPTX, HTML, Markdown, CSV or plain text.",
    ),
    "document_encrypted": (BadRequest, "The document needs a password. Send it without one."),
    "document_entities": (
        BadRequest,
        "The document defines entities or a document type of its own, which is not safe to read. Save it anew.",
    ),
    "document_damaged": (
        BadRequest,
        "The document is damaged and cannot be read. Save it anew and send that.",
    ),
}
DAMAGED, COSTLY = "document_damaged", "document_too_costly"


class Unreadable(Exception):
    """Raised where a document is read, in the child. `code` is one of those above."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def refusal(code: str) -> Refused:
    """What its sender is told; a code that nobody knows is damage."""
    known = code if code in _REFUSALS else DAMAGED
    kind, message = _REFUSALS[known]
    return kind(message, code=known, param="document")
