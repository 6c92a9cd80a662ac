"""Teaches the learner of service with ever more corrections, and measures it on comments it never saw.

Corrections are comments of the part that is learned from, with what is right for them: drawn by chance, or in the order in
which the review queue would have asked for them. None is nearly the same as a comment that is measured. Imports numpy:
imported late.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from passerelle.domain.surveys import Analysed, Codebook, Correction, Polarity
from passerelle.evaluation.surveys_codebook import codebook
from passerelle.evaluation.surveys_data import Item, Kind, SurveySet
from passerelle.pipelines.surveys.analysing import analyse_divided, divide
from passerelle.pipelines.surveys.learning import Learned, first_lessons, learn
from passerelle.pipelines.surveys.learning_features import Read, read
from passerelle.text.words import Language

SIZES = (0, 10, 25, 50, 100, 200, 400)
QUEUE_SIZES = (0, 25, 100, 400)
FEW_SIZES = (0, 100, 400)  # of the sets that are there for comparison only
SEEDS = (0, 1, 2)
POOL_OF_FEW = 450  # comments of such a set that corrections are drawn from
NEARLY_THE_SAME = 0.95  # cosine
POLES = (Polarity.POSITIVE, Polarity.NEGATIVE, Polarity.NEUTRAL)
RANDOM, QUEUE, EVERYTHING = "random", "queue", "everything"

Said = tuple[Analysed, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What was said of every measured comment after so many corrections."""

    policy: str
    seed: int
    corrections: tuple[Item, ...]
    said: Said


