"""Keys from the environment variable `API_KEYS=tenant:key,tenant2:key2`, for a first set-up without a database entry.

They are members' keys in no access group: what such a key sees is open to the whole tenant.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import CannotRun

_SHORTEST, _FEWEST_DISTINCT = 24, 10
_CURE = "Make one with: openssl rand -hex 24"

# Pieces of keys that stand in documents everywhere, so that a copied example never opens a door.
# Long enough that hardly any random key holds one: four letters would be in one of 30,000.
_SAMPLES = (
    "changeme", "change-me", "change_me", "replace-me", "replace_me", "replaceme", "example", "placeholder",
    "password", "your-", "your_", "yourapikey", "yourkey", "my-secret", "my_secret", "secret-key", "secret_key",
    "secretkey", "sk-1234", "qwertyuiop", "dummy", "xxxxxx",
)  # fmt: skip


def read_keys(value: str, tenants: Collection[str]) -> dict[bytes, Caller]:
    """Callers by their key, all of them members. Raises CannotRun naming the entry, never the key."""
    callers: dict[bytes, Caller] = {}
    entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    for position, entry in enumerate(entries, start=1):
        tenant, colon, key = entry.partition(":")
        tenant, key = tenant.strip(), key.strip()
        if not colon or not tenant or not key:
            raise CannotRun(
                f"Entry {position} of API_KEYS is not of the form tenant:key.",
                "Write tenant:key,tenant2:key2.",
            )
        if tenant not in tenants:
            raise CannotRun(
                # What stands there may be a key that changed places with its tenant.
                f"Entry {position} of API_KEYS names a tenant that the configuration does not have.",
                f"Write tenant:key with one of: {', '.join(sorted(tenants))}.",
            )
        fault = _fault(key)
        if fault is not None:
            raise CannotRun(f"The key in entry {position} of API_KEYS (tenant {tenant}) {fault}.", _CURE)
        if key.encode() in callers:
            raise CannotRun(
                f"Entry {position} of API_KEYS repeats the key of an earlier entry.",
                "Give every tenant its own.",
            )
        callers[key.encode()] = Caller(f"env_{position}", tenant, Role.MEMBER, f"API_KEYS entry {position}")
    return callers


def _fault(key: str) -> str | None:
    """What is wrong with a key, None when it may be used."""
    if not key.isascii() or not key.isprintable() or " " in key:
        return "holds characters that a header cannot carry"
    if len(key) < _SHORTEST:
        return f"is shorter than {_SHORTEST} characters"
    if len(set(key)) < _FEWEST_DISTINCT:
        return f"has fewer than {_FEWEST_DISTINCT} different characters"
    lowered = key.lower()
    if any(sample in lowered for sample in _SAMPLES) or 2 * _counting(lowered) > len(key):
        return "is, or holds, a known sample"
    return None


def _counting(text: str) -> int:
    """How many characters only count up from the one before, as in 0123456789abcdef."""
    return sum(ord(after) == ord(before) + 1 for before, after in pairwise(text))
