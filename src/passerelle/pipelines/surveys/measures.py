"""What answers say, in figures: scores, tones, categories, by group and over time, and what to act on first. Pure.

An answer counts once, however many comments it has: shares and intervals are of people, not of lines. A group is set
beside all other answers; it stands out only where the interval of the difference leaves nought out, at a level that is
corrected for all comparisons of its table (Bonferroni).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import sqrt

from passerelle.domain.shares import Z_95
from passerelle.domain.survey_data import SCALES, Answer, Role
from passerelle.domain.survey_report import Action, Crosstab, Estimate, GroupLine, Measure, ScoreLine
from passerelle.pipelines.surveys.measures_hiding import MINIMUM, shown
from passerelle.pipelines.surveys.measures_intervals import (
    mean,
    mean_difference,
    moments,
    net_promoter,
    promoter_difference,
    share,
    share_difference,
    student,
    z_for,
)

NEGATIVE, POSITIVE, NEUTRAL, MIXED = "negative", "positive", "neutral", "mixed"
TONES = (POSITIVE, MIXED, NEUTRAL, NEGATIVE)
_PROMOTER, _DETRACTOR = 9, 6
_SATISFIED, _EASY = 4, 5
_WEEKS_UNTIL = 70  # days that are told apart by week


@dataclass(frozen=True, slots=True)
class Said:
    """What one answer's comments say: their tone together, and the tones in which each category is spoken of."""

    tone: str
    categories: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scored:
    """A score somebody can be asked for: where it is in an answer, and the ends of its scale."""

    measure: Measure
    name: str
    low: float
    high: float
    of: Callable[[Answer], float | None]

    @property
    def counted(self) -> bool:
        """Whether it is 1 or 0 for each answer, so that its mean is a share."""
        return (self.low, self.high) == (0, 1)


def scores_of(answers: Sequence[Answer]) -> tuple[Scored, ...]:
    """The scores that these answers hold: NPS, CSAT, CES, then every rating by name."""
    found: list[Scored] = []
    named: tuple[tuple[Measure, Role, Callable[[Answer], float | None]], ...] = (
        (Measure.NPS, Role.NPS, lambda answer: answer.nps),
        (Measure.CSAT, Role.CSAT, lambda answer: answer.csat),
        (Measure.CES, Role.CES, lambda answer: answer.ces),
    )
    for measure, role, of in named:
        if any(of(answer) is not None for answer in answers):
            found.append(Scored(measure, "", *SCALES[role], of))
    scales: dict[str, tuple[float, float]] = {}
    for answer in answers:
        for name, score in answer.ratings.items():
            scales.setdefault(name, (score.low, score.high))
    return (*found, *(Scored(Measure.RATING, name, *ends, _rating(name)) for name, ends in scales.items()))


def satisfied(scored: Scored) -> Scored:
    """CSAT as a share: 1 for 4 or 5, 0 for less."""

    def of(answer: Answer) -> float | None:
        value = scored.of(answer)
        return None if value is None else float(value >= _SATISFIED)

    return Scored(scored.measure, scored.name, 0, 1, of)


def _rating(name: str) -> Callable[[Answer], float | None]:
    return lambda answer: score.value if (score := answer.ratings.get(name)) else None


def score_line(scored: Scored, answers: Iterable[Answer], *, minimum: int = MINIMUM) -> ScoreLine | None:
    """The score over all answers that give it; None under the minimum."""
    values = [value for answer in answers if (value := scored.of(answer)) is not None]
    if len(values) < minimum:
        return None
    estimate = _estimate(scored, values)
    shared = None
    if scored.measure is Measure.CSAT:
        shared = share(sum(value >= _SATISFIED for value in values), len(values))
    elif scored.measure is Measure.CES:
        shared = share(sum(value >= _EASY for value in values), len(values))
    return ScoreLine(
        scored.measure, scored.name, scored.low, scored.high, estimate, shared, _counts(scored, values)
    )


def _counts(scored: Scored, values: list[float]) -> tuple[tuple[str, int], ...]:
    if scored.measure is Measure.NPS:
        down, up = _sides(values)
        return ("detractors", down), ("passives", len(values) - down - up), ("promoters", up)
    counted = Counter(round(value) for value in values)
    return tuple(
        (str(value), counted.get(value, 0)) for value in range(int(scored.low), int(scored.high) + 1)
    )


def _sides(values: Sequence[float]) -> tuple[int, int]:
    return sum(value <= _DETRACTOR for value in values), sum(value >= _PROMOTER for value in values)


