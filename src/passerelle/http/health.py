"""Health: alive, ready, and which configuration is in force. Nothing here calls an engine."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from passerelle import __version__
from passerelle.http.access import PUBLIC
from passerelle.http.services import services_of

router = APIRouter(tags=["Health"])


class Health(BaseModel):
    """The state of the service. `degraded` names what does not work although requests are answered."""

    status: Literal["ok", "degraded", "unavailable"]
    version: str = __version__
    configuration: str
    degraded: list[str] = []


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


@router.get("/health/live", dependencies=[Depends(PUBLIC)])
async def live() -> Alive:
    """The process answers; says nothing about what it depends on."""
    return Alive()


@router.get("/health", dependencies=[Depends(PUBLIC)])
@router.get("/health/ready", dependencies=[Depends(PUBLIC)])
async def ready(request: Request, response: Response) -> Health:
    """Whether requests should be sent here: 503 while starting or draining; a dependency that is down degrades."""
    services = services_of(request)
    degraded = services.degraded()
    if not services.ready():
        response.status_code = 503
        return Health(
            status="unavailable", configuration=services.editions.catalog.version, degraded=degraded
        )
    status: Literal["ok", "degraded"] = "degraded" if degraded else "ok"
    return Health(status=status, configuration=services.editions.catalog.version, degraded=degraded)
