"""`/admin/residency`: where tenants' data has been, as the ledger saw it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from passerelle.http.access import ADMIN
from passerelle.http.services import services_of

router = APIRouter(prefix="/admin/residency", tags=["Operate"])

_Month = Annotated[str | None, Query(description="Such as 2026-11; the month we are in, if none is named.")]


class WentCard(BaseModel):
    """Tries of a tenant in a month that were sent to one place, whatever came back."""

    model_config = ConfigDict(from_attributes=True)

    tenant: str
    month: str
    backend: str
    provider: str | None
    country: str | None = Field(description="Where it was processed, ISO 3166-1; null is not known.")
    operators: list[str] = Field(description="The legal parties that a backend of this name has today.")
    calls: int
    first: datetime
    last: datetime


class Residency(BaseModel):
    """What was sent where, in months of the operator's time zone."""

    object: str = "residency"
    as_of: datetime
    since: str
    until: str
    rows: list[WentCard]


@router.get("", dependencies=[Depends(ADMIN)])
async def residency(
    request: Request, tenant: str | None = None, since: _Month = None, until: _Month = None
) -> Residency:
    """What was sent where: countries, providers and backends, of a tenant or of all."""
    first, last, rows = await services_of(request).money.desk.residency(tenant, since, until)
    return Residency(
        as_of=datetime.now(UTC),
        since=str(first),
        until=str(last),
        rows=[WentCard.model_validate(row) for row in rows],
    )
