"""The pepper that keys are hashed with: one for all processes that share a database, or none of its keys is known.

It comes from the environment, from a file, or is made once in the data folder. The database keeps its fingerprint, so
that a process with another one does not start.
"""

from __future__ import annotations

from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings
from passerelle.stores import secrets
from passerelle.stores.database import Database
from passerelle.stores.folder import DataFolder

_NAME = "pepper"


def read_pepper(settings: Settings, folder: DataFolder) -> bytes:
    """The pepper of this process: 32 bytes. Raises CannotRun, and never quotes it."""
    if settings.pepper is not None:
        return secrets.from_digits(settings.pepper.get_secret_value(), "PASSERELLE_PEPPER")
    if settings.pepper_file is not None:
        return secrets.from_file(settings.pepper_file, called=_NAME, setting="PASSERELLE_PEPPER_FILE")
    return folder.secret(_NAME)


async def agree(database: Database, pepper: bytes) -> None:
    """Note the pepper's fingerprint where none is noted yet. Raises CannotRun where another one is."""
    ours = fingerprint(pepper)
    if await secrets.noted(database, _NAME, ours) != ours:
        raise CannotRun(
            "The keys in the database were made with another pepper: none of them would be known here.",
            "Give this process the others' pepper: copy their DATA/secrets/pepper into its data folder before the "
            "first start, or name it with PASSERELLE_PEPPER_FILE, or set PASSERELLE_PEPPER to its 64 hexadecimal "
            "digits (xxd -p -c 64 DATA/secrets/pepper).",
        )


def fingerprint(pepper: bytes) -> str:
    """What tells peppers apart and gives nothing of them away."""
    return secrets.fingerprint(pepper, _NAME)
