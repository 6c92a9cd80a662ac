"""`/v1/surveys/codebooks`, `/v1/surveys/corrections`: categories in their versions, and what people corrected.

A version is never changed. It is taken into use after a check beside the one before, on what people have corrected.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import ConfigDict, Field

from passerelle.domain.surveys import Category
from passerelle.http.access import MEMBER
from passerelle.http.surveys_codebook_cards import (
    CheckedCard,
    CorrectionCard,
    CorrectionList,
    CurveCard,
    EditionCard,
    EditionList,
    checked_card,
    correction_card,
    curve_card,
    edition_card,
)
from passerelle.http.surveys_place import After, Body, CodebookName, Here, Version
from passerelle.http.texts import Text

router = APIRouter(prefix="/v1/surveys", tags=["Surveys"])

_MOST_CATEGORIES, _MOST_EXAMPLES, _LONGEST_EXAMPLE, _LONGEST = 200, 50, 2_000, 4_000

CategoryId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64, examples=["trainer"])
]
_Explained = Annotated[Text, Field(max_length=_LONGEST)]


class CategoryIn(Body):
    """A category: what it is about, what belongs to it, what does not, and comments that do."""

    id: CategoryId
    name: Annotated[Text, Field(min_length=1, max_length=200, examples=["Trainer"])]
    definition: _Explained = Field(default="", examples=["How the trainer teaches and answers."])
    include: _Explained = Field(default="", examples=["Knowledge, clarity, patience, listening."])
    exclude: _Explained = Field(default="", examples=["How fast it goes: that is the pace."])
    examples: list[Annotated[Text, Field(min_length=1, max_length=_LONGEST_EXAMPLE)]] = Field(
        default=[], max_length=_MOST_EXAMPLES
    )

    def value(self) -> Category:
        """The category itself."""
        return Category(self.id, self.name, self.definition, self.include, self.exclude, tuple(self.examples))


class Written(Body):
    """The next version of a codebook, whole."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "language": "en",
                    "categories": [
                        {
                            "id": "trainer",
                            "name": "Trainer",
                            "definition": "How the trainer teaches and answers.",
                            "exclude": "How fast it goes: that is the pace.",
                            "examples": ["The trainer answered every question."],
                        },
                        {"id": "pace", "name": "Pace", "definition": "How fast or slowly it goes."},
                    ],
                    "merged": {"speed": "pace"},
                    "note": "Speed and rhythm are one category.",
                }
            ]
        }
    )

    language: Annotated[str, Field(pattern="^[a-z]{2}$", examples=["fr"])]
    categories: list[CategoryIn] = Field(min_length=1, max_length=_MOST_CATEGORIES)
    merged: dict[CategoryId, CategoryId] = Field(
        default={},
        max_length=_MOST_CATEGORIES,
        description="Ids of the version before that are gone, and what takes their place.",
    )
    note: Annotated[Text, Field(max_length=1_000)] = ""


class Promoted(Body):
    """Whether a version is taken into use although it is worse."""

    force: bool = False


@router.get("/codebooks", dependencies=[Depends(MEMBER)])
async def codebooks(here: Here) -> EditionList:
    """Of each codebook the version in use, or the newest where none is."""
    found = await (await here.bureau()).codebooks.codebooks(here.name)
    return EditionList(data=[edition_card(each) for each in found])


@router.post("/codebooks/{name}", dependencies=[Depends(MEMBER)], status_code=201)
async def write(name: CodebookName, written: Written, here: Here) -> EditionCard:
    """Write a codebook's next version. The first is in use at once, another once it is promoted."""
    books = (await here.bureau(to_write=True)).codebooks
    edition = await books.write(
        here.name,
        name,
        language=written.language,
        categories=[each.value() for each in written.categories],
        merged=written.merged,
        note=written.note,
        by=here.by,
    )
    return edition_card(edition)


@router.get("/codebooks/{name}", dependencies=[Depends(MEMBER)])
async def codebook(
    name: CodebookName,
    here: Here,
    version: Annotated[int | None, Query(ge=1, le=1_000_000, description="Unsaid: the one in use.")] = None,
) -> EditionCard:
    """A codebook."""
    return edition_card(await (await here.bureau()).codebooks.edition(here.name, name, version))


@router.delete("/codebooks/{name}", dependencies=[Depends(MEMBER)], status_code=204)
async def drop(name: CodebookName, here: Here) -> Response:
    """Delete a codebook in all its versions, with what people corrected. Not while a survey names it."""
    await (await here.bureau(to_write=True)).codebooks.drop(here.name, name)
    return Response(status_code=204)


@router.get("/codebooks/{name}/versions", dependencies=[Depends(MEMBER)])
async def versions(name: CodebookName, here: Here) -> EditionList:
    """All versions, the newest first."""
    found = await (await here.bureau()).codebooks.editions(here.name, name)
    return EditionList(data=[edition_card(each) for each in found])


@router.post("/codebooks/{name}/versions/{version}/check", dependencies=[Depends(MEMBER)])
async def check(name: CodebookName, version: Version, here: Here) -> CheckedCard:
    """Hold a version beside the one in use, on corrections that neither has learned from."""
    books = (await here.bureau(to_write=True)).codebooks
    return checked_card(await books.check(here.tenant, name, version))


@router.post("/codebooks/{name}/versions/{version}/promote", dependencies=[Depends(MEMBER)])
async def promote(
    name: CodebookName, version: Version, here: Here, promoted: Promoted | None = None
) -> EditionCard:
    """Take a version into use after a check. One that is worse is refused, unless it is forced."""
    books = (await here.bureau(to_write=True)).codebooks
    force = promoted is not None and promoted.force
    return edition_card(await books.promote(here.tenant, name, version, force=force, by=here.by))


@router.get("/codebooks/{name}/curve", dependencies=[Depends(MEMBER)])
async def curve(name: CodebookName, here: Here) -> CurveCard:
    """What corrections gained."""
    return curve_card(name, await (await here.bureau()).codebooks.curve(here.tenant, name))


@router.get("/codebooks/{name}/corrections", dependencies=[Depends(MEMBER)])
async def corrections(
    name: CodebookName,
    here: Here,
    *,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    revoked: Annotated[bool, Query(description="Those that were taken back too.")] = False,
) -> CorrectionList:
    """What people corrected, the newest first."""
    bureau = await here.bureau()
    await bureau.codebooks.edition(here.name, name)  # of none that is not there
    found = await bureau.corrections.corrections(
        here.name, name, after=after, most=limit + 1, revoked=revoked
    )
    return CorrectionList(data=[correction_card(each) for each in found[:limit]], has_more=len(found) > limit)


@router.delete("/corrections/{correction}", dependencies=[Depends(MEMBER)])
async def revoke(
    correction: Annotated[str, Path(description="A correction's id.", min_length=1, max_length=64)],
    here: Here,
) -> CorrectionCard:
    """Take a correction back: it teaches no run that starts from now on."""
    desk = (await here.bureau(to_write=True)).corrections
    return correction_card(await desk.revoke(here.tenant, correction, by=here.by))
