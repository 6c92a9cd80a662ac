"""`/admin/ledger`: what an operator does with the ledger. Files come as base64, because bodies here are JSON."""

from __future__ import annotations

import base64
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from passerelle.audit import actions
from passerelle.domain.catalog import Target
from passerelle.domain.errors import BadRequest, CannotRun
from passerelle.domain.money import exact
from passerelle.http.access import ADMIN
from passerelle.http.audited import noted
from passerelle.http.services import services_of
from passerelle.ledger.capacity import WEIGHTS
from passerelle.ledger.quotes import Quote
from passerelle.ledger.reconcile import Reconciliation
from passerelle.reports.price_list import price_list

router = APIRouter(prefix="/admin/ledger", tags=["Operate"])

_LARGEST = 20_000_000  # characters of base64
_LINE = r"^[^\x00-\x1f\x7f]*$"  # what a database and a terminal take as text


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MonthWanted(_Body):
    """A month, such as 2026-10; the one we are in, if none is named."""

    month: str | None = None


class ClosingWanted(_Body):
    """A month to close. With `force`, in spite of what is found wrong."""

    month: str
    force: bool = False


class InvoiceWanted(_Body):
    """A month to compare: with a file's content, or without one with what the provider says when it is asked."""

    provider: str = Field(min_length=1, max_length=100, pattern=_LINE)
    month: str
    content: str | None = Field(default=None, max_length=_LARGEST, description="Base64.")
    source: str = Field(
        default="", max_length=200, pattern=_LINE, description="The file's name, for messages."
    )
    currency: str | None = Field(default=None, pattern="^[A-Z]{3}$")
    organization: str | None = Field(default=None, max_length=100, pattern=_LINE)
    book: bool = True


class CreditWanted(_Body):
    """Money to give back, in the operator's currency."""

    tenant: str
    amount: Decimal
    reason: str = Field(min_length=1, max_length=200, pattern=_LINE)


class RatesWanted(_Body):
    """A file of rates of exchange; without one, the European Central Bank is asked."""

    content: str | None = Field(default=None, max_length=_LARGEST, description="Base64.")


class Verified(BaseModel):
    """What does not add up; empty when all of it does."""

    findings: list[str]
    reports: int


class ClosedMonth(BaseModel):
    """A closed month. Totals are exact decimals by account, side and currency."""

    month: str
    digest: str
    closed_at: datetime
    fresh: bool
    passed_over: list[str]
    totals: dict[str, dict[str, dict[str, str]]]


class Part(BaseModel):
    """A part of an invoice beside ours; absent where one side does not know it."""

    by: str
    name: str
    ours: str | None
    theirs: str | None


class Compared(BaseModel):
    """An invoice beside the books. Amounts are exact decimals of `currency`."""

    provider: str
    month: str
    currency: str
    ours: str
    theirs: str
    gap: str
    booked: str
    again: bool
    alert: bool
    unpriced: int
    reference: str
    parts: list[Part]


class Weighed(BaseModel):
    """Weights that a backend's tries show, beside one token of plain input."""

    backend: str
    tries: int
    why: str
    weights: dict[str, Decimal] = Field(description="Empty where the tries do not tell.")
    r2: float | None
    in_force: dict[str, Decimal]


class Credited(BaseModel):
    """The name of the booking."""

    reference: str


class RatesInstalled(BaseModel):
    """The newest day of the rates."""

    newest: date


class Waiting(BaseModel):
    """Events that a webhook has not taken."""

    events: list[dict[str, str | int | None]]


@router.post("/verify", dependencies=[Depends(ADMIN)])
async def verify(wanted: MonthWanted, request: Request) -> Verified:
    """Check every rule of the ledger, and sum every report of a month again."""
    findings, reports = await services_of(request).money.office.verify(wanted.month)
    return Verified(findings=findings, reports=reports)


@router.post("/close", dependencies=[Depends(ADMIN)])
async def close(wanted: ClosingWanted, request: Request) -> ClosedMonth:
    """Close a month: later corrections fall in the next one."""
    try:
        closed = await services_of(request).money.office.close(wanted.month, force=wanted.force)
    except CannotRun as error:
        raise _refused(error) from error
    if closed.fresh:
        detail = {"digest": closed.digest, "forced": wanted.force, "passed_over": len(closed.passed_over)}
        await noted(request, "", actions.MONTH_CLOSED, str(closed.month), detail)
    return ClosedMonth(
        month=str(closed.month),
        digest=closed.digest,
        closed_at=closed.closed_at,
        fresh=closed.fresh,
        passed_over=list(closed.passed_over),
        totals={
            account: {side: dict(each) for side, each in sides.items()}
            for account, sides in closed.totals.items()
        },
    )


