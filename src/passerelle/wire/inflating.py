"""Bodies under `gzip` and `deflate` (RFC 9110, section 8.4.1), decompressed in small pieces.

Whoever reads the pieces stops when there are too many, so nothing grows that nobody has counted.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

PIECE = 262_144  # bytes at most in one piece
_MOST_MEMBERS = 1024  # of one gzip body; each costs time, even an empty one
_GZIP = b"\x1f\x8b"


class Undecodable(ValueError):
    """The body is not what its encoding says, or ends too early."""


class Inflating:
    """One body; `encoding` is `gzip` or `deflate`. What follows the end of compressed data is passed over."""

    def __init__(self, encoding: str) -> None:
        self._gzip = encoding == "gzip"
        self._members = 0
        self._over = False
        self._inflate: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What more data gives, in pieces. Raises Undecodable."""
        while data and not self._over:
            inflate = self._inflate or self._begin(data)
            if inflate is None:
                return
            full = True
            while (data or full) and not inflate.eof:
                try:
                    piece = inflate.decompress(data, PIECE)
                except zlib.error:
                    raise Undecodable("not compressed as it says") from None
                data = inflate.unconsumed_tail
                full = len(piece) == PIECE  # zlib may hold back more, even when it has taken all input
                if piece:
                    yield piece
            data = inflate.unused_data
            self._inflate = None if inflate.eof else inflate

    def finish(self) -> None:
        """The body has ended. Raises Undecodable when the compressed data has not."""
        if self._inflate is not None:
            raise Undecodable("broken off")

    def _begin(self, data: bytes) -> zlib._Decompress | None:
        """What decompresses the next member; None when no other one begins here."""
        if self._members and not (self._gzip and _GZIP.startswith(data[:2])):
            self._over = True
            return None
        if self._members >= _MOST_MEMBERS:
            raise Undecodable("more parts than any honest body has")
        self._members += 1
        # Under `deflate`, some servers leave out the header of zlib, whose low four bits would be 8.
        raw = not self._gzip and data[0] & 0x0F != 8
        return zlib.decompressobj(31 if self._gzip else -15 if raw else 15)
