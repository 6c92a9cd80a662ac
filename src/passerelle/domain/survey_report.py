"""A survey's findings as one frozen value: every figure with its n and interval, and nothing about fewer than five.

Scores are on their own scale, NPS from -1 to 1; shares from 0 to 1. What is None is not shown, because too few answered
or because a smaller group could be worked out from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from passerelle.domain.survey_data import Tally

SCHEMA = "passerelle.survey-report/1"


class Measure(StrEnum):
    """What is measured of answers."""

    NPS = "nps"
    CSAT = "csat"  # share that gave 4 or 5
    CES = "ces"
    RATING = "rating"
    NEGATIVE = "negative"  # share whose comments are negative
    CATEGORY = "category"  # share that speaks badly of one category


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the interval that holds the true one in 95 of 100 such surveys (or at the level asked for).

    `n` is how many answers it stands on.
    """

    n: int
    value: float
    low: float
    high: float

    @property
    def excludes_nought(self) -> bool:
        """Whether nought is outside the interval."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """A score over all answers. `share` is of those who are satisfied (CSAT 4 or 5, CES 5 to 7), None for others.

    `counts` says how many gave which value, from the lowest up; of NPS it is detractors, passives, promoters.
    """

    measure: Measure
    name: str
    low: float
    high: float
    estimate: Estimate
    share: Estimate | None = None
    counts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class GroupLine:
    """One group of a division. `estimate` is None where it is not shown, and then `n` is None too.

    `difference` is the group less all other answers, at the level that is corrected for all comparisons of its table.
    """

    name: str
    n: int | None
    estimate: Estimate | None = None
    difference: Estimate | None = None

    @property
    def stands_out(self) -> bool:
        """Whether the interval says that it differs from the others."""
        return self.difference is not None and self.difference.excludes_nought


@dataclass(frozen=True, slots=True)
class Crosstab:
    """A measure by the groups of a division. `comparisons` is how many differences the level is corrected for."""

    division: str  # name of a segment; "" for the period
    measure: Measure
    name: str  # of the score or the category
    low: float
    high: float
    rows: tuple[GroupLine, ...]
    comparisons: int = 0

    @property
    def hidden(self) -> int:
        """How many groups are not shown."""
        return sum(row.estimate is None for row in self.rows)


@dataclass(frozen=True, slots=True)
class Quote:
    """What somebody wrote, word for word, personal data masked, and where it stands."""

    comment: str
    text: str
    polarity: str


@dataclass(frozen=True, slots=True)
class CategoryLine:
    """A category: the share of answers with a comment that speak of it, and how. Shares by tone are None under five."""

    id: str
    name: str
    share: Estimate
    count: int
    tones: Mapping[str, Estimate] = field(default_factory=dict)
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """What to act on. `impact` is the share that speaks badly of it times how much lower those rate.

    In points of 100 of the yardstick; None where no score can be set beside comments: then `negative` alone orders.
    """

    category: str
    negative: Estimate
    gap: Estimate | None = None
    impact: Estimate | None = None

    @property
    def sure(self) -> bool:
        """Whether the interval of its impact is above nought."""
        return self.impact is not None and self.impact.low > 0


@dataclass(frozen=True, slots=True)
class Readers:
    """Who read the comments: the engine, the codebook with its version, and what was and was not read."""

    engine: str = ""
    offline: bool = False
    codebook: str = ""
    version: str = ""
    read: int = 0  # comments
    unread: int = 0
    review: int = 0  # that a person should look at


@dataclass(frozen=True, slots=True)
class SurveyReport:
    """Everything the four renderings say. `yardstick` is the score that actions are weighed by, "" for none."""

    title: str
    operator: str
    written_at: datetime
    tally: Tally
    minimum: int
    answers: int
    with_comment: int
    first: date | None = None
    last: date | None = None
    period: str = "month"  # or week
    scores: tuple[ScoreLine, ...] = ()
    tones: Mapping[str, Estimate] = field(default_factory=dict)
    categories: tuple[CategoryLine, ...] = ()
    actions: tuple[Action, ...] = ()
    yardstick: str = ""
    crosstabs: tuple[Crosstab, ...] = ()
    trends: tuple[Crosstab, ...] = ()
    readers: Readers = field(default_factory=Readers)

    @property
    def too_few(self) -> bool:
        """Whether so few answered that nothing is shown."""
        return self.answers < self.minimum
