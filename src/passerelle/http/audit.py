"""`/admin/audit` and `/v1/privacy/audit`: the audit log, any chain to the operator, its own to a tenant's admins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from passerelle.audit import actions
from passerelle.audit.chain import Verdict, moment
from passerelle.audit.desk import INSTALLATION, AuditDesk
from passerelle.audit.log import SignedHead
from passerelle.audit.provenance import Provenance, ProvenanceBook, served_models
from passerelle.audit.wire import event_of, head_of, last_line, lines
from passerelle.domain.caller import Caller
from passerelle.domain.errors import Unavailable
from passerelle.http.access import ADMIN, TENANT_ADMIN
from passerelle.http.audited import noted
from passerelle.http.services import services_of
from passerelle.http.tenants import TenantName, whose

router = APIRouter(tags=["Privacy"])

_LINES = "application/jsonl"
_PAGE = 1_000
_NOW = timedelta(0)

Chain = Annotated[
    str, Query(description="A tenant's name; empty: the installation's own chain.", max_length=200)
]
After = Annotated[int, Query(ge=0, le=2**53, description="A number: the events after it.")]
Limit = Annotated[int, Query(ge=1, le=_PAGE)]
Format = Annotated[
    Literal["json", "jsonl"], Query(description="`jsonl`: all events, one a line, and the signed head.")
]


class EventCard(BaseModel):
    """Something that was done. Ids, pseudonyms, counts and hashes; never a name, a prompt or a secret."""

    chain: str = Field(description="A tenant's name, or empty: the installation's.")
    number: int
    at: str
    actor: str = Field(description="A key's id, `operator` or `system`.")
    action: str = Field(examples=["key.created"])
    object: str
    detail: dict[str, Any]
    previous: str = Field(description="Digest of the event before, hexadecimal.")
    digest: str = Field(description="SHA-256 of `previous` and of this event, hexadecimal.")


class HeadCard(BaseModel):
    """How far a chain reaches, signed with Ed25519. Keep it elsewhere: it shows whether the chain is cut later."""

    chain: str
    number: int
    digest: str
    at: str
    signature: str = Field(description="Base64.")
    public_key: str = Field(description="PEM.")


class AuditPage(BaseModel):
    """Events, oldest first."""

    object: str = "audit"
    data: list[EventCard]
    has_more: bool
    head: HeadCard


class ChainCard(BaseModel):
    """Whether a chain is whole."""

    chain: str
    whole: bool
    count: int
    head: HeadCard | None = None
    broken_at: int | None = Field(default=None, description="The first number that is wrong.")
    wrong: str | None = None


class Looked(BaseModel):
    """What came of looking at chains."""

    object: str = "audit.verification"
    whole: bool
    chains: list[ChainCard]


@router.get(
    "/admin/audit",
    dependencies=[Depends(ADMIN)],
    response_model=AuditPage,
    responses={200: {"content": {_LINES: {"schema": {"type": "string"}}}}},
)
async def any_chain(
    request: Request,
    chain: Chain = INSTALLATION,
    after: After = 0,
    limit: Limit = 100,
    format: Format = "json",  # noqa: A002 - the word other routes use
) -> Response | AuditPage:
    """Events of any chain, of tenants that are gone too."""
    return await _told(request, chain, after, limit, whole=format == "jsonl")


@router.get("/admin/audit/chains", dependencies=[Depends(ADMIN)])
async def chains(request: Request) -> dict[str, list[str]]:
    """The chains that have events; the empty name is the installation's."""
    return {"chains": list(await services_of(request).audit.chains())}


@router.get("/admin/audit/verify", dependencies=[Depends(ADMIN)])
async def verify(
    request: Request, chain: Annotated[str | None, Query(description="One of them; else all.")] = None
) -> Looked:
    """Work every digest out again."""
    desk = services_of(request).audit
    names = [chain] if chain is not None else await desk.chains()
    cards = [await _checked(desk, each) for each in names]
    return Looked(whole=all(card.whole for card in cards), chains=cards)


@router.get("/admin/audit/key", dependencies=[Depends(ADMIN)])
async def key(request: Request) -> dict[str, str]:
    """The public key that heads and receipts are checked with, in PEM."""
    return {"public_key": services_of(request).audit.pem}


