"""`/v1/surveys`: files of answers are looked at, handed in, described and deleted, and every row is accounted for."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from passerelle.domain.errors import BadRequest, UnsupportedMedia
from passerelle.domain.survey_data import RowTrouble
from passerelle.domain.survey_work import SurveyState
from passerelle.http.access import MEMBER
from passerelle.http.downloads import plain_name
from passerelle.http.surveys_cards import (
    ColumnsCard,
    RowList,
    SurveyCard,
    SurveyList,
    columns_card,
    row_cards,
    row_table,
    survey_card,
)
from passerelle.http.surveys_handing import (
    FILE_SIZE,
    ReportLanguage,
    form_of_columns,
    form_of_survey,
    handed_in,
    looked_at,
)
from passerelle.http.surveys_place import Before, Body, Here, Office, SurveyId
from passerelle.http.texts import PathName, Text
from passerelle.http.uploads import is_form, received

router = APIRouter(prefix="/v1/surveys", tags=["Surveys"])

_PAGE = 1_000


class Described(Body):
    """What is said of a survey anew; what is not named stays."""

    title: Annotated[Text, Field(min_length=1, max_length=200)] | None = None
    language: ReportLanguage | None = Field(default=None, description="Of its reports.")
    codebook: PathName | None = Field(default=None, description="By which its comments are read.")


@router.post("/columns", dependencies=[Depends(MEMBER)], openapi_extra=form_of_columns())
async def columns(request: Request, here: Here) -> ColumnsCard:
    """What each column of a file seems to be. Nothing is kept.

    `proposal` can be changed and sent back as the form's field `columns` with the same file.
    """
    archive = (await here.bureau()).archive
    _check_form(request)
    async with received(request, file_size=FILE_SIZE) as form:
        content, sheet = looked_at(form)
        return columns_card(await archive.look(here.tenant, content, sheet=sheet))


@router.post(
    "",
    dependencies=[Depends(MEMBER)],
    status_code=202,
    responses={
        200: {"model": SurveyCard, "description": "The same file, read the same way, is kept already."},
        202: {"description": "It is read by the job."},
    },
    openapi_extra=form_of_survey(),
)
async def make(request: Request, here: Here, response: Response) -> SurveyCard:
    """Hand a file of answers in. Its rows are read by a job; what is wrong with them stands under `troubles`.

    Personal data in comments is masked before anything else is done with them.
    """
    archive = (await here.bureau(to_write=True)).archive
    _check_form(request)
    async with received(request, file_size=FILE_SIZE) as form:
        made = await archive.make(here.tenant, handed_in(form, by=here.by))
    response.status_code = 202 if made.state is SurveyState.READING else 200
    return survey_card(made)


@router.get("", dependencies=[Depends(MEMBER)])
async def surveys(
    here: Here, before: Before = None, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> SurveyList:
    """A tenant's surveys, the newest first."""
    archive = (await here.bureau()).archive
    found = await archive.surveys(here.name, before=before, most=limit + 1)
    return SurveyList(data=[survey_card(each) for each in found[:limit]], has_more=len(found) > limit)


@router.get("/{survey}", dependencies=[Depends(MEMBER)])
async def survey(survey: SurveyId, here: Here) -> SurveyCard:
    """A survey: how it stands, what its columns are, and how its file was read."""
    return survey_card(await (await here.bureau()).archive.survey(here.name, survey))


@router.patch("/{survey}", dependencies=[Depends(MEMBER)])
async def describe(survey: SurveyId, described: Described, here: Here) -> SurveyCard:
    """Another title, language or codebook."""
    archive = (await here.bureau(to_write=True)).archive
    said = described.model_dump(exclude_none=True)
    if not said:
        message = "Write one of `title`, `language` and `codebook`."
        raise BadRequest(message, code="invalid_value", param="title")
    return survey_card(await archive.describe(here.name, survey, **said))


@router.delete("/{survey}", dependencies=[Depends(MEMBER)], status_code=204)
async def drop(survey: SurveyId, here: Here) -> Response:
    """Delete a survey with its answers, runs and themes. What people corrected stays, without the comment's id."""
    await (await here.bureau(to_write=True)).archive.drop(here.name, survey)
    return Response(status_code=204)


@router.get(
    "/{survey}/troubles",
    dependencies=[Depends(MEMBER)],
    response_model=RowList,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def troubles(
    survey: SurveyId,
    here: Here,
    format: Annotated[  # noqa: A002 - as the reports call it
        Literal["json", "csv"], Query(description="`csv`: all of them at once.")
    ] = "json",
    language: Annotated[ReportLanguage | None, Query(description="Of what they mean.")] = None,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="How many have been seen.")] = 0,
    limit: Annotated[int, Query(ge=1, le=_PAGE)] = 200,
) -> RowList | Response:
    """What was wrong with which row, and what was done about it."""
    archive = (await here.bureau()).archive
    about = await archive.survey(here.name, survey)
    words: ReportLanguage = language or ("fr" if about.language == "fr" else "en")
    if format == "json":
        found = await archive.troubles(here.name, survey, after=after, most=limit + 1)
        return RowList(data=row_cards(found[:limit], words), has_more=len(found) > limit)
    table = await asyncio.to_thread(row_table, await _all(here, survey, after), words)
    headers = {
        "cache-control": "private, no-store",
        "content-disposition": f'attachment; filename="{plain_name(about.id)}-troubles.csv"',
        "content-language": words,
        "cross-origin-resource-policy": "same-origin",
        "x-content-type-options": "nosniff",
    }
    return Response(table, media_type="text/csv; charset=utf-8", headers=headers)


async def _all(here: Office, survey: str, after: int) -> list[RowTrouble]:
    archive = (await here.bureau()).archive
    found: list[RowTrouble] = []
    while True:
        page = await archive.troubles(here.name, survey, after=after + len(found), most=_PAGE)
        found += page
        if len(page) < _PAGE:
            return found


def _check_form(request: Request) -> None:
    if not is_form(request.headers.get("content-type")):
        raise UnsupportedMedia("A file of answers comes as `multipart/form-data`.")
