"""What the learner of surveys comes to: for people, for machines, and the few figures that are quoted.

Each name of a headline figure is explained in docs/surveys-eval.md. Imports numpy: imported late.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from passerelle.evaluation.headline import rounded
from passerelle.evaluation.surveys_data import Kind
from passerelle.evaluation.surveys_figures import Figures, figures
from passerelle.evaluation.surveys_run import RANDOM, Curve, Run

VERSION = 1  # of the names and what they mean
_QUOTED = ("category", "sentiment", "pair")


def document(model: str, curves: Sequence[Curve]) -> Any:
    """Every measured comment with what was said of it after the most corrections, by the first seed."""
    return {
        "model": model,
        "sets": [
            {
                "name": curve.survey.name,
                "split": curve.survey.split,
                "comments": [
                    _comment(curve, place, curve.of(RANDOM, curve.sizes[-1])[0])
                    for place in range(len(curve.test))
                ],
            }
            for curve in curves
        ],
    }


def headline(
    model: str, sets: Mapping[str, Figures], seeds: Sequence[int], *, seconds: float, embedding: float
) -> Figures:
    """One flat object."""
    flat: Figures = {
        "version": VERSION,
        "model": model,
        "seeds": list(seeds),
        "seconds": round(seconds, 1),
        "embedding_seconds": round(embedding, 1),
    }
    for name, found in sets.items():
        flat |= {
            f"{name}_{figure}": rounded(value) if isinstance(value, float) else value
            for figure, value in found.items()
        }
    return flat


def measured(curves: Sequence[Curve]) -> dict[str, Figures]:
    """Figures of every set by its name."""
    return {curve.survey.name: figures(curve) for curve in curves}


def lines(curve: Curve, found: Figures) -> Iterator[str]:
    """A set's figures, for people."""
    survey, last = curve.survey, curve.sizes[-1]
    yield (
        f"{survey.name}: {len(curve.test):,} comments measured ({survey.split}), corrections from {curve.pool:,}; "
        f"{curve.dropped} left out that are nearly the same as a measured one"
    )
    for what in _QUOTED:
        if f"{what}_macro_f1" not in found:
            continue
        yield f"  {what}: micro-F1 / macro-F1 after so many corrections, mean of {len(curve.of(RANDOM, last))} seeds"
        yield "    " + "".join(f"{size:>13}" for size in curve.sizes)
        for policy in ("random", "queue"):
            names = [f"{what}_{policy}_{size}" for size in curve.sizes]
            cells = [_two(found, name) if f"{name}_macro_f1" in found else "" for name in names]
            if not any(cells):
                continue
            yield f"    {'':<2}" + "".join(f"{cell:>13}" for cell in cells) + f"  {policy}"
        if f"{what}_floor_macro_f1" in found:
            yield f"    majority {_two(found, f'{what}_majority')}, kNN floor {_two(found, f'{what}_floor')}"
        if f"{what}_over_floor" in found:
            yield (
                f"    over the floor {_gain(found, f'{what}_over_floor')}, over the best of several floors "
                f"({found[f'{what}_best_floor_macro_f1']:.3f}) {found[f'{what}_over_best_floor']:+.3f}, "
                f"over no corrections {_gain(found, f'{what}_over_nothing')}"
            )
        if f"{what}_ece" in found:
            yield (
                f"    calibration error {found[f'{what}_ece']:.3f}; of the surest half "
                f"{found[f'{what}_precision_half']:.1%} right"
            )
    if survey.kind is Kind.ASPECTS:
        yield (
            f"  exact quotes {found['quotes_exact']:.1%}; accepted without a person {found['auto_coverage']:.1%} of comments, "
            f"of their categories {found['auto_category_precision']:.1%} and of their polarities "
            f"{found['auto_sentiment_precision']:.1%} right"
        )
        yield (
            f"  with comments that no category is about: category {_two(found, 'open_category')}; of those that are said "
            f"to be outside of the codebook {found['open_outside_precision']:.1%} are, "
            f"{found['open_outside_recall']:.1%} of them found"
        )


def _two(found: Figures, name: str) -> str:
    return f"{found[f'{name}_micro_f1']:.3f}/{found[f'{name}_macro_f1']:.3f}"


def _gain(found: Figures, name: str) -> str:
    return f"{found[name]:+.3f} [{found[f'{name}_low']:+.3f}, {found[f'{name}_high']:+.3f}]"


def _comment(curve: Curve, place: int, run: Run) -> Figures:
    item, said = curve.test[place], run.said[place]
    return {
        "text": item.text,
        "right": {"categories": item.categories, "polarity": item.polarity},
        "polarity": said.polarity,
        "confidence": rounded(said.confidence),
        "review": said.review,
        "opinions": [
            {
                "quote": opinion.quote,
                "labels": {label.category: rounded(label.confidence) for label in opinion.labels},
                "polarity": opinion.polarity,
            }
            for opinion in said.opinions
        ],
    }
