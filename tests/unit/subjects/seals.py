"""A seal for tests: what it makes cannot be read by chance, and a destroyed key opens nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from passerelle.domain.errors import PasserelleError, Unavailable


class Gone(PasserelleError):
    """The key is destroyed."""


@dataclass
class Seals:
    """Bytes turned around, with what they are bound to before them."""

    destroyed: set[str] = field(default_factory=set)
    away: bool = False

    async def seal(self, tenant: str, plain: bytes, bound: bytes) -> bytes:
        self._check(tenant)
        return b"%d:%b%b" % (len(bound), bound, plain[::-1])

    async def open(self, tenant: str, sealed: bytes, bound: bytes) -> bytes:
        self._check(tenant)
        head = b"%d:%b" % (len(bound), bound)
        if not sealed.startswith(head):
            raise Gone("It is not what was stored.")
        return sealed[len(head) :][::-1]

    def _check(self, tenant: str) -> None:
        if self.away:
            raise Unavailable("away")
        if tenant in self.destroyed:
            raise Gone("destroyed")
