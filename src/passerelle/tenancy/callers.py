"""Whoever calls, by key or by token: the one place where the two kinds of credentials meet.

What checks tokens is opened when a configuration first has an OpenID provider: its library costs ten megabytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Catalog
from passerelle.tenancy.ring import KeyRing

if TYPE_CHECKING:
    from passerelle.tenancy.tokens import Tokens

_DOTS = 2  # of a token; none of ours, and hardly any key of an operator's own, has a dot


class Callers:
    """Finds the caller behind a key or token. Whoever makes it, closes it."""

    def __init__(self, ring: KeyRing, open_tokens: Callable[[], Tokens]) -> None:
        self._ring = ring
        self._open = open_tokens
        self._tokens: Tokens | None = None
        self._opened = asyncio.Event()

    def expect(self, catalog: Catalog) -> None:
        """A configuration is in force: be ready for the tokens that it takes."""
        if self._tokens is None and any(tenant.issuers for tenant in catalog.tenants.values()):
            self._tokens = self._open()
            self._opened.set()

    def find(self, secret: bytes) -> Caller | None:
        """The caller, if the key or token is known in this process."""
        if self._tokens is not None and secret.count(b".") == _DOTS:
            found = self._tokens.find(secret)
            if found is not None:
                return found
        return self._ring.find(secret)

    async def resolve(self, secret: bytes) -> Caller | None:
        """The caller of a key or token, asking the database or the token's issuer when needed.

        Raises KeysUnavailable when neither can be asked, and Unauthenticated for a token that is not good.
        """
        if self._tokens is not None and secret.count(b".") == _DOTS:
            found = self._ring.find(secret)
            return found if found is not None else await self._tokens.resolve(secret)
        return await self._ring.resolve(secret)

    def alive(self, caller: Caller) -> bool:
        """Would the credential that this caller came with still be taken?"""
        if caller.expires is None:
            return self._ring.alive(caller)
        return self._tokens is not None and self._tokens.alive(caller)

    def away(self) -> list[str]:
        """The issuers that could not be asked for their keys when that was last tried."""
        return self._tokens.away() if self._tokens is not None else []

    async def run(self) -> None:
        """Keep issuers' keys fresh for ever, from when there are any issuers."""
        await self._opened.wait()
        if self._tokens is not None:
            await self._tokens.run()

    async def aclose(self) -> None:
        """Close what was opened."""
        if self._tokens is not None:
            await self._tokens.aclose()
