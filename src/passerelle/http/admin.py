"""`/admin`: keys and reload. An admin sees every tenant, a tenant-admin its own, which looks the same as all there is."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import actions
from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import BadRequest, Forbidden, NotFound, Unavailable
from passerelle.domain.identity import is_group
from passerelle.domain.retrieval import LONGEST_NAME, MOST_GROUPS
from passerelle.http.access import ADMIN, TENANT_ADMIN
from passerelle.http.audited import actor_of, noted
from passerelle.http.services import Services, services_of
from passerelle.tenancy.store import Also, KeyInfo, MintedKey

router = APIRouter(prefix="/admin", tags=["Operate"])


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _printable(text: str) -> str:
    """A name is shown on the operator's terminal, where other characters are commands."""
    if not text.isprintable():
        raise PydanticCustomError("printable", "Input should have printable characters only")
    return text


def _group(name: str) -> str:
    if not is_group(name):
        raise PydanticCustomError(
            "group",
            "Input should have 1 to {most} printable characters without spaces around them",
            {"most": LONGEST_NAME},
        )
    return name


class KeyWanted(_Body):
    """A key to make. An `admin` key belongs to no tenant, every other to one."""

    tenant: str | None = None
    role: Role = Role.MEMBER
    name: Annotated[str, AfterValidator(_printable)] = Field(default="", max_length=200)
    days: int | None = Field(
        default=None, ge=1, le=3650, description="Valid for this long; without it, until revoked."
    )
    groups: list[Annotated[str, AfterValidator(_group)]] = Field(
        default_factory=list,
        max_length=MOST_GROUPS,
        description="Groups whose documents it sees, beside those open to the whole tenant; "
        "with `*` it may speak for members of any group, whom it names in each question.",
    )


class Rotation(_Body):
    """How long the old key goes on working beside the new one."""

    overlap_hours: float = Field(default=24, ge=0, le=24 * 90)


