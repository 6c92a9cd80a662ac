"""`/metrics`: Prometheus' text format, for a scraper with an admin key."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from passerelle.http.access import ADMIN
from passerelle.http.services import services_of

router = APIRouter(tags=["Operate"])


@router.get("/metrics", dependencies=[Depends(ADMIN)], response_class=Response)
async def metrics(request: Request) -> Response:
    """Counters and histograms of this process; of all workers, where several share the port."""
    return Response(services_of(request).metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")
