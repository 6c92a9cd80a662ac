"""`/v1/content/read`, `/estimate` and `/jobs`: what files hold, what a job will take, jobs and what they may cost.

A job's progress, its events, pausing and cancelling are those of `/v1/jobs/{id}`.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from passerelle.domain.errors import UnsupportedMedia
from passerelle.http.access import MEMBER
from passerelle.http.content_cards import (
    ContentJobCard,
    ContentJobList,
    EstimateCard,
    ReadCard,
    StartedCard,
    estimate_card,
    job_card,
    piece_card,
    skipped_cards,
)
from passerelle.http.content_order import (
    BudgetBody,
    FileOrder,
    MappingBody,
    TextOrder,
    bodies,
    mapping_of,
    ordered,
    read,
)
from passerelle.http.content_place import Here, JobId
from passerelle.http.uploads import is_form, received

router = APIRouter(prefix="/v1/content", tags=["Content"])

_MOST = 200
_SHOWN = 20  # pieces


class Afforded(BaseModel):
    """What a job may cost from now on; null: whatever it costs."""

    model_config = ConfigDict(extra="forbid", strict=True)

    budget: BudgetBody | None = Field(examples=[{"amount": "10.00", "currency": "EUR"}])


@router.post("/read", dependencies=[Depends(MEMBER)], openapi_extra=bodies("mapping", MappingBody, None))
async def look(request: Request, here: Here) -> ReadCard:
    """What files hold: how many texts, which rows are none and why, what each column was read as. Nothing is kept."""
    works = (await here.office()).works
    if not is_form(request.headers.get("content-type")):
        raise UnsupportedMedia("Files come in `multipart/form-data`.")
    async with received(request, file_size=here.services.limits.upload) as form:
        found = await read(form, here, works, mapping_of(form))
    return ReadCard(
        pieces=len(found.pieces),
        characters=sum(len(piece.text) for piece in found.pieces),
        data=[piece_card(piece) for piece in found.pieces[:_SHOWN]],
        skipped=skipped_cards(found.skipped),
        columns=found.columns,
    )


@router.post("/estimate", dependencies=[Depends(MEMBER)], openapi_extra=bodies("order", FileOrder, TextOrder))
async def estimate(request: Request, here: Here) -> EstimateCard:
    """What a job would take: calls, tokens, and money where prices are known. Asks no model."""
    works = (await here.office()).works
    async with ordered(request, here, works) as order:
        found = await works.estimate(here.tenant, order.wanted)
    return estimate_card(found, skipped_cards(order.found.skipped), order.found.columns)


@router.post(
    "/jobs",
    dependencies=[Depends(MEMBER)],
    status_code=202,
    response_model=StartedCard,
    responses={
        200: {"model": EstimateCard, "description": "What it would take, where `dry_run` was asked for."},
        202: {"model": StartedCard, "description": "The job is worked on."},
    },
    openapi_extra=bodies("order", FileOrder, TextOrder),
)
async def start(request: Request, here: Here) -> StartedCard | Response:
    """Work on texts by a recipe: JSON with texts or documents in it, or a form with files and an `order`.

    What was written before by the same recipe, model and brand, and has not changed, is found again and costs nothing.
    """
    works = (await here.office(to_write=True)).works
    async with ordered(request, here, works) as order:
        skipped = skipped_cards(order.found.skipped)
        if order.dry_run:
            found = await works.estimate(here.tenant, order.wanted)
            thought = estimate_card(found, skipped, order.found.columns)
            return Response(thought.model_dump_json(), media_type="application/json")
        job, estimated = await works.start(here.tenant, order.wanted)
    return StartedCard(job=job_card(job), estimate=estimate_card(estimated), skipped=skipped)


@router.get("/jobs", dependencies=[Depends(MEMBER)])
async def jobs(
    here: Here,
    before: Annotated[
        str | None, Query(description="A job's id: those made before it.", max_length=64)
    ] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 50,
) -> ContentJobList:
    """A tenant's jobs of texts, the newest first."""
    works = (await here.office()).works
    found = await works.jobs(here.name, before=before, most=limit + 1)
    return ContentJobList(data=[job_card(job) for job in found[:limit]], has_more=len(found) > limit)


@router.get("/jobs/{job}", dependencies=[Depends(MEMBER)])
async def job(job: JobId, here: Here) -> ContentJobCard:
    """How a job stands."""
    return job_card(await (await here.office()).works.job(here.name, job))


@router.patch("/jobs/{job}", dependencies=[Depends(MEMBER)])
async def afford(job: JobId, afforded: Afforded, here: Here) -> ContentJobCard:
    """Another budget; pieces that the old one did not hold are begun."""
    works = (await here.office(to_write=True)).works
    budget = afforded.budget
    amount = None if budget is None else budget.pico(here.services.editions.catalog.currency)
    return job_card(await works.afford(here.name, job, amount))


@router.delete("/jobs/{job}", dependencies=[Depends(MEMBER)], status_code=204)
async def drop(job: JobId, here: Here) -> Response:
    """Delete a job that is over, with its texts; what texts were accepted stays in their history."""
    await (await here.office(to_write=True)).works.drop(here.name, job)
    return Response(status_code=204)