class _Card(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class KeyCard(_Card):
    """What may be known of a key. The key itself is shown once, when it is made."""

    id: str
    tenant: str | None
    role: Role
    name: str
    hint: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    rotated_to: str | None
    groups: Annotated[list[str], BeforeValidator(sorted)]


class KeyShown(BaseModel):
    """A key, this once."""

    key: str
    card: KeyCard


class KeyCards(BaseModel):
    """Keys, newest first."""

    keys: list[KeyCard]


class FindingCard(_Card):
    """One thing found in the configuration."""

    severity: str
    rule: str
    message: str
    cure: str
    file: str
    line: int | None


class ReloadReport(BaseModel):
    """Whether the file is in force now, and what was found in it."""

    applied: bool
    version: str
    findings: list[FindingCard]


@router.post("/keys", dependencies=[Depends(TENANT_ADMIN)], status_code=201)
async def create_key(
    wanted: KeyWanted, request: Request, caller: Annotated[Caller, Depends(TENANT_ADMIN)]
) -> KeyShown:
    """Make a key."""
    services = services_of(request)
    tenant = _granted(wanted, caller, services)
    expires = datetime.now(UTC) + timedelta(days=wanted.days) if wanted.days else None
    minted = await services.key_store.create(
        tenant=tenant,
        role=wanted.role,
        name=wanted.name,
        expires_at=expires,
        groups=wanted.groups,
        also=_noting(services, caller, actions.KEY_CREATED),
    )
    return await _shown(minted, services)


@router.get("/keys", dependencies=[Depends(TENANT_ADMIN)])
async def list_keys(
    request: Request, caller: Annotated[Caller, Depends(TENANT_ADMIN)], tenant: str | None = None
) -> KeyCards:
    """The keys of a tenant, or of all."""
    if caller.role is not Role.ADMIN:
        tenant = caller.tenant
    return KeyCards(
        keys=[KeyCard.model_validate(info) for info in await services_of(request).key_store.list_keys(tenant)]
    )


@router.post("/keys/{key_id}/rotate", dependencies=[Depends(TENANT_ADMIN)], status_code=201)
async def rotate_key(
    key_id: str, rotation: Rotation, request: Request, caller: Annotated[Caller, Depends(TENANT_ADMIN)]
) -> KeyShown:
    """Make a new key in place of an old one, which goes on working for a while."""
    services = services_of(request)
    await _own(key_id, caller, services)
    overlap = timedelta(hours=rotation.overlap_hours)
    also = _noting(services, caller, actions.KEY_ROTATED, replaces=key_id, overlap=overlap)
    minted = await services.key_store.rotate(key_id, overlap=overlap, also=also)
    return await _shown(minted, services)


@router.delete("/keys/{key_id}", dependencies=[Depends(TENANT_ADMIN)], status_code=204)
async def revoke_key(
    key_id: str, request: Request, caller: Annotated[Caller, Depends(TENANT_ADMIN)]
) -> Response:
    """End a key at once."""
    services = services_of(request)
    await _own(key_id, caller, services)
    await services.key_store.revoke(key_id, also=_noting(services, caller, actions.KEY_REVOKED))
    await services.key_ring.refresh()
    return Response(status_code=204)


@router.post("/reload", dependencies=[Depends(ADMIN)])
async def reload(request: Request) -> ReloadReport:
    """Read `providers.yaml` again now; a file with errors leaves the one before in force."""
    reloaded = await services_of(request).reload()
    detail = {"applied": reloaded.applied, "after": actions.worded(reloaded.version)}
    await noted(request, "", actions.RELOAD_ASKED, "", detail)
    cards = [FindingCard.model_validate(finding) for finding in reloaded.findings]
    return ReloadReport(applied=reloaded.applied, version=reloaded.version, findings=cards)


def _granted(wanted: KeyWanted, caller: Caller, services: Services) -> str | None:
    """The tenant a new key is for. No caller grants more than it has."""
    if wanted.role is Role.ADMIN:
        if caller.role is not Role.ADMIN:
            raise Forbidden("Only an admin makes admin keys.", code="wrong_role")
        if wanted.tenant is not None:
            raise BadRequest("An admin key belongs to no tenant.", code="invalid_value", param="tenant")
        if wanted.groups:
            raise BadRequest("An admin key is in no group.", code="invalid_value", param="groups")
        return None
    tenant = wanted.tenant if caller.role is Role.ADMIN else wanted.tenant or caller.tenant
    if tenant is None:
        raise BadRequest(
            f"A key with the role {wanted.role.value} belongs to a tenant.",
            code="invalid_value",
            param="tenant",
        )
    if caller.role is not Role.ADMIN and tenant != caller.tenant:
        raise NotFound(f"There is no tenant {tenant!r}.", code="tenant_not_found", param="tenant")
    if tenant not in services.editions.catalog.tenants:
        raise NotFound(
            f"There is no tenant {tenant!r} in the configuration.", code="tenant_not_found", param="tenant"
        )
    return tenant


async def _own(key_id: str, caller: Caller, services: Services) -> KeyInfo:
    """The key of that id, if this caller may touch it; a stranger's key does not exist."""
    info = await services.key_store.get(key_id)
    if info is None or (caller.role is not Role.ADMIN and info.tenant != caller.tenant):
        raise NotFound(f"There is no key {key_id[:100]!r}.", code="key_not_found")
    return info


def _noting(
    services: Services,
    caller: Caller,
    action: str,
    *,
    replaces: str | None = None,
    overlap: timedelta | None = None,
) -> Also:
    """The note of a change, written with it. A key of no tenant is noted with the installation."""

    async def note(connection: AsyncConnection, info: KeyInfo) -> None:
        detail: dict[str, Any] = {}
        if action == actions.KEY_CREATED:
            detail = {
                "role": info.role.value,
                "expires": info.expires_at.strftime("%Y-%m-%dT%H:%MZ") if info.expires_at else None,
                "groups": len(info.groups),
            }
        elif replaces is not None and overlap is not None:
            detail = {"to": info.id, "overlap_seconds": round(overlap.total_seconds())}
        thing = replaces or info.id
        await services.audit.note_in(connection, info.tenant or "", actor_of(caller), action, thing, detail)

    return note


async def _shown(minted: MintedKey, services: Services) -> KeyShown:
    """A new key, which is shown whatever happens: it exists now, and nobody can ask for it a second time."""
    with contextlib.suppress(Unavailable):  # then the ring looks it up when it is first used
        await services.key_ring.refresh()
    return KeyShown(key=minted.text, card=KeyCard.model_validate(minted.info))
