"""A small survey with what a report has to show: groups that differ, one that is small, comments good and bad."""

from datetime import UTC, date, datetime, timedelta

from passerelle.domain.survey_data import Answer, Comment, Score, Tally
from passerelle.domain.survey_report import SurveyReport
from passerelle.domain.surveys import Analysed, Category, Codebook, Label, Opinion, Polarity
from passerelle.pipelines.surveys.report import About, built

BOOK = Codebook(
    "Formations",
    2,
    "fr",
    (Category("pace", "Rythme"), Category("room", "<b>Salle</b>"), Category("food", "Repas")),
)
ABOUT = About("Enquête <script>", "=Formation SAS", datetime(2026, 7, 1, tzinfo=UTC), "essai", offline=True)


def answers(count: int = 200) -> list[Answer]:
    """Petit's sessions are bad, and who speaks badly of the pace gives less; three people are from Brest."""
    made = []
    for index in range(count):
        bad, petit = index % 5 == 0, index % 3 == 0
        score = 5 - 2 * bad - petit
        text = "Le rythme est trop rapide <img src=x>." if bad else "Le rythme est bon, la salle aussi."
        made.append(
            Answer(
                f"a{index}",
                index + 2,
                (Comment(f"a{index}-5", "Avis", text, "fr", {"phone": 1} if index == 0 else {}),),
                nps=max(0, 10 - 4 * bad - 2 * petit),
                csat=score,
                ces=min(7, score + 2),
                ratings={"Supports": Score(score * 2, 0, 10)},
                segments={
                    "Formateur": "Petit" if petit else "=Roy",
                    "Site": "Brest" if index < 3 else "Lyon" if index % 2 else "Paris",
                },
                day=date(2026, 1, 1) + timedelta(days=index),
            )
        )
    return made


def analysed(of: list[Answer]) -> dict[str, Analysed]:
    """What a perfect reader finds."""
    found = {}
    for answer in of:
        text = answer.comments[0].text
        bad = "trop" in text
        tone = Polarity.NEGATIVE if bad else Polarity.POSITIVE
        labels = (Label("pace", 0.9),) if bad else (Label("pace", 0.8), Label("room", 0.8))
        found[answer.comments[0].id] = Analysed(
            text, "fr", (Opinion(text, 0, len(text), labels, tone, 0.9),), tone, 0.9
        )
    return found


def report(count: int = 200) -> SurveyReport:
    """The report of the whole."""
    of = answers(count)
    return built(of, analysed(of), BOOK, Tally(count, count, 0, count), ABOUT)
