"""`/v1/content/jobs/{job}/export` and what a text has become word by word: what was written, as it is taken away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from passerelle.domain.content import ContentJob, Decision, Worked, lined
from passerelle.domain.errors import NotFound
from passerelle.http.access import MEMBER
from passerelle.http.content_items import Number
from passerelle.http.content_place import Here, JobId
from passerelle.http.costs import preferred
from passerelle.http.downloads import Download
from passerelle.pipelines.enrichment.desk import Office
from passerelle.reports.content import as_csv, as_json
from passerelle.reports.content.diffing import changed, diff, document
from passerelle.reports.content.standing import EVERY, Only, fields_of, source_of, stands, written_of
from passerelle.reports.formats import Language

if TYPE_CHECKING:
    from passerelle.reports.content.as_html import Page

router = APIRouter(prefix="/v1/content", tags=["Content"])

Form = Literal["csv", "json", "html"]
LanguageQuery = Annotated[Language | None, Query(description="Of a page; else what the browser prefers.")]

_KINDS: dict[Form, str] = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "html": "text/html; charset=utf-8",
}
_BLOCK = 32_768  # bytes that are sent at once, at least
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class FieldDiff(BaseModel):
    """What a field was and what it became. Offsets of `ops` count characters; together they cover both texts.

    `against` is `nothing` for a field that the source has not.
    """

    field: str
    against: Literal["source", "nothing"]
    removed: int
    added: int
    ops: list[dict[str, Any]]


class DiffCard(BaseModel):
    """What a text has become: as it was written, or as somebody has edited it."""

    object: Literal["content.diff"] = "content.diff"
    job: str
    number: int
    key: str
    fields: list[FieldDiff]


@dataclass(frozen=True, slots=True)
class Written:
    """How a job is written down: its beginning, a piece (the first or not), its end."""

    head: Callable[[], bytes]
    piece: Callable[[Worked, bool], bytes]
    foot: bytes = b""


@router.get(
    "/jobs/{job}/items/{number}/diff",
    dependencies=[Depends(MEMBER)],
    response_model=DiffCard,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
)
async def compare(
    job: JobId,
    number: Number,
    request: Request,
    here: Here,
    format: Annotated[Literal["json", "html"], Query()] = "json",  # noqa: A002 - the name it has elsewhere too
    language: LanguageQuery = None,
) -> DiffCard | Response:
    """What a text has become, word by word."""
    worked = await (await here.office()).works.piece(here.name, job, number)
    # A second for the longest: others go on meanwhile.
    if format == "json":
        return await asyncio.to_thread(_compared, worked)
    chosen = _language(request, language)
    page = await asyncio.to_thread(_compared_page, worked, chosen)
    headers = {
        "content-language": chosen,
        "content-security-policy": _POLICY,
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-store",
    }
    return Response(page, media_type=_KINDS["html"], headers=headers)


@router.get(
    "/jobs/{job}/export",
    dependencies=[Depends(MEMBER)],
    response_class=Response,
    responses={
        200: {
            "content": {kind.partition(";")[0]: {"schema": {"type": "string"}} for kind in _KINDS.values()},
            "description": "A file to be saved.",
        }
    },
)
async def export(
    job: JobId,
    request: Request,
    here: Here,
    format: Annotated[Form, Query()] = "csv",  # noqa: A002 - the name it has elsewhere too
    only: Annotated[
        Only,
        Query(description="What stands by people's decisions, or all that was written beside its source."),
    ] = "accepted",
    language: LanguageQuery = None,
) -> Response:
    """A job's texts as one file: a table, a document, or a page with what each text was and became."""
    await request.body()  # what is heard of the caller from here on is that it hung up
    office = await here.office()
    found = await office.works.job(here.name, job)
    fields = await _fields(office, found)
    chosen = _language(request, language)
    zone = here.services.editions.catalog.time_zone
    page = partial(_page, chosen, found.currency, zone)
    written = await asyncio.to_thread(_written, format, found, only=only, fields=fields, page=page)
    return Download(
        _blocks(written, office.works.every(here.name, job), threaded=format == "html"),
        name=f"content-{found.id}.{format}",
        media_type=_KINDS[format],
        vigil=here.services.vigil,
        caller=here.caller,
        headers={"content-language": chosen} if format == "html" else None,
    )


def _page(language: Language, currency: str, zone: str) -> Page:
    # What lays out pages is of some weight, and a process may never be asked for one.
    from passerelle.reports.content.as_html import Page  # noqa: PLC0415

    return Page(language, currency=currency, zone=zone)


def _compared_page(worked: Worked, language: Language) -> str:
    from passerelle.reports.content.as_html import piece_to_html  # noqa: PLC0415 - as above

    return piece_to_html(worked, language=language)


def _written(
    form: Form, job: ContentJob, *, only: Only, fields: Sequence[str], page: Callable[[], Page]
) -> Written:
    if form == "csv":
        return Written(
            lambda: as_csv.head(only=only, fields=fields),
            lambda worked, _: as_csv.row(job, worked, only=only, fields=fields),
        )
    if form == "json":
        return Written(
            lambda: as_json.head(job, only=only),
            lambda worked, first: (
                (b"\n" if first else b",\n") + orjson.dumps(as_json.piece(worked, only=only, fields=fields))
            ),
            as_json.FOOT,
        )
    made = page()
    return Written(
        lambda: made.head(job, only=only).encode(),
        lambda worked, _: made.piece(worked, only=only, fields=fields).encode(),
        made.foot().encode(),
    )


async def _blocks(
    written: Written, pieces: AsyncIterator[Worked], *, threaded: bool
) -> AsyncGenerator[bytes, None]:
    """A file in blocks; `threaded` where a piece takes a while."""
    # Works give generators; who stops reading one ends it.
    async with aclosing(cast("AsyncGenerator[Worked, None]", pieces)) as every:
        block, first = bytearray(written.head()), True
        async for worked in every:
            block += (
                await asyncio.to_thread(written.piece, worked, first)
                if threaded
                else written.piece(worked, first)
            )
            first = False
            if len(block) >= _BLOCK:
                yield bytes(block)
                block.clear()
        yield bytes(block) + written.foot


async def _fields(office: Office, job: ContentJob) -> Sequence[str]:
    """What the job's recipe writes; anything that any of them does, where it is deleted."""
    try:
        return (await office.kitchen.recipe(job.tenant, job.recipe, job.version)).fields
    except NotFound:
        return EVERY


def _compared(worked: Worked) -> DiffCard:
    fields = [_field(worked, field) for field in fields_of(worked)]
    return DiffCard(job=worked.job, number=worked.number, key=worked.piece.key, fields=fields)


def _field(worked: Worked, field: str) -> FieldDiff:
    choice = worked.choices.get(field)
    edited = choice is not None and choice.decision is Decision.EDITED
    before = source_of(worked, field)
    ops = diff(lined(before), lined(stands(worked, field) if edited else written_of(worked, field)))
    removed, added = changed(ops)
    against: Literal["source", "nothing"] = "nothing" if before is None else "source"
    return FieldDiff(field=field, against=against, removed=removed, added=added, ops=document(ops))


def _language(request: Request, language: Language | None) -> Language:
    return language or preferred(request.headers.get("accept-language", ""))
