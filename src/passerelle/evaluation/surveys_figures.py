"""A set's figures by their names: F1 along the curve, beside what needs no learner, and whether confidence can be believed.

Categories are measured on comments that have some, polarity on comments that are positive, negative or neutral: what the
published floor was measured on. What is said of the others is measured apart (`open_`). Imports numpy: imported late.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from passerelle.domain.surveys import Analysed, Review
from passerelle.evaluation.surveys_data import Item, Kind
from passerelle.evaluation.surveys_floor import NEIGHBOURS, OTHER_NEIGHBOURS, Neighbours, of_categories
from passerelle.evaluation.surveys_run import EVERYTHING, POLES, QUEUE, RANDOM, Curve, Run
from passerelle.evaluation.surveys_scores import calibration_error, f1, gained

Figures = dict[str, Any]
Sets = list[Collection[str]]
Near = dict[int, list[Neighbours]]
_ANCHORS = (25, 100, 400)


@dataclass(frozen=True, slots=True)
class _Task:
    """One question asked of every comment: who is measured, what is right, what was said."""

    name: str
    counts: Callable[[Item], bool]
    right: Callable[[Item], Collection[str]]
    said: Callable[[Analysed], Collection[str]]
    votes: Callable[[Item], Sequence[str]]  # of a corrected comment, for the floor


def _categories(said: Analysed) -> Collection[str]:
    return {label.category for label in said.labels}


def _polarity(item: Item) -> tuple[str, ...]:
    return (str(item.polarity),) if item.polarity in POLES else ()


def _pairs(item: Item) -> tuple[str, ...]:
    return tuple(f"{category} {polarity}" for category, polarity in item.pairs if polarity is not None)


CATEGORY = _Task(
    "category", lambda item: bool(item.pairs), lambda item: set(item.categories), _categories, of_categories
)
SENTIMENT = _Task(
    "sentiment",
    lambda item: item.polarity in POLES,
    lambda item: set(_polarity(item)),
    lambda said: {str(said.polarity)},
    _polarity,
)
PAIR = _Task(
    "pair",
    lambda item: bool(_pairs(item)),
    lambda item: set(_pairs(item)),
    lambda said: {
        f"{label.category} {opinion.polarity}" for opinion in said.opinions for label in opinion.labels
    },
    _pairs,
)
_TASKS = {Kind.ASPECTS: (CATEGORY, SENTIMENT, PAIR), Kind.SENTIMENT: (SENTIMENT,), Kind.CATEGORY: (CATEGORY,)}


def figures(curve: Curve) -> Figures:
    """All of them."""
    found: Figures = {
        "comments": len(curve.test),
        "split": curve.survey.split,
        "corrections": curve.sizes[-1],
        "near_duplicates_left_out": curve.dropped,
    }
    near = _near(curve)
    for task in _TASKS[curve.survey.kind]:
        found |= _task(curve, task, near)
    last = curve.of(RANDOM, curve.sizes[-1])
    if curve.survey.kind is Kind.ASPECTS:
        found |= _quotes(last) | _accepted(curve, last) | _open(curve)
    return found


def _task(curve: Curve, task: _Task, near: Near) -> Figures:
    """Under the task's name: along the curve, at its end, the floors, the gains."""
    at = [place for place, item in enumerate(curve.test) if task.counts(item)]
    right: Sets = [task.right(curve.test[place]) for place in at]
    name, last = task.name, curve.sizes[-1]

    def sets(run: Run) -> Sets:
        return [task.said(run.said[place]) for place in at]

    found: Figures = {f"{name}_comments": len(at)}
    for policy in (RANDOM, QUEUE):
        for size in curve.sizes:
            if runs := curve.of(policy, size):
                found |= _mean(f"{name}_{policy}_{size}", [f1(sets(run), right) for run in runs])
    ends, begins = curve.of(RANDOM, last), curve.of(RANDOM, 0)
    found |= {f"{name}_{end}": found[f"{name}_{RANDOM}_{last}_{end}"] for end in ("micro_f1", "macro_f1")}
    found |= _floors(curve, task, at, right, near)
    ours = [sets(run) for run in ends]
    found |= _gain(f"{name}_over_nothing", ours, [sets(run) for run in begins], right)
    for size in curve.sizes[1:-1]:
        some = curve.of(RANDOM, size)
        found |= _gain(
            f"{name}_random_{size}_over_nothing",
            [sets(run) for run in some],
            [sets(run) for run in begins],
            right,
        )
    if queued := curve.of(QUEUE, last):
        found |= _gain(
            f"{name}_queue_over_nothing", [sets(run) for run in queued], [sets(run) for run in begins], right
        )
    found[f"{name}_over_best_floor"] = found[f"{name}_macro_f1"] - found[f"{name}_best_floor_macro_f1"]
    if task is not PAIR:
        found |= _calibrated(curve, task, at, ends)
    return found


