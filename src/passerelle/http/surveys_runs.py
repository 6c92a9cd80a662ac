"""`/v1/surveys/{survey}/runs`, its corrections and themes: comments are read, looked at, corrected, and read again."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import ConfigDict, Field, TypeAdapter, field_validator
from pydantic_core import PydanticCustomError

from passerelle.domain.errors import BadRequest
from passerelle.domain.survey_work import Asked
from passerelle.domain.surveys import Category, Polarity, Review
from passerelle.http.access import MEMBER
from passerelle.http.surveys_codebook_cards import CorrectionCard, EditionCard, correction_card, edition_card
from passerelle.http.surveys_codebooks import CategoryId, CategoryIn
from passerelle.http.surveys_place import After, Body, CommentId, Here, RunId, SurveyId, run_of
from passerelle.http.surveys_run_cards import (
    DifferenceCard,
    JobCard,
    QueueCard,
    ReadingList,
    ReviewedCard,
    RunCard,
    RunList,
    ThemeList,
    difference_card,
    reading_cards,
    run_card,
    theme_card,
)
from passerelle.http.texts import Name, PathName

router = APIRouter(prefix="/v1/surveys/{survey}", tags=["Surveys"])

_MOST_REVIEWED, _MOST_LABELS = 1_000, 50
_LARGEST = 2**31 - 1
_ID: TypeAdapter[str] = TypeAdapter(CategoryId)


class Started(Body):
    """By what comments are read. Unsaid: the survey's codebook, its version in use, all corrections, the tenant's model."""

    codebook: PathName | None = None
    version: int | None = Field(default=None, ge=1, le=1_000_000)
    revision: int | None = Field(
        default=None, ge=0, le=_LARGEST, description="Of the corrections that may be learned from."
    )
    model: Name | None = None


class Looked(Body):
    """Comments that somebody has looked at and leaves as they are."""

    comments: list[Name] = Field(min_length=1, max_length=_MOST_REVIEWED)


class Corrected(Body):
    """What is right of a comment. Neither `right` nor `polarity`: the reading is confirmed as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"right": ["trainer", "pace"], "polarity": "negative"}, {"right": []}]
        }
    )

    right: list[CategoryId] | None = Field(
        default=None, max_length=_MOST_LABELS, description="Ids of categories; empty: none of them fits."
    )
    polarity: Literal["positive", "negative", "neutral", "mixed"] | None = None
    run: Name | None = Field(
        default=None, description="That was wrong; unsaid: the newest that has read the comment."
    )


class Wanted(Body):
    """How many themes, unless it is found out."""

    themes: int | None = Field(default=None, ge=2, le=100)


class Merging(Body):
    """Into which category a theme is taken up: a new one, or the id of one that is there."""

    codebook: PathName
    category: CategoryIn | CategoryId

    @field_validator("category", mode="before")
    @classmethod
    def _one_of_both(cls, said: Any) -> Any:
        """What is wrong is told of the one that is meant, by its own name and not by that of a type."""
        if isinstance(said, str):
            return _ID.validate_python(said)
        if isinstance(said, dict | CategoryIn):
            return CategoryIn.model_validate(said)
        raise PydanticCustomError("category", "Input should be a category, or the id of one")

    @property
    def value(self) -> Category | str:
        """The category, or the id."""
        return self.category if isinstance(self.category, str) else self.category.value()


def asked_of(
    *,
    review: Annotated[Review | None, Query(description="That should be looked at for this reason.")] = None,
    to_review: Annotated[bool, Query(description="That should be looked at, and nobody has.")] = False,
    category: Annotated[str | None, Query(max_length=64)] = None,
    polarity: Polarity | None = None,
    language: Annotated[str | None, Query(max_length=8, examples=["fr"])] = None,
    text: Annotated[str, Query(description="That the comment holds.", max_length=200)] = "",
) -> Asked:
    """Which comments are wanted. Raises BadRequest."""
    if "\0" in text:
        raise BadRequest("`text` must not hold a NUL.", code="invalid_value", param="text")
    return Asked(review, to_review, category, polarity, language, text)


_Asked = Annotated[Asked, Depends(asked_of)]


@router.post("/runs", dependencies=[Depends(MEMBER)], status_code=202)
async def start(survey: SurveyId, here: Here, started: Started | None = None) -> RunCard:
    """Read all comments of a survey. The job tells how far it is."""
    runs = (await here.bureau(to_write=True)).runs
    said: dict[str, Any] = {} if started is None else started.model_dump()
    return run_card(await runs.start(here.tenant, survey, **said, by=here.by))


@router.get("/runs", dependencies=[Depends(MEMBER)])
async def runs(survey: SurveyId, here: Here) -> RunList:
    """A survey's runs, the newest first."""
    found = await (await here.bureau()).runs.runs(here.name, survey)
    return RunList(data=[run_card(each) for each in found])