@dataclass(frozen=True, slots=True)
class Curve:
    """A set and its runs. `test` are the comments that are measured; `dropped` were too near to one of them."""

    survey: SurveySet
    test: tuple[Item, ...]
    pool: int
    dropped: int
    runs: tuple[Run, ...]

    def of(self, policy: str, size: int) -> list[Run]:
        """The runs of all seeds. With nothing corrected every policy is the same."""
        return [run for run in self.runs if run.policy == policy and len(run.corrections) == size]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the corrections, rising."""
        return tuple(sorted({len(run.corrections) for run in self.runs if run.policy == RANDOM}))


def trimmed(survey: SurveySet) -> SurveySet:
    """A set for comparison gives a few comments only: vectors cost more than everything else."""
    if survey.kind is Kind.ASPECTS or len(survey.pool) <= POOL_OF_FEW:
        return survey
    pool = random.Random(0).sample(survey.pool, POOL_OF_FEW)  # noqa: S311 - a named seed is the point
    return SurveySet(survey.name, survey.language, survey.kind, survey.split, tuple(pool), survey.test)


def texts(survey: SurveySet) -> list[str]:
    """Everything that is read of a set, each once."""
    found = dict.fromkeys(lesson.text for lesson in first_lessons(_codebook(survey)))
    found |= dict.fromkeys(item.text for item in survey.pool)
    for item in survey.test:
        found |= dict.fromkeys((item.text, *divide(item.text).texts()))
    return list(found)


class Library:
    """Texts read once, whoever asks for them how often."""

    def __init__(self, vectors: Mapping[str, int], rows: Any) -> None:
        self._vectors, self._rows = vectors, rows
        self._place: dict[tuple[str, Language], int] = {}
        self._read: Read | None = None

    def __call__(self, texts: Sequence[str], languages: Sequence[Language]) -> Read:
        """As `learning.Reader`."""
        keys = list(zip(texts, languages, strict=True))
        new = list(dict.fromkeys(key for key in keys if key not in self._place))
        if new:
            fresh = read([text for text, _ in new], [language for _, language in new], self._embed)
            first = len(self._place)
            self._place |= {key: first + place for place, key in enumerate(new)}
            self._read = fresh if self._read is None else self._read.followed_by(fresh)
        if self._read is None:
            return read([], [], self._embed)
        return self._read.rows([self._place[key] for key in keys])

    def _embed(self, texts: Sequence[str]) -> Any:
        return self._rows[[self._vectors[text] for text in texts]]


def measure(survey: SurveySet, library: Library, *, seeds: Sequence[int] = SEEDS) -> Curve:
    """Every run of a set."""
    book = _codebook(survey)
    test = tuple(item for item in survey.test if item.text.strip())
    pool, dropped = _apart(survey, library)
    bench = _Bench(survey, book, test, library)
    whole = survey.kind is Kind.ASPECTS
    useful = [item for item in pool if item.pairs or (not whole and item.polarity)]
    sizes = [size for size in (SIZES if whole else FEW_SIZES) if size <= len(useful)]
    empty, said = bench.run(())
    runs = []
    for seed in seeds:
        order = useful.copy()
        random.Random(seed).shuffle(order)  # noqa: S311
        runs.append(Run(RANDOM, seed, (), said))
        runs += [Run(RANDOM, seed, tuple(order[:size]), bench.run(order[:size])[1]) for size in sizes[1:]]
        if whole:
            runs += _queued(
                bench, order, empty, said, [size for size in QUEUE_SIZES if size <= sizes[-1]], seed
            )
            every = pool.copy()
            random.Random(seed).shuffle(every)  # noqa: S311
            last = every[: sizes[-1]]
            runs.append(Run(EVERYTHING, seed, tuple(last), bench.run(last)[1]))
    return Curve(survey, test, len(useful), dropped, tuple(runs))


class _Bench:
    def __init__(self, survey: SurveySet, book: Codebook, test: tuple[Item, ...], library: Library) -> None:
        self._survey, self._book, self._library = survey, book, library
        self._comments = [divide(item.text) for item in test]

    def run(self, corrected: Sequence[Item]) -> tuple[Learned, Said]:
        learned = learn(self._book, [_correction(item, self._survey) for item in corrected], self._library)
        return learned, tuple(analyse_divided(self._comments, learned, self._library))

    def doubtful(self, learned: Learned, candidates: Sequence[Item], count: int) -> list[Item]:
        """The comments that a review queue asks for next: doubtful ones, that are not like each other."""
        languages = [self._survey.language] * len(candidates)
        seen = self._library([item.text for item in candidates], languages)
        doubt = np.asarray(
            [
                1 - min([one.confidence, *(label.confidence for label in one.labels)])
                for one in learned.say(seen)
            ]
        )
        nearest = np.zeros(len(candidates))
        chosen: list[int] = []
        for _ in range(min(count, len(candidates))):
            score = doubt * (1 - np.clip(nearest, 0, 1))
            score[chosen] = -1
            best = int(score.argmax())
            chosen.append(best)
            nearest = np.maximum(nearest, seen.meaning @ seen.meaning[best])
        return [candidates[place] for place in chosen]


def _queued(
    bench: _Bench, order: Sequence[Item], learned: Learned, said: Said, sizes: Sequence[int], seed: int
) -> list[Run]:
    """The queue has two comments to choose from for each it can ask about, so that seeds differ."""
    waiting = list(order[: 2 * sizes[-1]])
    corrected: list[Item] = []
    runs = [Run(QUEUE, seed, (), said)]
    for size in sizes[1:]:
        corrected += bench.doubtful(learned, waiting, size - len(corrected))
        asked = set(map(id, corrected))
        waiting = [item for item in waiting if id(item) not in asked]
        learned, said = bench.run(corrected)
        runs.append(Run(QUEUE, seed, tuple(corrected), said))
    return runs


def _apart(survey: SurveySet, library: Library) -> tuple[list[Item], int]:
    """The pool without what is nearly a comment that is measured."""
    pool, test = (
        library([item.text for item in items], [survey.language] * len(items)).meaning
        for items in (survey.pool, survey.test)
    )
    near = (pool @ test.T).max(axis=1) > NEARLY_THE_SAME
    return [item for item, same in zip(survey.pool, near, strict=True) if not same], int(near.sum())


def _correction(item: Item, survey: SurveySet) -> Correction:
    right = None if survey.kind is Kind.SENTIMENT else item.categories
    return Correction(item.text, survey.language, right=right, right_polarity=item.polarity)


def _codebook(survey: SurveySet) -> Codebook:
    return codebook(survey.name, survey.categories, survey.language)
