"""`/v1/privacy`: what a tenant may ask about a person's data, or about all of its own; receipts, exports, retention.

A person is named as the tenant names it. The name becomes a pseudonym here, and is neither kept nor logged nor told again.
"""

from __future__ import annotations

import asyncio
import base64
from time import monotonic
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from passerelle.domain.caller import Caller, Role
from passerelle.domain.privacy import Deed
from passerelle.http.access import TENANT_ADMIN
from passerelle.http.audited import actor_of
from passerelle.http.downloads import Download, plain_name
from passerelle.http.privacy_cards import (
    PrivacyKeyCard,
    PrivacyRequestCard,
    PrivacyRequestList,
    ReceiptCard,
    RetentionList,
    WipeBody,
    kept_card,
    request_card,
)
from passerelle.http.services import services_of
from passerelle.http.tenants import TenantName, whose
from passerelle.http.texts import Text
from passerelle.rights.desk import OVER, Office, Standing

router = APIRouter(prefix="/v1/privacy", tags=["Privacy"])

_MOST = 200
_LONGEST_WAIT = 30
_LOOK = 0.25  # seconds
_FORMS = {"json": "application/json", "zip": "application/zip"}

SubjectId = Annotated[
    Text,
    Path(
        description="As requests name it in `user`.", min_length=1, max_length=512, examples=["customer-4711"]
    ),
]
RequestId = Annotated[str, Path(description="A request's id.", min_length=1, max_length=64)]


class Place:
    """Whose data a request is about. Raises Forbidden, BadRequest, NotFound as every route does."""

    def __init__(
        self,
        request: Request,
        caller: Annotated[Caller, Depends(TENANT_ADMIN)],
        tenant: TenantName = None,
    ) -> None:
        self.services = services_of(request)
        self.caller = caller
        self._tenant = tenant

    @property
    def by(self) -> str:
        """Who asks, as it is kept: a key's id. That of a token names a person, and is not."""
        return actor_of(self.caller)

    @property
    def name(self) -> str:
        """A tenant of the configuration."""
        return whose(self.services.editions.catalog, self.caller, self._tenant).name

    @property
    def known(self) -> str:
        """The same, or for the operator any name: data may outlive its tenant's place in the configuration."""
        if self.caller.role is Role.ADMIN and self._tenant:
            return self._tenant
        return self.name

    async def office(self) -> Office:
        """Requests, receipts, exports. Raises Unavailable."""
        return await self.services.rights.office()


Here = Annotated[Place, Depends()]


@router.post("/subjects/{subject:path}/export", dependencies=[Depends(TENANT_ADMIN)], status_code=202)
async def export(subject: SubjectId, here: Here) -> PrivacyRequestCard:
    """Collect everything there is of a person, in every store. The same again, while that is done, is the same request."""
    return await _asked(here, Deed.EXPORT, subject)


@router.post("/subjects/{subject:path}/erase", dependencies=[Depends(TENANT_ADMIN)], status_code=202)
async def erase(subject: SubjectId, here: Here) -> PrivacyRequestCard:
    """Delete everything there is of a person, in every store; the receipt says what there was, and who upstream saw it."""
    return await _asked(here, Deed.ERASE, subject)


@router.post("/subjects/{subject:path}/restrict", dependencies=[Depends(TENANT_ADMIN)])
async def restrict(subject: SubjectId, here: Here) -> PrivacyRequestCard:
    """From now on requests that name this person are refused; what is kept stays."""
    return await _asked(here, Deed.RESTRICT, subject)


@router.post("/subjects/{subject:path}/lift", dependencies=[Depends(TENANT_ADMIN)])
async def lift(subject: SubjectId, here: Here) -> PrivacyRequestCard:
    """Requests that name this person are answered again."""
    return await _asked(here, Deed.LIFT, subject)


