"""What is kept of a request and of its answer: nothing that the database alone could be read for.

The caller's own key is half of every secret here, and only a digest of it is stored; the other half, the installation's
pepper, is not in the database. Who has both a copy of the table and the pepper still lacks the caller's key.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import orjson

_NONCE = 12  # bytes; NIST SP 800-38D, the length AES-GCM is made for

Headers = Sequence[tuple[bytes, bytes]]


class Unreadable(Exception):
    """What was stored is damaged, or was sealed under another pepper."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One caller's key on one route, and what was asked under it.

    `digest` finds the row. It covers tenant, role and route: the same key of two tenants has nothing in common.
    """

    tenant: str | None  # None: the operator
    digest: bytes
    fingerprint: bytes  # of the request, under a key of its own: without that, guesses at it cannot be tested
    secret: bytes  # that seals the answer; never stored
    size: int  # bytes of the request's body
    subjects: tuple[str, ...] = ()  # pseudonyms of those it names, by which the row can be erased


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer: what a repeat is given."""

    status: int
    headers: Headers
    body: bytes
    request_id: str  # of the request that was run


class Sealer:
    """Makes slots, and seals what is kept in them."""

    def __init__(self, pepper: bytes) -> None:
        # A secret of its own, so that nothing made here can be mistaken for the digest of an API key.
        self._pepper = hmac.digest(pepper, b"idempotency", "sha256")

    def slot(
        self,
        *,
        tenant: str | None,
        role: str,
        route: bytes,
        key: bytes,
        asked: Sequence[bytes],
        groups: Iterable[str] = (),
        size: int = 0,
        subjects: tuple[str, ...] = (),
    ) -> Slot:
        """The slot of a caller's key on a route; `asked` is what must be the same for it to be the same request.

        `groups` are the access groups of the caller: what one who is in them was answered, others may not see.
        """
        parts = [b"" if tenant is None else b"=" + tenant.encode(), role.encode(), route, key]
        whose = _framed([*parts, *(group.encode("utf-8", "surrogatepass") for group in sorted(groups))])
        digest = hmac.digest(self._pepper, whose, "sha256")
        fingerprint = hmac.digest(
            self._derive(whose, b"fingerprint"), sha256(_framed(asked)).digest(), "sha256"
        )
        return Slot(tenant, digest, fingerprint, self._derive(whose, b"answer"), size, subjects)

    def _derive(self, whose: bytes, use: bytes) -> bytes:
        # HKDF-SHA256 (RFC 5869) for a secret as long as its hash: extract, then expand once.
        extracted = hmac.digest(self._pepper, whose, "sha256")
        return hmac.digest(extracted, b"passerelle idempotency " + use + b"\x01", "sha256")


def seal(slot: Slot, reply: Reply) -> bytes:
    """An answer as it is stored: a nonce, and AES-256-GCM bound to its slot."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - only where there is a key

    head = orjson.dumps(
        {
            "status": reply.status,
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in reply.headers],
            "request_id": reply.request_id,
        }
    )
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(slot.secret).encrypt(nonce, _framed([head]) + reply.body, _bound(slot))


def unseal(slot: Slot, sealed: bytes) -> Reply:
    """The answer in what `seal` made for the same slot. Raises Unreadable."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    try:
        plain = AESGCM(slot.secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(slot))
    except (InvalidTag, ValueError) as error:
        raise Unreadable from error
    end = 8 + int.from_bytes(plain[:8], "big")
    head = orjson.loads(plain[8:end])
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"]]
    return Reply(head["status"], headers, plain[end:], head["request_id"])


def _bound(slot: Slot) -> bytes:
    """What a sealed answer cannot be moved away from."""
    return _framed([(slot.tenant or "").encode(), slot.digest, slot.fingerprint])


def _framed(parts: Sequence[bytes]) -> bytes:
    """Parts one after the other, each behind its length, so that no two lists read the same."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)
