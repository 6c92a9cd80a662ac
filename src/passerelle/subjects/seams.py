"""What this room is given by others."""

from __future__ import annotations

from typing import Protocol


class Seal(Protocol):
    """Seals what is stored of a tenant, under a key of its own: when that is destroyed, nothing opens it again."""

    async def seal(self, tenant: str, plain: bytes, bound: bytes) -> bytes:
        """What may be stored. `bound` is what it cannot be moved away from. Raises PasserelleError."""
        ...

    async def open(self, tenant: str, sealed: bytes, bound: bytes) -> bytes:
        """What was sealed so. Raises PasserelleError where its key is gone, or it is not what was stored."""
        ...
