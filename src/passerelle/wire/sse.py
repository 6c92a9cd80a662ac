"""Server-sent events as engines really send them: any split of the bytes gives the same events.

Framing follows the WHATWG HTML standard, section 9.2.6 (line ends LF, CR or CRLF; a blank line ends an event; a
line that starts with a colon is a comment).
"""

from __future__ import annotations

from collections.abc import Iterator

from passerelle.domain.errors import Fault, UpstreamFailed

LONGEST_EVENT = 1_048_576  # bytes; an event that is longer is not one a model wrote

DONE = b"data: [DONE]\n\n"


_BOM = b"\xef\xbb\xbf"


class Framer:
    """Turns reads of any size into blocks of whole events, line ends made LF and a leading BOM left out.

    Keeps at most one event and one read.
    """

    __slots__ = ("_begun", "_cr", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()  # the beginning of an event
        self._cr = False  # the last read ended in CR: an LF that follows belongs to it
        self._begun = False  # is it known whether the stream begins with a BOM?

    def feed(self, data: bytes) -> bytes:
        """The whole events known so far, b"" when there is none yet.

        Raises UpstreamFailed(BROKEN) for an event past the limit or bytes that are not UTF-8.
        """
        if self._cr or b"\r" in data:
            data = self._to_lf(data)
        rest = self._rest
        if not rest and self._begun and data.endswith(b"\n\n") and len(data) <= LONGEST_EVENT:
            return _checked(data)
        known = max(len(rest) - 1, 0)  # up to here no event ends
        rest += data
        if not self._begun:
            self._drop_bom()
        end = rest.rfind(b"\n\n", known) + 2
        if end == 1:
            _check_length(len(rest))
            return b""
        block = bytes(memoryview(rest)[:end])
        del rest[:end]
        _check_length(len(rest))
        if len(block) > LONGEST_EVENT:
            for event in events(block):
                _check_length(len(event))
        return _checked(block)

    def flush(self) -> bytes:
        """What is left at the end of the stream, as a whole event; engines forget the last blank line."""
        rest = bytes(self._rest).strip(b"\n")
        self._rest.clear()
        return _checked(rest + b"\n\n") if rest else b""

    def _to_lf(self, data: bytes) -> bytes:
        if not data:
            return data
        if self._cr and data.startswith(b"\n"):
            data = data[1:]
            if not data:
                self._cr = False
                return data
        self._cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _drop_bom(self) -> None:
        if self._rest.startswith(_BOM):
            del self._rest[: len(_BOM)]
            self._begun = True  # a second one belongs to the first line
        else:
            self._begun = bool(self._rest) and not _BOM.startswith(self._rest)


def _check_length(size: int) -> None:
    if size > LONGEST_EVENT:
        raise UpstreamFailed(Fault.BROKEN, f"An event of the stream is longer than {LONGEST_EVENT} bytes.")


def _checked(block: bytes) -> bytes:
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError as error:
            raise UpstreamFailed(Fault.BROKEN, "The stream holds bytes that are not UTF-8.") from error
    return block


def events(block: bytes) -> Iterator[bytes]:
    """The events of a block, each with the blank line that ends it."""
    start = 0
    while start < len(block):
        end = block.find(b"\n\n", start)
        stop = len(block) if end < 0 else end + 2
        event = block[start:stop]
        if event.strip(b"\n"):
            yield event
        start = stop


def data_of(event: bytes) -> bytes | None:
    """The payload of an event, lines joined by LF; None for a comment or an event without data."""
    if event.startswith(b"data: ") and event.count(b"\n") == 2:
        return event[6:-2]
    lines = [
        line[6:] if line.startswith(b"data: ") else line[5:]
        for line in event.split(b"\n")
        if line.startswith(b"data:") or line == b"data"
    ]
    return b"\n".join(lines) if lines else None


def event_of(data: bytes) -> bytes:
    """One event with this payload, which holds no line end."""
    return b"data: " + data + b"\n\n"
