"""What stands in place of a person's name: the same for the same name of a tenant, and nothing that leads back to it.

It is HMAC-SHA256 of the name under a key of the tenant's, which HKDF (RFC 5869) makes of the installation's pepper. A
name that looks like a pseudonym is a name like any other: nobody can speak for a person by its pseudonym.
"""

from __future__ import annotations

import hmac

from passerelle.domain.privacy import Subject

_SALT = b"passerelle pseudonyms of people v1"
_DIGITS = (
    40  # hexadecimal, so 160 bits: two people of a tenant never share one (RFC 2104, 5: at least half of it)
)
_MOST_KEYS = 10_000  # tenants; past it the memory starts afresh


class Pseudonyms:
    """Makes them. Costs about a microsecond each, so that nothing of them is remembered."""

    __slots__ = ("_keys", "_secret")

    def __init__(self, pepper: bytes) -> None:
        self._secret = hmac.digest(_SALT, pepper, "sha256")
        self._keys: dict[str, bytes] = {}

    def __repr__(self) -> str:
        """Nothing of the key."""
        return "Pseudonyms(...)"

    def of(self, tenant: str, user: str) -> str:
        """The pseudonym of a name that a tenant uses: `u_` and 40 hexadecimal digits."""
        key = self._keys.get(tenant)
        if key is None:
            key = self._derived(tenant)
        return "u_" + hmac.digest(key, user.encode("utf-8", "surrogatepass"), "sha256").hex()[:_DIGITS]

    def subject(self, tenant: str, user: str) -> Subject:
        """The person behind a name."""
        return Subject(tenant, user, self.of(tenant, user))

    def _derived(self, tenant: str) -> bytes:
        if len(self._keys) >= _MOST_KEYS:
            self._keys.clear()
        # HKDF's second step, once: a key is as long as its hash.
        info = b"user of " + tenant.encode("utf-8", "surrogatepass") + b"\x01"
        key = self._keys[tenant] = hmac.digest(self._secret, info, "sha256")
        return key
