"""A survey's report as one page of HTML: self-contained, in French or English, for screens of any width and for A4.

No script, nothing fetched: the page's own policy forbids both. What people wrote is text to it, never markup.
"""

from __future__ import annotations

from passerelle.domain.survey_report import SCHEMA, SurveyReport
from passerelle.reports.as_html import environment
from passerelle.reports.formats import Language, printable
from passerelle.reports.surveys.opening import answer, distributions, figures, letterhead, notices
from passerelle.reports.surveys.page import page_of
from passerelle.reports.surveys.tables import (
    actions,
    categories,
    groups,
    left_out,
    methods,
    quotes,
    times,
    tones,
)


def to_html(report: SurveyReport, *, language: Language) -> str:
    """The page."""
    page = page_of(report, language)
    said, left = left_out(page)
    title = printable(report.title)
    return (
        environment()
        .get_template("survey.html.j2")
        .render(
            t=page.texts,
            language=language,
            schema=SCHEMA,
            title=title,
            operator=printable(report.operator),
            footer=" · ".join(filter(None, (printable(report.operator), title))),
            letterhead=letterhead(page),
            answer=answer(page),
            notices=notices(page),
            figures=figures(page),
            distributions=distributions(page),
            actions=actions(page),
            minimum=str(report.minimum),
            too_few=report.too_few,
            tones=tones(page),
            tones_lead=page.texts(
                "survey.tones.lead", answers=page.count("survey.answers", report.with_comment)
            ),
            categories=categories(page),
            quotes=quotes(page),
            groups=groups(page),
            times=times(page),
            left_said=said,
            left_out=left,
            methods=methods(page),
        )
    )