def _estimate(scored: Scored, values: Sequence[float], *, z: float = Z_95) -> Estimate:
    if scored.measure is Measure.NPS:
        down, up = _sides(values)
        return net_promoter(up, down, len(values), z=z)
    if scored.counted:
        return share(int(sum(values)), len(values), z=z)
    return mean(moments(values, scored.low, scored.high), z=z)


def _difference(scored: Scored, one: Sequence[float], other: Sequence[float], z: float) -> Estimate:
    if scored.measure is Measure.NPS:
        (down, up), (below, above) = _sides(one), _sides(other)
        return promoter_difference((up, down, len(one)), (above, below, len(other)), z=z)
    if scored.counted:
        return share_difference((int(sum(one)), len(one)), (int(sum(other)), len(other)), z=z)
    return mean_difference(
        moments(one, scored.low, scored.high), moments(other, scored.low, scored.high), z=z
    )


def divisions(answers: Sequence[Answer]) -> dict[str, list[str]]:
    """For each segment, the group every answer is in; "" where it says none."""
    names = dict.fromkeys(name for answer in answers for name in answer.segments)
    return {name: [answer.segments.get(name, "") for answer in answers] for name in names}


def period_of(days: Iterable[date | None]) -> str:
    """`week` for a survey of ten weeks or fewer, else `month`."""
    known = [day for day in days if day is not None]
    return "week" if known and (max(known) - min(known)).days < _WEEKS_UNTIL else "month"


def periods(answers: Sequence[Answer], period: str) -> list[str]:
    """Every answer's month (`2026-03`) or ISO week (`2026-W09`); "" without a date."""
    if period == "month":
        return [answer.day.isoformat()[:7] if answer.day else "" for answer in answers]
    weeks = [answer.day.isocalendar() if answer.day else None for answer in answers]
    return [f"{week.year}-W{week.week:02}" if week else "" for week in weeks]


def crosstabs(
    scored: Scored,
    values: Sequence[float | None],
    parted: Mapping[str, Sequence[str]],
    *,
    minimum: int = MINIMUM,
    beside: int = 1,
) -> tuple[Crosstab, ...]:
    """A measure by every division at once: which groups are hidden in one depends on what the others show.

    `values` holds the measure of every answer, None where it has none, and `parted` every answer's group. `beside` is how
    many measures stand in one table: differences are corrected for all of them.
    """
    known = [index for index, value in enumerate(values) if value is not None]
    of_known = {name: [groups[index] for index in known] for name, groups in parted.items()}
    numbers = [value for value in values if value is not None]
    open_groups = shown(of_known, minimum=minimum)
    return tuple(
        _crosstab(scored, name, numbers, (of_known[name], open_groups[name]), (minimum, beside))
        for name in parted
    )


def _crosstab(
    scored: Scored,
    division: str,
    numbers: Sequence[float],
    parted: tuple[Sequence[str], frozenset[str]],
    sizes: tuple[int, int],
) -> Crosstab:
    (groups, open_groups), (minimum, beside) = parted, sizes
    by_group: dict[str, list[float]] = {}
    for group, number in zip(groups, numbers, strict=True):
        by_group.setdefault(group, []).append(number)
    compared = [name for name in open_groups if len(numbers) - len(by_group[name]) >= minimum]
    comparisons = len(compared) * beside
    z = z_for(comparisons)
    rows = []
    for name in sorted(by_group):
        if name not in open_groups:
            rows.append(GroupLine(name, None))
            continue
        own = by_group[name]
        difference = None
        if name in compared:
            others = [number for group, number in zip(groups, numbers, strict=True) if group != name]
            difference = _difference(scored, own, others, z)
        rows.append(GroupLine(name, len(own), _estimate(scored, own), difference))
    return Crosstab(division, scored.measure, scored.name, scored.low, scored.high, tuple(rows), comparisons)


def tones(said: Sequence[Said | None], *, minimum: int = MINIMUM) -> dict[str, Estimate]:
    """The share of answers with a comment in each tone; empty under the minimum."""
    read = [each.tone for each in said if each is not None]
    if len(read) < minimum:
        return {}
    counted = Counter(read)
    return {tone: share(counted[tone], len(read)) for tone in TONES if counted[tone] or tone != MIXED}


