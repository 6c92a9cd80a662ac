"""Who is calling: an authenticated key or token of a tenant, or a key of the operator."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# How the ids begin of callers that are Passerelle itself, at work for a tenant: no key or token has such an id.
INTERNAL = "internal:"


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
