"""`/v1/costs`, `/v1/usage`, `/v1/budget`: a tenant's money, to its own keys; every tenant's, to the operator's."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from passerelle.domain.calendar import Month as CalendarMonth
from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import BadRequest, NotFound
from passerelle.domain.money import exact
from passerelle.gateway.gateway import tenant_of
from passerelle.http.access import MEMBER, TENANT_ADMIN
from passerelle.http.services import Services, services_of
from passerelle.reports.desk import Form, Language
from passerelle.reports.document import Report
from passerelle.reports.focus import Version

router = APIRouter(tags=["Money"])

_KINDS = (
    "application/json",
    "text/csv",
    "text/html",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
)

Month = Annotated[
    str | None,
    Query(description="Such as 2026-11; the month we are in, if none is named.", examples=["2026-11"]),
]
TenantName = Annotated[str | None, Query(description="For the operator's keys; others have their own.")]


class UsedModel(BaseModel):
    """What was asked of one model."""

    model: str
    requests: int
    input_tokens: int
    output_tokens: int


class UsedDay(BaseModel):
    """Requests that were answered on a day of the operator's time zone."""

    day: date
    requests: int


class UsageReport(BaseModel):
    """A month's usage, without money."""

    object: str = "usage"
    tenant: str | None
    month: str
    time_zone: str
    requests: int
    failed_tries: int
    input_tokens: int
    output_tokens: int
    models: list[UsedModel]
    days: list[UsedDay]


class CeilingCard(BaseModel):
    """A ceiling and how it stands. Amounts are exact decimals, as text."""

    name: str = Field(description="`tenant`, `key:<id or name>` or `model:<name>`.")
    amount: str
    spent: str
    pending: str = Field(description="Set aside for calls under way.")
    remaining: str
    on_exceed: str


class BudgetReport(BaseModel):
    """A tenant's budget this month; without one, `ceilings` is empty."""

    object: str = "budget"
    tenant: str
    currency: str
    month: str
    ceilings: list[CeilingCard]


@router.get(
    "/v1/costs",
    dependencies=[Depends(TENANT_ADMIN)],
    responses={200: {"content": {kind: {} for kind in _KINDS}}},
)
async def costs(
    request: Request,
    caller: Annotated[Caller, Depends(TENANT_ADMIN)],
    month: Month = None,
    tenant: TenantName = None,
    format: Annotated[Form, Query()] = "json",  # noqa: A002 - the name it has on the command line too
    language: Annotated[Language | None, Query(description="Of html and xlsx.")] = None,
    focus_version: Annotated[Version, Query()] = "1.4",
) -> Response:
    """A month's cost report. `billed` is rounded once; `amount` is exact."""
    services = services_of(request)
    chosen = language or preferred(request.headers.get("accept-language", ""))
    page = await services.money.desk.page(
        _whose(services, caller, tenant),
        month,
        form=format,
        language=chosen,
        version=focus_version,
        to_tenant=caller.role is not Role.ADMIN,
    )
    headers = {"cache-control": "private, no-store"}
    if format in ("html", "xlsx"):
        headers |= {"content-language": chosen, "vary": "accept-language"}
    if format != "json":
        headers["content-disposition"] = f'inline; filename="{page.filename}"'
    if format == "html":
        headers["content-security-policy"] = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return Response(page.content, media_type=page.media_type, headers=headers)


@router.get("/v1/usage", dependencies=[Depends(TENANT_ADMIN)])
async def usage(
    request: Request,
    caller: Annotated[Caller, Depends(TENANT_ADMIN)],
    month: Month = None,
    tenant: TenantName = None,
) -> UsageReport:
    """A month's requests and tokens, by model and day."""
    services = services_of(request)
    return _usage(await services.money.desk.report(_whose(services, caller, tenant), month))


@router.get("/v1/budget", dependencies=[Depends(MEMBER)])
async def budget(
    request: Request, caller: Annotated[Caller, Depends(MEMBER)], tenant: TenantName = None
) -> BudgetReport:
    """What may still be spent this month, as the next call will find it."""
    services = services_of(request)
    catalog = services.editions.catalog
    name = _whose(services, caller, tenant)
    if name is None:
        raise BadRequest("`tenant` must name a tenant.", code="missing_tenant", param="tenant")
    if name not in catalog.tenants:
        raise NotFound(f"There is no tenant {name[:100]!r}.", code="unknown_tenant", param="tenant")
    return _budget(services, caller, catalog.tenants[name], catalog.currency)


def _whose(services: Services, caller: Caller, tenant: str | None) -> str | None:
    """The tenant that is asked about: a caller's own, or the one that an operator's key names; None = all."""
    if caller.role is Role.ADMIN:
        return tenant
    own = tenant_of(caller, services.editions.catalog).name
    if tenant not in (None, own):
        raise NotFound(f"There is no tenant {str(tenant)[:100]!r}.", code="unknown_tenant", param="tenant")
    return own


def preferred(accepted: str) -> Language:
    """French to whoever prefers it to English, English to all others (RFC 9110, 12.5.4)."""
    weights: dict[str, float] = {}
    for each in accepted.lower().split(","):
        tag, _, parameter = each.partition(";")
        name, _, value = parameter.partition("=")
        try:
            weight = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        language = tag.strip().partition("-")[0]
        weights.setdefault(language, weight if 0 < weight <= 1 else 0.0)
    french, english = weights.get("fr", 0.0), weights.get("en", weights.get("*", 0.0))
    if french != english or not french:
        return "fr" if french > english else "en"
    first = next(language for language in weights if language in ("fr", "en"))
    return "fr" if first == "fr" else "en"


def _usage(report: Report) -> UsageReport:
    totals = report.totals
    return UsageReport(
        tenant=report.tenant,
        month=report.month,
        time_zone=report.time_zone,
        requests=totals.requests,
        failed_tries=totals.failed_tries,
        input_tokens=totals.input_tokens,
        output_tokens=totals.output_tokens,
        models=[
            UsedModel(
                model=part.name,
                requests=part.requests,
                input_tokens=part.input_tokens,
                output_tokens=part.output_tokens,
            )
            for part in report.by["model"]
            if part.requests or part.input_tokens or part.output_tokens
        ],
        days=[UsedDay(day=each.day, requests=each.requests) for each in report.days],
    )


def _budget(services: Services, caller: Caller, tenant: Tenant, currency: str) -> BudgetReport:
    at = datetime.now(UTC)
    states = services.money.budgets.state(tenant, now=int(at.timestamp() * 1000))
    if caller.role is Role.MEMBER:  # other keys are other people's
        own = {f"key:{caller.key_id}", f"key:{caller.name}"}
        states = [state for state in states if not state.name.startswith("key:") or state.name in own]
    return BudgetReport(
        tenant=tenant.name,
        currency=currency,
        month=str(CalendarMonth.of(at, ZoneInfo(services.editions.catalog.time_zone))),
        ceilings=[
            CeilingCard(
                name=state.name,
                amount=exact(state.ceiling.amount),
                spent=exact(state.spent),
                pending=exact(state.pending),
                remaining=exact(max(0, state.ceiling.amount - state.spent - state.pending)),
                on_exceed=state.ceiling.on_exceed.value,
            )
            for state in states
        ],
    )
