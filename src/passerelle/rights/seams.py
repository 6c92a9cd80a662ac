"""What this room is given by others: seals, restrictions, who has seen what, the audit log, the end of a tenant's key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from passerelle.domain.privacy import Held, Sighting

# Which upstream parties saw what was sent: of a tenant's person (a pseudonym), or, for None, of the whole tenant.
Seen = Callable[[str, "str | None"], Awaitable[Sequence[Sighting]]]
# Ends the key that a tenant's stored content is sealed with. May be repeated.
Destroy = Callable[[str], Awaitable[object]]


class Seal(Protocol):
    """Seals what is stored of a tenant, under a key of its own."""

    async def seal(self, tenant: str, plain: bytes, bound: bytes) -> bytes:
        """What may be stored. `bound` is what it cannot be moved away from. Raises PasserelleError."""
        ...

    async def open(self, tenant: str, sealed: bytes, bound: bytes) -> bytes:
        """What was sealed so. Raises PasserelleError where its key is gone, or it is not what was stored."""
        ...


@runtime_checkable
class Counted(Protocol):
    """A holding that says how much it has of a whole tenant, so that a wipe's receipt is exact."""

    async def held(self, tenant: str) -> Held:
        """How much there is of a tenant; what is still being deleted is among it."""
        ...


class Restrictions(Protocol):
    """Whose data may be kept and not be used. `subject` is a pseudonym."""

    async def restrict(self, tenant: str, subject: str, *, asked_by: str = "") -> bool:
        """From here on no data of this person is used; False where that was so before."""
        ...

    async def lift(self, tenant: str, subject: str) -> bool:
        """Its data may be used again; False where it always could."""
        ...


# Adds an event to the audit log: chain, actor, action, object, detail. Raises Unavailable.
Note = Callable[[str, str, str, str, Mapping[str, Any]], Awaitable[object]]
