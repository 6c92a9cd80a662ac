"""What the guarded fetcher is told, gives back and refuses: its limits, a document, and errors with cause and cure.

No error quotes more of a URL than its host, since the rest may hold a secret, and none says what an address was.
"""

from __future__ import annotations

from dataclasses import dataclass

from passerelle.domain.errors import Refused, Unavailable

TYPES = frozenset(
    {
        "application/pdf",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/xhtml+xml",
        "text/csv",
        "text/html",
        "text/markdown",
        "text/plain",
        "text/x-markdown",
    }
)


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Bounds of one fetch, all redirects together; times in seconds."""

    total: float = 30.0
    connect: float = 5.0  # for each redirect: the name, the connection and TLS
    stall: float = 10.0  # without a byte
    size: int = 32 * 1_048_576  # bytes, on the wire and again once decompressed
    redirects: int = 3
    types: frozenset[str] = TYPES  # media types, in lower case


@dataclass(frozen=True, slots=True)
class Seen:
    """What a document was when it was last fetched (RFC 9110, section 8.8)."""

    final_url: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document. `content` is decompressed; `charset` is what the server says and Python can decode."""

    url: str  # as it was asked for
    final_url: str  # after all redirects, in the one form in which it was sent
    content: bytes
    content_type: str
    charset: str | None
    etag: str | None
    last_modified: str | None

    @property
    def seen(self) -> Seen:
        """What to keep, and to give to the next fetch of it."""
        return Seen(self.final_url, self.etag, self.last_modified)


@dataclass(frozen=True, slots=True)
class NotModified:
    """The document is what it was; `seen` is what to keep from now on."""

    url: str
    seen: Seen


class FetchRefused(Refused):
    """This URL is not fetched, or what is there is not taken; the same URL will not do better soon.

    `code` is one of
    url_invalid, url_scheme, url_credentials, url_port      as it is written
    url_host, url_address                                   where it leads: by its name, by an address
    url_unknown_host, url_tls, url_status                   what is there
    url_redirect                                            too many redirects, or one that leads nowhere
    url_type, url_encoding, url_too_large                   what the document is
    `status` is that of the answer, where there was one; `redirected` tells that a redirect led there.
    """

    def __init__(
        self, code: str, cause: str, cure: str, *, status: int | None = None, redirected: bool = False
    ) -> None:
        where = "It redirects: " if redirected else ""
        super().__init__(f"{where}{cause} {cure}", code=code, param="url")
        self.cause = cause
        self.cure = cure
        self.status = status
        self.redirected = redirected


class FetchFailed(Unavailable):
    """The document cannot be had now; trying again later may help.

    `code` is url_unresolved, url_unreachable, url_timeout, url_broken or url_status.
    """

    def __init__(
        self, code: str, cause: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        cure = "Try again later."
        super().__init__(
            f"{cause} {cure}", code=code, retry_after=60.0 if retry_after is None else retry_after
        )
        self.cause = cause
        self.cure = cure
        self.status = status