def _floors(curve: Curve, task: _Task, at: Sequence[int], right: Sets, near: Near) -> Figures:
    """The majority, and votes of the same corrections."""
    name, last = task.name, curve.sizes[-1]
    texts = [curve.test[place].text for place in at]

    def votes(size: int, k: int) -> list[Sets]:
        return [[{label} for label in one.vote(texts, task.votes, k)] for one in near[size]]

    def scored(several: Sequence[Sets]) -> list[tuple[float, float]]:
        return [f1(said, right) for said in several]

    found: Figures = {}
    for size in near:
        found |= _mean(f"{name}_floor_{size}", scored(votes(size, NEIGHBOURS)))
    floor = votes(last, NEIGHBOURS)
    every = [scored(floor), *(scored(votes(last, k)) for k in OTHER_NEIGHBOURS)]
    found |= _mean(f"{name}_floor", every[0])
    found |= _mean(f"{name}_best_floor", max(every, key=lambda one: fmean(macro for _, macro in one)))
    found |= _mean(f"{name}_majority", scored([[{one.majority(task.votes)}] * len(at) for one in near[last]]))
    ours: list[Sets] = [[task.said(run.said[place]) for place in at] for run in curve.of(RANDOM, last)]
    return found | _gain(f"{name}_over_floor", ours, floor, right)


def _near(curve: Curve) -> Near:
    """By how many corrections and by seed; one search serves every question."""
    texts = [item.text for item in curve.test]
    sizes = sorted({*(size for size in _ANCHORS if size in curve.sizes), curve.sizes[-1]})
    return {
        size: [Neighbours(run.corrections, curve.survey.language, texts) for run in curve.of(RANDOM, size)]
        for size in sizes
    }


def _calibrated(curve: Curve, task: _Task, at: Sequence[int], runs: Sequence[Run]) -> Figures:
    """Of every label, or of every polarity: is it as often right as it says?"""
    pairs: list[tuple[float, bool]] = []
    for run in runs:
        for place in at:
            said, item = run.said[place], curve.test[place]
            if task is SENTIMENT:
                pairs.append((said.confidence, said.polarity == item.polarity))
            else:
                pairs += [(label.confidence, label.category in item.categories) for label in said.labels]
    pairs.sort(key=lambda pair: -pair[0])
    half = pairs[: max(1, len(pairs) // 2)]
    return {
        f"{task.name}_ece": calibration_error([sure for sure, _ in pairs], [right for _, right in pairs]),
        f"{task.name}_precision_half": fmean(right for _, right in half) if half else 0.0,
    }


def _quotes(runs: Sequence[Run]) -> Figures:
    quotes = [
        (opinion.quote, said.comment, opinion.start, opinion.end)
        for run in runs
        for said in run.said
        for opinion in said.opinions
    ]
    exact = [bool(quote) and comment[start:end] == quote for quote, comment, start, end in quotes]
    return {"quotes": len(quotes), "quotes_exact": fmean(exact) if exact else 0.0}


def _accepted(curve: Curve, runs: Sequence[Run]) -> Figures:
    """Comments that nobody is asked about."""
    whole = [(said, item) for run in runs for said, item in zip(run.said, curve.test, strict=True)]
    accepted = [(said, item) for said, item in whole if not said.review]
    labels = [
        label.category in item.categories for said, item in accepted if item.pairs for label in said.labels
    ]
    poles = [said.polarity == item.polarity for said, item in accepted if item.polarity in POLES]
    return {
        "auto_coverage": len(accepted) / max(1, len(whole)),
        "auto_category_precision": fmean(labels) if labels else 0.0,
        "auto_sentiment_precision": fmean(poles) if poles else 0.0,
    }


def _open(curve: Curve) -> Figures:
    """Everything is measured, and corrections are drawn from everything: comments that no category is about, too."""
    runs = [run for run in curve.runs if run.policy == EVERYTHING]
    right: Sets = [set(item.categories) for item in curve.test]
    found = _mean("open_category", [f1([_categories(said) for said in run.said], right) for run in runs])
    outside = [
        (Review.OUT_OF_CODEBOOK in said.review, not item.pairs)
        for run in runs
        for said, item in zip(run.said, curve.test, strict=True)
    ]
    both = sum(said and true for said, true in outside)
    return found | {
        "open_outside_precision": both / max(1, sum(said for said, _ in outside)),
        "open_outside_recall": both / max(1, sum(true for _, true in outside)),
    }


def _mean(name: str, several: Sequence[tuple[float, float]]) -> Figures:
    return {
        f"{name}_micro_f1": fmean(micro for micro, _ in several),
        f"{name}_macro_f1": fmean(macro for _, macro in several),
    }


def _gain(name: str, ways: Sequence[Sets], over: Sequence[Sets], right: Sets) -> Figures:
    gain = gained(ways, over, right)
    return {name: gain.mean, f"{name}_low": gain.low, f"{name}_high": gain.high}
