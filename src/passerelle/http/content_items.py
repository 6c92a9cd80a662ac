"""`/v1/content/jobs/{job}/items` and `/v1/content/pieces`: what was written of each text, what people decide about it, what it was."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from passerelle.domain.content import LISTS, Decision, Standing, Value
from passerelle.domain.errors import BadRequest
from passerelle.http.access import MEMBER
from passerelle.http.content_cards import (
    DecidedCard,
    History,
    ItemList,
    ItemWhole,
    VersionCard,
    item_card,
    item_whole,
    version_card,
)
from passerelle.http.content_place import Here, JobId
from passerelle.http.content_recipes import FieldName, Value_, value_of
from passerelle.http.texts import Text

router = APIRouter(prefix="/v1/content", tags=["Content"])

_LAST = 2**31 - 1
_MOST = 200
Number = Annotated[int, Path(ge=1, le=_LAST, description="Counts from 1, in the order they were given.")]
Key = Annotated[
    Text, Path(description="A text's name; one that cannot stand in a path is asked for by `?key=`.")
]
KeyQuery = Annotated[Text, Query(min_length=1, max_length=1_000, description="A text's name.")]
Fields = Annotated[list[FieldName], Field(max_length=20)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ChoiceBody(_Body):
    """A decision; `edited` brings the value that stands instead, a list for a field that is one."""

    decision: Literal["accepted", "rejected", "edited"]
    value: Value_ | None = None

    def choice(self, field: str) -> tuple[Decision, Value | None]:
        """As it is kept. Raises BadRequest."""
        if (self.decision == "edited") != (self.value is not None):
            message = "`edited` brings a `value`, and nothing else does."
            raise BadRequest(message, code="invalid_value", param=f"{field}.value")
        if self.value is None:
            return Decision(self.decision), None
        if isinstance(self.value, str) == (field in LISTS):
            message = f"The field is {'a list' if field in LISTS else 'a text'}."
            raise BadRequest(message, code="invalid_value", param=f"{field}.value")
        return Decision(self.decision), value_of(self.value)


class DecisionsBody(_Body):
    """One decision for every field that nobody has decided on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"decision": "accepted", "fields": ["summary"]}]}
    )

    decision: Literal["accepted", "rejected"]
    fields: Fields = Field(default=[], description="Only these; without any, all.")
    flawed: bool = Field(default=False, description="Also of texts in which a check fails.")


class Rollback(_Body):
    """A field as it was in an earlier version."""

    field: FieldName = Field(examples=["text"])
    number: int = Field(ge=1, le=_LAST, examples=[1])


class RollbackOf(Rollback):
    """A field of a text, by its name, as it was in an earlier version."""

    key: Annotated[Text, Field(min_length=1, max_length=1_000)] = Field(examples=["cours-12"])


@router.get("/jobs/{job}/items", dependencies=[Depends(MEMBER)])
async def items(
    job: JobId,
    here: Here,
    standing: Standing | None = None,
    after: Annotated[int, Query(ge=0, le=_LAST)] = 0,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 100,
) -> ItemList:
    """A job's texts by number, without their sources."""
    works = (await here.office()).works
    found = await works.worked(here.name, job, standing=standing, after=after, most=limit + 1)
    return ItemList(data=[item_card(each) for each in found[:limit]], has_more=len(found) > limit)


@router.get("/jobs/{job}/items/{number}", dependencies=[Depends(MEMBER)])
async def item(job: JobId, number: Number, here: Here) -> ItemWhole:
    """A text of a job: its source, what was written, what is wrong with it, what was decided."""
    return item_whole(await (await here.office()).works.piece(here.name, job, number))


@router.post("/jobs/{job}/items/{number}/decisions", dependencies=[Depends(MEMBER)])
async def decide(
    job: JobId,
    number: Number,
    choices: Annotated[
        dict[FieldName, ChoiceBody],
        Body(
            min_length=1,
            max_length=20,
            examples=[
                {"text": {"decision": "accepted"}, "tags": {"decision": "edited", "value": ["sécurité"]}}
            ],
        ),
    ],
    here: Here,
) -> ItemWhole:
    """Accept, reject or edit fields of a text. A later decision takes an earlier one's place."""
    deciding = (await here.office(to_write=True)).deciding
    made = {field: choice.choice(field) for field, choice in choices.items()}
    return item_whole(await deciding.decide(here.name, job, number, made, by=here.by))


@router.post("/jobs/{job}/decisions", dependencies=[Depends(MEMBER)])
async def decide_all(job: JobId, said: DecisionsBody, here: Here) -> DecidedCard:
    """Accept or reject every field of a job that nobody has decided on."""
    deciding = (await here.office(to_write=True)).deciding
    fields = await deciding.decide_all(
        here.name,
        job,
        Decision(said.decision),
        fields=list(dict.fromkeys(said.fields)),
        flawed=said.flawed,
        by=here.by,
    )
    return DecidedCard(fields=fields)


@router.get("/pieces/history", dependencies=[Depends(MEMBER)])
async def history(key: KeyQuery, here: Here) -> History:
    """What each field of a text was, the oldest first."""
    deciding = (await here.office()).deciding
    return History(data=[version_card(each) for each in await deciding.history(here.name, key)])


@router.post("/pieces/rollback", dependencies=[Depends(MEMBER)])
async def roll_back(back: RollbackOf, here: Here) -> VersionCard:
    """A field as it was in an earlier version, as its newest one."""
    return await _back(here, back.key, back)


@router.get("/pieces/{key:path}/history", dependencies=[Depends(MEMBER)])
async def history_of(key: Key, here: Here) -> History:
    """What each field of a text was, the oldest first."""
    return await history(key, here)


@router.post("/pieces/{key:path}/rollback", dependencies=[Depends(MEMBER)])
async def roll_back_of(key: Key, back: Rollback, here: Here) -> VersionCard:
    """A field as it was in an earlier version, as its newest one."""
    return await _back(here, key, back)


async def _back(here: Here, key: str, back: Rollback) -> VersionCard:
    deciding = (await here.office(to_write=True)).deciding
    return version_card(await deciding.roll_back(here.name, key, back.field, back.number, by=here.by))
