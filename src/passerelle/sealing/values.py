"""How a sealed value stands in a column of bytes, text or JSON, and how it is told from one that is not sealed."""

from __future__ import annotations

import hmac
import os
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from passerelle.domain.errors import NotFound, Unavailable

MAGIC = b"\x93pS\x01"  # no text in UTF-8 begins so
TEXT_MARK = "sealed:1:"
JSON_MARK = "sealed"
# Before what is not sealed and would be taken for it.
_PLAIN_MAGIC = b"\x93pS\x00"
_PLAIN_TEXT = "sealed:0:"
_PLAIN_JSON = "unsealed"

_NUMBER = 4  # bytes of a key's number
_HEAD = len(MAGIC) + _NUMBER
_NONCE = 12
_TAG = 16
_BEGINNING = b64encode(MAGIC).decode()[:5]  # of everything sealed, in base64


class Destroyed(NotFound):
    """The key that a value was sealed with was destroyed: what it was is gone for good."""

    def __init__(self) -> None:
        super().__init__("That was erased: the key it was sealed with is destroyed.", code="erased")


class Unreadable(Unavailable):
    """A sealed value is damaged, stands where it was not written, or was sealed with a key that is not known here."""

    def __init__(self) -> None:
        super().__init__("What is stored cannot be opened.", code="sealed_unreadable", retry_after=60.0)


class Cipher:
    """AES-256-GCM under one key, and digests under another one made of it."""

    __slots__ = ("_mark", "decrypt", "encrypt")

    def __init__(self, key: bytes) -> None:
        """`key`: 32 bytes."""
        # OpenSSL is of some weight, and a process may have nothing to seal.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        aead = AESGCM(key)
        self.encrypt, self.decrypt = aead.encrypt, aead.decrypt
        self._mark = hmac.digest(key, b"passerelle mark", "sha256")

    def __repr__(self) -> str:
        """Nothing of the key."""
        return "Cipher(...)"

    def mark(self, content: bytes) -> str:
        """32 hexadecimal digits: the same for the same content, and saying nothing of it without the key."""
        return hmac.digest(self._mark, content, "sha256").hex()[:32]


class Opener:
    """Opens one tenant's values, with the keys that it had when this was made."""

    __slots__ = ("_ciphers", "_foreign", "_tenant")

    def __init__(
        self, tenant: str, ciphers: Mapping[int, Cipher | None], foreign: frozenset[int] = frozenset()
    ) -> None:
        """`ciphers` by the keys' numbers, None for one that is destroyed, or `foreign`."""
        name = tenant.encode()
        self._tenant = len(name).to_bytes(4) + name
        self._ciphers, self._foreign = ciphers, foreign

    def __repr__(self) -> str:
        """Nothing of the keys."""
        return f"{type(self).__name__}(...)"

    def open(self, sealed: bytes, bound: bytes = b"") -> bytes:
        """What was sealed so. Raises Destroyed, Unreadable."""
        if not is_sealed(sealed):
            raise Unreadable
        head = sealed[:_HEAD]
        version = int.from_bytes(head[len(MAGIC) :])
        cipher = self._ciphers.get(version)
        if cipher is None:
            if version in self._ciphers and version not in self._foreign:
                raise Destroyed
            raise Unreadable
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - loaded with the cipher

        try:
            return cipher.decrypt(
                sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :], head + self._tenant + bound
            )
        except (InvalidTag, ValueError):
            raise Unreadable from None

    def marks(self, value: str, bound: bytes = b"") -> list[str]:
        """What may stand in the place of a value that is asked for: a digest under each key, the newest first."""
        content = bound + b"\0" + value.encode("utf-8", "surrogatepass")
        return [
            cipher.mark(content)
            for _, cipher in sorted(self._ciphers.items(), reverse=True)
            if cipher is not None
        ]

    def open_bytes(self, stored: bytes, bound: bytes = b"") -> bytes:
        """What a column of bytes holds: as it is, where it was not sealed. Raises as `open`."""
        if is_sealed(stored):
            return self.open(stored, bound)
        return stored.removeprefix(_PLAIN_MAGIC)

    def open_text(self, stored: str, bound: bytes = b"") -> str:
        """What a column of text holds: as it is, where it was not sealed. Raises as `open`."""
        if not stored.startswith(TEXT_MARK):
            return stored.removeprefix(_PLAIN_TEXT)
        try:
            return self.open(_bytes(stored[len(TEXT_MARK) :]), bound).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise Unreadable from None

    def open_name(self, stored: str, bound: bytes = b"") -> str:
        """What a thing is called, in a column of text; nothing, where the key is destroyed. Raises Unreadable."""
        try:
            return self.open_text(stored, bound)
        except Destroyed:
            return ""

    def open_json(self, stored: Any, bound: bytes = b"") -> Any:
        """What a column of JSON holds: as it is, where it was not sealed. Raises as `open`."""
        if not _is_sealed_json(stored):
            return stored[_PLAIN_JSON] if _is_escaped_json(stored) else stored
        return orjson.loads(self.open(_bytes(stored[JSON_MARK]), bound))


