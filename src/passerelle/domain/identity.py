"""Whose tokens are taken in place of keys, and what they are worth."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from passerelle.domain.caller import ANY_GROUP, Role
from passerelle.domain.retrieval import MOST_GROUPS, named

# Signatures that a public key verifies (RFC 7518, 8037 and 9864): with a shared secret, who verifies could also sign.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Membership:
    """Which access groups a token's holder is in, by one of its claims.

    `prefix`: only values that begin so, and the rest of them is the group. `names`: only these values, each with the
    group that it means; nothing else makes a token speak for any group.
    """

    claim: str = "groups"  # a dot leads into an object
    prefix: str = ""
    names: tuple[tuple[str, str], ...] | None = None  # None: every value is a group of that name

    def groups(self, said: Iterable[str]) -> frozenset[str]:
        """The groups of a token that says these values. Raises ValueError where they are too many."""
        if self.names is not None:
            meant = dict(self.names)
            found = {meant[value] for value in said if value in meant}
        else:
            rests = {value.removeprefix(self.prefix) for value in said if value.startswith(self.prefix)}
            found = {rest for rest in rests if rest != ANY_GROUP and is_group(rest)}
        if len(found) > MOST_GROUPS:
            raise ValueError(f"There are at most {MOST_GROUPS} groups.")
        return frozenset(found)


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
    groups: Membership | None = None  # None: its tokens' holders are in none

    def role(self, said: Collection[str]) -> Role | None:
        """What a token that says these roles is worth, never more than the grant; None: nothing."""
        if self.grant is Role.TENANT_ADMIN and not self.tenant_admin.isdisjoint(said):
            return Role.TENANT_ADMIN
        if self.member is None or not (self.member | self.tenant_admin).isdisjoint(said):
            return Role.MEMBER
        return None


def is_group(text: str) -> bool:
    """May an access group be called so? Names are shown on terminals, where other characters are commands."""
    try:
        named(text, "name of a group")
    except ValueError:
        return False
    return text.isprintable()


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
