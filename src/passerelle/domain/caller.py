"""Who is calling: an authenticated key or token of a tenant, or a key of the operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from passerelle.domain.errors import Forbidden

# How the ids begin of callers that are Passerelle itself, at work for a tenant: no key or token has such an id.
INTERNAL = "internal:"
ANY_GROUP = "*"  # among a key's groups: it may speak for members of any


class Role(StrEnum):
    """What a key may do. `admin` belongs to the operator, the other two to one tenant."""

    ADMIN = "admin"
    TENANT_ADMIN = "tenant-admin"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a key or token. `tenant` is None only for the operator's own keys."""

    key_id: str
    tenant: str | None
    role: Role
    name: str = ""
    expires: float | None = None  # Unix seconds; None: as long as its key lives
    groups: frozenset[str] = frozenset()  # whose documents it may see, beside those open to the whole tenant


def groups_of(caller: Caller, asked: Sequence[str] | None) -> frozenset[str]:
    """The groups that a caller asks for: its own where it names none. Raises Forbidden for others' groups.

    A tenant's administrators, and keys that say so, may speak for any group, and have to name it.
    """
    own = caller.groups - {ANY_GROUP}
    if asked is None:
        return own
    named = frozenset(asked)
    if caller.role is Role.MEMBER and ANY_GROUP not in caller.groups and (foreign := named - own):
        raise Forbidden(
            f"This key may not speak for the group {min(foreign)[:200]!r}; "
            f"ask for a key with it, or name only groups of this one.",
            code="group_not_yours",
        )
    return named
