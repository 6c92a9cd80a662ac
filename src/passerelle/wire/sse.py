"""Server-sent events as engines really send them: any split of the bytes gives the same events.

Framing follows the WHATWG HTML standard, section 9.2.6 (line ends LF, CR or CRLF; a blank line ends an event; a
line that starts with a colon is a comment).
"""

from __future__ import annotations

from collections.abc import Iterator

from passerelle.domain.errors import Fault, UpstreamFailed

LONGEST_EVENT = 1_048_576  # bytes; an event that is longer is not one a model wrote

DONE = b"data: [DONE]\n\n"


class Framer:
    """Turns reads of any size into blocks of whole events, line ends made LF."""

    __slots__ = ("_cr", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._cr = False  # the last read ended in CR: an LF that follows belongs to it

    def feed(self, data: bytes) -> bytes:
        """The whole events known so far, b"" when there is none yet.

        Raises UpstreamFailed(BROKEN) for an event past the limit or bytes that are not UTF-8.
        """
        if self._cr or b"\r" in data:
            data = self._to_lf(data)
        if not self._rest and data.endswith(b"\n\n"):
            return _checked(data)
        data = self._rest + data
        end = data.rfind(b"\n\n") + 2
        if end == 1:
            self._rest = data
            if len(data) > LONGEST_EVENT:
                raise UpstreamFailed(
                    Fault.BROKEN, f"An event of the stream is longer than {LONGEST_EVENT} bytes."
                )
            return b""
        self._rest = data[end:]
        return _checked(data[:end])

    def flush(self) -> bytes:
        """What is left at the end of the stream, as a whole event; engines forget the last blank line."""
        rest, self._rest = self._rest.strip(b"\n"), b""
        return _checked(rest + b"\n\n") if rest else b""

    def _to_lf(self, data: bytes) -> bytes:
        if self._cr and data.startswith(b"\n"):
            data = data[1:]
        self._cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


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
        if line.startswith(b"data:")
    ]
    return b"\n".join(lines) if lines else None


def event_of(data: bytes) -> bytes:
    """One event with this payload, which holds no line end."""
    return b"data: " + data + b"\n\n"
