"""Who is calling: an authenticated key of a tenant, or of the operator."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a key may do. `admin` belongs to the operator, the other two to one tenant."""

    ADMIN = "admin"
    TENANT_ADMIN = "tenant-admin"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a key. `tenant` is None only for the operator's own keys."""

    key_id: str
    tenant: str | None
    role: Role
    name: str = ""
