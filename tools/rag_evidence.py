"""Make the weights and cut points of `pipelines/rag/evidence.py` again, and say how well they hold where they were not fitted.

    python tools/rag_evidence.py FOLDER

FOLDER holds test sets as `passerelle rag eval` reads them. Each question is searched for by words twice: with its passage,
and with that passage deleted. The weights are a logistic regression of whether the first passage that is found is right
(it is the question's, or holds an answer), all languages together. Cross-validation leaves out whole articles (titles),
ten folds, several seeds. A cut point refuses a given share of the questions that have an answer.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from passerelle.domain.rag import Found
from passerelle.domain.retrieval import Mode
from passerelle.evaluation.rag_data import TestSet, read
from passerelle.evaluation.rag_run import Bench
from passerelle.evaluation.rag_scores import holds
from passerelle.pipelines.rag.evidence_signs import signs
from passerelle.retrieval.embedded import Embedded

_FOLDS, _SEEDS, _RIDGE, _STEPS = 10, 8, 3.0, 30
_SHARES = (0.01, 0.02, 0.05, 0.06, 0.07, 0.08, 0.09, 0.10)  # of questions with an answer
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """A question with or without its passage: a row of signs for each passage that is found, and which are right."""

    language: str
    article: str
    there: bool
    rows: Numbers
    right: tuple[bool, ...]


async def gathered(test: TestSet) -> list[Case]:
    """Both cases of every question."""
    titles = {chunk.id: chunk.title for chunk in test.passages}
    with tempfile.TemporaryDirectory() as folder:
        store = Embedded(Path(folder))
        none = np.zeros((max(len(test.passages), len(test.questions)), 1), np.float32)
        bench = Bench(
            store, test, passages=none[: len(test.passages)] + 1, questions=none[: len(test.questions)]
        )
        try:
            await bench.fill()
            cases = []
            for asked in test.questions:
                for there in (True, False):
                    found = await (bench.found if there else bench.without)(asked, Mode.TEXT)
                    right = tuple(
                        one.chunk.id == asked.passage or holds(one.chunk.text, asked.answers, test.language)
                        for one in found
                    )
                    article = f"{test.name} {titles[asked.passage]}"
                    cases.append(Case(test.language, article, there, _rows(asked.text, found), right))
            return cases
        finally:
            await store.aclose()


def _rows(question: str, found: Sequence[Found]) -> Numbers:
    return np.array([(1.0, *seen.row) for seen in signs(question, found)]).reshape(len(found), -1)


def fitted(cases: Sequence[Case]) -> Numbers:
    """Weights, the constant first: logistic regression with a ridge, by Newton's method."""
    kept = [case for case in cases if case.right]
    rows, right = np.array([case.rows[0] for case in kept]), np.array([float(case.right[0]) for case in kept])
    ridge = np.diag([1e-6, *[_RIDGE] * (rows.shape[1] - 1)])
    weights: Numbers = np.zeros(rows.shape[1])
    for _ in range(_STEPS):
        share = 1 / (1 + np.exp(-rows @ weights))
        slope = rows.T @ (share - right) + ridge @ weights
        weights = weights - np.linalg.solve((rows * (share * (1 - share))[:, None]).T @ rows + ridge, slope)
    return weights


def judged(case: Case, weights: Numbers) -> tuple[float, bool]:
    """The best relevance of a case, and whether that passage is right."""
    if not case.right:
        return 0.0, False
    relevance = 1 / (1 + np.exp(-case.rows @ weights))
    best = int(np.argmax(relevance))
    return float(relevance[best]), case.right[best]


def validated(cases: Sequence[Case], seed: int) -> list[tuple[float, bool]]:
    """Each case judged by weights that were fitted on other articles."""
    articles = sorted({case.article for case in cases})
    random.Random(seed).shuffle(articles)  # noqa: S311 - a named seed is the point
    fold = {article: place % _FOLDS for place, article in enumerate(articles)}
    weights = [fitted([case for case in cases if fold[case.article] != part]) for part in range(_FOLDS)]
    return [judged(case, weights[fold[case.article]]) for case in cases]


def main(folder: Path) -> None:
    """Print the weights, and for each language what each cut point would do."""
    cases = [case for test in read(folder) for case in asyncio.run(gathered(test))]
    weights = fitted(cases)
    click.echo(f"START {weights[0]:.3f} WEIGHTS {[round(float(weight), 3) for weight in weights[1:]]}")
    runs = [validated(cases, seed) for seed in range(_SEEDS)]
    for language in sorted({case.language for case in cases}):
        click.echo(
            f"{language}  refused though answered | cut point | refused, no answer | cited passages right"
        )
        for share in _SHARES:
            found: list[list[float]] = []
            for run in runs:
                mine = [
                    (case, *one) for case, one in zip(cases, run, strict=True) if case.language == language
                ]
                cut = float(np.quantile([best for case, best, _ in mine if case.there], share))
                refused = np.mean([best < cut for case, best, _ in mine if not case.there])
                right = np.mean([right for case, best, right in mine if case.there and best >= cut])
                found.append([cut, float(refused), float(right)])
            means = "  ".join(f"{value:.3f}" for value in np.mean(found, axis=0))
            click.echo(f"  {share:.0%}  {means}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
