"""A survey's report, built from its answers, what was read in their comments, and the codebook they were read with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from passerelle.domain.survey_data import Answer, Tally
from passerelle.domain.survey_report import (
    CategoryLine,
    Crosstab,
    Measure,
    Quote,
    Readers,
    SurveyReport,
)
from passerelle.domain.surveys import Analysed, Codebook, Polarity
from passerelle.pipelines.surveys.measures import (
    NEUTRAL,
    Said,
    Scored,
    actions,
    category_tones,
    crosstabs,
    divisions,
    period_of,
    periods,
    satisfied,
    score_line,
    scores_of,
    speaks_badly,
    tone_of,
    tones,
    yardstick,
)
from passerelle.pipelines.surveys.measures_hiding import MINIMUM
from passerelle.pipelines.surveys.measures_intervals import share

_PERIOD = "\x00period"  # no segment has this name
_MOST_CATEGORIES = 5  # that are set beside every segment
_QUOTES = ((Polarity.NEGATIVE, 3), (Polarity.POSITIVE, 2))
_LONGEST_QUOTE = 320
_SHORTEST_QUOTE = 12


@dataclass(frozen=True, slots=True)
class About:
    """What a report says of itself and of who read the comments. `offline`: no language model took part."""

    title: str
    operator: str
    written_at: datetime
    engine: str = ""
    offline: bool = False


def built(
    answers: Sequence[Answer],
    analysed: Mapping[str, Analysed],
    codebook: Codebook,
    tally: Tally,
    about: About,
    *,
    minimum: int = MINIMUM,
) -> SurveyReport:
    """The report. `analysed` is by comment id; comments without one count as not read."""
    said = [_said(answer, analysed) for answer in answers]
    days = [answer.day for answer in answers if answer.day]
    readers = _readers(answers, analysed, codebook, about)
    bare = SurveyReport(
        about.title,
        about.operator,
        about.written_at,
        tally,
        minimum,
        len(answers),
        sum(each is not None for each in said),
        period=period_of(days),
        readers=readers,
    )
    if bare.too_few:
        return bare
    scored = scores_of(answers)
    weighed_by = yardstick(scored, answers)
    acted = actions(codebook.ids, answers, said, weighed_by, minimum=minimum)
    names = {category.id: category.name for category in codebook.categories}
    tabs, trends = _tables(answers, said, scored, bare.period, [each.category for each in acted], minimum)
    return replace(
        bare,
        first=min(days, default=None),
        last=max(days, default=None),
        scores=tuple(line for each in scored if (line := score_line(each, answers, minimum=minimum))),
        tones=tones(said, minimum=minimum),
        categories=_categories(answers, analysed, said, names, minimum),
        actions=acted,
        yardstick="" if weighed_by is None else weighed_by.name or weighed_by.measure.value,
        crosstabs=tabs,
        trends=trends,
    )


def _said(answer: Answer, analysed: Mapping[str, Analysed]) -> Said | None:
    """All comments of an answer together; None where none was read."""
    read = [analysed[comment.id] for comment in answer.comments if comment.id in analysed]
    if not read:
        return None
    categories: dict[str, set[str]] = {}
    for each in read:
        for opinion in each.opinions:
            for label in opinion.labels:
                categories.setdefault(label.category, set()).add(opinion.polarity.value)
    tone = tone_of((each.polarity or NEUTRAL) for each in read)
    return Said(tone, {name: frozenset(found) for name, found in categories.items()})


def _readers(
    answers: Sequence[Answer], analysed: Mapping[str, Analysed], codebook: Codebook, about: About
) -> Readers:
    ids = [comment.id for answer in answers for comment in answer.comments]
    read = [analysed[each] for each in ids if each in analysed]
    review = sum(bool(each.review) for each in read)
    return Readers(
        about.engine,
        about.offline,
        codebook.name,
        str(codebook.version),
        len(read),
        len(ids) - len(read),
        review,
    )


def _tables(
    answers: Sequence[Answer],
    said: Sequence[Said | None],
    scored: Sequence[Scored],
    period: str,
    first: Sequence[str],
    minimum: int,
) -> tuple[tuple[Crosstab, ...], tuple[Crosstab, ...]]:
    """Every measure by every segment, and over time. The period is one more division, so that groups stay hidden."""
    parted: dict[str, list[str]] = divisions(answers)
    if any(answer.day for answer in answers):
        parted[_PERIOD] = periods(answers, period)
    measured: list[tuple[Scored, list[float | None]]] = [
        (each, [each.of(answer) for answer in answers])
        for each in (satisfied(each) if each.measure is Measure.CSAT else each for each in scored)
    ]
    if any(each is not None for each in said):
        measured.append((_share_of(Measure.NEGATIVE, ""), [_negative(each) for each in said]))
    measured += [
        (_share_of(Measure.CATEGORY, category), [speaks_badly(category, each) for each in said])
        for category in first[:_MOST_CATEGORIES]
    ]
    tabs: list[Crosstab] = []
    trends: list[Crosstab] = []
    topics = sum(each.measure is Measure.CATEGORY for each, _ in measured)
    for each, values in measured:
        beside = topics if each.measure is Measure.CATEGORY else len(measured) - topics
        for tab in crosstabs(each, values, parted, minimum=minimum, beside=beside):
            if tab.division != _PERIOD:
                tabs.append(tab)
            elif len(tab.rows) > 1:
                trends.append(
                    Crosstab("", tab.measure, tab.name, tab.low, tab.high, tab.rows, tab.comparisons)
                )
    return tuple(tabs), tuple(trends)


def _share_of(measure: Measure, name: str) -> Scored:
    return Scored(measure, name, 0.0, 1.0, lambda _: None)


def _negative(said: Said | None) -> float | None:
    return None if said is None else float(said.tone == Polarity.NEGATIVE)


def _categories(
    answers: Sequence[Answer],
    analysed: Mapping[str, Analysed],
    said: Sequence[Said | None],
    names: Mapping[str, str],
    minimum: int,
) -> tuple[CategoryLine, ...]:
    quotes = _quotes(answers, analysed)
    lines = []
    for category, name in names.items():
        count, of, found = category_tones(category, said, minimum=minimum)
        if of < minimum:
            continue
        shown = quotes.get(category, ()) if count >= minimum else ()
        lines.append(CategoryLine(category, name, share(count, of), count, found, tuple(shown)))
    return tuple(sorted(lines, key=lambda line: (-line.count, line.name)))


def _quotes(answers: Sequence[Answer], analysed: Mapping[str, Analysed]) -> dict[str, list[Quote]]:
    """By category, some opinions that it is surest of, of different comments and at a length that is read."""
    found: dict[tuple[str, Polarity], list[tuple[float, str, Quote]]] = {}
    for answer in answers:
        for comment in answer.comments:
            each = analysed.get(comment.id)
            for opinion in each.opinions if each else ():
                text = " ".join(opinion.quote.split())
                if not _SHORTEST_QUOTE <= len(text) <= _LONGEST_QUOTE:
                    continue
                quote = Quote(comment.id, text, opinion.polarity.value)
                for label in opinion.labels:
                    sure = label.confidence * opinion.confidence
                    key = (label.category, opinion.polarity)
                    found.setdefault(key, []).append((-sure, comment.id, quote))
    chosen: dict[str, list[Quote]] = {}
    for polarity, most in _QUOTES:
        for (category, tone), candidates in found.items():
            if tone is polarity:
                different: dict[str, Quote] = {}
                for _, _, quote in sorted(candidates, key=lambda one: one[:2]):
                    if all(quote.comment != other.comment for other in different.values()):
                        different.setdefault(quote.text.casefold(), quote)
                    if len(different) == most:
                        break
                chosen.setdefault(category, []).extend(different.values())
    return chosen
