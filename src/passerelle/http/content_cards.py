"""How jobs of texts, what was written and what was decided are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from passerelle.domain.content import (
    Check,
    ContentJob,
    Decision,
    Estimate,
    Form,
    Piece,
    Range,
    Standing,
    Version,
    Worked,
    Written,
)
from passerelle.domain.money import exact
from passerelle.http.content_recipes import shown
from passerelle.pipelines.enrichment.desk import RowSkipped


class _Card(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class MoneyCard(BaseModel):
    """An exact amount, as text, and its currency."""

    amount: str
    currency: str


class SkippedCard(BaseModel):
    """A row that is no piece, and why. `row` counts as a spreadsheet does; `code` is stable."""

    file: str
    row: int
    code: str
    message: str


class PieceCard(BaseModel):
    """A text as it was found, with its beginning."""

    key: str
    title: str
    form: Form
    language: str
    characters: int
    begins: str
    beside: dict[str, str]


class ReadCard(BaseModel):
    """What files hold. Nothing of it is kept. `data` are the first pieces; `pieces` counts all of them."""

    object: Literal["content.read"] = "content.read"
    pieces: int
    characters: int
    data: list[PieceCard]
    skipped: list[SkippedCard]
    columns: dict[str, str] = Field(description="What each column was read as, by its heading.")


class RangeCard(_Card):
    """A figure between two bounds that hold it in about nine of ten jobs."""

    value: float
    low: float
    high: float


class EstimateCard(BaseModel):
    """What a job will take. `cost` is in units of `currency`, null where a price is not known.

    `learned`: how many earlier answers it stands on; 0: it goes by what recipes usually take.
    """

    object: Literal["content.estimate"] = "content.estimate"
    pieces: int
    reused: int = Field(description="Unchanged since they were written before: they cost nothing.")
    calls: RangeCard
    prompt_tokens: RangeCard
    completion_tokens: RangeCard
    cost: RangeCard | None
    currency: str
    learned: int
    model: str
    target: str
    notes: list[str]
    skipped: list[SkippedCard] = []
    columns: dict[str, str] = Field(default={}, description="What each column was read as, by its heading.")


class ContentJobCard(BaseModel):
    """A job of texts as it stands. Its progress, events and cancelling are those of `/v1/jobs/{id}`."""

    id: str
    object: Literal["content.job"] = "content.job"
    recipe: str
    version: int
    brand: int = Field(description="The brand's version.")
    model: str
    preview: bool
    budget: MoneyCard | None
    spent: MoneyCard
    unpriced: int = Field(description="Answers whose cost is not known.")
    counts: dict[Standing, int]
    estimate: dict[str, Any]
    state: str
    created_at: datetime
    finished_at: datetime | None


class ContentJobList(BaseModel):
    """The newest first. `has_more`: ask again with `before` as the last one's id."""

    object: Literal["list"] = "list"
    data: list[ContentJobCard]
    has_more: bool


class StartedCard(BaseModel):
    """A job that was made, what it is thought to take, and rows that are none of its pieces."""

    object: Literal["content.started"] = "content.started"
    job: ContentJobCard
    estimate: EstimateCard
    skipped: list[SkippedCard]


class FlawCard(_Card):
    """What is wrong with a field. `serious` false: worth a look, and no reason to repair."""

    check: Check
    field: str
    said: str
    found: list[str]
    serious: bool


class ChoiceCard(BaseModel):
    """What was decided about a field, and the value that stands by it."""

    decision: Decision
    value: str | list[str] | None
    by: str
    at: datetime


class TroubleCard(_Card):
    """Why something was not done. `code` is stable."""

    code: str
    message: str


class UsageCard(_Card):
    """Tokens of a piece's calls together."""

    prompt_tokens: int
    completion_tokens: int


class ItemCard(BaseModel):
    """A piece of a job, and what was written of it. `cost` null: not known, or nothing was written."""

    number: int
    object: Literal["content.item"] = "content.item"
    job: str
    key: str
    title: str
    form: Form
    language: str
    standing: Standing
    values: dict[str, str | list[str]]
    flaws: list[FlawCard]
    repaired: bool
    offline: bool = Field(description="No language model took part.")
    engine: str
    calls: int
    usage: UsageCard | None
    cost: MoneyCard | None
    decisions: dict[str, ChoiceCard]
    error: TroubleCard | None


class ItemWhole(ItemCard):
    """With its source."""

    source: str
    beside: dict[str, str]


class ItemList(BaseModel):
    """By number. `has_more`: ask again with `after` as the last one's number."""

    object: Literal["list"] = "list"
    data: list[ItemCard]
    has_more: bool


class DecidedCard(BaseModel):
    """How many fields were decided on."""

    object: Literal["content.decided"] = "content.decided"
    fields: int