def category_tones(
    category: str, said: Sequence[Said | None], *, minimum: int = MINIMUM
) -> tuple[int, int, dict[str, Estimate]]:
    """How many answers speak of a category, of how many, and the share of those in each tone, none under the minimum."""
    read = [each for each in said if each is not None]
    found = [_tone(each.categories[category]) for each in read if category in each.categories]
    if len(found) < minimum:
        return len(found), len(read), {}
    counted = Counter(found)
    return (
        len(found),
        len(read),
        {tone: share(counted[tone], len(found)) for tone in TONES if counted[tone] or tone != MIXED},
    )


def _tone(said: frozenset[str]) -> str:
    if POSITIVE in said and NEGATIVE in said:
        return MIXED
    return next((tone for tone in (NEGATIVE, POSITIVE, MIXED) if tone in said), NEUTRAL)


def tone_of(said: Iterable[str]) -> str:
    """The tone of several comments together: good and bad are mixed, and neutral gives way to either."""
    return _tone(frozenset(said))


def speaks_badly(category: str, said: Said | None) -> float | None:
    """1 where a comment says something bad about a category, 0 where it does not, None without a comment."""
    if said is None:
        return None
    return float(bool(said.categories.get(category, frozenset()) & {NEGATIVE, MIXED}))


def yardstick(scores: Sequence[Scored], answers: Sequence[Answer]) -> Scored | None:
    """The score that categories are weighed by: CSAT, else NPS, else a rating, else CES, of those most answers give."""
    rank = {Measure.CSAT: 0, Measure.NPS: 1, Measure.RATING: 2, Measure.CES: 3}
    given = [(sum(each.of(answer) is not None for answer in answers), each) for each in scores]
    most = max((count for count, _ in given), default=0)
    usual = [each for count, each in given if count >= 0.8 * most and count >= 2 * MINIMUM]
    return min(usual, key=lambda each: rank[each.measure], default=None)


def actions(
    categories: Iterable[str],
    answers: Sequence[Answer],
    said: Sequence[Said | None],
    weighed_by: Scored | None,
    *,
    minimum: int = MINIMUM,
) -> tuple[Action, ...]:
    """What to act on first: impact = frequency x negativity x association with low scores.

    Frequency x negativity is the share p of answers with a comment that speak badly of the category. The association is
    how much lower those score than the others, on the yardstick taken to 0..100. Their product, p x (mean of the others
    - mean of those), is what the mean would gain if those scored like the others: an upper bound, because what goes
    together need not be the cause. Its interval is the delta method's, by the influence of each answer, at a level that is
    corrected for the number of categories. First what is
    surely above nought, then the rest, each by impact; categories that fewer than the minimum speak badly of are left out.
    """
    criticised = []
    for category in categories:
        bad = [speaks_badly(category, each) for each in said]
        count = int(sum(flag for flag in bad if flag is not None))
        if count >= minimum:
            criticised.append((category, bad, count))
    z = z_for(len(criticised))
    found = []
    for category, bad, count in criticised:
        negative = share(count, sum(flag is not None for flag in bad))
        gap = impact = None
        if weighed_by is not None:
            pairs = [
                (flag, 100 * (value - weighed_by.low) / (weighed_by.high - weighed_by.low))
                for flag, answer in zip(bad, answers, strict=True)
                if flag is not None and (value := weighed_by.of(answer)) is not None
            ]
            gap, impact = _impact(pairs, minimum, z)
        found.append(Action(category, negative, gap, impact))
    return tuple(sorted(found, key=_rank))


def _rank(action: Action) -> tuple[bool, float, float]:
    weight = action.impact.value if action.impact else 0.0
    return not action.sure, -weight, -action.negative.value


def _impact(
    pairs: Sequence[tuple[float, float]], minimum: int, z: float
) -> tuple[Estimate | None, Estimate | None]:
    """The gap between those who do not speak badly and those who do, and the gap times the share of these."""
    those = [value for flag, value in pairs if flag]
    others = [value for flag, value in pairs if not flag]
    if len(those) < minimum or len(others) < minimum:
        return None, None
    gap = mean_difference(moments(others, 0, 100), moments(those, 0, 100), z=z)
    gap = Estimate(len(those), gap.value, max(-100.0, gap.low), min(100.0, gap.high))
    n = len(pairs)
    of_others = sum(others) / len(others)
    of_all = sum(value for _, value in pairs) / n
    rest = len(others) / n
    influence = [(0.0 if flag else (value - of_others) / rest) - (value - of_all) for flag, value in pairs]
    centre = sum(influence) / n
    error = sqrt(sum((each - centre) ** 2 for each in influence) / (n - 1) / n)
    value = of_others - of_all
    half = student(z, min(len(those), len(others)) - 1) * error
    return gap, Estimate(n, value, value - half, value + half)