@router.get("/runs/{run}", dependencies=[Depends(MEMBER)])
async def run(survey: SurveyId, run: RunId, here: Here) -> RunCard:
    """A run."""
    return run_card(await (await here.bureau()).runs.run(here.name, survey, run_of(run)))


@router.delete("/runs/{run}", dependencies=[Depends(MEMBER)], status_code=204)
async def drop(survey: SurveyId, run: RunId, here: Here) -> Response:
    """Delete a run that is over, with what it read."""
    runs = (await here.bureau(to_write=True)).runs
    known = run_of(run) or (await runs.run(here.name, survey)).id
    await runs.drop(here.name, survey, known)
    return Response(status_code=204)


@router.get("/runs/{run}/comments", dependencies=[Depends(MEMBER)])
async def comments(
    survey: SurveyId,
    run: RunId,
    here: Here,
    asked: _Asked,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> ReadingList:
    """Comments with what was read in them, in the file's order; all that is asked for must hold."""
    runs = (await here.bureau()).runs
    found = await runs.readings(here.name, survey, run_of(run), asked=asked, after=after, most=limit + 1)
    return ReadingList(data=reading_cards(found[:limit]), has_more=len(found) > limit)


@router.get("/runs/{run}/queue", dependencies=[Depends(MEMBER)])
async def queue(
    survey: SurveyId, run: RunId, here: Here, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> QueueCard:
    """What people should look at next: different things, the most doubtful of each first."""
    found = await (await here.bureau()).runs.queue(here.name, survey, run_of(run), most=limit)
    return QueueCard(data=reading_cards(found))


@router.post("/runs/{run}/reviewed", dependencies=[Depends(MEMBER)])
async def reviewed(survey: SurveyId, run: RunId, looked: Looked, here: Here) -> ReviewedCard:
    """Somebody has looked at comments, and leaves them as they are."""
    runs = (await here.bureau(to_write=True)).runs
    known = run_of(run) or (await runs.run(here.name, survey)).id
    wanted = list(dict.fromkeys(looked.comments))
    found = await runs.reviewed(here.name, survey, known, wanted, by=here.by)
    return ReviewedCard(reviewed=found.reviewed, unknown=list(found.unknown))


@router.get("/runs/{after}/difference", dependencies=[Depends(MEMBER)])
async def difference(
    survey: SurveyId,
    after: RunId,
    here: Here,
    before: Annotated[str, Query(alias="with", description="The earlier run.", min_length=1, max_length=64)],
) -> DifferenceCard:
    """What changed from one run to another, as after other corrections or another version of the codebook."""
    runs = (await here.bureau()).runs
    known = run_of(after) or (await runs.run(here.name, survey)).id
    return difference_card(await runs.difference(here.name, survey, before, known))


@router.post("/comments/{comment}/correction", dependencies=[Depends(MEMBER)], status_code=201)
async def correct(survey: SurveyId, comment: CommentId, corrected: Corrected, here: Here) -> CorrectionCard:
    """Say what is right of a comment. It teaches the runs after; a later one takes its place."""
    desk = (await here.bureau(to_write=True)).corrections
    kept = await desk.correct(
        here.tenant,
        survey,
        comment,
        run=run_of(corrected.run),
        right=corrected.right,
        polarity=None if corrected.polarity is None else Polarity(corrected.polarity),
        by=here.by,
    )
    return correction_card(kept)


@router.post("/themes", dependencies=[Depends(MEMBER)], status_code=202)
async def discover(survey: SurveyId, here: Here, wanted: Wanted | None = None) -> JobCard:
    """Look for themes without a codebook. Those of before are replaced, but for the ones that were taken up."""
    desk = (await here.bureau(to_write=True)).themes
    number = None if wanted is None else wanted.themes
    return JobCard(job=await desk.discover(here.tenant, survey, themes=number, by=here.by))


@router.get("/themes", dependencies=[Depends(MEMBER)])
async def themes(survey: SurveyId, here: Here) -> ThemeList:
    """A survey's themes, the largest first."""
    found = await (await here.bureau()).themes.themes(here.name, survey)
    return ThemeList(data=[theme_card(each) for each in found])


@router.post("/themes/{theme}/merge", dependencies=[Depends(MEMBER)], status_code=201)
async def merge(
    survey: SurveyId,
    theme: Annotated[str, Path(description="A theme's id.", min_length=1, max_length=64)],
    merging: Merging,
    here: Here,
) -> EditionCard:
    """Take a theme up as a new category, or into one that is there as examples: the codebook's next version."""
    desk = (await here.bureau(to_write=True)).themes
    edition = await desk.merge(
        here.tenant, survey, theme, codebook=merging.codebook, category=merging.value, by=here.by
    )
    return edition_card(edition)
