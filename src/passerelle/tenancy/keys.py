"""The text of a key and what is kept of it. Pure.

A key is a prefix, 32 random characters and a checksum of 6, all of base 62, after the scheme of GitHub's tokens
(github.blog, "Behind GitHub's new authentication token formats", 2021): a leak scanner finds it, and a mistyped
one is known without a look-up.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
import zlib

PREFIX = "psr_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM, _CHECK = 32, 6
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM + _CHECK}}}")


def mint() -> str:
    """A new key: 190 bits of randomness."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return f"{PREFIX}{body}{_checksum(PREFIX + body)}"


def looks_minted(text: str) -> bool:
    """Could `mint` have made this? False for every mistyped key and for nearly all garbage."""
    return _FORM.fullmatch(text) is not None and _checksum(text[:-_CHECK]) == text[-_CHECK:]


def digest(pepper: bytes, secret: bytes) -> bytes:
    """What is stored of a key: HMAC-SHA256 under a secret of the installation.

    A key is random, so a slow hash would protect nothing more; the pepper makes a stolen table useless.
    """
    return hmac.digest(pepper, secret, "sha256")


def hint(text: str) -> str:
    """What may be shown of a key so that its owner knows it again."""
    return f"{PREFIX if text.startswith(PREFIX) else ''}…{text[-4:]}"


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode("ascii"))
    digits = ""
    for _ in range(_CHECK):
        number, rest = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[rest] + digits
    return digits
