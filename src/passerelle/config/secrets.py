"""Secrets are references in `providers.yaml`; this is where they become values, held only in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_LONGEST = 16_384  # bytes; a secret file is a token, not a document


class SecretUnset(Exception):
    """The reference leads to nothing; `reason` names the reference, never a value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_secret(reference: str, environment: Mapping[str, str]) -> str:
    """The value behind `env:NAME` or `file:/path`, without surrounding white space.

    Raises SecretUnset when it is missing, empty or unreadable.
    """
    scheme, _, name = reference.partition(":")
    if scheme == "env":
        value = environment.get(name, "").strip()
        if not value:
            raise SecretUnset(f"{name} is not set in the environment")
        return value
    try:
        with Path(name).open("rb") as file:
            raw = file.read(_LONGEST + 1)
    except OSError as error:
        raise SecretUnset(f"{name} cannot be read ({error.strerror})") from error
    if len(raw) > _LONGEST:
        raise SecretUnset(f"{name} is longer than {_LONGEST} bytes, which no token is")
    value = raw.decode("utf-8", errors="replace").strip()
    if not value:
        raise SecretUnset(f"{name} is empty")
    if "\n" in value or "\r" in value:
        raise SecretUnset(f"{name} has more than one line")
    return value
