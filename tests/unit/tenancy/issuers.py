"""A provider of tokens and a gateway that trusts it, for the tests of tokens."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Catalog, Tenant
from passerelle.domain.errors import Unauthenticated, Unavailable
from passerelle.domain.identity import Issuer
from passerelle.tenancy.jwks import KeySets
from passerelle.tenancy.tokens import Tokens
from tests.fakes.oidc import Oidc

PEPPER = b"p" * 32


def catalog_of(issuers: Mapping[str, tuple[Issuer, ...]]) -> Catalog:
    tenants = {
        name: Tenant(name, models=(), default_model=None, issuers=own) for name, own in issuers.items()
    }
    return Catalog("1", {}, {}, tenants)


@dataclass
class Rig:
    """A provider, and a gateway that trusts it for the tenant acme; its clocks are ours."""

    oidc: Oidc
    tokens: Tokens
    catalog: Catalog
    trusted: Issuer
    later: float = 0.0
    stands: float | None = None  # a moment at which its clock stands
    key_sets: KeySets = field(default_factory=KeySets)

    def trust(self, **tenants: Issuer | tuple[Issuer, ...]) -> None:
        """Put another configuration in force."""
        wrapped = {name: own if isinstance(own, tuple) else (own,) for name, own in tenants.items()}
        self.catalog = catalog_of(wrapped)

    async def caller(self, token: bytes) -> Caller:
        found = await self.tokens.resolve(token)
        assert found is not None
        assert self.tokens.find(token) == found
        return found

    async def answer(self, token: bytes) -> str:
        """What comes of a token: `caller`, or the code of the error."""
        try:
            return "caller" if await self.tokens.resolve(token) else "nobody"
        except (Unauthenticated, Unavailable) as error:
            return error.code or ""

    async def refusal(self, token: bytes) -> str:
        """What is said of a token that is refused; nothing of it may stand there."""
        with pytest.raises(Unauthenticated) as refused:
            await self.tokens.resolve(token)
        assert self.tokens.find(token) is None
        assert refused.value.message.endswith(".")
        for part in (self.oidc.issuer, "alice", "passerelle", *token.decode("latin-1").split(".")):
            assert len(part) < 5 or part not in refused.value.message
        return refused.value.message


@asynccontextmanager
async def rigged(**changes: Any) -> AsyncIterator[Rig]:
    async with Oidc() as oidc:
        trusted = replace(Issuer(oidc.issuer, "passerelle"), **changes)
        rig: Rig
        key_sets = KeySets(clock=lambda: time.monotonic() + rig.later)
        tokens = Tokens(
            lambda: rig.catalog,
            PEPPER,
            key_sets=key_sets,
            now=lambda: (rig.stands or time.time()) + rig.later,
        )
        rig = Rig(oidc, tokens, catalog_of({"acme": (trusted,)}), trusted, key_sets=key_sets)
        try:
            yield rig
        finally:
            await tokens.aclose()
