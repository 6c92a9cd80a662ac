"""`/v1/jobs`: how a tenant's work stands that outlives the requests that asked for it, and what becomes of it.

Every key of the tenant sees its jobs. Those that change its documents are changed by those who may write documents.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import Tenant
from passerelle.domain.content import ContentRules
from passerelle.domain.errors import BadRequest, Conflict
from passerelle.domain.jobs import Event, Item, ItemState, Job, JobState
from passerelle.domain.rag import Rag
from passerelle.domain.survey_work import SurveyRules
from passerelle.http.access import MEMBER
from passerelle.http.events import EVENT_STREAM, Feed, event
from passerelle.http.services import services_of
from passerelle.http.tenants import TenantName, check_writer, whose
from passerelle.http.texts import Text
from passerelle.jobs.owners import JobsDesk

router = APIRouter(prefix="/v1/jobs", tags=["Jobs"])

JobId = Annotated[str, Path(description="As it was given where the job was made.", max_length=64)]
_Number = Annotated[int, Query(ge=0, le=2**31 - 1)]
_RECONNECT = b"retry: 2000\n\n"  # milliseconds after which a browser that lost the stream comes back
_LONGEST_NUMBER = 10  # digits


class _Card(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ProgressCard(_Card):
    """How many items stand how; `fraction` is the part that is over, 0 to 1."""

    total: int
    queued: int
    running: int
    done: int
    failed: int
    cancelled: int
    fraction: float


class JobCard(_Card):
    """A job as it stands. `events` is the number of its last event."""

    id: str
    object: Literal["job"] = "job"
    kind: str
    key: str | None
    state: JobState
    progress: ProgressCard
    params: dict[str, Any]
    events: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobList(BaseModel):
    """The newest first. `has_more`: ask again with `before` as the last one's id."""

    object: Literal["list"] = "list"
    data: list[JobCard]
    has_more: bool


class TroubleCard(_Card):
    """Why something was not done. `code` is stable."""

    code: str
    message: str


class ItemCard(_Card):
    """An item of a job; `number` counts from 1 in the order they were given."""

    number: int
    object: Literal["job.item"] = "job.item"
    key: str
    state: ItemState
    attempts: int
    result: dict[str, Any] | None
    error: TroubleCard | None
    ready_at: datetime | None = Field(description="Of one that waits: not before.")
    started_at: datetime | None
    finished_at: datetime | None


class ItemList(BaseModel):
    """By number. `has_more`: ask again with `after` as the last one's number."""

    object: Literal["list"] = "list"
    data: list[ItemCard]
    has_more: bool


class Again(BaseModel):
    """Which failed items are to be tried again; all of them where nothing is said."""

    model_config = ConfigDict(extra="forbid", strict=True)

    items: list[Text] | None = Field(
        default=None, min_length=1, max_length=1000, description="Their keys.", examples=[["doc_1"]]
    )


# By how a kind's name begins: the rules that say who may change what its jobs work on, and what that is called.
_ROOMS: Mapping[str, tuple[Callable[[Tenant], Rag | ContentRules | SurveyRules | None], str]] = {
    "rag": (lambda tenant: tenant.rag, "documents"),
    "content": (lambda tenant: tenant.content, "texts"),
    "surveys": (lambda tenant: tenant.surveys, "surveys"),
}

_PRIVACY = "privacy-"


class Board:
    """What a caller may ask of jobs, and whose they are."""

    def __init__(
        self,
        request: Request,
        caller: Annotated[Caller, Depends(MEMBER)],
        tenant: TenantName = None,
    ) -> None:
        services = services_of(request)
        self.caller = caller
        self.vigil = services.vigil
        self.tenant: Tenant = whose(services.editions.catalog, caller, tenant)
        self.name = self.tenant.name
        self.desk: JobsDesk = services.jobs

    async def changeable(self, job: str) -> Job:
        """A job that this caller may change. Raises NotFound and Forbidden."""
        found = await self.desk.look(self.name, job)
        if found.kind.startswith(_PRIVACY):
            check_writer(self.caller, Role.TENANT_ADMIN, what="requests about people's data")
        for room, (rules, what) in _ROOMS.items():
            wanted = rules(self.tenant)
            if found.kind.startswith(room) and wanted is not None:
                check_writer(self.caller, wanted.writers, what=what)
        return found


_Board = Annotated[Board, Depends()]


