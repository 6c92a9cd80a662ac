"""The data folder: one owner at a time, secrets made once, files nobody else may read."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from pathlib import Path

from passerelle.domain.errors import CannotRun
from passerelle.stores.locks import take

_SECRET_BYTES = 32
_LOCK_SECONDS = 10.0


class DataFolder:
    """The folder that holds everything a service keeps. Whoever locks it, owns it until `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    @property
    def control_socket(self) -> Path:
        """Where the service takes orders from whoever may open the folder."""
        return self.path / "control.sock"

    @property
    def metrics(self) -> Path:
        """Where workers tell each other what they count."""
        return self.path / "metrics"

    @property
    def models(self) -> Path:
        """Models that run in this process."""
        return self.path / "models"

    def open(self) -> None:
        """Make the folder if it is not there. Raises CannotRun when it cannot be written."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not any(self.path.iterdir()) and self.path.stat().st_uid == os.geteuid():
                self.path.chmod(0o700)  # a folder with something in it may be there for others too
            probe = self.path / f".probe-{os.getpid()}"
            probe.touch(mode=0o600)
            probe.unlink()
        except OSError as error:
            raise CannotRun(
                f"The data folder {self.path} cannot be written: {(error.strerror or 'error').lower()}.",
                "Choose another with --data, or change its owner.",
            ) from error

    def lock(self) -> None:
        """Become the owner. Raises CannotRun when another process is."""
        file = self.path / "serve.lock"
        try:
            self._lock = take(file, exclusive=True, seconds=0)
        except TimeoutError as error:
            pid = file.read_text(encoding="ascii", errors="replace")[:32].strip() or "unknown"
            raise CannotRun(
                f"The data folder {self.path} is in use by the process {pid}.",
                "Stop that process, or choose another folder with --data.",
            ) from error
        except OSError as error:
            raise _unusable(file, error) from error
        os.ftruncate(self._lock, 0)
        os.write(self._lock, str(os.getpid()).encode())

    def close(self) -> None:
        """Stop being the owner."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def has(self, name: str) -> bool:
        """Was a secret of this name made here, or put here?"""
        return (self.path / "secrets" / name).exists()

    def secret(self, name: str) -> bytes:
        """A secret of 32 random bytes, made the first time it is asked for and never changed.

        Raises CannotRun when its file is damaged: a new one would silently make every key invalid.
        """
        folder = self.path / "secrets"
        file = folder / name
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            if not file.exists():
                self._make_secret(file)
            value = file.read_bytes()
        except OSError as error:
            raise _unusable(file, error) from error
        if len(value) != _SECRET_BYTES:
            raise CannotRun(
                f"The secret {file} holds {len(value)} bytes, not {_SECRET_BYTES}.",
                "Restore it from a backup.",
            )
        return value

    def replace_secret(self, name: str, value: bytes) -> None:
        """Another secret in the place of one. Raises CannotRun."""
        file = self.path / "secrets" / name
        try:
            write_private(file, value)
        except OSError as error:
            raise _unusable(file, error) from error

    def _make_secret(self, file: Path) -> None:
        making = take(self.path / "secrets.lock", exclusive=True, seconds=_LOCK_SECONDS)
        try:
            if not file.exists():  # another process may have been first
                write_private(file, secrets.token_bytes(_SECRET_BYTES))
        finally:
            os.close(making)


def _unusable(file: Path, error: OSError) -> CannotRun:
    said = (error.strerror or str(error)).lower()
    return CannotRun(
        f"{file} cannot be used: {said}.", "Run as the owner of the data folder, or mend its permissions."
    )


def write_private(file: Path, content: bytes) -> None:
    """Write a file that only its owner may read; it is there whole or not at all."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        fresh.rename(file)
        sync_folder(file.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Make what was renamed into a folder survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def short_path(path: Path) -> tuple[str, int | None]:
    """A path to a unix socket that fits the kernel's limit, and a handle to close after use.

    A socket's address holds 107 bytes. A longer path is reached through its folder's open handle.
    """
    if len(os.fsencode(path)) <= 100:
        return str(path), None
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return f"/proc/self/fd/{handle}/{path.name}", handle


def connect_to(path: Path, *, timeout: float) -> socket.socket:
    """A connection to a unix socket at a path of any length. Raises OSError."""
    address, handle = short_path(path)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    finally:
        if handle is not None:
            os.close(handle)
    return connection
