"""`/v1/surveys/{survey}/report` and `/chat`: what comes of a survey, and questions that its comments answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from passerelle.domain.caller import groups_of
from passerelle.domain.errors import Forbidden
from passerelle.domain.rag import Answered, Citation
from passerelle.domain.survey_report import SurveyReport
from passerelle.http.access import MEMBER
from passerelle.http.downloads import plain_name
from passerelle.http.events import EVENT_STREAM, Feed, Whole
from passerelle.http.marking import marks_of
from passerelle.http.rag_answers import ChatWords, Shown, question_of, told, whole
from passerelle.http.rag_cards import AnswerCard, CitationCard, answer_card, citation_card
from passerelle.http.ratelimits import Headers
from passerelle.http.surveys_handing import ReportLanguage
from passerelle.http.surveys_place import Here, Office, SurveyId, run_of
from passerelle.pipelines.surveys.desk import Findings
from passerelle.pipelines.surveys.framing import freed
from passerelle.reports.surveys.as_csv import to_csv
from passerelle.reports.surveys.as_json import to_json

router = APIRouter(prefix="/v1/surveys/{survey}", tags=["Surveys"])

Form = Literal["html", "json", "csv", "xlsx"]

_KINDS: dict[Form, str] = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class SurveyQuestion(ChatWords):
    """A question to a survey's comments, or a conversation whose last message is one."""


class CommentCitation(CitationCard):
    """A source of the answer; `comment` is the id of the survey's comment that it quotes."""

    comment: str | None


class SurveyAnswer(AnswerCard):
    """An answer from a survey's comments."""

    citations: list[CommentCitation]  # type: ignore[assignment]  # each says more
    nearest: list[CommentCitation]  # type: ignore[assignment]


@router.get(
    "/report",
    dependencies=[Depends(MEMBER)],
    response_class=Response,
    responses={200: {"content": {kind.partition(";")[0]: {} for kind in _KINDS.values()}}},
)
async def report(
    survey: SurveyId,
    here: Here,
    run: Annotated[
        str | None, Query(description="Unsaid: the newest that has finished.", max_length=64)
    ] = None,
    format: Annotated[Form, Query()] = "json",  # noqa: A002 - the name it has on the command line too
    language: Annotated[
        ReportLanguage | None, Query(description="Unsaid: the survey's own. Of html and xlsx.")
    ] = None,
) -> Response:
    """What comes of a survey: every figure with its n and interval, and nothing about fewer than the minimum."""
    bureau = await here.bureau()
    about = await bureau.archive.survey(here.name, survey)
    words: ReportLanguage = language or ("fr" if about.language == "fr" else "en")
    found = await bureau.findings.report(here.tenant, survey, run_of(run), language=words)
    content = await asyncio.to_thread(_rendered, found, format, words)
    headers = {
        "cache-control": "private, no-store",
        "cross-origin-resource-policy": "same-origin",
        "x-content-type-options": "nosniff",
    }
    if format in ("html", "xlsx"):
        headers["content-language"] = words
    if format != "json":
        way = "inline" if format == "html" else "attachment"
        headers["content-disposition"] = f'{way}; filename="{plain_name(about.id)}-{words}.{format}"'
    if format == "html":
        headers["content-security-policy"] = _POLICY
    return Response(content, media_type=_KINDS[format], headers=headers)


@router.post(
    "/chat",
    dependencies=[Depends(MEMBER)],
    response_class=Response,
    responses={200: {"model": SurveyAnswer, "content": EVENT_STREAM}},
)
async def chat(survey: SurveyId, asked: SurveyQuestion, request: Request, here: Here) -> Response:
    """Answer a question from a survey's comments, each source with the id of its comment.

    With `stream`: events `delta` (`text`), `citation`, and in the end `answer`, the whole of it; or `error`.
    """
    if here.tenant.rag is None:
        message = (
            "Answering from documents is switched off for this tenant (`rag: false`), and so from comments."
        )
        raise Forbidden(message, code="rag_disabled")
    findings = (await here.bureau()).findings
    groups = groups_of(here.caller, None)
    question = question_of(asked, request, collection="", groups=groups)  # what is wrong with it comes first
    collection = await findings.collection(here.asker, here.tenant, survey)
    question = question_of(asked, request, collection=collection, groups=groups)
    question = replace(question, sought=freed(question.asked))
    happening = (await here.services.rag.reading()).answer(here.asker, question, stream=asked.stream)
    shown, marks = _shown(here, survey, findings), marks_of(here.tenant, here.services.editions.current)
    if asked.stream:
        head: Headers = []
        events = told(happening, head, shown, marks=marks)
        return Feed(events, vigil=here.services.vigil, caller=here.caller, head=head)
    return Whole(lambda: whole(happening, shown, marks=marks))


def _shown(here: Office, survey: str, findings: Findings) -> Shown:
    """Sources with the comments that they are."""

    async def cited(citations: Sequence[Citation]) -> list[dict[str, Any]]:
        if not citations:
            return []
        comments = await findings.sources(here.name, survey, citations)
        return [
            {**citation_card(each).model_dump(mode="json"), "comment": comments.get(each.number)}
            for each in citations
        ]

    async def shown(said: Citation | Answered) -> dict[str, Any]:
        if isinstance(said, Citation):
            return (await cited([said]))[0]
        card = answer_card(said).model_dump(mode="json")
        return {**card, "citations": await cited(said.citations), "nearest": await cited(said.nearest)}

    return shown


def _rendered(found: SurveyReport, form: Form, language: ReportLanguage) -> bytes:
    if form == "html":
        # What lays out pages and workbooks is of some weight, and a process may never be asked for one.
        from passerelle.reports.surveys.as_html import to_html  # noqa: PLC0415

        return to_html(found, language=language).encode()
    if form == "json":
        return to_json(found)
    if form == "csv":
        return to_csv(found).encode()
    from passerelle.reports.surveys.as_xlsx import to_xlsx  # noqa: PLC0415

    return to_xlsx(found, language=language)
