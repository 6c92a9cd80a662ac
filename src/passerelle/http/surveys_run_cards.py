"""How runs, what they read in comments, their differences, and themes are shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from passerelle.domain.money import exact
from passerelle.domain.survey_work import Change, Difference, Reading, Run, Theme
from passerelle.domain.surveys import Analysed, Opinion, Polarity, Review
from passerelle.http.rag_cards import TroubleCard, UsageCard
from passerelle.http.surveys_codebook_cards import CorrectionCard, correction_card


class RunCard(BaseModel):
    """A reading of a survey's comments. `engine` says who read; `offline`: no language model did."""

    id: str
    object: Literal["survey.run"] = "survey.run"
    survey: str
    number: int = Field(description="Counts a survey's runs from 1.")
    codebook: str
    version: int
    revision: int = Field(description="Of the corrections it has learned from.")
    model: str
    engine: str
    offline: bool
    state: str = Field(description="Its job's.")
    job: str = Field(description="Under `/v1/jobs`: how far it is.")
    comments: int
    read: int
    failed: int
    review: int = Field(description="Comments that a person should look at, and nobody has.")
    usage: UsageCard
    cost: str = Field(description="An amount and a currency, or `unknown`.")
    created_at: datetime | None
    finished_at: datetime | None


class RunList(BaseModel):
    """The newest first."""

    object: Literal["list"] = "list"
    data: list[RunCard]


class LabelCard(BaseModel):
    """A category, and how likely it is right, 0 to 1."""

    category: str
    confidence: float


class OpinionCard(BaseModel):
    """One thing that is said: `quote` is the comment's text from `start` to `end`, to the letter."""

    quote: str
    start: int
    end: int
    labels: list[LabelCard] = Field(description="Empty: no category of the codebook is about it.")
    polarity: Polarity
    confidence: float = Field(description="Of the polarity.")


class ReadingCard(BaseModel):
    """A comment, personal data masked, with what was read in it; what a person made of it since is `correction`."""

    comment: str
    object: Literal["survey.reading"] = "survey.reading"
    answer: str
    row: int = Field(description="Of the file, as a spreadsheet numbers it.")
    column: str
    text: str
    language: str | None
    cut: bool = Field(description="The rest of a very long comment was left out.")
    read: bool
    polarity: Polarity | None
    confidence: float | None = Field(description="Of the polarity.")
    labels: list[LabelCard]
    opinions: list[OpinionCard]
    review: list[Review] = Field(description="Why a person should look at it; empty: no need.")
    reviewed: bool
    engine: str
    offline: bool
    error: TroubleCard | None = Field(description="Why it could not be read.")
    correction: CorrectionCard | None


class ReadingList(BaseModel):
    """In the file's order. `has_more`: ask again with `after` as the last comment's id."""

    object: Literal["list"] = "list"
    data: list[ReadingCard]
    has_more: bool


class QueueCard(BaseModel):
    """What people should look at next: different things, the most doubtful of each first."""

    object: Literal["list"] = "list"
    data: list[ReadingCard]


class ReviewedCard(BaseModel):
    """How many of the comments were still to be looked at."""

    object: Literal["survey.reviewed"] = "survey.reviewed"
    reviewed: int
    unknown: list[str] = Field(description="Ids that are of no comment of this survey.")


class CountCard(BaseModel):
    """Comments of a category before and after; an empty id stands for none."""

    category: str
    before: int
    after: int


class MovedCard(BaseModel):
    """Comments that went from one category to another; an empty id stands for none."""

    before: str
    after: str
    comments: int


class ChangeCard(BaseModel):
    """A comment that two runs read differently."""

    comment: str
    text: str
    before: list[str]
    after: list[str]
    polarity_before: Polarity | None
    polarity_after: Polarity | None


class DifferenceCard(BaseModel):
    """What changed from one run to another. `changes` are some of them, the clearest first."""

    object: Literal["survey.difference"] = "survey.difference"
    before: RunCard
    after: RunCard
    comments: int = Field(description="That both have read.")
    changed: int
    polarity_changed: int
    counts: list[CountCard]
    moved: list[MovedCard]
    changes: list[ChangeCard]


class QuoteCard(BaseModel):
    """Words of a comment."""

    comment: str
    text: str


class MergedCard(BaseModel):
    """Where a theme was taken up."""

    codebook: str
    version: int
    category: str


