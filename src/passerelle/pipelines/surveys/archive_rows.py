"""Surveys and their answers as rows, and back: what comes out is what went in, to the last figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.errors import NotFound
from passerelle.domain.jobs import Trouble
from passerelle.domain.survey_data import Answer, Columns, Comment, RowTrouble, Score, Tally
from passerelle.domain.survey_data import Trouble as What
from passerelle.domain.survey_work import Survey, SurveyState
from passerelle.pipelines.surveys.importing_wire import columns_from, tally_from
from passerelle.pipelines.surveys.sealed import BOUND
from passerelle.sealing.values import Opener, Seal

SURVEY = """id, tenant, title, language, state, columns, tally, codebook, code, message, job, created_at, updated_at"""
ANSWER = '"row", id, answer'
COMMENT = 'number, id, answer, "row", "column", text, language, masked, cut'
TROUBLE = '"row", "last", trouble, "column", detail'
DELETING = "deleting"  # nobody sees it any more

_THERE = f"""
SELECT state, language, codebook FROM survey WHERE tenant = :tenant AND id = :survey AND state <> '{DELETING}'
"""  # noqa: S608 - constants
_FREE, _LOCKED = text(_THERE), text(f"{_THERE} FOR UPDATE")


async def survey_there(
    connection: AsyncConnection, tenant: str, survey: str, *, locked: bool = False
) -> Row[Any]:
    """Its state, language and codebook; `locked` until the transaction ends. Raises NotFound `survey_not_found`."""
    values = {"tenant": tenant, "survey": survey}
    asked = _LOCKED if locked else _FREE
    row = None if "\0" in survey else (await connection.execute(asked, values)).one_or_none()
    if row is None:
        raise unknown(survey)
    return row


def unknown(survey: str) -> NotFound:
    """There is none, or none for its asker."""
    return NotFound(f"There is no survey {survey[:64]!r}.", code="survey_not_found")


def survey_of(row: Row[Any]) -> Survey:
    """A row of `SURVEY`."""
    at = row._mapping
    return Survey(
        id=at["id"],
        tenant=at["tenant"],
        title=at["title"],
        language=at["language"],
        state=SurveyState(at["state"]),
        columns=columns_from(at["columns"]),
        tally=tally_from(at["tally"]) if at["tally"] else Tally(),
        codebook=at["codebook"],
        trouble=Trouble(at["code"], at["message"] or "") if at["code"] is not None else None,
        job=at["job"],
        created_at=at["created_at"],
        updated_at=at["updated_at"],
    )


def columns_json(columns: Columns) -> str:
    """What every column is."""
    return orjson.dumps(asdict(columns)).decode()


def tally_json(tally: Tally) -> str:
    """How a file was read."""
    return orjson.dumps(asdict(tally), option=orjson.OPT_NON_STR_KEYS).decode()


def answer_row(answer: Answer, seal: Seal) -> dict[str, Any]:
    """For a row of its own; comments have theirs."""
    said: dict[str, Any] = {}
    for name in ("nps", "csat", "ces"):
        if (value := getattr(answer, name)) is not None:
            said[name] = value
    if answer.ratings:
        said["ratings"] = {
            name: [score.value, score.low, score.high] for name, score in answer.ratings.items()
        }
    if answer.segments:
        said["segments"] = dict(answer.segments)
    if answer.day is not None:
        said["day"] = answer.day.isoformat()
    # Objects of the database sort their names: what came in an order, leaves in it.
    if names := [*answer.ratings, "", *answer.segments] if answer.ratings or answer.segments else []:
        said["order"] = names
    return {"row": answer.row, "id": answer.id, "answer": seal.seal_json(said, BOUND)}


def comment_row(number: int, answer: Answer, comment: Comment, seal: Seal) -> dict[str, Any]:
    """For a row of its own."""
    return {
        "number": number,
        "id": comment.id,
        "answer": answer.id,
        "row": answer.row,
        "column": comment.column,
        "text": seal.seal_text(comment.text, BOUND),
        "language": comment.language,
        "masked": dict(comment.masked),
        "cut": comment.cut,
    }


def trouble_row(number: int, trouble: RowTrouble) -> dict[str, Any]:
    """For a row of its own."""
    return {"number": number, **asdict(trouble)}


def answer_of(row: Row[Any], comments: Sequence[Comment], opener: Opener) -> Answer:
    """A row of `ANSWER`, with its comments."""
    at = row._mapping
    said: Mapping[str, Any] = opener.open_json(at["answer"], BOUND)
    ratings, segments = said.get("ratings", {}), said.get("segments", {})
    rated, parted = _order(said.get("order", []), ratings)
    return Answer(
        id=at["id"],
        row=at["row"],
        comments=tuple(comments),
        nps=said.get("nps"),
        csat=_number(said.get("csat")),
        ces=_number(said.get("ces")),
        ratings={name: Score(*map(float, ratings[name])) for name in rated},
        segments={name: segments[name] for name in parted},
        day=date.fromisoformat(said["day"]) if "day" in said else None,
    )


def comment_of(row: Row[Any], opener: Opener) -> Comment:
    """A row of `COMMENT`."""
    at = row._mapping
    said = opener.open_text(at["text"], BOUND)
    return Comment(at["id"], at["column"], said, at["language"], at["masked"], at["cut"])


def comments_by_answer(rows: Iterable[Row[Any]], opener: Opener) -> dict[int, list[Comment]]:
    """Rows of `COMMENT`, in their order, by the row of their answer."""
    found: dict[int, list[Comment]] = {}
    for row in rows:
        found.setdefault(row._mapping["row"], []).append(comment_of(row, opener))
    return found


def trouble_of(row: Row[Any]) -> RowTrouble:
    """A row of `TROUBLE`."""
    at = row._mapping
    return RowTrouble(at["row"], at["last"], What(at["trouble"]), at["column"], at["detail"])


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows for a statement that writes many at once."""
    return orjson.dumps(rows).decode()


def _order(names: Sequence[str], ratings: Mapping[str, Any]) -> tuple[Sequence[str], Sequence[str]]:
    """Names of ratings, and names of segments, which an empty one parts."""
    at = len(ratings)
    return names[:at], names[at + 1 :]


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
