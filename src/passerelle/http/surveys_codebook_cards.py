"""How codebooks, what was found of them, and corrections are shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from passerelle.domain.survey_work import Checked, Edition, Figures, Kept, Point
from passerelle.domain.surveys import Category, Polarity
from passerelle.http.surveys_place import Card


class CategoryCard(Card):
    """A category, as a person would explain it to a colleague."""

    id: str
    name: str
    definition: str
    include: str
    exclude: str
    examples: list[str]


class FiguresCard(Card):
    """How well labels agree with what people said of `n` comments: F1, each from 0 to 1."""

    n: int
    micro: float = Field(description="Over all labels.")
    macro: float = Field(description="The mean over categories.")
    sentiment: float = Field(description="The mean over polarities.")


class CheckedCard(BaseModel):
    """A version beside the one in use, on corrections that neither has learned from.

    `change` is that of micro-F1, `low` and `high` its interval (95 of 100 resamplings); `worse`: all of it is below 0.
    """

    object: Literal["survey.codebook.check"] = "survey.codebook.check"
    before: FiguresCard | None = Field(description="Null: none is in use yet.")
    after: FiguresCard
    change: float
    low: float
    high: float
    worse: bool
    forced: bool = Field(description="It was taken into use all the same.")
    lost: list[str] = Field(description="Comments that were right and are not any more.")
    at: datetime | None


class EditionCard(BaseModel):
    """A version of a codebook. In use is the one that was promoted last."""

    name: str
    object: Literal["survey.codebook"] = "survey.codebook"
    version: int
    language: str
    in_use: bool
    categories: list[CategoryCard]
    merged: dict[str, str] = Field(description="Ids of the version before, and what took their place.")
    note: str
    checked: CheckedCard | None
    created_at: datetime | None
    created_by: str
    promoted_at: datetime | None
    promoted_by: str


class EditionList(BaseModel):
    """Codebooks by name, or versions with the newest first."""

    object: Literal["list"] = "list"
    data: list[EditionCard]


class PointCard(Card):
    """What was reached with `n` corrections."""

    n: int
    figures: FiguresCard


class CurveCard(BaseModel):
    """What corrections gained: figures on held-out ones by how many of the others were learned from."""

    object: Literal["survey.codebook.curve"] = "survey.codebook.curve"
    codebook: str
    data: list[PointCard]


class CorrectionCard(BaseModel):
    """What somebody said of a comment. `right` null: nothing was said of categories; empty: that none fits."""

    id: str
    object: Literal["survey.correction"] = "survey.correction"
    codebook: str
    version: int
    revision: int = Field(description="Counts a codebook's corrections and revocations.")
    text: str
    language: str
    right: list[str] | None
    wrong: list[str]
    polarity: Polarity | None
    wrong_polarity: Polarity | None
    confirmed: bool = Field(description="What was read was right as it was.")
    survey: str | None
    comment: str | None
    run: str | None
    by: str
    created_at: datetime | None
    revoked_at: datetime | None


class CorrectionList(BaseModel):
    """The newest first. `has_more`: ask again with `after` as the last one's id."""

    object: Literal["list"] = "list"
    data: list[CorrectionCard]
    has_more: bool


def category_card(category: Category) -> CategoryCard:
    """A category."""
    return CategoryCard.model_validate(category)


def figures_card(figures: Figures) -> FiguresCard:
    """Figures."""
    return FiguresCard.model_validate(figures)


def checked_card(checked: Checked) -> CheckedCard:
    """What was found of a version."""
    return CheckedCard(
        before=None if checked.before is None else figures_card(checked.before),
        after=figures_card(checked.after),
        change=checked.change,
        low=checked.low,
        high=checked.high,
        worse=checked.worse,
        forced=checked.forced,
        lost=list(checked.lost),
        at=checked.at,
    )


def edition_card(edition: Edition) -> EditionCard:
    """A version of a codebook."""
    codebook = edition.codebook
    return EditionCard(
        name=codebook.name,
        version=codebook.version,
        language=codebook.language,
        in_use=edition.in_use,
        categories=[category_card(each) for each in codebook.categories],
        merged=dict(edition.merged),
        note=edition.note,
        checked=None if edition.checked is None else checked_card(edition.checked),
        created_at=edition.created_at,
        created_by=edition.created_by,
        promoted_at=edition.promoted_at,
        promoted_by=edition.promoted_by,
    )


def curve_card(codebook: str, points: Iterable[Point]) -> CurveCard:
    """The curve of a codebook."""
    return CurveCard(codebook=codebook, data=[PointCard.model_validate(each) for each in points])


def correction_card(kept: Kept) -> CorrectionCard:
    """A correction."""
    said = kept.correction
    return CorrectionCard(
        id=kept.id,
        codebook=kept.codebook,
        version=said.codebook,
        revision=kept.revision,
        text=said.text,
        language=said.language,
        right=None if said.right is None else list(said.right),
        wrong=list(said.wrong),
        polarity=said.right_polarity,
        wrong_polarity=said.wrong_polarity,
        confirmed=said.confirmed,
        survey=kept.survey,
        comment=kept.comment,
        run=kept.run,
        by=kept.by,
        created_at=kept.created_at,
        revoked_at=kept.revoked_at,
    )
