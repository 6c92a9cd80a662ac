"""Locks on files: held by a process, and let go when it ends, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

_POLL_SECONDS = 0.01


def take(file: Path, *, exclusive: bool, seconds: float) -> int:
    """The handle that holds the lock; closing it lets go. The file is made if it is not there.

    A shared lock waits for exclusive ones only. Raises TimeoutError when the lock is not free within `seconds`
    (0 = try once), and OSError when the file cannot be opened.
    """
    deadline = time.monotonic() + seconds
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _try(handle, exclusive=exclusive):
            if time.monotonic() >= deadline:
                raise TimeoutError(errno.ETIMEDOUT, f"the lock {file.name} is held by another process")
            time.sleep(_POLL_SECONDS)
    except BaseException:
        os.close(handle)
        raise
    return handle


def is_held(file: Path, *, exclusively: bool) -> bool:
    """Does anybody hold the lock, or, asked so, hold it exclusively? False when the file is not there."""
    try:
        handle = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _try(handle, exclusive=not exclusively)
    finally:
        os.close(handle)


def _try(handle: int, *, exclusive: bool) -> bool:
    try:
        fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