@router.get(
    "/v1/privacy/audit",
    dependencies=[Depends(TENANT_ADMIN)],
    response_model=AuditPage,
    responses={200: {"content": {_LINES: {"schema": {"type": "string"}}}}},
)
async def own_chain(
    request: Request,
    caller: Annotated[Caller, Depends(TENANT_ADMIN)],
    tenant: TenantName = None,
    after: After = 0,
    limit: Limit = 100,
    format: Format = "json",  # noqa: A002 - the word other routes use
) -> Response | AuditPage:
    """What was done to this tenant's keys and data, by whom and when."""
    whom = whose(services_of(request).editions.catalog, caller, tenant)
    return await _told(request, whom.name, after, limit, whole=format == "jsonl")


class OriginCard(BaseModel):
    """What the Hub said of a served model's origin. Null: it did not say, or nobody asked."""

    model: str
    asked: bool = Field(description="Was the Hub asked at all?")
    public: bool | None = Field(default=None, description="Has the Hub a public model of this id?")
    revision: str | None = Field(default=None, description="Of its main branch then.")
    author: str | None = None
    licence: str | None = None
    base_models: list[str] = Field(default_factory=list)
    relation: str | None = Field(default=None, description="To those: finetune, adapter, merge, quantized.")
    fine_tuned: bool | None = None
    gated: bool | None = None
    source: str | None = None
    checked_at: str | None = None


class Origins(BaseModel):
    """Where served models come from."""

    object: str = "provenance"
    models: list[OriginCard]
    problems: list[str] = Field(default_factory=list, description="Why the Hub could not be asked of some.")


@router.get("/admin/provenance", dependencies=[Depends(ADMIN)])
async def origins(request: Request) -> Origins:
    """Where the models of the configuration come from, as far as the Hub was asked."""
    book = _book(request)
    await book.read()
    return _origins(request, book, [])


@router.post("/admin/provenance", dependencies=[Depends(ADMIN)])
async def ask_origins(request: Request) -> Origins:
    """Ask the Hub now of every model with an id of the Hub. It learns these ids, and nothing else."""
    book = _book(request)
    catalog = services_of(request).editions.catalog
    problems = await book.refresh(served_models(catalog), older_than=_NOW)
    return _origins(request, book, problems)


def _book(request: Request) -> ProvenanceBook:
    book = services_of(request).provenance
    if book is None:
        raise Unavailable("This process does not keep where models come from.", code="provenance_unavailable")
    return book


def _origins(request: Request, book: ProvenanceBook, problems: Sequence[str]) -> Origins:
    served = served_models(services_of(request).editions.catalog)
    return Origins(
        models=[_origin(each, book.provenance_of(each)) for each in served], problems=list(problems)
    )


def _origin(model: str, known: Provenance | None) -> OriginCard:
    if known is None:
        return OriginCard(model=model, asked=False)
    return OriginCard(
        model=model,
        asked=True,
        public=known.public,
        revision=known.revision,
        author=known.author,
        licence=known.licence,
        base_models=list(known.base_models),
        relation=known.relation,
        fine_tuned=known.fine_tuned,
        gated=known.gated,
        source=known.source if known.public else None,
        checked_at=moment(known.checked_at),
    )


async def _told(request: Request, chain: str, after: int, limit: int, *, whole: bool) -> Response | AuditPage:
    desk = services_of(request).audit
    chain = chain.replace("\0", "")
    signed = await desk.signed_head(chain)
    if whole:
        # Noted in the chain that was read, after the head that the file ends with.
        await noted(
            request,
            chain,
            actions.AUDIT_READ,
            "",
            {"after": after, "count": max(0, signed.head.number - after)},
        )
        name = f"audit-{signed.head.number}.jsonl"
        headers = {
            "content-disposition": f'attachment; filename="{name}"',
            "cache-control": "private, no-store",
        }
        return StreamingResponse(_lines(desk, chain, after, signed), media_type=_LINES, headers=headers)
    links = await desk.read(chain, after, limit)
    last = links[-1].event.number if links else after
    return AuditPage(
        data=[EventCard.model_validate(event_of(link)) for link in links],
        has_more=last < signed.head.number,
        head=HeadCard.model_validate(head_of(signed)),
    )


async def _lines(desk: AuditDesk, chain: str, after: int, signed: SignedHead) -> AsyncIterator[bytes]:
    async for page in desk.pages(chain, after, until=signed.head.number):
        yield lines(page)
    yield last_line(signed)


async def _checked(desk: AuditDesk, chain: str) -> ChainCard:
    verdict: Verdict = await desk.verify(chain)
    broken = verdict.broken
    return ChainCard(
        chain=chain,
        whole=verdict.whole,
        count=verdict.count,
        head=HeadCard.model_validate(head_of(desk.sign(verdict.head))) if verdict.whole else None,
        broken_at=broken.number if broken is not None else None,
        wrong=str(broken) if broken is not None else None,
    )
