"""How a survey's figures are written in one language: scores on their scale, shares, intervals, periods, names."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from passerelle.domain.survey_report import Estimate, Measure, SurveyReport
from passerelle.reports.formats import Formats, Language, printable
from passerelle.reports.texts import Texts


@dataclass(frozen=True, slots=True)
class Page:
    """A report and the language in which it is written down."""

    report: SurveyReport
    texts: Texts
    formats: Formats

    def score(self, measure: Measure, value: float, high: float = 0.0) -> str:
        """A value of a measure: NPS as a whole number with its sign, shares as percent, means with one decimal or two."""
        if measure is Measure.NPS:
            return self.signed(100 * value)
        if measure in (Measure.NEGATIVE, Measure.CATEGORY) or (measure is Measure.CSAT and high <= 1):
            return self.percent(value)
        return self.formats.rounded(_decimal(value), 1 if high > 20 else 2)

    def percent(self, value: float) -> str:
        """A share, to the nearest percent; what is above nought and rounds to it is `< 1 %`."""
        return self.formats.percent(_decimal(value), 0 if value == 0 or value >= 0.1 else 1)

    def points(self, value: float) -> str:
        """Points of 100, with one decimal."""
        return self.formats.rounded(_decimal(value), 1)

    def signed(self, value: float) -> str:
        """A whole number with its sign."""
        text = self.formats.rounded(_decimal(value), 0)
        return text if text.startswith("−") or text == "0" else f"+{text}"

    def between(self, measure: Measure, found: Estimate, high: float = 0.0, *, n: bool = True) -> str:
        """The interval in words, with how many answers it stands on."""
        return self.texts(
            "survey.figure.between_n" if n else "survey.figure.between",
            low=self.score(measure, found.low, high),
            high=self.score(measure, found.high, high),
            **({"n": self.formats.number(found.n)} if n else {}),
        )

    def name(self, measure: Measure, name: str) -> str:
        """What a measure is called: a rating as its column, a category by its name."""
        if measure is Measure.RATING:
            return printable(name)
        if measure is Measure.CATEGORY:
            return self.category(name)
        return self.texts(f"survey.measure.{measure}")

    def category(self, known: str) -> str:
        """A category by its id."""
        return next(
            (printable(each.name) for each in self.report.categories if each.id == known), printable(known)
        )

    def period(self, name: str) -> str:
        """A month or a week in words."""
        if not name:
            return self.texts("survey.time.undated")
        if "W" in name:
            year, _, week = name.partition("-W")
            return self.texts("survey.time.week_of", week=str(int(week)), year=year)
        return self.formats.month(name)

    def count(self, key: str, count: int, **values: str) -> str:
        """So many of something."""
        return self.texts.count(key, count, self.formats, **values)


def page_of(report: SurveyReport, language: Language) -> Page:
    """The page in a language. No money is written, so the currency is never seen."""
    return Page(report, Texts(language), Formats(language, "EUR", ZoneInfo("UTC")))


def _decimal(value: float) -> Decimal:
    return Decimal(f"{value:.9f}")