class Seal(Opener):
    """Seals one tenant's values too, if it wants that."""

    __slots__ = ("_head", "_newest", "on")

    def __init__(
        self,
        tenant: str,
        ciphers: Mapping[int, Cipher | None],
        foreign: frozenset[int] = frozenset(),
        *,
        newest: Cipher | None,
        version: int,
        on: bool,
    ) -> None:
        """`newest`: the cipher of the key of number `version`; `on`: what goes into columns is sealed with it."""
        super().__init__(tenant, ciphers, foreign)
        self._newest, self.on = newest, on
        self._head = MAGIC + version.to_bytes(_NUMBER)

    def seal(self, plain: bytes, bound: bytes = b"") -> bytes:
        """Sealed, whether or not the tenant wants it. Raises Unreadable where it has no key."""
        if self._newest is None:
            raise Unreadable
        nonce = os.urandom(_NONCE)
        return self._head + nonce + self._newest.encrypt(nonce, plain, self._head + self._tenant + bound)

    def seal_bytes(self, plain: bytes, bound: bytes = b"") -> bytes:
        """For a column of bytes."""
        if self.on:
            return self.seal(plain, bound)
        return _PLAIN_MAGIC + plain if plain.startswith((MAGIC, _PLAIN_MAGIC)) else plain

    def seal_text(self, plain: str, bound: bytes = b"") -> str:
        """For a column of text; nothing is made of no text."""
        if not plain:
            return plain
        if self.on:
            return TEXT_MARK + b64encode(self.seal(plain.encode("utf-8", "surrogatepass"), bound)).decode()
        return _PLAIN_TEXT + plain if plain.startswith((TEXT_MARK, _PLAIN_TEXT)) else plain

    def seal_json(self, plain: Any, bound: bytes = b"") -> Any:
        """For a column of JSON: an object with one member; nothing is made of None."""
        if plain is None:
            return None
        if self.on:
            return {JSON_MARK: b64encode(self.seal(orjson.dumps(plain), bound)).decode()}
        return {_PLAIN_JSON: plain} if _is_sealed_json(plain) or _is_escaped_json(plain) else plain


class Sealing(Protocol):
    """Who has the keys, for those that store something."""

    async def of(self, tenant: str) -> Seal:
        """What seals and opens, for one piece of work. Raises Unavailable."""
        ...

    async def opener(self, tenant: str) -> Opener:
        """What opens, for one piece of work. Raises Unavailable."""
        ...


class Unsealed:
    """Has no keys: nothing is sealed, and nothing that was is opened."""

    async def of(self, tenant: str) -> Seal:
        """As `Sealing`."""
        return Seal(tenant, {}, newest=None, version=0, on=False)

    async def opener(self, tenant: str) -> Opener:
        """As `Sealing`."""
        return Opener(tenant, {})


def is_sealed(stored: bytes) -> bool:
    """Does it have the form of a sealed value?"""
    return len(stored) >= _HEAD + _NONCE + _TAG and stored.startswith(MAGIC)


def _is_sealed_json(stored: Any) -> bool:
    return (
        isinstance(stored, dict)
        and len(stored) == 1
        and isinstance(found := stored.get(JSON_MARK), str)
        and found.startswith(_BEGINNING)
    )


def _is_escaped_json(stored: Any) -> bool:
    return isinstance(stored, dict) and len(stored) == 1 and _PLAIN_JSON in stored


def _bytes(letters: str) -> bytes:
    try:
        return b64decode(letters)  # what else is in it, the tag tells
    except (NotBase64, ValueError):
        raise Unreadable from None