class ThemeCard(BaseModel):
    """Comments that say something similar. `offline`: its name is made of keywords, by no language model."""

    id: str
    object: Literal["survey.theme"] = "survey.theme"
    name: str
    keywords: list[str]
    size: int
    comments: list[str]
    quotes: list[QuoteCard]
    cohesion: float = Field(description="Mean cosine of its comments to their middle.")
    offline: bool
    merged_into: MergedCard | None


class ThemeList(BaseModel):
    """The largest first."""

    object: Literal["list"] = "list"
    data: list[ThemeCard]


class JobCard(BaseModel):
    """The job that does what was asked."""

    object: Literal["survey.job"] = "survey.job"
    job: str


def run_card(run: Run) -> RunCard:
    """A run."""
    usage = run.usage
    return RunCard(
        id=run.id,
        survey=run.survey,
        number=run.number,
        codebook=run.codebook,
        version=run.version,
        revision=run.revision,
        model=run.model,
        engine=run.engine,
        offline=run.offline,
        state=run.state,
        job=run.job,
        comments=run.comments,
        read=run.read,
        failed=run.failed,
        review=run.review,
        usage=UsageCard(
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            total_tokens=usage.prompt_tokens + usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
        ),
        cost="unknown" if run.cost is None else f"{exact(run.cost)} {run.currency}".rstrip(),
        created_at=run.created_at,
        finished_at=run.finished_at,
    )


def reading_card(found: Reading) -> ReadingCard:
    """A comment with what was read in it."""
    comment, analysed = found.comment, found.analysed
    return ReadingCard(
        comment=comment.id,
        answer=found.answer,
        row=found.row,
        column=comment.column,
        text=comment.text,
        language=comment.language,
        cut=comment.cut,
        read=analysed is not None,
        polarity=None if analysed is None else analysed.polarity,
        confidence=None if analysed is None or analysed.polarity is None else analysed.confidence,
        labels=_labels(analysed),
        opinions=[] if analysed is None else [_opinion(each) for each in analysed.opinions],
        review=[] if analysed is None else list(analysed.review),
        reviewed=found.reviewed,
        engine=found.engine,
        offline=found.offline,
        error=None if found.trouble is None else TroubleCard.model_validate(found.trouble),
        correction=None if found.corrected is None else correction_card(found.corrected),
    )


def reading_cards(found: Iterable[Reading]) -> list[ReadingCard]:
    """Comments with what was read in them."""
    return [reading_card(each) for each in found]


def difference_card(found: Difference) -> DifferenceCard:
    """What changed, the largest numbers first."""
    moved = sorted(found.moved.items(), key=lambda each: (-each[1], each[0]))
    return DifferenceCard(
        before=run_card(found.before),
        after=run_card(found.after),
        comments=found.comments,
        changed=found.changed,
        polarity_changed=found.polarity_changed,
        counts=[
            CountCard(category=category, before=before, after=after)
            for category, (before, after) in found.counts.items()
        ],
        moved=[MovedCard(before=before, after=after, comments=count) for (before, after), count in moved],
        changes=[_change(each) for each in found.changes],
    )


def theme_card(theme: Theme) -> ThemeCard:
    """A theme."""
    into = theme.merged_into
    return ThemeCard(
        id=theme.id,
        name=theme.name,
        keywords=list(theme.keywords),
        size=len(theme.comments),
        comments=list(theme.comments),
        quotes=[QuoteCard(comment=comment, text=text) for comment, text in theme.quotes],
        cohesion=theme.cohesion,
        offline=theme.offline,
        merged_into=None if into is None else MergedCard(codebook=into[0], version=into[1], category=into[2]),
    )


def _labels(found: Analysed | Opinion | None) -> list[LabelCard]:
    labels = () if found is None else found.labels
    return [LabelCard(category=each.category, confidence=each.confidence) for each in labels]


def _opinion(opinion: Opinion) -> OpinionCard:
    return OpinionCard(
        quote=opinion.quote,
        start=opinion.start,
        end=opinion.end,
        labels=_labels(opinion),
        polarity=opinion.polarity,
        confidence=opinion.confidence,
    )


def _change(change: Change) -> ChangeCard:
    return ChangeCard(
        comment=change.comment.id,
        text=change.comment.text,
        before=list(change.before),
        after=list(change.after),
        polarity_before=change.polarity_before,
        polarity_after=change.polarity_after,
    )
