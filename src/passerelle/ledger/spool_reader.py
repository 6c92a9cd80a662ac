"""Reads a folder of the spool: tries in the order they were settled, each whole line used and nothing else.

What is damaged is kept aside, beside the folder, before its segment goes; one line of log tells of it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import structlog

from passerelle.ledger.spool import LOCK, SUFFIX
from passerelle.ledger.spool_lines import FORMAT, HEADER, Sight, look
from passerelle.stores.folder import write_private

_BLOCK = 65_536  # bytes read at once
_DAMAGED = ".damaged"

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Segment:
    """One file of a folder, and what of it is still to be written elsewhere."""

    number: int
    path: Path
    offset: int = 0  # of the first byte not used
    pending: int = 0  # events read whose try is not written
    closed: bool = False  # nobody adds to it, and it is read to its end
    foreign: bool = False  # not of this program's version: nothing of it is read
    damaged: list[bytes] = field(default_factory=list)


class Settled(NamedTuple):
    """A try that nothing more will be heard of, as its lines.

    One of both may be missing: the end that a dead process did not write, or a beginning whose line was damaged.
    `plain`: both are there, and their JSON may go to PostgreSQL as it stands.
    """

    attempt_id: bytes
    began: bytes | None
    ended: bytes | None
    plain: bool
    segments: tuple[Segment, ...]  # of the beginning first, of the end last


class Reader:
    """One folder, read as it grows. `live`: its process may still write. `gone` is told the size of what is removed."""

    def __init__(self, folder: Path, *, live: bool, gone: Callable[[int], None] | None = None) -> None:
        self.folder = folder
        self.live = live
        self._gone = gone
        self._segments: dict[int, Segment] = {}
        # By try: the line of a beginning whose end has not been read, whether it is plain, and where it was.
        self._open: dict[bytes, tuple[bytes, bool, Segment]] = {}
        self._ready: list[Settled] = []
        self._guard = threading.Lock()  # a thread that nobody waits for any more may still be in here

    def read(self, most: int) -> list[Settled]:
        """Up to so many settled tries, the same again until they are `written`. Raises OSError."""
        with self._guard:
            if len(self._ready) < most:
                self._find()
                for segment in sorted(self._segments.values(), key=lambda each: each.number):
                    self._read(segment, most)
                if not self.live and all(segment.closed for segment in self._segments.values()):
                    self._give_up()
            return self._ready[:most]

    def written(self, count: int) -> None:
        """The first so many tries are safe elsewhere: segments that nothing else is in go. Raises OSError."""
        with self._guard:
            for settled in self._ready[:count]:
                for segment in settled.segments:
                    segment.pending -= 1
            del self._ready[:count]
            for segment in [each for each in self._segments.values() if each.closed and not each.pending]:
                self._drop(segment)

    def set_aside(self, segment: Segment, line: bytes) -> None:
        """Keep a line that nothing can be made of; before the try that it is of is `written`."""
        with self._guard:
            segment.damaged.append(line + b"\n")

    def remove(self) -> bool:
        """Remove the folder of a dead process; False, and one line of log, when something is left in it."""
        try:
            left = [each.name for each in self.folder.iterdir() if each.name != LOCK]
            if not left:
                (self.folder / LOCK).unlink(missing_ok=True)
                self.folder.rmdir()
                return True
        except FileNotFoundError:
            return True
        _log.warning("spool_folder_stays", folder=str(self.folder), files=len(left))
        return False

    def _find(self) -> None:
        for entry in self.folder.iterdir():
            name = entry.name.removesuffix(SUFFIX)
            if name == entry.name or not (name.isascii() and name.isdigit()):
                continue
            self._segments.setdefault(int(name), Segment(int(name), entry))

    def _read(self, segment: Segment, most: int) -> None:
        """From where it was left, up to the end of the file or until there is enough."""
        if segment.closed or segment.foreign or len(self._ready) >= most:
            return
        # What is in the listing was written after whatever is in the segments before it.
        final = not self.live or segment.number < max(self._segments)
        handle = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if not segment.offset and not self._is_ours(handle, segment, final=final):
                return
            size = _BLOCK
            while len(self._ready) < most:
                block = os.pread(handle, size, segment.offset)
                end = block.rfind(b"\n") + 1
                if not end and len(block) == size:
                    size *= 2  # a line longer than a block
                    continue
                self._use(segment, block[:end])
                segment.offset += end
                if len(block) < size:
                    if final:
                        self._close(segment, torn=block[end:])
                    return
        finally:
            os.close(handle)

    def _is_ours(self, handle: int, segment: Segment, *, final: bool) -> bool:
        head = os.pread(handle, len(HEADER), 0)
        if head == HEADER:
            segment.offset = len(HEADER)
            return True
        if HEADER.startswith(head):  # its process was stopped while it made the file, or is just making it
            if final:
                self._close(segment, torn=b"")
        elif head.startswith(FORMAT):
            segment.foreign = True
            _log.error(
                "spool_of_another_version", file=str(segment.path), cure="Run the program that wrote it."
            )
        elif final:
            self._close(segment, torn=segment.path.read_bytes())
        return False

    def _use(self, segment: Segment, block: bytes) -> None:
        for line in block.split(b"\n")[:-1]:
            sight = look(line)
            if sight is None:
                segment.damaged.append(line + b"\n")
            else:
                self._take(segment, line, sight)

    def _take(self, segment: Segment, line: bytes, sight: Sight) -> None:
        begins, name, plain = sight
        if begins:
            if name not in self._open:
                self._open[name] = (line, plain, segment)
                segment.pending += 1
            return
        opened = self._open.pop(name, None)
        if opened is None:
            segment.pending += 1
            self._ready.append(Settled(name, None, line, plain=False, segments=(segment,)))
            return
        beginning, usual, first = opened
        if first is segment:
            segments: tuple[Segment, ...] = (segment,)
        else:
            segment.pending += 1
            segments = (first, segment)
        self._ready.append(Settled(name, beginning, line, plain and usual, segments))

    def _give_up(self) -> None:
        """The process is dead: what has no end gets none."""
        self._ready += [
            Settled(name, line, None, plain=False, segments=(segment,))
            for name, (line, _, segment) in self._open.items()
        ]
        self._open.clear()

    def _close(self, segment: Segment, *, torn: bytes) -> None:
        segment.closed = True
        if torn:
            segment.damaged.append(torn)

    def _drop(self, segment: Segment) -> None:
        if segment.damaged:
            aside = self.folder.with_name(f"{self.folder.name}-{segment.path.stem}{_DAMAGED}")
            damaged = b"".join(segment.damaged)
            write_private(aside, damaged)
            _log.error("spool_damaged", file=str(aside), bytes=len(damaged), pieces=len(segment.damaged))
        size = segment.path.stat().st_size if segment.path.exists() else 0
        segment.path.unlink(missing_ok=True)
        del self._segments[segment.number]
        if self._gone:
            self._gone(size)
