"""A tenant's secrets, derived from the installation's: what is written under one tenant is noise under another.

Nothing is stored of those. What is sealed is sealed twice where the tenant wants its data under a key of its own: once
that key is destroyed, nothing opens it any more.

Who reads a store without the installation's pepper learns neither questions nor answers,
cannot test a guess at who asked, and cannot write what would be believed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from passerelle.domain.errors import PasserelleError
from passerelle.sealing.values import Destroyed, Seal
from passerelle.sealing.values import Unreadable as NotOpened

_NONCE = 12  # bytes; NIST SP 800-38D, the length AES-GCM is made for
_TENANTS = 4096  # whose first secret is remembered
_MARKS = 16_384  # uses whose secret is: a tenant has a handful
_INFO = b"passerelle cache "


class Unreadable(Exception):
    """What was stored is damaged, belongs elsewhere, or was sealed under another pepper."""


class Unready(Exception):
    """The tenant's own key is not known here yet: nothing is written without it."""


class Keys(Protocol):
    """Tenants' own keys."""

    def at_hand(self, tenant: str, *, fresh: bool = False) -> Seal | None:
        """What seals and opens, where nobody has to be asked. `fresh`: it was asked for seconds ago."""
        ...

    async def of(self, tenant: str) -> Seal:
        """What seals and opens. Raises PasserelleError."""
        ...


class Secrets:
    """Digests and seals of each tenant's own."""

    def __init__(self, pepper: bytes, keys: Keys | None = None) -> None:
        """Under the installation's pepper, which makes other secrets too. `keys` None: tenants have none of their own."""
        self._keys = keys
        # The library is of some weight, and there may be no cache at all.
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above

        self._looking: set[asyncio.Task[None]] = set()
        self._cipher = AESGCM
        self._invalid = InvalidTag
        # A secret of its own, so that nothing made here can be mistaken for the digest of an API key.
        extracted = hmac.digest(pepper, b"cache", "sha256")
        self._tenant = lru_cache(_TENANTS)(
            lambda tenant: hmac.digest(extracted, b"=" + tenant.encode(), "sha256")
        )
        self._mark = lru_cache(_MARKS)(lambda tenant, use: self._derive(tenant, b"mark", use))

    def hmac(self, tenant: str, use: str, content: bytes) -> str:
        """64 hexadecimal digits that say nothing of the content; the same content of two uses has nothing in common."""
        return hmac.digest(self._mark(tenant, use), content, "sha256").hex()

    async def ready(self, tenant: str, *, within: float) -> None:
        """Before anything is opened: the tenant's own key is looked at again, where that was not done just now.

        Raises nothing: what cannot be opened then is not there.
        """
        if self._keys is None or self._keys.at_hand(tenant, fresh=True) is not None:
            return
        task = asyncio.ensure_future(self._look(self._keys, tenant))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)
        await asyncio.wait({task}, timeout=within)

    def seal(self, tenant: str, place: str, content: bytes) -> bytes:
        """A nonce, and AES-256-GCM that only this tenant's same place opens. Raises Unready.

        Each place has its own key, so that as many can be written as there are places: random nonces would do for
        2^32 under one.
        """
        if self._keys is not None:
            own = self._keys.at_hand(tenant)
            if own is None:
                raise Unready
            content = own.seal_bytes(content, place.encode())
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher(self._derive(tenant, b"seal", place)).encrypt(
            nonce, content, place.encode()
        )

    def unseal(self, tenant: str, place: str, sealed: bytes) -> bytes:
        """What was sealed for this place of this tenant. Raises Unreadable."""
        try:
            cipher = self._cipher(self._derive(tenant, b"seal", place))
            content = cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], place.encode())
        except (self._invalid, ValueError) as error:
            raise Unreadable from error
        if self._keys is None:
            return content
        own = self._keys.at_hand(tenant)
        if own is None:
            raise Unreadable
        try:
            return own.open_bytes(content, place.encode())
        except (Destroyed, NotOpened):
            raise Unreadable from None

    @staticmethod
    async def _look(keys: Keys, tenant: str) -> None:
        with contextlib.suppress(PasserelleError):
            await keys.of(tenant)

    def _derive(self, tenant: str, kind: bytes, use: str) -> bytes:
        # HKDF-SHA256 (RFC 5869) for a secret as long as its hash: extracted per tenant, expanded once per use.
        return hmac.digest(self._tenant(tenant), _INFO + framed([kind, use.encode()]) + b"\x01", "sha256")


def framed(parts: Sequence[bytes]) -> bytes:
    """Parts one after the other, each behind its length, so that no two lists read the same."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)