@router.get("", dependencies=[Depends(MEMBER)])
async def jobs(
    board: _Board,
    kind: Annotated[str | None, Query(max_length=64)] = None,
    before: Annotated[
        str | None, Query(description="A job's id: those made before it.", max_length=64)
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JobList:
    """A tenant's jobs, the newest first."""
    found = await board.desk.list(board.name, kind=kind, before=before, most=limit + 1)
    return JobList(data=[_card(job) for job in found[:limit]], has_more=len(found) > limit)


@router.get("/{job}", dependencies=[Depends(MEMBER)])
async def job(job: JobId, board: _Board) -> JobCard:
    """How a job stands."""
    return _card(await board.desk.look(board.name, job))


@router.delete("/{job}", dependencies=[Depends(MEMBER)], status_code=204)
async def delete(job: JobId, board: _Board) -> Response:
    """Delete a job that is over, with its items, results and events."""
    found = await board.changeable(job)
    if not found.state.over:
        raise Conflict(f"The job is {found.state.value}; cancel it first.", code="job_not_over")
    await board.desk.delete(board.name, job)
    return Response(status_code=204)


@router.get("/{job}/items", dependencies=[Depends(MEMBER)])
async def items(
    job: JobId,
    board: _Board,
    state: ItemState | None = None,
    after: _Number = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> ItemList:
    """A job's items by number: those that failed with the reason, those that are done with what came of them."""
    found = await board.desk.items(board.name, job, state=state, after=after, most=limit + 1)
    return ItemList(data=[_item(each) for each in found[:limit]], has_more=len(found) > limit)


@router.get(
    "/{job}/events",
    dependencies=[Depends(MEMBER)],
    response_class=Response,
    responses={
        200: {"content": EVENT_STREAM, "description": "Events as they happen, until the job is over."},
        204: {"description": "The job is over, and there are no events after that number."},
    },
)
async def follow(
    job: JobId,
    request: Request,
    board: _Board,
    after: _Number = 0,
    last_event_id: Annotated[
        str | None, Header(description="The last event that was seen; browsers send it by themselves.")
    ] = None,
) -> Response:
    """What happens to a job, as it happens: `id` is an event's number, `event` what happened, `data` the particulars.

    A reader that lost the stream names the last number it has seen, and misses nothing.
    """
    await request.body()  # what is heard of the caller from here on is that it hung up
    after = max(after, _number(last_event_id))
    stands = await board.desk.look(board.name, job)
    if stands.state.over and after >= stands.news:
        return Response(status_code=204)  # by which a browser knows not to come back
    blocks = _told(board.desk.follow(board.name, job, after=after))
    return Feed(blocks, vigil=board.vigil, caller=board.caller)


@router.post("/{job}/cancel", dependencies=[Depends(MEMBER)])
async def cancel(job: JobId, board: _Board) -> JobCard:
    """Stop a job: what waits is cancelled now, what runs as soon as its worker hears of it."""
    await board.changeable(job)
    return _card(await board.desk.cancel(board.name, job))


@router.post("/{job}/pause", dependencies=[Depends(MEMBER)])
async def pause(job: JobId, board: _Board) -> JobCard:
    """Begin nothing more of a job; what runs is finished."""
    await board.changeable(job)
    return _card(await board.desk.pause(board.name, job))


@router.post("/{job}/resume", dependencies=[Depends(MEMBER)])
async def resume(job: JobId, board: _Board) -> JobCard:
    """Go on with a paused job."""
    await board.changeable(job)
    return _card(await board.desk.resume(board.name, job))


@router.post("/{job}/retry", dependencies=[Depends(MEMBER)])
async def retry(job: JobId, board: _Board, again: Again | None = None) -> JobCard:
    """Try a job's failed items again, all or some; a job that was over goes on."""
    await board.changeable(job)
    keys = again.items if again is not None else None
    return _card(await board.desk.retry(board.name, job, keys=keys))


async def _told(events: AsyncIterator[Event]) -> AsyncGenerator[bytes, None]:
    # Desks give generators; who stops listening to one ends it.
    async with aclosing(cast("AsyncGenerator[Event, None]", events)) as happening:
        yield _RECONNECT  # so that the stream is open although nothing may happen for long
        async for each in happening:
            data = {"job": each.job, "at": each.at, **each.data}
            yield event(each.what.value, data, number=each.number)


def _number(last_event_id: str | None) -> int:
    if not last_event_id:
        return 0
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < _LONGEST_NUMBER):
        message = "`Last-Event-ID` must be the number of an event."
        raise BadRequest(message, code="invalid_value", param="Last-Event-ID")
    return int(last_event_id)


def _card(found: Job) -> JobCard:
    return JobCard(
        id=found.id,
        kind=found.kind,
        key=found.key,
        state=found.state,
        progress=ProgressCard.model_validate(found.progress),
        params=dict(found.params),
        events=found.news,
        created_at=found.created_at,
        started_at=found.started_at,
        finished_at=found.finished_at,
    )


def _item(found: Item) -> ItemCard:
    return ItemCard(
        number=found.number,
        key=found.key,
        state=found.state,
        attempts=found.attempts,
        result=None if found.result is None else dict(found.result),
        error=TroubleCard.model_validate(found.trouble) if found.trouble else None,
        ready_at=found.ready_at,
        started_at=found.started_at,
        finished_at=found.finished_at,
    )