@router.post("/reconcile", dependencies=[Depends(ADMIN)])
async def reconcile(wanted: InvoiceWanted, request: Request) -> Compared:
    """Compare a month with an invoice and book one correction."""
    try:
        done = await services_of(request).money.office.reconcile(
            wanted.provider,
            wanted.month,
            content=_content(wanted.content),
            source=wanted.source or "the file",
            currency=wanted.currency,
            organization=wanted.organization,
            booking=wanted.book,
        )
    except CannotRun as error:
        raise _refused(error) from error
    if wanted.book and not done.again:
        detail = {"month": str(done.month), "reference": actions.worded(done.reference), "alert": done.alert}
        await noted(request, "", actions.INVOICE_BOOKED, actions.worded(done.provider), detail)
    return _compared(done)


@router.post("/credit", dependencies=[Depends(ADMIN)], status_code=201)
async def credit(wanted: CreditWanted, request: Request) -> Credited:
    """Give money back to a tenant."""
    reference = await services_of(request).money.office.credit(wanted.tenant, wanted.amount, wanted.reason)
    await noted(request, wanted.tenant, actions.CREDIT_BOOKED, actions.worded(reference))
    return Credited(reference=reference)


@router.post("/rates", dependencies=[Depends(ADMIN)])
async def rates(wanted: RatesWanted, request: Request) -> RatesInstalled:
    """Install newer rates of exchange."""
    try:
        newest = await services_of(request).money.office.rates(_content(wanted.content))
    except CannotRun as error:
        raise _refused(error) from error
    await noted(request, "", actions.RATES_INSTALLED, newest.isoformat())
    return RatesInstalled(newest=newest)


@router.post("/calibrate/{backend}", dependencies=[Depends(ADMIN)])
async def calibrate(backend: str, request: Request) -> Weighed:
    """Work out what a token costs an engine's time, by its tries of the last thirty days."""
    found, sharing = await services_of(request).money.office.calibrate(backend)
    in_force = {**WEIGHTS, **sharing.weights}
    return Weighed(
        backend=backend,
        tries=found.tries,
        why=found.why,
        weights=dict(found.weights),
        r2=found.r2,
        in_force=in_force,
    )


@router.get("/prices", dependencies=[Depends(ADMIN)])
async def prices(request: Request) -> dict[str, Any]:
    """What every target costs now, who says so and why; `doctor` and time bring newer lists."""
    edition = services_of(request).editions.current

    def quote(target: Target) -> Quote:
        known, at = edition.about(target)
        return edition.pricing.quote(target, known=known, at=at)

    return price_list(edition.catalog, quote)


@router.get("/webhooks", dependencies=[Depends(ADMIN)])
async def webhooks(request: Request) -> Waiting:
    """Events that were not delivered: those still tried, and those given up."""
    found = await services_of(request).money.undelivered()
    return Waiting(
        events=[
            {
                "event_id": each.event_id,
                "webhook": each.webhook,
                "event": each.event,
                "tenant": each.tenant,
                "tries": each.tries,
                "problem": each.problem,
                "next_at": each.next_at.isoformat(),
                "given_up_at": each.given_up_at.isoformat() if each.given_up_at else None,
            }
            for each in found
        ]
    )


def _content(encoded: str | None) -> bytes | None:
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:  # binascii's is one, and text that is not ASCII has its own
        raise BadRequest("`content` is not base64.", code="invalid_value", param="content") from error


def _refused(error: CannotRun) -> BadRequest:
    return BadRequest(f"{error.cause} {error.cure}".strip(), code="cannot_be_done")


def _compared(done: Reconciliation) -> Compared:
    return Compared(
        provider=done.provider,
        month=str(done.month),
        currency=done.currency,
        ours=exact(done.ours),
        theirs=exact(done.theirs),
        gap=exact(done.gap),
        booked=exact(done.booked),
        again=done.again,
        alert=done.alert,
        unpriced=done.unpriced,
        reference=done.reference,
        parts=[
            Part(
                by=part.by,
                name=part.name,
                ours=None if part.ours is None else exact(part.ours),
                theirs=None if part.theirs is None else exact(part.theirs),
            )
            for part in done.parts
        ],
    )
