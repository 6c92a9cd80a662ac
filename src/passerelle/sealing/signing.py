"""What this installation signs: receipts, heads of the audit log, lists of documents. Ed25519 (RFC 8032).

The key is derived from a secret of the data folder, so that every process of an installation signs with the same one,
and is parted from the secret's other uses (HKDF, RFC 5869). Whoever has the public key checks a signature anywhere.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64
LEAST_SEED = 16  # bytes

_PURPOSE = b"passerelle signing v1"


class Signer:
    """Signs with the key that a seed leads to. The key is made at the first use, and never leaves this object."""

    __slots__ = ("_key", "_seed")

    def __init__(self, seed: bytes) -> None:
        """`seed`: at least 16 bytes that nobody else knows. Raises ValueError for fewer."""
        if len(seed) < LEAST_SEED:
            raise ValueError(f"a seed has {LEAST_SEED} bytes or more")
        self._seed = seed
        self._key: Ed25519PrivateKey | None = None

    def __repr__(self) -> str:
        """Nothing of the key."""
        return "Signer(...)"

    def sign(self, message: bytes) -> bytes:
        """64 bytes that only this key can make of the message: always the same ones."""
        return self._private().sign(message)

    @property
    def public(self) -> bytes:
        """The public key, 32 raw bytes."""
        return self._private().public_key().public_bytes_raw()

    @property
    def pem(self) -> str:
        """The public key as other programs read it: SubjectPublicKeyInfo (RFC 8410) in PEM."""
        return pem_of(self.public)

    def _private(self) -> Ed25519PrivateKey:
        if self._key is None:
            # Loads OpenSSL, which most processes never need.
            from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
            from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

            derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(self._seed)
            self._key = ed25519.Ed25519PrivateKey.from_private_bytes(derived)
        return self._key


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Was the message signed with the key whose public half (32 raw bytes) this is? Malformed ones: no."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# What stands before the 32 raw bytes in a SubjectPublicKeyInfo of Ed25519 (RFC 8410, section 4).
_SPKI = bytes.fromhex("302a300506032b6570032100")
_BEGIN, _END = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"


def pem_of(public: bytes) -> str:
    """A raw public key in PEM. Raises ValueError for one that is not 32 bytes."""
    if len(public) != PUBLIC_BYTES:
        raise ValueError(f"a public key has {PUBLIC_BYTES} bytes")
    return f"{_BEGIN}\n{base64.b64encode(_SPKI + public).decode('ascii')}\n{_END}\n"


def read_public(text: str) -> bytes:
    """The raw public key from PEM, or from 32 bytes in base64 or hexadecimal. Raises ValueError."""
    bare = "".join(line for line in text.strip().splitlines() if not line.startswith("-----")).strip()
    try:
        raw = bytes.fromhex(bare) if len(bare) == 2 * PUBLIC_BYTES else base64.b64decode(bare, validate=True)
    except (ValueError, binascii.Error):
        raise ValueError("is no public key: PEM, base64 or hexadecimal of 32 bytes") from None
    raw = raw.removeprefix(_SPKI)
    if len(raw) != PUBLIC_BYTES:
        raise ValueError("is no public key of Ed25519")
    return raw
