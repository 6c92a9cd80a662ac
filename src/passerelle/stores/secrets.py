"""Secrets of an installation: one for all processes that share a database, from the environment, a file or the folder.

The database keeps a fingerprint of each, so that a process with another one does not start.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from sqlalchemy import text

from passerelle.domain.errors import CannotRun
from passerelle.stores.database import Database, Outage

SECRET_BYTES = 32
_CURE = "Write 64 hexadecimal digits, such as `openssl rand -hex 32` makes."
_NOTE = text("INSERT INTO installation (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING")
_NOTED = text("SELECT value FROM installation WHERE name = :name")


def from_digits(written: str, name: str) -> bytes:
    """The 32 bytes of 64 hexadecimal digits; `name` is where they stand. Raises CannotRun, and never quotes them."""
    try:
        secret = bytes.fromhex(written.strip())
    except ValueError:
        raise CannotRun(f"{name} is not hexadecimal.", _CURE) from None  # the cause quotes what was written
    if len(secret) != SECRET_BYTES:
        raise CannotRun(f"{name} has {2 * len(secret)} hexadecimal digits, not {2 * SECRET_BYTES}.", _CURE)
    return secret


def from_file(file: Path, *, called: str, setting: str) -> bytes:
    """The secret in a file: 32 bytes, or their digits. Raises CannotRun, naming the setting, and never quotes it."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise CannotRun(
            f"The {called} {file} cannot be read: {(error.strerror or 'error').lower()}.",
            f"Mend {setting} or the file's permissions.",
        ) from error
    if len(raw) == SECRET_BYTES:
        return raw
    return from_digits(raw.decode("ascii", errors="replace"), str(file))


def fingerprint(secret: bytes, called: str) -> str:
    """What tells secrets apart and gives nothing of them away."""
    return hmac.new(secret, f"passerelle: fingerprint of a {called}".encode(), hashlib.sha256).hexdigest()[
        :32
    ]


async def noted(database: Database, name: str, value: str) -> str:
    """The fingerprint that is noted under a name: this one, where there was none. Raises CannotRun."""
    try:
        async with database.begin() as connection:
            await connection.execute(_NOTE, {"name": name, "value": value})
            return str((await connection.execute(_NOTED, {"name": name})).scalar_one())
    except Outage as error:
        raise CannotRun("The database does not answer.", "Check that PostgreSQL runs.") from error
