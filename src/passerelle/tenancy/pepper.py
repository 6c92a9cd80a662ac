"""The pepper that keys are hashed with: one for all processes that share a database, or none of its keys is known.

It comes from the environment, from a file, or is made once in the data folder. The database keeps its fingerprint, so
that a process with another one does not start.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from sqlalchemy import text

from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings
from passerelle.stores.database import Database, Outage
from passerelle.stores.folder import DataFolder

_BYTES = 32
_NAME = "pepper"
_CURE = "Write 64 hexadecimal digits, such as `openssl rand -hex 32` makes."
_NOTE = text("INSERT INTO installation (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING")
_NOTED = text("SELECT value FROM installation WHERE name = :name")


def read_pepper(settings: Settings, folder: DataFolder) -> bytes:
    """The pepper of this process: 32 bytes. Raises CannotRun, and never quotes it."""
    if settings.pepper is not None:
        return _digits(settings.pepper.get_secret_value(), "PASSERELLE_PEPPER")
    if settings.pepper_file is not None:
        return _content(settings.pepper_file)
    return folder.secret(_NAME)


async def agree(database: Database, pepper: bytes) -> None:
    """Note the pepper's fingerprint where none is noted yet. Raises CannotRun where another one is."""
    ours = fingerprint(pepper)
    try:
        async with database.begin() as connection:
            await connection.execute(_NOTE, {"name": _NAME, "value": ours})
            noted = (await connection.execute(_NOTED, {"name": _NAME})).scalar_one()
    except Outage as error:
        raise CannotRun("The database does not answer.", "Check that PostgreSQL runs.") from error
    if noted != ours:
        raise CannotRun(
            "The keys in the database were made with another pepper: none of them would be known here.",
            "Give this process the others' pepper: copy their DATA/secrets/pepper into its data folder before the "
            "first start, or name it with PASSERELLE_PEPPER_FILE, or set PASSERELLE_PEPPER to its 64 hexadecimal "
            "digits (xxd -p -c 64 DATA/secrets/pepper).",
        )


def fingerprint(pepper: bytes) -> str:
    """What tells peppers apart and gives nothing of them away."""
    return hmac.new(pepper, b"passerelle: fingerprint of a pepper", hashlib.sha256).hexdigest()[:32]


def _digits(written: str, name: str) -> bytes:
    try:
        pepper = bytes.fromhex(written.strip())
    except ValueError:
        raise CannotRun(f"{name} is not hexadecimal.", _CURE) from None  # the cause quotes what was written
    if len(pepper) != _BYTES:
        raise CannotRun(f"{name} has {2 * len(pepper)} hexadecimal digits, not {2 * _BYTES}.", _CURE)
    return pepper


def _content(file: Path) -> bytes:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise CannotRun(
            f"The pepper {file} cannot be read: {(error.strerror or 'error').lower()}.",
            "Mend PASSERELLE_PEPPER_FILE or the file's permissions.",
        ) from error
    if len(raw) == _BYTES:
        return raw
    return _digits(raw.decode("ascii", errors="replace"), str(file))
