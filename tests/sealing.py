"""Seals for tests that need no database: a key for each tenant, in memory, that can be destroyed."""

from __future__ import annotations

import os

from passerelle.sealing.values import Cipher, Opener, Seal


class KeysAtHand:
    """The seam `Sealing`. `destroy` leaves a tenant with a destroyed key, and the next one gets another number."""

    def __init__(self, *, on: bool = True) -> None:
        self.on = on
        self._ciphers: dict[str, dict[int, Cipher | None]] = {}

    async def of(self, tenant: str) -> Seal:
        known = self._known(tenant)
        if self.on and (not known or known[max(known)] is None):
            known[len(known) + 1] = Cipher(os.urandom(32))
        newest = known[max(known)] if known else None
        return Seal(tenant, dict(known), newest=newest, version=max(known, default=0), on=self.on)

    def at_hand(self, tenant: str, *, fresh: bool = False) -> Seal | None:
        known = self._known(tenant)
        newest = known[max(known)] if known else None
        if self.on and newest is None:
            return None
        return Seal(tenant, dict(known), newest=newest, version=max(known, default=0), on=self.on)

    async def opener(self, tenant: str) -> Opener:
        return Opener(tenant, dict(self._known(tenant)))

    async def destroy(self, tenant: str) -> int:
        known = self._known(tenant)
        ended = sum(1 for each in known.values() if each is not None)
        self._ciphers[tenant] = dict.fromkeys(known)
        return ended

    def _known(self, tenant: str) -> dict[int, Cipher | None]:
        return self._ciphers.setdefault(tenant, {})
