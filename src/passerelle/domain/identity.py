"""Whose tokens are taken in place of keys, and what they are worth."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from passerelle.domain.caller import Role

# Signatures that a public key verifies (RFC 7518, 8037 and 9864): with a shared secret, who verifies could also sign.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Issuer:
    """An OpenID provider whose tokens speak for a tenant."""

    url: str  # what `iss` must be
    audience: str  # what `aud` must hold
    jwks: str | None = None  # where its keys are; None: where its discovery document says
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    claim: str = "roles"  # where a token says what its holder may do; a dot leads into an object
    member: frozenset[str] | None = None  # values of the claim; None: every token is at least a member's
    tenant_admin: frozenset[str] = frozenset()
    grant: Role = Role.MEMBER  # the most that any token of this issuer may be

    def role(self, said: Collection[str]) -> Role | None:
        """What a token that says these roles is worth, never more than the grant; None: nothing."""
        if self.grant is Role.TENANT_ADMIN and not self.tenant_admin.isdisjoint(said):
            return Role.TENANT_ADMIN
        if self.member is None or not (self.member | self.tenant_admin).isdisjoint(said):
            return Role.MEMBER
        return None


def is_private_way(url: str) -> bool:
    """Can nobody read or change what goes to and fro: https, or http that does not leave this machine?"""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "http":
            return parts.scheme == "https" and bool(host)
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # not an address, or brackets that hold none
        return False