@router.post("/wipe", dependencies=[Depends(TENANT_ADMIN)], status_code=202)
async def wipe(wanted: WipeBody, here: Here) -> PrivacyRequestCard:
    """Delete everything of the tenant: its keys end first, with them the one that asks; the key of what is sealed last.

    Refused while it is in the configuration, unless its name is given as `confirm`. The receipt is then the operator's to
    fetch. Amounts in the ledger stay.
    """
    return request_card(await (await here.office()).wipe(here.known, confirm=wanted.confirm, by=here.by))


@router.get("/requests", dependencies=[Depends(TENANT_ADMIN)])
async def requests(
    here: Here,
    user: Annotated[
        Text | None, Query(description="Of this person only.", min_length=1, max_length=512)
    ] = None,
    before: Annotated[
        str | None, Query(description="A request's id: those before it.", max_length=64)
    ] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 50,
) -> PrivacyRequestList:
    """What was asked, the newest first."""
    found = await (await here.office()).requests(here.known, user=user, before=before, most=limit + 1)
    return PrivacyRequestList(
        data=[request_card(each) for each in found[:limit]], has_more=len(found) > limit
    )


@router.get("/requests/{request_id}", dependencies=[Depends(TENANT_ADMIN)])
async def request_(
    request_id: RequestId,
    here: Here,
    wait: Annotated[
        int, Query(ge=0, le=_LONGEST_WAIT, description="Seconds until it is over, or is told as it stands.")
    ] = 0,
) -> PrivacyRequestCard:
    """How a request stands."""
    office, ends = await here.office(), monotonic() + wait
    while True:
        found = await office.request(here.known, request_id)
        if found.state in OVER or monotonic() >= ends:
            return request_card(found)
        await asyncio.sleep(_LOOK)


@router.get("/requests/{request_id}/receipt", dependencies=[Depends(TENANT_ADMIN)])
async def receipt(request_id: RequestId, here: Here) -> ReceiptCard:
    """The signed receipt of a request that is done. `passerelle privacy verify` checks it, without this service."""
    return ReceiptCard.model_validate(await (await here.office()).receipt(here.known, request_id))


@router.get(
    "/requests/{request_id}/export",
    dependencies=[Depends(TENANT_ADMIN)],
    response_class=Response,
    responses={
        200: {
            "content": {kind: {"schema": {"type": "string"}} for kind in _FORMS.values()},
            "description": "A file to be saved.",
        }
    },
)
async def fetch(
    request_id: RequestId,
    request: Request,
    here: Here,
    format: Annotated[Literal["json", "zip"], Query()] = "json",  # noqa: A002 - the name it has elsewhere too
) -> Response:
    """What was exported, for seven days: one JSON document, or a ZIP with one for each store."""
    await request.body()  # what is heard of the caller from here on is that it hung up
    office = await here.office()
    blocks = await office.export(here.known, request_id, packed=format == "zip", by=here.by)
    return Download(
        blocks,
        name=f"{plain_name(request_id)}.{format}",
        media_type=_FORMS[format],
        vigil=here.services.vigil,
        caller=here.caller,
    )


@router.get("/retention", dependencies=[Depends(TENANT_ADMIN)])
async def retention(here: Here) -> RetentionList:
    """For how long each class of data is kept, by the settings that purge it, and how old the oldest of it is."""
    name = here.name
    found = await (await here.office()).retention(name)
    return RetentionList(
        tenant=name, late=any(each.late for each in found), data=[kept_card(each) for each in found]
    )


@router.get("/key", dependencies=[Depends(TENANT_ADMIN)])
async def key(here: Here) -> PrivacyKeyCard:
    """The public key that receipts are checked with."""
    raw, pem = (await here.office()).key()
    return PrivacyKeyCard(key=base64.b64encode(raw).decode("ascii"), pem=pem)


async def _asked(here: Place, deed: Deed, subject: str) -> PrivacyRequestCard:
    found: Standing = await (await here.office()).ask(here.name, deed, subject, by=here.by)
    return request_card(found)