class VersionCard(BaseModel):
    """What a field of a text was from some time on; version 1 is the source as it first came."""

    object: Literal["content.version"] = "content.version"
    key: str
    field: str
    number: int
    value: str | list[str]
    job: str | None
    by: str
    at: datetime
    back_to: int | None = Field(description="The version that it was rolled back to.")


class History(BaseModel):
    """The oldest first."""

    object: Literal["list"] = "list"
    data: list[VersionCard]


def piece_card(piece: Piece, most: int = 200) -> PieceCard:
    """A text, with so many of its characters."""
    return PieceCard(
        key=piece.key,
        title=piece.title,
        form=piece.form,
        language=piece.language,
        characters=len(piece.text),
        begins=piece.text[:most],
        beside=dict(piece.beside),
    )


def skipped_cards(skipped: Sequence[tuple[str, RowSkipped]]) -> list[SkippedCard]:
    """Rows of files by their names."""
    return [SkippedCard(file=file, row=row.row, code=row.code, message=row.message) for file, row in skipped]


def estimate_card(
    estimate: Estimate, skipped: Sequence[SkippedCard] = (), columns: Mapping[str, str] | None = None
) -> EstimateCard:
    """What a job will take."""
    return EstimateCard(
        pieces=estimate.pieces,
        reused=estimate.reused,
        calls=_range(estimate.calls),
        prompt_tokens=_range(estimate.prompt_tokens),
        completion_tokens=_range(estimate.completion_tokens),
        cost=None if estimate.cost is None else _range(estimate.cost),
        currency=estimate.currency,
        learned=estimate.learned,
        model=estimate.model,
        target=estimate.target,
        notes=list(estimate.notes),
        skipped=list(skipped),
        columns=dict(columns or {}),
    )


def job_card(job: ContentJob) -> ContentJobCard:
    """A job."""
    return ContentJobCard(
        id=job.id,
        recipe=job.recipe,
        version=job.version,
        brand=job.brand,
        model=job.model,
        preview=job.preview,
        budget=None if job.budget is None else _money(job.budget, job.currency),
        spent=_money(job.spent, job.currency),
        unpriced=job.unpriced,
        counts={standing: job.counts.get(standing, 0) for standing in Standing},
        estimate=dict(job.estimate),
        state=job.state,
        created_at=job.created_at,
        finished_at=job.finished_at,
    )


def item_card(worked: Worked) -> ItemCard:
    """A piece of a job."""
    return ItemCard(**_item(worked))


def item_whole(worked: Worked) -> ItemWhole:
    """A piece of a job, with its source."""
    piece = worked.piece
    return ItemWhole(**_item(worked), source=piece.text, beside=dict(piece.beside))


def version_card(version: Version) -> VersionCard:
    """A version of a field."""
    value = version.value
    return VersionCard(
        key=version.piece,
        field=version.field,
        number=version.number,
        value=value if isinstance(value, str) else list(value),
        job=version.job,
        by=version.by,
        at=version.at,
        back_to=version.back_to,
    )


def _item(worked: Worked) -> dict[str, Any]:
    piece, written, trouble = worked.piece, worked.written, worked.trouble
    return {
        "number": worked.number,
        "job": worked.job,
        "key": piece.key,
        "title": piece.title,
        "form": piece.form,
        "language": piece.language,
        "standing": worked.standing,
        **_written(written),
        "decisions": {
            field: ChoiceCard(
                decision=choice.decision,
                value=choice.value if choice.value is None else shown({field: choice.value})[field],
                by=choice.by,
                at=choice.at,
            )
            for field, choice in worked.choices.items()
        },
        "error": None if trouble is None else TroubleCard.model_validate(trouble),
    }


def _written(written: Written | None) -> dict[str, Any]:
    if written is None:
        nothing = {"values": {}, "flaws": [], "repaired": False, "offline": False}
        return {**nothing, "engine": "", "calls": 0, "usage": None, "cost": None}
    return {
        "values": shown(written.values),
        "flaws": [
            FlawCard(
                check=flaw.check,
                field=flaw.field,
                said=flaw.said,
                found=list(flaw.found),
                serious=flaw.serious,
            )
            for flaw in written.flaws
        ],
        "repaired": written.repaired,
        "offline": written.offline,
        "engine": written.engine,
        "calls": written.calls,
        "usage": UsageCard.model_validate(written.usage),
        "cost": None if written.cost is None else _money(written.cost, written.currency),
    }


def _range(value: Range) -> RangeCard:
    return RangeCard.model_validate(value)


def _money(amount: int, currency: str) -> MoneyCard:
    return MoneyCard(amount=exact(amount), currency=currency)
