"""The spool: what `begin` and `end` returned for survives this process's end, and after `sync_seconds` a loss of power.

Each process appends to segments in a folder of its own and holds that folder's lock for as long as it lives.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import structlog

from passerelle.domain.errors import CannotRun, Unavailable
from passerelle.domain.ledger import Began, Ended
from passerelle.ledger.spool_lines import HEADER, encode
from passerelle.stores.folder import sync_folder
from passerelle.stores.locks import take

LOCK = "lock"  # in a process's folder; free when the process is dead
NEW = ".new-"  # before the name of a folder whose lock is not held yet
SUFFIX = ".spool"

_MIB = 1_048_576
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_LOOK_SECONDS = 1.0  # between two looks at the free space, and two tries to write what is owed

_log = structlog.get_logger(__name__)


class Spool:
    """This process's part of the spool in a folder. Whoever makes it, closes it.

    `begin` and `end` may be called from any thread and take some microseconds; with `sync_seconds` 0 they wait for
    the disk. A segment is closed at `segment_bytes`. New tries are refused once `most_bytes` wait to be drained or
    less than `least_free` bytes are free on the disk; what is left is for the ends of those that have begun.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sync_seconds: float = 0.05,
        segment_bytes: int = 4 * _MIB,
        most_bytes: int = 8192 * _MIB,
        least_free: int = 64 * _MIB,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make the folder `<pid>-<random>` in `folder` and hold its lock. Raises CannotRun."""
        self.owner = f"{os.getpid()}-{secrets.token_hex(6)}"
        self.folder = folder / self.owner
        self.closed = False
        self._sync_seconds = sync_seconds
        self._segment_bytes = segment_bytes
        self._most_bytes = most_bytes
        self._least_free = least_free
        self._clock = clock
        self._guard = threading.Lock()  # what is written
        self._syncing = threading.Lock()  # what is synced and closed
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._retired: list[int] = []  # handles of closed segments, not synced yet
        self._owed: list[bytes] = []  # ends that a full disk did not take
        self._number = self._size = self._waiting = 0
        self._sound = True
        self._new_name = self._told = False
        self._look_at, self._has_room = 0.0, True
        self._handle = -1
        try:
            self._held = self._claim()
            self._roll()
        except OSError as error:
            raise CannotRun(
                f"The ledger's spool {folder} cannot be written: {(error.strerror or 'error').lower()}.",
                "Free some space, or mend the folder's owner.",
            ) from error
        self._thread = threading.Thread(target=self._keep_syncing, name="spool-sync", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Bytes written and not drained."""
        return self._waiting

    def begin(self, began: Began) -> None:
        """Write that a try begins. Raises Unavailable (`ledger_full`) where there is no room: then it may not begin."""
        if not self.room():
            raise _full()
        self._write(encode(began))

    def both(self, began: Began, ended: Ended) -> None:
        """Write a try that is over as it begins, all of it in one write or nothing. Raises as `begin` does."""
        if not self.room():
            raise _full()
        self._write(encode(began) + encode(ended))

    def end(self, ended: Ended) -> None:
        """Write how a try ended. Raises Unavailable (`ledger_full`) on a full disk; do not repeat it.

        It is kept in memory then and written as soon as the disk takes it; nothing begins before that.
        """
        line = encode(ended)
        try:
            self._write(line)
        except Unavailable:
            with self._guard:
                self._owed.append(line)
            raise

    def room(self) -> bool:
        """May another try begin? Looks at the disk at most once a second."""
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            self._has_room = self._waiting < self._most_bytes and self._free() >= self._least_free
        return self._has_room and not self._owed

    def drained(self, size: int) -> None:
        """A segment of so many bytes is gone."""
        with self._guard:
            self._waiting -= size

    def sync(self) -> None:
        """What is written survives a loss of power when this returns. Blocks; failures are told to the log."""
        with self._syncing:
            with self._guard:
                self._pay()
                retired, self._retired = self._retired, []
                new_name, self._new_name = self._new_name, False
                handle = self._handle
            try:
                for old in (*retired, handle):
                    os.fdatasync(old)
                if new_name:
                    sync_folder(self.folder)
                    sync_folder(self.folder.parent)
            except OSError as error:
                # The kernel may have dropped the pages: what comes next goes to another file.
                _log.error("spool_not_synced", reason=error.strerror, folder=str(self.folder))
                self._sound = False
            finally:
                for old in retired:
                    os.close(old)

    def close(self) -> None:
        """Sync, and let go of the folder: whoever drains next may take it over. Idempotent."""
        if self.closed:
            return
        self.closed = True
        self._closing.set()
        self._dirty.set()
        self._thread.join()
        self.sync()
        if self._owed:
            _log.error("spool_full_at_the_end", lost_ends=len(self._owed))
        os.close(self._handle)
        os.close(self._held)

    def _claim(self) -> int:
        """The lock of a new folder: held before the folder has a name that anybody looks at."""
        fresh = self.folder.with_name(NEW + self.owner)
        fresh.mkdir(mode=0o700, parents=True)
        held = take(fresh / LOCK, exclusive=True, seconds=0)
        fresh.rename(self.folder)
        return held

    def _write(self, line: bytes) -> None:
        with self._guard:
            if self.closed:
                raise Unavailable("The ledger is closed.", code="ledger_closed")
            if self._owed and not self._pay():
                raise _full()
            self._append(line)
        if self._sync_seconds and not self._dirty.is_set():
            self._dirty.set()

    def _pay(self) -> bool:
        """Write what is owed. False when the disk does not take it."""
        try:
            while self._owed:
                self._append(self._owed[0])
                del self._owed[0]
        except Unavailable:
            return False
        return True

    def _append(self, line: bytes) -> None:
        """One whole line, or two that belong together, or none of it."""
        try:
            if self._size + len(line) > self._segment_bytes or not self._sound:
                self._roll()
            written = os.write(self._handle, line)
            while written < len(line):  # a full disk takes what fits, and says so the next time
                written += os.write(self._handle, line[written:])
            if not self._sync_seconds:
                os.fdatasync(self._handle)
            self._size += len(line)  # only now: a line that is refused must not be read back
            self._waiting += len(line)
            self._told = False
        except OSError as error:
            self._refuse(error)

    def _refuse(self, error: OSError) -> NoReturn:
        """Take back what was written of a line, and say that there is no room."""
        try:
            os.ftruncate(self._handle, self._size)
        except OSError:
            self._sound = False
        self._has_room, self._look_at = False, self._clock() + _LOOK_SECONDS
        self._dirty.set()
        if not self._told:
            self._told = True
            _log.error("spool_not_written", reason=error.strerror, folder=str(self.folder))
        if error.errno in _FULL:
            raise _full() from error
        raise Unavailable("The ledger cannot be written.", code="ledger_unwritable") from error

    def _roll(self) -> None:
        """Go on in a new segment. Raises OSError, and goes on in the old one then."""
        file = self.folder / f"{self._number + 1:08}{SUFFIX}"
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if os.write(handle, HEADER) != len(HEADER):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if not self._sync_seconds:
                sync_folder(self.folder)
        except OSError:
            os.close(handle)
            with contextlib.suppress(OSError):
                file.unlink()
            raise
        if self._handle >= 0:
            self._retired.append(self._handle)
        self._handle, self._size, self._sound = handle, len(HEADER), True
        self._number += 1
        self._waiting += len(HEADER)
        self._new_name = True
        self._dirty.set()  # for the old one to be synced and closed

    def _free(self) -> int:
        try:
            space = os.statvfs(self.folder)
        except OSError:
            return 0
        return space.f_bavail * space.f_frsize

    def _keep_syncing(self) -> None:
        while True:
            self._dirty.wait()
            if self._closing.wait(_LOOK_SECONDS if self._owed else self._sync_seconds):
                return
            self._dirty.clear()
            if self._closing.is_set():  # whose signal has just been cleared
                return
            self.sync()
            if self._owed:
                self._dirty.set()


def _full() -> Unavailable:
    return Unavailable(
        "There is no room to write down what this costs.", code="ledger_full", retry_after=30.0
    )
