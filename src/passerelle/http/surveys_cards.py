"""How surveys, their columns and the troubles of their rows are shown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from passerelle.domain.survey_data import SCORES, Column, Role, RowTrouble, Tally, Trouble
from passerelle.domain.survey_work import Survey, SurveyState
from passerelle.http.rag_cards import TroubleCard
from passerelle.http.surveys_place import Card
from passerelle.reports.as_csv import guarded
from passerelle.reports.formats import Language
from passerelle.reports.texts import Texts

if TYPE_CHECKING:
    from passerelle.pipelines.surveys.importing import Opened

_TABLE = ("row", "last", "rows", "trouble", "meaning", "column", "detail", "left_out")


class ColumnCard(BaseModel):
    """A column as it is read. `low` and `high` are the ends of a score's scale, null for what is no score."""

    heading: str = Field(description="As the file has it; a missing or repeated one has its column's number.")
    role: Role
    name: str = Field(description="What answers and reports call it.")
    low: float | None
    high: float | None
    month_first: bool = Field(description="Of dates such as 03/04/2026.")


class ProposalCard(ColumnCard):
    """What a column seems to be, and why. `filled`: of the rows that were looked at."""

    why: str = Field(
        description="`heading`, `content`, `heading_and_content`, `personal`, `nothing_fits` or `empty`.",
        examples=["heading_and_content"],
    )
    filled: int
    examples: list[str] = Field(description="Of what is no personal data.")


class ColumnsCard(BaseModel):
    """What each column of a file seems to be. `proposal` is the same as a form takes it in its field `columns`."""

    object: Literal["survey.columns"] = "survey.columns"
    rows_seen: int
    columns: list[ProposalCard]
    proposal: dict[str, dict[str, Any]] = Field(
        examples=[{"Recommandation": {"role": "nps"}, "Commentaire": {"role": "comment"}}]
    )


class TallyCard(Card):
    """How a file was read: `rows` is `answers` and `left_out` together. Languages are ISO 639-1, empty: not known."""

    rows: int
    answers: int
    left_out: int
    comments: int
    languages: dict[str, int]
    masked: dict[str, int] = Field(description="Personal data in comments that was masked, by kind.")
    troubles: dict[Trouble, int]


class SurveyCard(BaseModel):
    """A survey. While it is `reading`, `job` says how far it is under `/v1/jobs`; `error` says why it failed."""

    id: str
    object: Literal["survey"] = "survey"
    title: str
    language: str = Field(description="Of its reports.")
    state: SurveyState
    columns: list[ColumnCard]
    tally: TallyCard
    codebook: str | None
    error: TroubleCard | None
    job: str | None
    created_at: datetime | None
    updated_at: datetime | None


class SurveyList(BaseModel):
    """The newest first. `has_more`: ask again with `before` as the last one's id."""

    object: Literal["list"] = "list"
    data: list[SurveyCard]
    has_more: bool


class RowCard(BaseModel):
    """What was wrong with a row, or with all from `row` to `last`, as a spreadsheet numbers them."""

    row: int
    last: int
    rows: int
    trouble: Trouble
    meaning: str = Field(description="The same in words.")
    column: str
    detail: str
    left_out: bool = Field(description="Whether the row is no answer.")


class RowList(BaseModel):
    """In the file's order. `has_more`: ask again with `after` as how many have been seen."""

    object: Literal["list"] = "list"
    data: list[RowCard]
    has_more: bool


def survey_card(found: Survey) -> SurveyCard:
    """A survey."""
    header = found.columns.header
    return SurveyCard(
        id=found.id,
        title=found.title,
        language=found.language,
        state=found.state,
        columns=[ColumnCard(**_column(column, _heading(header, column))) for column in found.columns.columns],
        tally=tally_card(found.tally),
        codebook=found.codebook,
        error=None if found.trouble is None else TroubleCard.model_validate(found.trouble),
        job=found.job,
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


def tally_card(tally: Tally) -> TallyCard:
    """How a file was read."""
    return TallyCard.model_validate(tally)


def columns_card(opened: Opened) -> ColumnsCard:
    """What the columns of a file seem to be. Their names in it are what a person may call them by."""
    cards = [
        ProposalCard(
            **_column(each.column, each.column.name),
            why=each.why,
            filled=each.filled,
            examples=list(each.examples),
        )
        for each in opened.proposals
    ]
    return ColumnsCard(
        rows_seen=opened.rows_seen,
        columns=cards,
        proposal={each.column.name: _said(each.column) for each in opened.proposals},
    )


def row_cards(found: Iterable[RowTrouble], language: Language) -> list[RowCard]:
    """Troubles of rows, with what they mean in a language."""
    texts = Texts(language)
    return [
        RowCard(
            row=each.row,
            last=each.last,
            rows=each.rows,
            trouble=each.trouble,
            meaning=texts(f"survey.trouble.{each.trouble}"),
            column=each.column,
            detail=each.detail,
            left_out=each.leaves_out,
        )
        for each in found
    ]


def row_table(found: Sequence[RowTrouble], language: Language) -> bytes:
    """The same as CSV (RFC 4180, UTF-8): no cell is a formula, whatever a column is called."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(_TABLE)
    for card in row_cards(found, language):
        values = card.model_dump(mode="json")
        writer.writerow([_cell(values[name]) for name in _TABLE])
    return written.getvalue().encode()


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return guarded(value) if isinstance(value, str) else str(value)


def _heading(header: Sequence[str], column: Column) -> str:
    return header[column.index] if column.index < len(header) else column.name


def _column(column: Column, heading: str) -> dict[str, Any]:
    scored = column.role in SCORES
    return {
        "heading": heading,
        "role": column.role,
        "name": column.name,
        "low": column.low if scored else None,
        "high": column.high if scored else None,
        "month_first": column.month_first,
    }


def _said(column: Column) -> dict[str, Any]:
    """A column as a person would name it."""
    said: dict[str, Any] = {"role": column.role.value}
    if column.role in SCORES:
        said |= {"low": column.low, "high": column.high}
    if column.month_first:
        said["month_first"] = True
    return said
